//! The identity area: who this device is and which manager it belongs to.
//!
//! Written by provisioning; survives updates and re-flashing. Kept in two halves: the half with
//! the higher sequence number counts, a new identity goes into the other, so a cut while
//! provisioning leaves the former identity in force.
//!
//! Each half, little-endian:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | magic `OTID` |
//! | 4 | 2 | format version, 1 |
//! | 6 | 2 | total length in bytes, CRC included |
//! | 8 | 4 | sequence number |
//! | 12 | … | entries: tag `u8`, 0, length `u16`, value |
//! | … | 4 | CRC-32 of everything before |
//!
//! Tags: 1 device id, 2 token, 3 DDI address, 4 CA certificate (DER), 5 token kind (one byte:
//! 0 target token, 1 gateway token). Unknown tags are skipped.

use crate::bytes::{Reader, Writer, checked};
use crate::{AccessError, Area, Flash};
use core::fmt;

/// Longest identity in bytes, headers included.
pub const IDENTITY_LEN_MAX: usize = 4096;

const MAGIC: [u8; 4] = *b"OTID";
const FORMAT: u16 = 1;
const HEADER_LEN: usize = 12;

/// Which DDI authorization scheme the token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenKind {
    /// `Authorization: TargetToken …`: this device's own.
    #[default]
    Target,
    /// `Authorization: GatewayToken …`: shared by the devices of a workspace.
    Gateway,
}

/// Who a device is. Borrows from the buffer it was read into.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity<'a> {
    /// The device's id at the manager (DDI controller id).
    pub device_id: &'a str,
    /// The secret that authenticates the device; never shown, never logged.
    pub token: &'a str,
    /// Kind of `token`.
    pub token_kind: TokenKind,
    /// Absolute DDI base address of this device, without a slash at the end.
    pub ddi_url: &'a str,
    /// The CA that the manager's certificate must chain to, DER; empty if none.
    pub ca: &'a [u8],
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("device_id", &self.device_id)
            .field("ddi_url", &self.ddi_url)
            .finish_non_exhaustive()
    }
}

/// Why an identity cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityError<E> {
    /// Longer than the half or than [`IDENTITY_LEN_MAX`].
    TooLong,
    /// The flash failed. The former identity is still in force, or the new one as a whole if the
    /// driver failed after its work was done; [`IdentityStore::load`] says which.
    Access(AccessError<E>),
    /// What was written reads back differently; the former identity is still in force.
    ReadBack,
}

impl<E: fmt::Debug> fmt::Display for IdentityError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("identity does not fit into its area"),
            Self::Access(cause) => write!(f, "identity area: {cause}"),
            Self::ReadBack => f.write_str("identity reads back differently"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for IdentityError<E> {}

impl<'a> Identity<'a> {
    fn encode(&self, sequence: u32, buf: &mut [u8]) -> Option<usize> {
        let kind = [u8::from(self.token_kind == TokenKind::Gateway)];
        let entries: [(u8, &[u8]); 5] = [
            (1, self.device_id.as_bytes()),
            (2, self.token.as_bytes()),
            (3, self.ddi_url.as_bytes()),
            (4, self.ca),
            (5, &kind),
        ];
        let mut total = HEADER_LEN.checked_add(4)?;
        for (_, value) in &entries {
            total = total.checked_add(value.len())?.checked_add(4)?;
        }
        let mut out = Writer::new(buf);
        out.bytes(&MAGIC);
        out.u16(FORMAT);
        out.u16(u16::try_from(total).ok()?);
        out.u32(sequence);
        for (tag, value) in entries {
            out.u8(tag);
            out.u8(0);
            out.u16(u16::try_from(value.len()).ok()?);
            out.bytes(value);
        }
        out.finish_with_crc()
    }

    fn decode(block: &'a [u8]) -> Option<Self> {
        let mut input = Reader::new(checked(block)?);
        input.bytes(HEADER_LEN)?;
        let mut identity = Self::default();
        while !input.is_empty() {
            let tag = input.u8()?;
            input.u8()?;
            let len = input.u16()?;
            let value = input.bytes(usize::from(len))?;
            match tag {
                1 => identity.device_id = core::str::from_utf8(value).ok()?,
                2 => identity.token = core::str::from_utf8(value).ok()?,
                3 => identity.ddi_url = core::str::from_utf8(value).ok()?,
                4 => identity.ca = value,
                5 if value == [1] => identity.token_kind = TokenKind::Gateway,
                _ => {}
            }
        }
        let complete = !identity.device_id.is_empty() && !identity.ddi_url.is_empty();
        complete.then_some(identity)
    }
}

/// Reads and writes the identity area.
#[derive(Debug, Clone, Copy)]
pub struct IdentityStore {
    halves: [Area; 2],
    write_unit: u16,
    erased: u8,
}

impl IdentityStore {
    /// The store of a layout that has passed [`Layout::check`](crate::Layout::check).
    pub fn new(layout: &crate::Layout) -> Self {
        Self {
            halves: layout.identity.halves(),
            write_unit: layout.write_unit,
            erased: layout.erased,
        }
    }

    /// The identity in force, read into `buf` (at least [`IDENTITY_LEN_MAX`] bytes), or `None`
    /// for a device that was not provisioned. A half that cannot be read counts as empty.
    pub fn load<'b, F: Flash>(&self, flash: &mut F, buf: &'b mut [u8]) -> Option<Identity<'b>> {
        let (index, _) = self.newest(flash, buf)?;
        let half = self.halves.get(index)?;
        let len = read_half(half, flash, buf)?.1;
        Identity::decode(buf.get(..len)?)
    }

    /// Stores an identity; `buf` is scratch space of at least [`IDENTITY_LEN_MAX`] bytes.
    ///
    /// # Errors
    /// [`IdentityError`], whose variants say which identity is then in force.
    pub fn store<F: Flash>(
        &self,
        flash: &mut F,
        identity: &Identity<'_>,
        buf: &mut [u8],
    ) -> Result<(), IdentityError<F::Error>> {
        let (target, sequence) = match self.newest(flash, buf) {
            Some((index, sequence)) => (1_usize.saturating_sub(index), sequence.wrapping_add(1)),
            None => (0, 1),
        };
        let half = self.halves.get(target).ok_or(IdentityError::TooLong)?;
        let len = identity
            .encode(sequence, buf)
            .ok_or(IdentityError::TooLong)?;
        let padded = len.next_multiple_of(usize::from(self.write_unit));
        if u32::try_from(padded).map_or(true, |padded| padded > half.len) {
            return Err(IdentityError::TooLong);
        }
        buf.get_mut(len..padded)
            .ok_or(IdentityError::TooLong)?
            .fill(self.erased);
        let data = buf.get(..padded).ok_or(IdentityError::TooLong)?;
        half.erase(flash, 0, half.len)
            .map_err(IdentityError::Access)?;
        half.program(flash, 0, data)
            .map_err(IdentityError::Access)?;
        match read_half(half, flash, buf) {
            Some((stored, _)) if stored == sequence => Ok(()),
            _ => Err(IdentityError::ReadBack),
        }
    }

    /// Index and sequence number of the half in force. Sequence numbers are compared with
    /// wrap-around, so that provisioning may go on for ever.
    fn newest<F: Flash>(&self, flash: &mut F, buf: &mut [u8]) -> Option<(usize, u32)> {
        let [first, second] = self.halves;
        let first = read_half(&first, flash, buf).map(|(sequence, _)| sequence);
        let second = read_half(&second, flash, buf).map(|(sequence, _)| sequence);
        match (first, second) {
            (Some(a), Some(b)) if a.wrapping_sub(b) < u32::MAX / 2 => Some((0, a)),
            (_, Some(b)) => Some((1, b)),
            (Some(a), None) => Some((0, a)),
            (None, None) => None,
        }
    }
}

/// Reads one half into `buf`; its sequence number and length, if it is valid.
fn read_half<F: Flash>(half: &Area, flash: &mut F, buf: &mut [u8]) -> Option<(u32, usize)> {
    let mut header = [0; HEADER_LEN];
    half.read(flash, 0, &mut header).ok()?;
    let mut input = Reader::new(&header);
    if input.array() != Some(MAGIC) || input.u16() != Some(FORMAT) {
        return None;
    }
    let len = usize::from(input.u16()?);
    let sequence = input.u32()?;
    let block = buf.get_mut(..len)?;
    half.read(flash, 0, block).ok()?;
    Identity::decode(block)?;
    Some((sequence, len))
}
