//! Noise from a seed: which bits a cut leaves, and what retained RAM holds after it.

use std::hash::{BuildHasher, Hasher};

/// A small pseudo-random generator (splitmix64). Good enough for faults, not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Noise(u64);

impl Noise {
    /// The same seed gives the same noise.
    pub(crate) const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that differs each time.
    pub(crate) fn fresh_seed() -> u64 {
        std::hash::RandomState::new().build_hasher().finish()
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end - 1`; 0 if `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A byte in which each bit is one with the given chance, in sixteenths.
    fn byte(&mut self, sixteenths: u64) -> u8 {
        (0..8).fold(0, |byte, bit| {
            byte | (u8::from(self.below(16) < sixteenths) << bit)
        })
    }

    /// How likely a bit of one torn operation is to have changed, in sixteenths. Never and always
    /// are among the answers: a torn entry that reads as complete is the dangerous kind.
    fn density(&mut self) -> u64 {
        const DENSITIES: [u64; 5] = [0, 1, 8, 15, 16];
        let index = usize::try_from(self.below(5)).unwrap_or(0);
        DENSITIES.get(index).copied().unwrap_or(8)
    }

    /// A stream of noise bytes for one torn operation or one power-up.
    pub(crate) fn bits(&mut self) -> impl FnMut() -> u8 + '_ {
        let density = self.density();
        move || self.byte(density)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_same_noise() {
        let (mut a, mut b) = (Noise::from_seed(7), Noise::from_seed(7));
        let mut other = Noise::from_seed(8);
        let first: Vec<u64> = (0..8).map(|_| a.next()).collect();
        assert_eq!(first, (0..8).map(|_| b.next()).collect::<Vec<_>>());
        assert_ne!(first, (0..8).map(|_| other.next()).collect::<Vec<_>>());
    }

    #[test]
    fn torn_bits_are_sometimes_all_and_sometimes_none() {
        let mut noise = Noise::from_seed(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut bits = noise.bits();
            seen.insert([bits(), bits()]);
        }
        assert!(seen.contains(&[0, 0]) && seen.contains(&[255, 255]) && seen.len() > 20);
    }
}
