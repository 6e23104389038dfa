//! Bounded little-endian access to byte buffers, and the CRC of everything persistent.

/// CRC-32 (ISO-HDLC, the one of Ethernet and zip) of `data`.
#[cfg(target_os = "none")]
pub fn crc32(data: &[u8]) -> u32 {
    bit_by_bit(data)
}

/// CRC-32 (ISO-HDLC, the one of Ethernet and zip) of `data`; with a table, because simulator and
/// tools read millions of entries.
#[cfg(not(target_os = "none"))]
pub fn crc32(data: &[u8]) -> u32 {
    const CRC: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, _>::new(&crc::CRC_32_ISO_HDLC);
    CRC.checksum(data)
}

/// The same without a table and in half the code that a general CRC takes, for devices.
#[cfg(any(test, target_os = "none"))]
#[inline(never)]
fn bit_by_bit(data: &[u8]) -> u32 {
    const POLYNOMIAL_REFLECTED: u32 = 0xEDB8_8320;
    let mut rest = u32::MAX;
    for &byte in data {
        rest ^= u32::from(byte);
        for _bit in 0..u8::BITS {
            let carry = rest & 1 != 0;
            rest >>= 1;
            if carry {
                rest ^= POLYNOMIAL_REFLECTED;
            }
        }
    }
    !rest
}

/// How many bits of `data` are one.
#[inline(never)]
pub fn ones(data: &[u8]) -> u32 {
    let mut sum = 0_u32;
    for &byte in data {
        // A Cortex-M has no instruction for it; one by one it is half the code of a whole word.
        let mut rest = byte;
        while rest != 0 {
            sum = sum.wrapping_add(u32::from(rest & 1));
            rest >>= 1;
        }
    }
    sum
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

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The check value that the catalogue of CRCs gives for it.
    #[test]
    fn crc_of_devices_has_the_check_value() {
        assert_eq!(bit_by_bit(b"123456789"), 0xCBF4_3926);
    }

    proptest! {
        #[test]
        fn crc_of_devices_and_of_tools_agree(data: Vec<u8>) {
            prop_assert_eq!(bit_by_bit(&data), crc32(&data));
        }

        #[test]
        fn ones_are_counted(data: Vec<u8>) {
            let expected: u32 = data.iter().map(|byte| byte.count_ones()).sum();
            prop_assert_eq!(ones(&data), expected);
        }
    }
}
