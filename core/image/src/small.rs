//! Ed25519 verification in little code: an eighth of the size of the usual library, a tenth of its
//! speed. It only verifies. Everything it works on is public, so it does not hide how long it takes.
//!
//! It accepts exactly what `Ed25519Dalek` accepts: RFC 8032 without cofactor, and in addition no
//! key and no point R of small order, and no second encoding of anything. Why it exists, and what it
//! was measured against: `docs/decisions/0005-small-verifier.md`.
//!
//! Numbers are eight words of 32 bits, least significant first. Field elements are kept below
//! 2^256, not below the modulus p; 2^256 is 38 modulo p. All loops have a fixed number of turns.

use crate::hash::fips180::Hasher;
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
/// The constant d of the curve, -121665/121666, and a square root of -1.
const CONSTANTS: [Words; 2] = [
    Words([
        0x1359_78a3,
        0x75eb_4dca,
        0x4141_d8ab,
        0x0070_0a4d,
        0x7779_e898,
        0x8cc7_4079,
        0x2b6f_fe73,
        0x5203_6cee,
    ]),
    Words([
        0x4a0e_a0b0,
        0xc4ee_1b27,
        0xad2f_e478,
        0x2f43_1806,
        0x3dfb_d7a7,
        0x2b4d_0099,
        0x4fc1_df0b,
        0x2b83_2480,
    ]),
];

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
    #[inline(never)]
    fn fill(&mut self, bytes: &[u8; 32]) {
        let (chunks, _) = bytes.as_chunks::<4>();
        for (word, chunk) in self.0.iter_mut().zip(chunks) {
            *word = u32::from_le_bytes(*chunk);
        }
    }

    /// Adds `factor` times another number, and `carry`, both of a few digits only; returns what is
    /// carried beyond 2^256.
    #[inline(never)]
    fn add(&mut self, other: &Self, factor: i32, carry: i32) -> i32 {
        let mut carry = i64::from(carry);
        for (to, other) in self.0.iter_mut().zip(&other.0) {
            carry = carry
                .wrapping_add(i64::from(*to))
                .wrapping_add(i64::from(factor).wrapping_mul(i64::from(*other)));
            *to = low(carry.cast_unsigned());
            carry >>= 32;
        }
        low(carry.cast_unsigned()).cast_signed()
    }

    /// Doubles a number and adds `bit`; returns the bit that is lost.
    #[inline(never)]
    fn shift(&mut self, mut bit: u32) -> u32 {
        for word in &mut self.0 {
            (*word, bit) = (*word << 1 | bit, *word >> 31);
        }
        bit
    }

    /// Subtracts `modulus` if that does not go below zero; says whether it did.
    #[inline(never)]
    fn reduce(&mut self, modulus: &Self) -> bool {
        let below = self.add(modulus, -1, 0) != 0;
        if below {
            self.add(modulus, 1, 0);
        }
        !below
    }

    /// Adds `factor` times a field element to another one.
    #[inline(never)]
    fn add_element(&mut self, other: &Self, mut factor: i32) {
        let mut carry = 0_i32;
        // The third turn is for the rare case that the second one overflows again, by one.
        for _ in 0..3 {
            carry = self.add(other, factor, carry.wrapping_mul(38));
            factor = 0;
        }
    }

    /// Multiplies a field element by another one.
    #[inline(never)]
    fn multiply(&mut self, other: &Self) {
        let mut upper = ZERO;
        for lower in &mut self.0 {
            // Each row moves the sum down by a word. So the lower half of the product takes the places
            // of the words that are done with.
            let left = u64::from(*lower);
            let mut place = lower;
            let mut carry = 0_u64;
            for (right, to) in other.0.iter().zip(&mut upper.0) {
                carry = carry
                    .wrapping_add(left.wrapping_mul(u64::from(*right)))
                    .wrapping_add(u64::from(*to));
                *place = low(carry);
                carry >>= 32;
                place = to;
            }
            *place = low(carry);
        }
        self.add_element(&upper, 38);
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
    One,
    D,
    Root,
}
use Place::{A, B, C, E, F, One, OtherT, OtherX, OtherY, OtherZ, Root, T, X, Y, Z};

#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Operation {
    Times,
    Plus,
    Minus,
}
use Operation::{Minus, Plus, Times};

/// Puts the result of an operation on two places into a third one. Each of the four is four bits.
#[derive(Debug, Clone, Copy)]
struct Step(u16);

const fn step(to: Place, left: Place, operation: Operation, right: Place) -> Step {
    Step(u16::from_le_bytes([
        (left as u8) << 4 | to as u8,
        (operation as u8) << 4 | right as u8,
    ]))
}

/// Adds any two points, equal ones included (Hisil, Wong, Carter, Dawson 2008, section 3.1; C and B
/// become their G and H).
const ADD: &[Step] = &[
    step(A, Y, Minus, X),
    step(B, OtherY, Minus, OtherX),
    step(A, A, Times, B),
    step(B, Y, Plus, X),
    step(C, OtherY, Plus, OtherX),
    step(B, B, Times, C),
    step(C, T, Times, OtherT),
    step(C, C, Times, Place::D),
    step(C, C, Plus, C),
    step(Z, Z, Times, OtherZ),
    step(Z, Z, Plus, Z),
    step(E, B, Minus, A),
    step(F, Z, Minus, C),
    step(C, Z, Plus, C),
    step(B, B, Plus, A),
    step(X, E, Times, F),
    step(Y, C, Times, B),
    step(Z, F, Times, C),
    step(T, E, Times, B),
];

/// Begins to work out x from y: x^2 = u/v, and the candidate is u v^3 (u v^7)^((p - 5)/8) (RFC 8032,
/// section 5.1.3). A becomes u, B v, E u v^3, F u v^7.
const BEGIN_ROOT: &[Step] = &[
    step(A, Y, Times, Y),
    step(B, A, Times, Place::D),
    step(A, A, Minus, One),
    step(B, B, Plus, One),
    step(C, B, Times, B),
    step(C, C, Times, B),
    step(E, A, Times, C),
    step(F, E, Times, C),
    step(F, F, Times, B),
];

/// With the power: X becomes the candidate, which is right if F becomes zero; times the root of -1 it
/// is right if C becomes zero.
const END_ROOT: &[Step] = &[
    step(X, E, Times, POWER),
    step(F, X, Times, X),
    step(F, F, Times, B),
    step(C, F, Plus, A),
    step(F, F, Minus, A),
];

/// The neutral point.
const RESET: &[Step] = &[
    step(X, One, Minus, One),
    step(Y, One, Times, One),
    step(Z, One, Times, One),
    step(T, One, Minus, One),
];

/// Where a power of F is worked out: no point is being added meanwhile.
const POWER: Place = OtherX;

// Points by their numbers: what is worked out, what is added to it, and those that are kept.
const SUM: usize = 0;
const OTHER: usize = 1;
const BASE: usize = 4;
const KEY: usize = 5;
const NONCE: usize = 6;
const POINTS: usize = 7;

/// Field elements, four for a point, and what is done with them. A step in a list is 2 bytes, a call
/// with three references is 14.
struct Calculator([Words; 4 * POINTS]);

impl Calculator {
    fn new() -> Self {
        let mut places = [ZERO; 4 * POINTS];
        if let Some([.., one, d, root]) = places.first_chunk_mut::<16>() {
            one.0[0] = 1;
            [*d, *root] = CONSTANTS;
        }
        Self(places)
    }

    /// A copy of the element at the place with this number, of which four bits count.
    fn get(&self, place: u16) -> Words {
        let element = self.0.get(usize::from(place & 15));
        element.copied().unwrap_or(ZERO)
    }

    /// Makes a field element its only representative below p; whether that is zero, and its lowest bit.
    #[inline(never)]
    fn residue(&mut self, place: Place) -> (bool, u32) {
        let Some(element) = self.0.get_mut(place as usize) else {
            return (false, 0);
        };
        // Below 2^256, which is 2p + 38.
        element.reduce(&P);
        element.reduce(&P);
        (element.0.iter().all(|word| *word == 0), element.0[0] & 1)
    }

    #[inline(never)]
    fn take(&mut self, Step(step): Step) {
        let mut result = self.get(step >> 4);
        if let Some(right) = self.0.get(usize::from(step >> 8 & 15)) {
            match step >> 12 {
                0 => result.multiply(right),
                1 => result.add_element(right, 1),
                _ => result.add_element(right, -1),
            }
        }
        if let Some(to) = self.0.get_mut(usize::from(step & 15)) {
            *to = result;
        }
    }

    #[inline(never)]
    fn run(&mut self, steps: &[Step]) {
        for step in steps {
            self.take(*step);
        }
    }

    /// Raises F to the power of (p - 5)/8, which is 2^252 - 3: of its bits the last but one is zero.
    #[inline(never)]
    fn raise(&mut self) {
        self.take(const { step(POWER, One, Times, One) });
        for bit in (0..252).rev() {
            self.take(const { step(POWER, POWER, Times, POWER) });
            if bit != 1 {
                self.take(const { step(POWER, POWER, Times, F) });
            }
        }
    }

    #[inline(never)]
    fn copy(&mut self, to: usize, from: usize) {
        let (points, _) = self.0.as_chunks_mut::<4>();
        let point = points.get(from).copied();
        if let (Some(to), Some(point)) = (points.get_mut(to), point) {
            *to = point;
        }
    }

    /// Adds a point to the sum, perhaps itself.
    #[inline(never)]
    fn add(&mut self, point: usize) {
        self.copy(OTHER, point);
        self.run(ADD);
    }

    /// Keeps the point with this encoding: y, and in the highest bit whether x is odd. `false` if y is
    /// not below p, if there is no such point, or if it is of small order. (x = 0 is taken as even and
    /// as odd; such a point is of small order.)
    #[inline(never)]
    fn decode(&mut self, point: usize, bytes: &[u8; 32]) -> bool {
        self.run(RESET);
        let Some(y) = self.0.get_mut(Y as usize) else {
            return false;
        };
        y.fill(bytes);
        let odd = y.0[7] >> 31;
        y.0[7] &= 0x7fff_ffff;
        if y.reduce(&P) {
            return false;
        }
        self.run(BEGIN_ROOT);
        self.raise();
        self.run(END_ROOT);
        if !self.residue(F).0 {
            if !self.residue(C).0 {
                return false;
            }
            self.take(const { step(X, X, Times, Root) });
        }
        if self.residue(X).1 != odd {
            // T is still zero.
            self.take(const { step(X, T, Minus, X) });
        }
        self.take(const { step(T, X, Times, Y) });
        self.copy(point, SUM);
        for _ in 0..3 {
            self.add(SUM);
        }
        // Of the points whose order is a power of two, eight times each is the neutral one; no
        // other multiple of eight has x = 0.
        !self.residue(X).0
    }
}

/// The SHA-512 hash of these words as a number modulo the order, taken in bit by bit. The most
/// significant byte is the last one of the first word.
fn modulo_order(words: &[u64; 8]) -> Words {
    let mut rest = ZERO;
    for word in words {
        let mut word = word.swap_bytes();
        for _ in 0..64 {
            // Below 2^254, because the order is below 2^253.
            rest.shift(u32::from(word >> 63 != 0));
            rest.reduce(&ORDER);
            word <<= 1;
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
    let mut s = ZERO;
    s.fill(rest.first_chunk()?);
    if s.reduce(&ORDER) {
        return None;
    }
    let mut hasher = Hasher::sha512();
    hasher.update(r);
    hasher.update(public);
    hasher.update(message);
    let mut k = modulo_order(hasher.finish());
    // The negative of the base point has y = 4/5 and an odd x.
    let mut base = [0x66; 32];
    (base[0], base[31]) = (0x58, 0xe6);
    let mut calculator = Calculator::new();
    let good = calculator.decode(BASE, &base)
        && calculator.decode(KEY, public)
        && calculator.decode(NONCE, r);
    if !good {
        return None;
    }
    // Becomes the negative of R, s times the negative of the base point plus k times the key.
    calculator.run(RESET);
    for _ in 0..256 {
        calculator.add(SUM);
        if s.shift(0) != 0 {
            calculator.add(BASE);
        }
        if k.shift(0) != 0 {
            calculator.add(KEY);
        }
    }
    // And with R the neutral point.
    calculator.add(NONCE);
    calculator.take(const { step(F, Y, Minus, Z) });
    (calculator.residue(X).0 && calculator.residue(F).0).then_some(())
}

#[cfg(test)]
mod tests;
