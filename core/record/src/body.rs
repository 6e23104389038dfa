//! What a journal keeps, besides its own counting: one engine's state.

/// The engine-specific part of an entry.
///
/// An entry begins with 16 bytes (tag, its complement, epoch, sequence number) and ends with 8
/// (checksum, zeros), both written by the journal; what is between belongs to the body.
pub trait Body: Copy + Default + PartialEq {
    /// First word of an entry of this kind. Never `0xA5……`, with which a mark begins.
    const TAG: u32;

    /// Writes the body into `entry`, an entry without its last 8 bytes. The first 16 are not the
    /// body's. `None` if it does not fit. Every byte must be written.
    fn put(&self, entry: &mut [u8]) -> Option<()>;

    /// The body of `entry`, laid out as for [`put`](Self::put); `None` if a field has no known
    /// value.
    fn get(entry: &[u8]) -> Option<Self>;

    /// A mark stands behind the entry: this step is done. For an engine without steps, nothing.
    fn mark(&mut self, step: u16);
}
