//! Ed25519 verification in little code: an eighth of the size of the usual library, a tenth of its
//! speed. It only verifies. Everything it works on is public, so it does not hide how long it takes.
//!
//! It accepts exactly what `Ed25519Dalek` accepts: RFC 8032 without cofactor, and in addition no
//! key and no point R of small order, and no second encoding of anything. Why it exists, and what it
//! was measured against: `docs/decisions/0005-small-verifier.md`.
//!
//! Numbers are eight words of 32 bits, least significant first. Field elements are kept below
//! 2^256, not below the modulus p; 2^256 is 38 modulo p. All loops have a fixed number of turns.

use crate::hash::fips180::sha512;
use crate::key::{SignatureRejected, SignatureVerifier};

/// The modulus of the field, 2^255 - 19.
const P: Words = Words([
    0xffff_ffed,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0xffff_ffff,
    0x7fff_ffff,
]);
/// The order of the base point.
const ORDER: Words = Words([
    0x5cf5_d3ed,
    0x5812_631a,
    0xa2f7_9cd6,
    0x14de_f9de,
    0,
    0,
    0,
    0x1000_0000,
]);
/// The constant d of the curve, -121665/121666.
const D: Words = Words([
    0x1359_78a3,
    0x75eb_4dca,
    0x4141_d8ab,
    0x0070_0a4d,
    0x7779_e898,
    0x8cc7_4079,
    0x2b6f_fe73,
    0x5203_6cee,
]);
/// A square root of -1.
const ROOT_OF_MINUS_ONE: Words = Words([
    0x4a0e_a0b0,
    0xc4ee_1b27,
    0xad2f_e478,
    0x2f43_1806,
    0x3dfb_d7a7,
    0x2b4d_0099,
    0x4fc1_df0b,
    0x2b83_2480,
]);

/// A number below 2^256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words([u32; 8]);

const ZERO: Words = Words([0; 8]);

/// The lower half; a cast would say the same, but not that the rest is meant to be lost.
const fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

impl Words {
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut words = ZERO;
        let (chunks, _) = bytes.as_chunks::<4>();
        for (word, chunk) in words.0.iter_mut().zip(chunks) {
            *word = u32::from_le_bytes(*chunk);
        }
        words
    }

    #[inline(never)]
    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (chunks, _) = bytes.as_chunks_mut::<4>();
        for (chunk, word) in chunks.iter_mut().zip(&self.0) {
            *chunk = word.to_le_bytes();
        }
        bytes
    }

    /// Bit `index`, 0 to 255.
    fn bit(&self, index: u32) -> bool {
        let word = self.0.get((index / 32) as usize);
        word.is_some_and(|word| word & (1 << (index % 32)) != 0)
    }

    /// Subtracts `modulus` if that does not go below zero; says whether it did.
    #[inline(never)]
    fn reduce(&mut self, modulus: &Self) -> bool {
        let mut difference = ZERO;
        let mut keep = 1_u64;
        for ((to, left), right) in difference.0.iter_mut().zip(&self.0).zip(&modulus.0) {
            keep = keep
                .wrapping_add(u64::from(*left))
                .wrapping_add(u64::from(!*right));
            *to = low(keep);
            keep >>= 32;
        }
        if keep != 0 {
            *self = difference;
        }
        keep != 0
    }

    /// Makes a field element its only representative below p.
    #[inline(never)]
    fn make_canonical(&mut self) {
        // Below 2^256, which is 2p + 38.
        self.reduce(&P);
        self.reduce(&P);
    }

    /// Adds `carry` times 2^256 to a field element.
    fn fold(&mut self, mut carry: i64) {
        // The second turn is for the rare case that the first one overflows again, by one.
        for _ in 0..2 {
            carry = carry.wrapping_mul(38);
            for word in &mut self.0 {
                carry = carry.wrapping_add(i64::from(*word));
                *word = low(carry.cast_unsigned());
                carry >>= 32;
            }
        }
    }

    /// Adds `sign` times another field element.
    #[inline(never)]
    fn sum(&self, other: &Self, sign: i64) -> Self {
        let mut result = ZERO;
        let mut carry = 0_i64;
        for ((to, left), right) in result.0.iter_mut().zip(&self.0).zip(&other.0) {
            carry = carry
                .wrapping_add(i64::from(*left))
                .wrapping_add(sign.wrapping_mul(i64::from(*right)));
            *to = low(carry.cast_unsigned());
            carry >>= 32;
        }
        result.fold(carry);
        result
    }

    /// Multiplies two field elements.
    #[inline(never)]
    fn times(&self, other: &Self) -> Self {
        let mut wide = [0_u32; 16];
        for (row, left) in self.0.iter().enumerate() {
            let Some([row @ .., last]) = wide.get_mut(row..).and_then(<[_]>::first_chunk_mut::<9>)
            else {
                continue;
            };
            let mut carry = 0_u64;
            for (right, to) in other.0.iter().zip(row) {
                carry = carry
                    .wrapping_add(u64::from(*left).wrapping_mul(u64::from(*right)))
                    .wrapping_add(u64::from(*to));
                *to = low(carry);
                carry >>= 32;
            }
            *last = low(carry);
        }
        let mut result = ZERO;
        let mut carry = 0_i64;
        let (lower, upper) = wide.split_at(8);
        for ((to, lower), upper) in result.0.iter_mut().zip(lower).zip(upper) {
            carry = carry
                .wrapping_add(i64::from(*lower))
                .wrapping_add(i64::from(*upper).wrapping_mul(38));
            *to = low(carry.cast_unsigned());
            carry >>= 32;
        }
        result.fold(carry);
        result
    }
}

/// A place of the calculator.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Place {
    // A point in extended coordinates: x = X/Z, y = Y/Z, XY = ZT.
    X,
    Y,
    Z,
    T,
    // The point that is added to it.
    OtherX,
    OtherY,
    OtherZ,
    OtherT,
    // What is worked out on the way.
    A,
    B,
    C,
    E,
    F,
    // Constants.
    D,
    One,
    Root,
}
use Place::{A, B, C, E, F, One, OtherT, OtherX, OtherY, OtherZ, Root, T, X, Y, Z};

#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Operation {
    Plus,
    Minus,
    Times,
}
use Operation::{Minus, Plus, Times};

/// Puts the result of an operation on two places into the first one.
type Step = (Place, Place, Operation, Place);

/// Adds any two points, equal ones included (Hisil, Wong, Carter, Dawson 2008, section 3.1; C and B
/// become their G and H).
const ADD: &[Step] = &[
    (A, Y, Minus, X),
    (B, OtherY, Minus, OtherX),
    (A, A, Times, B),
    (B, Y, Plus, X),
    (C, OtherY, Plus, OtherX),
    (B, B, Times, C),
    (C, T, Times, OtherT),
    (C, C, Times, Place::D),
    (C, C, Plus, C),
    (Z, Z, Times, OtherZ),
    (Z, Z, Plus, Z),
    (E, B, Minus, A),
    (F, Z, Minus, C),
    (C, Z, Plus, C),
    (B, B, Plus, A),
    (X, E, Times, F),
    (Y, C, Times, B),
    (Z, F, Times, C),
    (T, E, Times, B),
];

/// Begins to work out x from y: x^2 = u/v, and the candidate is u v^3 (u v^7)^((p - 5)/8) (RFC 8032,
/// section 5.1.3). A becomes u, B v, E u v^3, F u v^7.
const BEGIN_ROOT: &[Step] = &[
    (A, Y, Times, Y),
    (B, A, Times, Place::D),
    (A, A, Minus, One),
    (B, B, Plus, One),
    (C, B, Times, B),
    (C, C, Times, B),
    (E, A, Times, C),
    (F, E, Times, C),
    (F, F, Times, B),
];

/// With the power in F: X becomes the candidate, which is right if F becomes zero; B another one,
/// which is right if C becomes zero.
const END_ROOT: &[Step] = &[
    (X, E, Times, F),
    (F, X, Times, X),
    (F, F, Times, B),
    (C, F, Plus, A),
    (F, F, Minus, A),
    (B, X, Times, Root),
];

/// X and Y become x and y if Z has become 1/Z.
const AFFINE: &[Step] = &[(Y, Y, Times, Z), (X, X, Times, Z)];

/// X, Y, Z, T.
type Point = [Words; 4];

/// Field elements, and what is done with them. A step in a list is 4 bytes, a call with three
/// references is 14.
struct Calculator([Words; 16]);

impl Calculator {
    fn new() -> Self {
        let mut places = [ZERO; 16];
        let [.., d, one, root] = &mut places;
        (*d, *root) = (D, ROOT_OF_MINUS_ONE);
        one.0[0] = 1;
        Self(places)
    }

    fn get(&self, place: Place) -> &Words {
        self.0.get(place as usize).unwrap_or(&ZERO)
    }

    #[inline(never)]
    fn set(&mut self, place: Place, value: &Words) {
        if let Some(to) = self.0.get_mut(place as usize) {
            *to = *value;
        }
    }

    /// Whether the field element is zero, and whether its only representative is odd.
    #[inline(never)]
    fn is_zero_or_odd(&mut self, place: Place) -> (bool, bool) {
        let mut value = *self.get(place);
        value.make_canonical();
        (value == ZERO, value.bit(0))
    }

    #[inline(never)]
    fn run(&mut self, steps: &[Step]) {
        for &(to, left, operation, right) in steps {
            let (left, right) = (self.get(left), self.get(right));
            let result = match operation {
                Plus => left.sum(right, 1),
                Minus => left.sum(right, -1),
                Times => left.times(right),
            };
            self.set(to, &result);
        }
    }

    /// Raises a field element to the power of 2^`bits` - 1 - `without`.
    #[inline(never)]
    fn raise(&mut self, place: Place, bits: u32, without: u32) {
        let base = *self.get(place);
        let mut result = *self.get(One);
        for bit in (0..bits).rev() {
            result = result.times(&result);
            if without.checked_shr(bit).unwrap_or(0) & 1 == 0 {
                result = result.times(&base);
            }
        }
        self.set(place, &result);
    }

    #[inline(never)]
    fn point(&self) -> Point {
        self.0.first_chunk().copied().unwrap_or([ZERO; 4])
    }

    /// Puts the neutral point there.
    #[inline(never)]
    fn reset(&mut self) {
        self.set_point(&[ZERO; 4]);
        self.run(&[(Y, X, Plus, One), (Z, X, Plus, One)]);
    }

    fn set_point(&mut self, point: &Point) {
        if let Some(place) = self.0.first_chunk_mut() {
            *place = *point;
        }
    }

    /// Adds a point to the one that stands there.
    #[inline(never)]
    fn add(&mut self, point: &Point) {
        let (points, _) = self.0.as_chunks_mut();
        if let [_, other, ..] = points {
            *other = *point;
        }
        self.run(ADD);
    }

    #[inline(never)]
    fn double(&mut self) {
        self.add(&self.point());
    }

    /// The point with this encoding: y, and in the highest bit whether x is odd. `None` if y is not
    /// below p, or if there is no such point. (x = 0 is taken as even and as odd; such a point is of
    /// small order, so nobody accepts it.)
    #[inline(never)]
    fn decode(&mut self, bytes: &[u8; 32]) -> Option<Point> {
        let mut y = Words::from_bytes(bytes);
        let odd = y.bit(255);
        if let Some(highest) = y.0.last_mut() {
            *highest &= 0x7fff_ffff;
        }
        self.reset();
        self.set(Y, &y);
        if y.reduce(&P) {
            return None;
        }
        self.run(BEGIN_ROOT);
        self.raise(F, 252, 2);
        self.run(END_ROOT);
        if !self.is_zero_or_odd(F).0 {
            if !self.is_zero_or_odd(C).0 {
                return None;
            }
            // T is still zero.
            self.run(&[(X, B, Plus, T)]);
        }
        if self.is_zero_or_odd(X).1 != odd {
            self.run(&[(X, T, Minus, X)]);
        }
        self.run(&[(T, X, Times, Y)]);
        Some(self.point())
    }

    /// The encoding of the point that stands there. Its Z and T are lost.
    fn encode(&mut self) -> [u8; 32] {
        self.raise(Z, 255, 20);
        self.run(AFFINE);
        let odd = self.is_zero_or_odd(X).1;
        let mut words = *self.get(Y);
        words.make_canonical();
        if let Some(highest) = words.0.last_mut() {
            *highest |= u32::from(odd) << 31;
        }
        words.to_bytes()
    }

    #[inline(never)]
    fn is_of_small_order(&mut self, point: &Point) -> bool {
        self.set_point(point);
        for _ in 0..3 {
            self.double();
        }
        // Of the points whose order is a power of two, eight times each is the neutral one; no
        // other multiple of eight has x = 0.
        self.is_zero_or_odd(X).0
    }

    /// `s` times the base point plus `k` times `point`.
    fn combine(&mut self, s: &Words, k: &Words, point: &Point) -> Option<()> {
        // The base point has y = 4/5 and an even x.
        let mut encoded = [0x66; 32];
        encoded[0] = 0x58;
        let base = self.decode(&encoded)?;
        self.add(point);
        let both = self.point();
        self.reset();
        for bit in (0..256).rev() {
            self.double();
            let chosen = match (s.bit(bit), k.bit(bit)) {
                (false, false) => continue,
                (true, false) => &base,
                (false, true) => point,
                (true, true) => &both,
            };
            self.add(chosen);
        }
        Some(())
    }
}

/// A number of 512 bits modulo the order, taken in bit by bit.
fn modulo_order(bytes: &[u8; 64]) -> Words {
    let mut rest = ZERO;
    for byte in bytes.iter().rev() {
        for bit in (0..8).rev() {
            // Below 2^254, because the order is below 2^253.
            let mut carry = u32::from(byte >> bit & 1);
            for word in &mut rest.0 {
                (*word, carry) = (*word << 1 | carry, *word >> 31);
            }
            rest.reduce(&ORDER);
        }
    }
    rest
}

/// The small verifier; needs no other crate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ed25519Small;

impl SignatureVerifier for Ed25519Small {
    #[inline(never)]
    fn check(
        &self,
        public: &[u8; 32],
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureRejected> {
        verify(public, message, signature).ok_or(SignatureRejected)
    }
}

fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<()> {
    let (r, rest) = signature.split_first_chunk::<32>()?;
    let s = Words::from_bytes(rest.first_chunk()?);
    let mut below_order = s;
    if below_order.reduce(&ORDER) {
        return None;
    }
    // With the other sign of x this is the negative of the key.
    let mut negative = *public;
    *negative.last_mut()? ^= 0x80;
    let mut calculator = Calculator::new();
    let point = calculator.decode(&negative)?;
    let k = modulo_order(&sha512([r, public, message]));
    calculator.combine(&s, &k, &point)?;
    let expected = calculator.point();
    let good = calculator.encode() == *r
        && !calculator.is_of_small_order(&expected)
        && !calculator.is_of_small_order(&point);
    good.then_some(())
}

#[cfg(test)]
mod tests;
