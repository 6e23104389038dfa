//! Takes a fuzz input apart. Where it ends early, zeros follow: every input means something.

/// The bytes of an input that were not used yet.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// An input from its first byte on.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether everything was used.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// At most `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = tail;
        head
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.bytes(usize::MAX)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let head = self.bytes(N);
        array[..head.len()].copy_from_slice(head);
        array
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// A little-endian number of two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// A little-endian number of four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    /// Changes up to seven bytes of `target`: a number of edits, then an offset and a mask for
    /// each.
    pub fn edit(&mut self, target: &mut [u8]) {
        for _ in 0..self.u8() % 8 {
            let offset = usize::from(self.u16());
            let mask = self.u8();
            let len = target.len().max(1);
            if let Some(byte) = target.get_mut(offset % len) {
                *byte ^= mask;
            }
        }
    }
}
