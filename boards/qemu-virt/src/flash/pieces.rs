//! How a range is cut into what one command of a part can program.

/// Bytes of the part's write buffer; one command stays inside one block of this length.
pub(super) const PIECE_LEN: u32 = 0x800;
/// The same in words.
pub(super) const PIECE_WORDS: usize = PIECE_LEN as usize / 4;

/// `(offset, length)` of each piece of a range inside the flash, in order.
pub(super) fn pieces(offset: u32, len: u32) -> impl Iterator<Item = (u32, u32)> {
    let end = offset.saturating_add(len);
    let mut at = offset;
    core::iter::from_fn(move || {
        let start = at;
        let bound = (start / PIECE_LEN)
            .saturating_add(1)
            .saturating_mul(PIECE_LEN);
        at = bound.min(end);
        (start < end).then(|| (start, at - start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset: u32, len: u32, expected: &[(u32, u32)]) {
        let found: Vec<_> = pieces(offset, len).collect();
        assert_eq!(found, expected, "{offset:#x}, {len:#x}");
    }

    #[test]
    fn no_piece_crosses_a_bound_of_the_write_buffer() {
        check(0, 0, &[]);
        check(0x7FC, 0, &[]);
        check(0, 4, &[(0, 4)]);
        check(0x7FC, 4, &[(0x7FC, 4)]);
        check(0x7FC, 8, &[(0x7FC, 4), (0x800, 4)]);
        check(0x800, 0x1000, &[(0x800, 0x800), (0x1000, 0x800)]);
        check(
            0x1404,
            0x1000,
            &[(0x1404, 0x3FC), (0x1800, 0x800), (0x2000, 0x404)],
        );
    }
}
