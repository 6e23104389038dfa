//! SHA-256 and SHA-512 (FIPS 180-4) in one piece of code and with one table. The two differ in the width
//! of their words, in their rotations, and in the number of rounds; the constants of SHA-256 are the
//! upper halves of those of SHA-512. The library has both as well, but in three times the code, and
//! its SHA-512 with panics that it cannot reach but the linker can.

use core::ops::{BitAnd, BitOr, BitXor};

/// First 64 bits of the fractional parts of the cube roots of the first 80 primes.
#[rustfmt::skip]
const ROUNDS: [u64; 80] = [
    0x428a_2f98_d728_ae22, 0x7137_4491_23ef_65cd, 0xb5c0_fbcf_ec4d_3b2f, 0xe9b5_dba5_8189_dbbc,
    0x3956_c25b_f348_b538, 0x59f1_11f1_b605_d019, 0x923f_82a4_af19_4f9b, 0xab1c_5ed5_da6d_8118,
    0xd807_aa98_a303_0242, 0x1283_5b01_4570_6fbe, 0x2431_85be_4ee4_b28c, 0x550c_7dc3_d5ff_b4e2,
    0x72be_5d74_f27b_896f, 0x80de_b1fe_3b16_96b1, 0x9bdc_06a7_25c7_1235, 0xc19b_f174_cf69_2694,
    0xe49b_69c1_9ef1_4ad2, 0xefbe_4786_384f_25e3, 0x0fc1_9dc6_8b8c_d5b5, 0x240c_a1cc_77ac_9c65,
    0x2de9_2c6f_592b_0275, 0x4a74_84aa_6ea6_e483, 0x5cb0_a9dc_bd41_fbd4, 0x76f9_88da_8311_53b5,
    0x983e_5152_ee66_dfab, 0xa831_c66d_2db4_3210, 0xb003_27c8_98fb_213f, 0xbf59_7fc7_beef_0ee4,
    0xc6e0_0bf3_3da8_8fc2, 0xd5a7_9147_930a_a725, 0x06ca_6351_e003_826f, 0x1429_2967_0a0e_6e70,
    0x27b7_0a85_46d2_2ffc, 0x2e1b_2138_5c26_c926, 0x4d2c_6dfc_5ac4_2aed, 0x5338_0d13_9d95_b3df,
    0x650a_7354_8baf_63de, 0x766a_0abb_3c77_b2a8, 0x81c2_c92e_47ed_aee6, 0x9272_2c85_1482_353b,
    0xa2bf_e8a1_4cf1_0364, 0xa81a_664b_bc42_3001, 0xc24b_8b70_d0f8_9791, 0xc76c_51a3_0654_be30,
    0xd192_e819_d6ef_5218, 0xd699_0624_5565_a910, 0xf40e_3585_5771_202a, 0x106a_a070_32bb_d1b8,
    0x19a4_c116_b8d2_d0c8, 0x1e37_6c08_5141_ab53, 0x2748_774c_df8e_eb99, 0x34b0_bcb5_e19b_48a8,
    0x391c_0cb3_c5c9_5a63, 0x4ed8_aa4a_e341_8acb, 0x5b9c_ca4f_7763_e373, 0x682e_6ff3_d6b2_b8a3,
    0x748f_82ee_5def_b2fc, 0x78a5_636f_4317_2f60, 0x84c8_7814_a1f0_ab72, 0x8cc7_0208_1a64_39ec,
    0x90be_fffa_2363_1e28, 0xa450_6ceb_de82_bde9, 0xbef9_a3f7_b2c6_7915, 0xc671_78f2_e372_532b,
    0xca27_3ece_ea26_619c, 0xd186_b8c7_21c0_c207, 0xeada_7dd6_cde0_eb1e, 0xf57d_4f7f_ee6e_d178,
    0x06f0_67aa_7217_6fba, 0x0a63_7dc5_a2c8_98a6, 0x113f_9804_bef9_0dae, 0x1b71_0b35_131c_471b,
    0x28db_77f5_2304_7d84, 0x32ca_ab7b_40c7_2493, 0x3c9e_be0a_15c9_bebc, 0x431d_67c4_9c10_0d4c,
    0x4cc5_d4be_cb3e_42b6, 0x597f_299c_fc65_7e2a, 0x5fcb_6fab_3ad6_faec, 0x6c44_198c_4a47_5817,
];

/// The same of the square roots of the first eight primes, the last one first.
#[rustfmt::skip]
const START: [u64; 8] = [
    0x5be0_cd19_137e_2179, 0x1f83_d9ab_fb41_bd6b, 0x9b05_688c_2b3e_6c1f, 0x510e_527f_ade6_82d1,
    0xa54f_f53a_5f1d_36f1, 0x3c6e_f372_fe94_f82b, 0xbb67_ae85_84ca_a73b, 0x6a09_e667_f3bc_c908,
];

/// Words of a block.
const WORDS: usize = 16;

/// What the two functions calculate with: 32 bits or 64.
pub(crate) trait Word:
    Copy + Into<u64> + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self>
{
    const ROUNDS: usize;

    /// The word in the lower bits of these.
    fn lower(bits: u64) -> Self;
    /// The word in the upper bits: constants of SHA-256 are parts of those of SHA-512.
    fn upper(bits: u64) -> Self;
    /// The same backwards.
    fn to_upper(self) -> u64;
    /// Addition without carry.
    fn plus(self, other: Self) -> Self;
    /// The function that the standard calls Σ0.
    fn spread_a(self) -> Self;
    /// Σ1.
    fn spread_e(self) -> Self;
    /// σ0.
    fn spread_early(self) -> Self;
    /// σ1.
    fn spread_late(self) -> Self;
}

impl Word for u32 {
    const ROUNDS: usize = 64;

    fn lower(bits: u64) -> Self {
        let [a, b, c, d, ..] = bits.to_le_bytes();
        Self::from_le_bytes([a, b, c, d])
    }

    fn upper(bits: u64) -> Self {
        let [.., a, b, c, d] = bits.to_le_bytes();
        Self::from_le_bytes([a, b, c, d])
    }

    fn to_upper(self) -> u64 {
        u64::from(self) << 32
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn spread_a(self) -> Self {
        self.rotate_right(2) ^ self.rotate_right(13) ^ self.rotate_right(22)
    }

    fn spread_e(self) -> Self {
        self.rotate_right(6) ^ self.rotate_right(11) ^ self.rotate_right(25)
    }

    fn spread_early(self) -> Self {
        self.rotate_right(7) ^ self.rotate_right(18) ^ (self >> 3)
    }

    fn spread_late(self) -> Self {
        self.rotate_right(17) ^ self.rotate_right(19) ^ (self >> 10)
    }
}

impl Word for u64 {
    const ROUNDS: usize = 80;

    fn lower(bits: u64) -> Self {
        bits
    }

    fn upper(bits: u64) -> Self {
        bits
    }

    fn to_upper(self) -> u64 {
        self
    }

    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn spread_a(self) -> Self {
        rotated(self, [28, 34, 39, 0])
    }

    fn spread_e(self) -> Self {
        rotated(self, [14, 18, 41, 0])
    }

    fn spread_early(self) -> Self {
        rotated(self, [1, 8, 0, 0]) ^ (self >> 7)
    }

    fn spread_late(self) -> Self {
        rotated(self, [19, 61, 0, 0]) ^ (self >> 6)
    }
}

/// The sum of the word's rotations by these numbers of bits, up to the first zero.
///
/// Not inlined: on a CPU of 32 bits each rotation is half a dozen instructions.
#[inline(never)]
fn rotated(word: u64, by: [u8; 4]) -> u64 {
    let mut sum = 0;
    let mut rest = u32::from_le_bytes(by);
    while rest != 0 {
        sum ^= word.rotate_right(rest & 63);
        rest >>= 8;
    }
    sum
}

/// A hash that is being calculated. The words of both functions are kept in 64 bits, so that all but the
/// rounds is the same code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hasher {
    /// From h to a, so that each round moves them forward. Those of SHA-256 are the upper halves.
    state: [u64; 8],
    /// The block that is being collected; each byte pushes its word on, so none has to be cleared.
    /// Words of SHA-256 are the lower halves.
    block: [u64; WORDS],
    /// Bytes taken so far; fewer than 4 GiB, because images are.
    len: u32,
    /// Bits of `len` that count blocks.
    block_bits: u32,
}

/// Blocks of 64 bytes and of 128.
const SHA256: u32 = 26;
const SHA512: u32 = 25;

impl Hasher {
    // A host's SHA-256 is the library's.
    #[cfg(any(test, not(feature = "std")))]
    pub(crate) const fn sha256() -> Self {
        Self::new(SHA256)
    }

    pub(crate) const fn sha512() -> Self {
        Self::new(SHA512)
    }

    #[inline(never)]
    const fn new(block_bits: u32) -> Self {
        Self {
            state: START,
            block: [0; WORDS],
            len: 0,
            block_bits,
        }
    }

    /// Where in its block the next byte belongs: the upper four bits are its word.
    const fn place(&self) -> u32 {
        self.len.wrapping_shl(self.block_bits)
    }

    #[inline(never)]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let word = self.place() >> 28;
            if let Some(word) = self.block.get_mut(word as usize) {
                *word = *word << 8 | u64::from(*byte);
            }
            self.len = self.len.wrapping_add(1);
            if self.place() == 0 {
                self.compress();
            }
        }
    }

    /// The words of the hash, the last one first. Those of SHA-256 are the upper halves.
    #[inline(never)]
    pub(crate) fn finish(&mut self) -> &[u64; 8] {
        let bits = u64::from(self.len) << 3;
        // A one and zeros; the length in bits, in two words, ends the last block.
        self.update(&[0x80]);
        while self.place() != 14 << 28 {
            self.update(&[0]);
        }
        let [.., upper, lower] = &mut self.block;
        *lower = bits;
        *upper = if self.block_bits == SHA256 {
            bits >> 32
        } else {
            0
        };
        self.compress();
        &self.state
    }

    #[inline(never)]
    fn compress(&mut self) {
        if self.block_bits == SHA256 {
            rounds::<u32>(&mut self.state, &mut self.block);
        } else {
            rounds::<u64>(&mut self.state, &mut self.block);
        }
    }
}

/// A word of the block, counted round and round.
fn word<W: Word>(block: &[u64; WORDS], round: usize) -> W {
    W::lower(block.get(round % WORDS).copied().unwrap_or_default())
}

#[expect(clippy::many_single_char_names, reason = "the names of FIPS 180-4")]
fn rounds<W: Word>(state: &mut [u64; 8], block: &mut [u64; WORDS]) {
    // The ninth is the one that is new in a round.
    let mut work = [W::upper(0); 9];
    for (word, bits) in work.iter_mut().zip(&*state) {
        *word = W::upper(*bits);
    }
    let mut round = 0_usize;
    for bits in ROUNDS.iter().take(W::ROUNDS) {
        let [h, g, f, e, d, c, b, a, next] = &mut work;
        let now: W = word(block, round);
        let first = h
            .plus(e.spread_e())
            .plus(*g ^ (*e & (*f ^ *g)))
            .plus(W::upper(*bits))
            .plus(now);
        let second = a.spread_a().plus((*a & *b) | (*c & (*a | *b)));
        *d = d.plus(first);
        *next = first.plus(second);
        work.copy_within(1.., 0);
        // Where this word stood comes the one that is needed 16 rounds later.
        let later = now
            .plus(word::<W>(block, round.wrapping_add(1)).spread_early())
            .plus(word(block, round.wrapping_add(9)))
            .plus(word::<W>(block, round.wrapping_add(14)).spread_late());
        if let Some(place) = block.get_mut(round % WORDS) {
            *place = later.into();
        }
        round = round.wrapping_add(1);
    }
    for (sum, word) in state.iter_mut().zip(&work) {
        *sum = W::upper(*sum).plus(*word).to_upper();
    }
}

#[cfg(test)]
mod tests {
    use super::{Hasher, Word as _};
    use sha2::Digest as _;

    #[test]
    fn both_hashes_are_those_of_the_library_at_every_length() {
        let text: [u8; 300] = core::array::from_fn(|index| index.to_le_bytes()[0].wrapping_mul(7));
        for len in 0..text.len() {
            let (head, tail) = text[..len].split_at(len / 3);
            let mut hasher = Hasher::sha512();
            hasher.update(head);
            hasher.update(tail);
            let mut words = hasher.finish().map(u64::to_be_bytes);
            words.reverse();
            let expected: [u8; 64] = sha2::Sha512::digest(&text[..len]).into();
            assert_eq!(words.as_flattened(), expected, "SHA-512 of {len} bytes");
            let mut hasher = Hasher::sha256();
            hasher.update(head);
            hasher.update(tail);
            let mut words = hasher.finish().map(|word| u32::upper(word).to_be_bytes());
            words.reverse();
            let expected: [u8; 32] = sha2::Sha256::digest(&text[..len]).into();
            assert_eq!(words.as_flattened(), expected, "SHA-256 of {len} bytes");
        }
    }
}
