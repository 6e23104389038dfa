//! SMP over a console: messages in lines of base64, between lines of text that mean nothing here.
//!
//! ```text
//! 06 09 base64 0A          first line of a frame        frame = length message crc
//! 04 14 base64 0A          each further one             length = bytes of message and crc, u16 BE
//!                                                       crc = CRC-16/XMODEM of the message, u16 BE
//! ```
//!
//! The two bytes that begin a line never occur in text or base64, so a line that was cut off, or
//! what somebody typed, does not spoil the one behind it.

use base64ct::{Base64, Encoding};
use crc::{CRC_16_XMODEM, Crc, Table};

const CRC: Crc<u16, Table<0>> = Crc::<u16, Table<0>>::new(&CRC_16_XMODEM);

const FIRST: [u8; 2] = [0x06, 0x09];
const FURTHER: [u8; 2] = [0x04, 0x14];
/// Longest line that is taken, in bytes, without its end; clients send at most 127.
const LINE_LEN_MAX: usize = 130;
/// Bytes of a frame in one line that is sent: 124 characters of base64.
const PIECE_LEN: usize = 93;
/// Bytes of a frame besides its message.
pub(crate) const OVERHEAD: usize = 4;
/// Shortest message: an SMP header.
const MESSAGE_LEN_MIN: usize = 8;

/// Puts lines together to messages.
#[derive(Debug)]
pub(crate) struct Receiver<'b> {
    line: [u8; LINE_LEN_MAX],
    /// Bytes of the line so far; 0 while no line has begun.
    line_len: usize,
    frame: &'b mut [u8],
    /// Bytes of the frame so far; `None` while no frame has begun.
    have: Option<usize>,
}

impl<'b> Receiver<'b> {
    pub(crate) fn new(frame: &'b mut [u8]) -> Self {
        Self {
            line: [0; LINE_LEN_MAX],
            line_len: 0,
            frame,
            have: None,
        }
    }

    /// Longest frame that is taken, in bytes.
    pub(crate) fn frame_len_max(&self) -> usize {
        self.frame.len().min(usize::from(u16::MAX))
    }

    /// Takes a byte; the message, if it is complete with it. Damaged frames are dropped: there is
    /// nobody to tell, and clients ask again.
    pub(crate) fn push(&mut self, byte: u8) -> Option<&[u8]> {
        let [first, second] = [FIRST, FURTHER].map(|[byte, _]| byte);
        match byte {
            b'\n' => {
                let len = core::mem::take(&mut self.line_len);
                let end = self.end_line(len)?;
                self.frame.get(2..end)
            }
            b'\r' => None,
            _ if byte == first || byte == second => {
                self.line_len = 0;
                self.append(byte)
            }
            _ if self.line_len > 0 => self.append(byte),
            // Text of no meaning here.
            _ => None,
        }
    }

    fn append(&mut self, byte: u8) -> Option<&[u8]> {
        if let Some(place) = self.line.get_mut(self.line_len) {
            *place = byte;
            self.line_len = self.line_len.saturating_add(1);
        } else {
            // Longer than any line of this protocol: what follows up to its end is text.
            self.line_len = 0;
            self.have = None;
        }
        None
    }

    /// Takes the line of `len` bytes; where the message in the frame ends, if it is complete.
    fn end_line(&mut self, len: usize) -> Option<usize> {
        let (start, text) = self.line.get(..len)?.split_first_chunk::<2>()?;
        let have = match *start {
            FIRST => 0,
            FURTHER => self.have?,
            _ => return None,
        };
        self.have = None;
        let have = have.checked_add(decode(text, self.frame.get_mut(have..)?)?)?;
        let total = match self.frame.first_chunk::<2>() {
            Some(len) if have >= 2 => usize::from(u16::from_be_bytes(*len)).checked_add(2)?,
            Some(_) | None => return None,
        };
        let impossible = total > self.frame.len() || total < MESSAGE_LEN_MIN + OVERHEAD;
        if impossible || have > total {
            return None;
        }
        if have < total {
            self.have = Some(have);
            return None;
        }
        let end = total.checked_sub(2)?;
        let crc = self.frame.get(end..total)?.first_chunk::<2>()?;
        let sound = CRC.checksum(self.frame.get(2..end)?) == u16::from_be_bytes(*crc);
        sound.then_some(end)
    }
}

fn decode(text: &[u8], room: &mut [u8]) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    Base64::decode(text, room).ok().map(<[u8]>::len)
}

/// Sends a message as lines.
pub(crate) fn send(message: &[u8], mut out: impl FnMut(&[u8])) {
    let len = message.len().saturating_add(2);
    let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let crc = CRC.checksum(message).to_be_bytes();
    let mut bytes = len.iter().chain(message).chain(&crc).copied();
    let mut start = FIRST;
    loop {
        let mut piece = [0; PIECE_LEN];
        let mut count = 0_usize;
        for (place, byte) in piece.iter_mut().zip(bytes.by_ref().take(PIECE_LEN)) {
            *place = byte;
            count = count.saturating_add(1);
        }
        let Some(piece) = piece.get(..count).filter(|piece| !piece.is_empty()) else {
            return;
        };
        let mut line = [0; LINE_LEN_MAX];
        if let Some(len) = encode_line(start, piece, &mut line) {
            out(line.get(..len).unwrap_or_default());
        }
        start = FURTHER;
    }
}

fn encode_line(start: [u8; 2], piece: &[u8], line: &mut [u8]) -> Option<usize> {
    let (delimiter, rest) = line.split_first_chunk_mut::<2>()?;
    *delimiter = start;
    let text = Base64::encode(piece, rest).ok()?.len();
    *rest.get_mut(text)? = b'\n';
    text.checked_add(3)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn lines(message: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        send(message, |line| lines.push(line.to_vec()));
        lines
    }

    /// The messages that arrive in these bytes.
    fn received(bytes: &[u8], frame_len: usize) -> Vec<Vec<u8>> {
        let mut frame = std::vec![0; frame_len];
        let mut receiver = Receiver::new(&mut frame);
        let take = |&byte: &u8| receiver.push(byte).map(<[u8]>::to_vec);
        bytes.iter().filter_map(take).collect()
    }

    #[test]
    fn one_short_message_is_one_known_line() {
        // As the reference client documents it.
        let sent = lines(b"Hello, world!");
        assert_eq!(sent, [b"\x06\x09AA9IZWxsbywgd29ybGQhet4=\n"]);
        assert_eq!(received(&sent.concat(), 64), [b"Hello, world!"]);
    }

    #[test]
    fn every_length_arrives_in_lines_of_at_most_127_bytes() {
        for len in 8..400 {
            let message: Vec<u8> = (0..len).map(|n: u16| n.to_le_bytes()[0]).collect();
            let sent = lines(&message);
            assert!(sent.iter().all(|line| line.len() <= 127));
            assert_eq!(received(&sent.concat(), 404), [message], "{len}");
        }
    }

    #[test]
    fn text_around_and_a_line_cut_off_are_ignored() {
        let sent = lines(b"a message").concat();
        let mut bytes = b":: text\r\n\x06\x09AAAA\x04\x14x\ntyped".to_vec();
        bytes.extend(&sent);
        bytes.extend(b"more\n");
        bytes.extend(b"\x06\x09AA9IZWxs");
        bytes.extend(&sent);
        let with_returns: Vec<u8> = sent
            .iter()
            .flat_map(|&byte| match byte {
                b'\n' => b"\r\n".to_vec(),
                _ => std::vec![byte],
            })
            .collect();
        bytes.extend(with_returns);
        assert_eq!(received(&bytes, 64), [b"a message"; 3]);
    }

    #[test]
    fn damaged_and_impossible_frames_are_dropped() {
        let good = lines(&[7; 200]).concat();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x04;
            let found = received(&bad, 256);
            assert!(found.is_empty() || found == [[7; 200]], "byte {at}");
        }
        assert_eq!(received(&good, 204).len(), 1);
        for (bytes, why) in [
            (good.as_slice(), "longer than the buffer"),
            (b"\x06\x09\n", "empty"),
            (b"\x06\x09AA\n", "no whole base64"),
            (b"\x06\x09AAAA\n", "too short for a message"),
            (b"\x04\x14AA9IZWxsbywgd29ybGQhet4=\n", "no first line"),
            (b"\x06\x14AA9IZWxsbywgd29ybGQhet4=\n", "a mixed beginning"),
            (b"\x06\x09AA5IZWxsbywgd29ybGQhet4=\n", "longer than it says"),
        ] {
            assert!(received(bytes, 203).is_empty(), "{why}");
        }
        let mut long = std::vec![b'A'; 1000];
        long.splice(0..0, *b"\x06\x09");
        long.push(b'\n');
        long.extend(lines(b"a message").concat());
        assert_eq!(received(&long, 64), [b"a message"]);
    }
}
