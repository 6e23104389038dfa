//! Bounded little-endian access to byte buffers, and the CRC of everything persistent.

use crc::{CRC_32_ISO_HDLC, Crc};

/// Without a table on devices, for the sake of size.
#[cfg(target_os = "none")]
type Tables = crc::NoTable;
/// With one elsewhere: simulator and tools read millions of entries.
#[cfg(not(target_os = "none"))]
type Tables = crc::Table<16>;

const CRC: Crc<u32, Tables> = Crc::<u32, Tables>::new(&CRC_32_ISO_HDLC);

/// CRC-32 (ISO-HDLC, the one of Ethernet and zip) of `data`.
pub fn crc32(data: &[u8]) -> u32 {
    CRC.checksum(data)
}

/// Writes fields one behind the other; a field that does not fit makes [`Writer::finish`] fail.
pub(crate) struct Writer<'a> {
    buf: &'a mut [u8],
    at: Option<usize>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, at: Some(0) }
    }

    pub(crate) fn bytes(&mut self, data: &[u8]) {
        self.at = self.at.and_then(|at| {
            let end = at.checked_add(data.len())?;
            self.buf.get_mut(at..end)?.copy_from_slice(data);
            Some(end)
        });
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Writes zeros up to `end`.
    pub(crate) fn zeros_to(&mut self, end: usize) {
        self.at = self.at.and_then(|at| {
            self.buf.get_mut(at..end)?.fill(0);
            Some(end)
        });
    }

    /// Appends the CRC of everything written and returns the total length.
    pub(crate) fn finish_with_crc(mut self) -> Option<usize> {
        let written = self.buf.get(..self.at?)?;
        let crc = crc32(written);
        self.u32(crc);
        self.at
    }
}

/// Reads fields one behind the other; `None` as soon as the buffer is too short.
pub(crate) struct Reader<'a> {
    buf: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(buf: &'a [u8]) -> Self {
        Self { buf }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.buf.split_at_checked(len)?;
        self.buf = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }
}

/// The part of `block` before its CRC, if the last four bytes are that part's CRC.
pub(crate) fn checked(block: &[u8]) -> Option<&[u8]> {
    let (body, crc) = block.split_last_chunk::<4>()?;
    (crc32(body) == u32::from_le_bytes(*crc)).then_some(body)
}
