//! The state machine: bytes in, replies out, until the device is to be reset.

use crate::framing::{self, OVERHEAD, Receiver};
use crate::message::Header;
use crate::refusal::Refusal;
use crate::reply::{REPLY_LEN_MAX, reply};
use crate::server::Server;
use otaru_bootloader::{Context, Port, Stopped};
use otaru_flash::{DeviceBlock, Flash};
use otaru_record::Image;

/// Shortest useful frame buffer, in bytes: a client that sends two lines at a time fits.
pub const FRAME_LEN_MIN: usize = 256;

/// What is told to people, one line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// An upload begins at `from`, which is not 0 if it is resumed.
    Upload {
        /// Bytes that are stored already.
        from: u32,
        /// Bytes of the image.
        len: u32,
    },
    /// The storage slot was erased.
    Erased,
    /// About another sixteenth of the image is stored.
    Stored {
        /// Bytes stored.
        done: u32,
        /// Bytes of the image.
        len: u32,
    },
    /// All is stored; it is read back and verified.
    Verifying,
    /// The image verifies and is the current one: the next boot runs it.
    Recovered(&'a Image),
    /// A request was refused.
    Refused(&'a Refusal),
    /// The device resets, as a client asked.
    Reset,
}

/// The console, and what the bootloader needs of the board.
pub trait Console: Port {
    /// Sends one line of a reply, its end included. Must not fail: who does not read it asks again.
    fn send(&mut self, line: &[u8]);

    /// Tells people. A line of text between the lines of a reply is fine.
    fn tell(&mut self, note: Note<'_>);
}

/// What a session works with.
#[derive(Debug)]
pub struct Device<'a, F, B> {
    /// The flash.
    pub flash: &'a mut F,
    /// The board.
    pub board: &'a mut B,
    /// What is read at a time when an image is verified; 512 bytes or more are sensible.
    pub buf: &'a mut [u8],
}

impl<F, B> Device<'_, F, B> {
    /// The same for the bootloader's verifier.
    pub(crate) fn context<'a>(&'a mut self, block: &'a DeviceBlock) -> Context<'a, F, B> {
        Context::new(self.flash, self.board, block, self.buf)
    }
}

/// What the board does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Give it the next bytes from the console.
    Go,
    /// Reset the device, after what was sent has left.
    Reset,
}

/// A session of recovery: from a boot that starts nothing to a reset.
#[derive(Debug)]
pub struct Session<'b> {
    receiver: Receiver<'b>,
    server: Server,
}

impl<'b> Session<'b> {
    /// Begins. `frame` holds one message of a client with 4 bytes around it; clients are told its
    /// length and fill it. At least [`FRAME_LEN_MIN`] bytes are useful, more make uploads faster.
    pub fn new(stopped: Stopped, frame: &'b mut [u8]) -> Self {
        let receiver = Receiver::new(frame);
        let frame_len = receiver.frame_len_max();
        Self {
            server: Server::new(stopped, u16::try_from(frame_len).unwrap_or(u16::MAX)),
            receiver,
        }
    }

    /// Takes what arrived on the console and answers it.
    pub fn feed<F: Flash, B: Console>(
        &mut self,
        bytes: &[u8],
        device: &mut Device<'_, F, B>,
    ) -> Next {
        for &byte in bytes {
            let Some(message) = self.receiver.push(byte) else {
                continue;
            };
            let Some((header, body)) = Header::parse(message) else {
                continue;
            };
            let (answer, next) = self.server.answer(header, body, device);
            if let Err(refusal) = &answer {
                device.board.tell(Note::Refused(refusal));
            }
            let mut buf = [0; REPLY_LEN_MAX];
            let len = reply(header, &answer, &mut buf).unwrap_or(0);
            let message = buf.get(..len).unwrap_or_default();
            framing::send(message, |line| device.board.send(line));
            if next == Next::Reset {
                device.board.tell(Note::Reset);
                return Next::Reset;
            }
        }
        Next::Go
    }
}

// The longest reply has to fit the length of a frame.
const _: () = assert!(REPLY_LEN_MAX + OVERHEAD <= u16::MAX as usize);
