//! The arithmetic at the values where carries go wrong; the rest is tested from outside, against
//! another implementation.

use std::vec::Vec;

use super::{CONSTANTS, Calculator, F, ORDER, P, POWER, Words, ZERO, low, modulo_order};

impl Words {
    fn plus(&self, other: &Self) -> Self {
        let mut sum = *self;
        sum.add_element(other, 1);
        sum
    }

    fn minus(&self, other: &Self) -> Self {
        let mut difference = *self;
        difference.add_element(other, -1);
        difference
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = *self;
        product.multiply(other);
        product
    }

    fn canonical(mut self) -> Self {
        self.reduce(&P);
        self.reduce(&P);
        self
    }

    /// To the power of (p - 5)/8.
    fn power(self) -> Self {
        let mut calculator = Calculator::new();
        calculator.0[F as usize] = self;
        calculator.raise();
        calculator.0[POWER as usize]
    }

    /// Whether two field elements are the same one.
    fn is(&self, other: &Self) -> bool {
        self.minus(other).canonical() == ZERO
    }
}

const ONE: Words = Words([1, 0, 0, 0, 0, 0, 0, 0]);
const MOST: Words = Words([u32::MAX; 8]);

fn number(value: u32) -> Words {
    Words([value, 0, 0, 0, 0, 0, 0, 0])
}

/// Numbers around every border: 0, 38, p, 2p = 2^256 - 38, 2^256.
fn borders() -> impl Iterator<Item = Words> {
    let near = (0..80_u32).flat_map(|offset| {
        let (mut high, mut around_p) = (MOST, P);
        high.0[0] = u32::MAX.wrapping_sub(offset);
        around_p.0[0] = around_p.0[0].wrapping_add(18).wrapping_sub(offset);
        [number(offset), high, around_p]
    });
    near.chain([
        Words([0, u32::MAX, 0, u32::MAX, 0, u32::MAX, 0, u32::MAX]),
        Words([0, 0, 0, 0, 0, 0, 0, 1 << 31]),
    ])
}

#[test]
fn canonical_is_below_p_and_keeps_the_residue() {
    assert_eq!(MOST.canonical().0, number(37).0);
    assert_eq!(P.canonical().0, ZERO.0);
    for x in borders() {
        let mut again = x.canonical();
        assert!(!again.reduce(&P), "below p");
        assert!(again.is(&x));
    }
}

#[test]
fn field_laws_hold_at_the_borders() {
    for a in borders() {
        for b in borders() {
            let (a, b) = (&a, &b);
            assert!(a.plus(b).minus(b).is(a));
            assert!(a.minus(b).plus(b).is(a));
            assert!(ZERO.minus(a).plus(a).is(&ZERO));
            assert!(a.times(b).is(&b.times(a)));
            assert!(a.times(&b.plus(&ONE)).is(&a.times(b).plus(a)));
            assert!(a.times(&b.canonical()).is(&a.canonical().times(b)));
        }
    }
}

#[test]
fn products_of_known_residues_are_right() {
    // 2^256 - 1 is 37 modulo p.
    assert!(MOST.times(&MOST).is(&number(37 * 37)));
    assert!(MOST.times(&number(u32::MAX)).is(&{
        let product = 37 * u64::from(u32::MAX);
        let mut words = ZERO;
        words.0[0] = low(product);
        words.0[1] = low(product >> 32);
        words
    }));
    // By Fermat x^(p - 1) is 1, and p - 1 is 8 (p - 5)/8 + 4. The constants by their definitions.
    for x in [number(2), number(19), MOST] {
        let power = x.power();
        let square = power.times(&power).times(&x);
        let fourth = square.times(&square);
        assert!(fourth.times(&fourth).is(&ONE), "power");
    }
    let [d, root] = CONSTANTS;
    assert!(root.times(&root).plus(&ONE).is(&ZERO));
    assert!(d.times(&number(121_666)).plus(&number(121_665)).is(&ZERO));
}

/// These bytes as words of SHA-512, the last one first.
fn words(bytes: &[u8; 64]) -> [u64; 8] {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut words: Vec<u64> = chunks
        .iter()
        .map(|chunk| u64::from_be_bytes(*chunk))
        .collect();
    words.reverse();
    words.try_into().unwrap()
}

#[test]
fn numbers_of_512_bits_are_reduced_by_the_order() {
    let order: Vec<u8> = ORDER.0.iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&order);
    assert_eq!(modulo_order(&words(&bytes)).0, ZERO.0);
    bytes[0] += 5;
    assert_eq!(modulo_order(&words(&bytes)).0, number(5).0);
    // The order times 2^256, plus 7: the upper half alone is the order.
    let mut bytes = [0; 64];
    bytes[32..].copy_from_slice(&order);
    bytes[0] = 7;
    assert_eq!(modulo_order(&words(&bytes)).0, number(7).0);
    let mut most = modulo_order(&words(&[0xff; 64]));
    assert!(!most.reduce(&ORDER), "below the order");
}
