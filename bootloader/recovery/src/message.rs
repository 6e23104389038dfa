//! SMP requests: the header and the fields of the CBOR map behind it.

use minicbor::Decoder;
use minicbor::data::Type;
use minicbor::decode::Error;

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 8;
/// Most fields of one request; a client of these groups sends six.
const FIELDS_MAX: u32 = 16;

const VERSION_SHIFT: u8 = 3;
const VERSION_MASK: u8 = 0b11;
const OPERATION_MASK: u8 = 0b111;

/// What a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
}

/// The header of a request.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | bits 0…2 operation (0 read, 2 write; replies one more), bits 3…4 version |
/// | 1 | 1 | flags, 0 |
/// | 2 | 2 | length of what follows the header, big-endian |
/// | 4 | 2 | group, big-endian |
/// | 6 | 1 | sequence number |
/// | 7 | 1 | command |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) operation: Operation,
    /// 0 for SMP version 1, 1 for version 2.
    pub(crate) version: u8,
    pub(crate) group: u16,
    pub(crate) sequence: u8,
    pub(crate) command: u8,
}

impl Header {
    /// Header and body of a message; `None` for what is no request.
    pub(crate) fn parse(message: &[u8]) -> Option<(Self, &[u8])> {
        let (header, body) = message.split_first_chunk::<HEADER_LEN>()?;
        let [first, _flags, l0, l1, g0, g1, sequence, command] = *header;
        let operation = match first & OPERATION_MASK {
            0 => Operation::Read,
            2 => Operation::Write,
            _ => return None,
        };
        let body = body.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
        let header = Self {
            operation,
            version: (first >> VERSION_SHIFT) & VERSION_MASK,
            group: u16::from_be_bytes([g0, g1]),
            sequence,
            command,
        };
        Some((header, body))
    }

    /// The header of the reply with a body of `len` bytes.
    pub(crate) fn reply(self, len: u16) -> [u8; HEADER_LEN] {
        let operation = match self.operation {
            Operation::Read => 1,
            Operation::Write => 3,
        };
        let [l0, l1] = len.to_be_bytes();
        let [g0, g1] = self.group.to_be_bytes();
        let first = operation | (self.version << VERSION_SHIFT);
        [first, 0, l0, l1, g0, g1, self.sequence, self.command]
    }
}

/// The fields of all requests together; a request that lacks one has `None`, and what is not known
/// is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fields<'m> {
    /// `d`: text to echo.
    pub(crate) text: Option<&'m str>,
    /// `query`: what to know about the bootloader.
    pub(crate) query: Option<&'m str>,
    /// `off`: offset of `data` in the image.
    pub(crate) off: Option<u32>,
    /// `data`: a part of the image.
    pub(crate) data: Option<&'m [u8]>,
    /// `len`: bytes of the image.
    pub(crate) len: Option<u32>,
    /// `sha`: SHA-256 of the image.
    pub(crate) sha: Option<&'m [u8]>,
    /// `image`: number of the image.
    pub(crate) image: Option<u32>,
    /// `slot`: number of the slot.
    pub(crate) slot: Option<u32>,
    /// `hash`: image hash of the image whose state is to change.
    pub(crate) hash: Option<&'m [u8]>,
}

impl<'m> Fields<'m> {
    /// Reads the map of a request; an empty body counts as an empty map.
    ///
    /// # Errors
    /// If it is no map, has too many fields, a field has another type, or something follows it.
    pub(crate) fn parse(body: &'m [u8]) -> Result<Self, Error> {
        let mut fields = Self::default();
        if body.is_empty() {
            return Ok(fields);
        }
        let mut decoder = Decoder::new(body);
        let announced = decoder.map()?;
        let mut count = 0_u64;
        loop {
            match announced {
                Some(announced) if count >= announced => break,
                None if decoder.datatype()? == Type::Break => {
                    decoder.skip()?;
                    break;
                }
                Some(_) | None => {}
            }
            if count >= u64::from(FIELDS_MAX) {
                return Err(Error::message("too many fields"));
            }
            fields.take(&mut decoder)?;
            count = count.saturating_add(1);
        }
        if decoder.position() == body.len() {
            Ok(fields)
        } else {
            Err(Error::message("something follows the map"))
        }
    }

    fn take(&mut self, decoder: &mut Decoder<'m>) -> Result<(), Error> {
        let key = decoder.str()?;
        if decoder.datatype()? == Type::Null {
            return decoder.skip();
        }
        match key {
            "d" => self.text = Some(decoder.str()?),
            "query" => self.query = Some(decoder.str()?),
            "off" => self.off = Some(decoder.u32()?),
            "data" => self.data = Some(decoder.bytes()?),
            "len" => self.len = Some(decoder.u32()?),
            "sha" => self.sha = Some(decoder.bytes()?),
            "image" => self.image = Some(decoder.u32()?),
            "slot" => self.slot = Some(decoder.u32()?),
            "hash" => self.hash = Some(decoder.bytes()?),
            _ => decoder.skip()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_an_upload_is_read_and_answered() {
        let message = [0x0A, 0, 0, 2, 0, 1, 0x9A, 1, 0xA0, 0xFF, 0xFF];
        let (header, body) = Header::parse(&message).expect("a request");
        assert_eq!(
            header,
            Header {
                operation: Operation::Write,
                version: 1,
                group: 1,
                sequence: 0x9A,
                command: 1
            }
        );
        assert_eq!(body, [0xA0, 0xFF], "as long as the header says");
        assert_eq!(header.reply(3), [0x0B, 0, 0, 3, 0, 1, 0x9A, 1]);
    }

    #[test]
    fn what_is_no_request_is_none() {
        assert!(Header::parse(&[0; 7]).is_none(), "too short");
        assert!(
            Header::parse(&[0, 0, 0, 1, 0, 0, 0, 0]).is_none(),
            "no body"
        );
        for reply in [1, 3, 4, 7] {
            assert!(Header::parse(&[reply, 0, 0, 0, 0, 0, 0, 0]).is_none());
        }
    }

    #[test]
    fn fields_are_found_in_any_order_among_unknown_ones() {
        // {"off": 7, "x": {"y": [1, {}]}, "data": h'0102', "upgrade": false, "sha": null}
        let body = b"\xA5\x63off\x07\x61x\xA1\x61y\x82\x01\xA0\x64data\x42\x01\x02\
                     \x67upgrade\xF4\x63sha\xF6";
        let fields = Fields::parse(body).expect("a map");
        let wanted = Fields {
            off: Some(7),
            data: Some(&[1, 2]),
            ..Fields::default()
        };
        assert_eq!(fields, wanted);
        assert_eq!(
            Fields::parse(b"\xBF\x63off\x07\xFF").expect("a map").off,
            Some(7)
        );
        assert_eq!(Fields::parse(b"").expect("nothing"), Fields::default());
    }

    #[test]
    fn malformed_maps_are_refused() {
        for (body, why) in [
            (b"\x80".as_slice(), "an array"),
            (b"\xA1", "cut off"),
            (b"\xA1\x63off", "no value"),
            (b"\xA1\x63off\x20", "a negative number"),
            (
                b"\xA1\x63off\x1B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                "too large",
            ),
            (b"\xA1\x64data\x63abc", "text for bytes"),
            (
                b"\xA1\x64data\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                "more bytes than there are",
            ),
            (b"\xA1\x61d\x61\xFF", "no UTF-8"),
            (b"\xA1\x07\x07", "a number as key"),
            (b"\xA0\x00", "something behind"),
            (b"\xBF\x63off\x07", "no end"),
            (
                b"\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x61x\x00",
                "endless map",
            ),
        ] {
            assert!(Fields::parse(body).is_err(), "{why}");
        }
        let mut many = [0x61; 1 + 17 * 3];
        many[0] = 0xB1;
        for field in many[1..].chunks_mut(3) {
            field.copy_from_slice(b"\x61x\x00");
        }
        assert!(Fields::parse(&many).is_err(), "17 fields");
        let mut deep = [0x81; 4000];
        deep[..3].copy_from_slice(b"\xA1\x61x");
        assert!(Fields::parse(&deep).is_err(), "nested without end");
    }
}
