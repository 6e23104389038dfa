//! Replies: what is answered, as CBOR behind the header of the request.

use crate::message::{HEADER_LEN, Header};
use crate::refusal::Refusal;
use core::fmt::Write as _;
use minicbor::Encoder;
use minicbor::encode::write::{Cursor, EndOfSlice};

/// Longest reply in bytes, header included: two listed images take about 330.
pub(crate) const REPLY_LEN_MAX: usize = 512;
/// Longest text of a refusal in bytes; a longer one is cut off.
const REASON_LEN_MAX: usize = 128;

/// Longest text of a version in bytes: that of a label, or four numbers.
pub(crate) type VersionText = heapless::String<32>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer<'m> {
    /// Done.
    Empty,
    /// The text that was to be echoed.
    Echo(&'m str),
    /// Length of the frame buffer.
    Parameters(u16),
    /// Which bootloader this is.
    Bootloader,
    /// The offset that comes next; `complete` if the image was verified.
    Offset { off: u32, complete: bool },
    /// The images there are.
    Images([Option<Listed>; 2]),
}

/// An image in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) slot: u8,
    pub(crate) version: VersionText,
    pub(crate) hash: [u8; 32],
    pub(crate) standing: Standing,
}

/// What an image in the list is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing in this boot says that it verifies.
    Unknown,
    /// In the execution slot, verified, and the current image.
    Current,
    /// In the execution slot and verified, but another one takes its place at the next boot.
    Replaced,
    /// In storage, verified, and installed by the next boot.
    Pending,
}

type Wire<'b> = Encoder<Cursor<&'b mut [u8]>>;
type Encoded = Result<(), minicbor::encode::Error<EndOfSlice>>;

/// Writes the reply to the request with this header; its length.
pub(crate) fn reply(
    header: Header,
    answer: &Result<Answer<'_>, Refusal>,
    buf: &mut [u8; REPLY_LEN_MAX],
) -> Option<usize> {
    let write = |answer: &Result<Answer<'_>, Refusal>, room: &mut [u8]| -> Option<usize> {
        let mut wire = Encoder::new(Cursor::new(room));
        match answer {
            Ok(answer) => encode(&mut wire, answer),
            Err(refusal) => refuse(&mut wire, header.version, refusal),
        }
        .ok()?;
        Some(wire.writer().position())
    };
    let (start, room) = buf.split_first_chunk_mut::<HEADER_LEN>()?;
    let len = write(answer, room).or_else(|| write(&Err(Refusal::ReplyTooLong), room))?;
    *start = header.reply(u16::try_from(len).ok()?);
    len.checked_add(HEADER_LEN)
}

fn encode(wire: &mut Wire<'_>, answer: &Answer<'_>) -> Encoded {
    match answer {
        Answer::Empty => {
            wire.map(0)?;
        }
        Answer::Echo(text) => {
            wire.map(1)?.str("r")?.str(text)?;
        }
        Answer::Parameters(len) => {
            wire.map(2)?.str("buf_size")?.u16(*len)?;
            wire.str("buf_count")?.u8(1)?;
        }
        Answer::Bootloader => {
            let name = concat!("Otaru ", env!("CARGO_PKG_VERSION"));
            wire.map(1)?.str("bootloader")?.str(name)?;
        }
        Answer::Offset { off, complete } => {
            wire.map(if *complete { 2 } else { 1 })?;
            wire.str("off")?.u32(*off)?;
            if *complete {
                wire.str("match")?.bool(true)?;
            }
        }
        Answer::Images(images) => {
            wire.map(1)?.str("images")?;
            wire.array(images.iter().flatten().count() as u64)?;
            for image in images.iter().flatten() {
                list(wire, image)?;
            }
        }
    }
    Ok(())
}

fn list(wire: &mut Wire<'_>, image: &Listed) -> Encoded {
    wire.map(8)?.str("slot")?.u8(image.slot)?;
    wire.str("version")?.str(&image.version)?;
    wire.str("hash")?.bytes(&image.hash)?;
    let standing = image.standing;
    let active = matches!(standing, Standing::Current | Standing::Replaced);
    let pending = standing == Standing::Pending;
    for (name, value) in [
        ("bootable", active || pending),
        ("pending", pending),
        ("permanent", pending),
        ("confirmed", standing == Standing::Current),
        ("active", active),
    ] {
        wire.str(name)?.bool(value)?;
    }
    Ok(())
}

/// In version 1 always a number and a text. In version 2 the number of the group, if it has one
/// that says it all; else as in version 1, which that version keeps for what no group knows.
fn refuse(wire: &mut Wire<'_>, version: u8, refusal: &Refusal) -> Encoded {
    let codes = refusal.codes();
    match codes.group {
        Some((group, code)) if version > 0 => {
            wire.map(1)?.str("err")?;
            wire.map(2)?.str("group")?.u16(group)?;
            wire.str("rc")?.u8(code)?;
        }
        Some(_) | None => {
            let mut text = Cut(heapless::String::new());
            // It cuts what does not fit and never fails.
            let _written = write!(text, "{refusal}");
            wire.map(2)?.str("rc")?.u8(codes.general)?;
            wire.str("rsn")?.str(&text.0)?;
        }
    }
    Ok(())
}

/// A text that is cut off where it gets too long.
struct Cut(heapless::String<REASON_LEN_MAX>);

impl core::fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for letter in text.chars() {
            if self.0.push(letter).is_err() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Operation;
    use otaru_image::VerifyError;

    fn body(version: u8, answer: &Result<Answer<'_>, Refusal>) -> heapless::Vec<u8, REPLY_LEN_MAX> {
        let header = Header {
            operation: Operation::Write,
            version,
            group: 1,
            sequence: 7,
            command: 1,
        };
        let mut buf = [0; REPLY_LEN_MAX];
        let len = reply(header, answer, &mut buf).expect("a reply");
        let (start, body) = buf[..len]
            .split_first_chunk::<HEADER_LEN>()
            .expect("a header");
        assert_eq!(
            *start,
            header.reply(u16::try_from(body.len()).expect("short"))
        );
        heapless::Vec::from_slice(body).expect("fits")
    }

    #[test]
    fn offsets_say_whether_the_image_is_complete() {
        let answer = |complete| Ok(Answer::Offset { off: 300, complete });
        assert_eq!(body(1, &answer(false)), b"\xA1\x63off\x19\x01\x2C");
        assert_eq!(
            body(1, &answer(true)),
            b"\xA2\x63off\x19\x01\x2C\x65match\xF5"
        );
    }

    #[test]
    fn refusals_are_told_as_each_version_knows_them() {
        let wrong = Err(Refusal::NoUpload);
        assert_eq!(body(1, &wrong), b"\xA1\x63err\xA2\x65group\x01\x62rc\x11");
        let in_version_1 = body(0, &wrong);
        assert!(in_version_1.starts_with(b"\xA2\x62rc\x06\x63rsn\x78"));
        let board = Err(Refusal::Image(VerifyError::WrongBoard));
        let text = b"\xA2\x62rc\x0B\x63rsn\x78\x1Ethe image is for another board";
        assert_eq!(body(0, &board), text);
        assert_eq!(body(1, &board), text);
    }

    #[test]
    fn longest_list_fits_and_a_longer_echo_is_refused() {
        let listed = Listed {
            slot: 1,
            version: VersionText::try_from("a label of thirty-two characters").expect("fits"),
            hash: [0xFF; 32],
            standing: Standing::Pending,
        };
        let list = body(1, &Ok(Answer::Images([Some(listed.clone()), Some(listed)])));
        assert!(list.starts_with(b"\xA1\x66images\x82\xA8\x64slot\x01"));
        let long = "x".repeat(REPLY_LEN_MAX);
        let refused = body(1, &Ok(Answer::Echo(&long)));
        assert!(refused.starts_with(b"\xA2\x62rc\x07\x63rsn"));
    }
}
