//! The CPU's end of the wire to the chip.

use crate::wire::{
    FlashFault, HELLO_FILES, HELLO_LEN, Operation, REPLY_LEN, REQUEST_LEN, Reply, Request,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use std::fs::File;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// The wire. The chip answers each request before the next one may be sent.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
}

/// Makes this process end when the chip ends, however the chip ends.
#[cfg(target_os = "linux")]
pub(crate) fn end_with_chip() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Without the chip every request fails, and that ends the process.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
pub(crate) fn end_with_chip() -> io::Result<()> {
    Ok(())
}

/// Prints the last line of a program that panicked.
pub(super) fn print_last_words(text: &str) {
    // Nobody is left who could do something about a closed console.
    drop(writeln!(io::stderr(), "{text}"));
}

/// The chip has gone: its process ended, and with it everything this program runs on.
fn lost_chip() -> ! {
    print_last_words("the chip has gone");
    std::process::abort()
}

impl Link {
    /// Takes standard input, which must be a socket.
    pub(super) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let kind = rustix::net::sockopt::socket_type(stdin.as_fd())?;
        if kind != rustix::net::SocketType::STREAM {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
        Ok(Self { stream })
    }

    fn send(&mut self, operation: Operation, a: u32, b: u32, payload: &[u8]) -> io::Result<()> {
        let len = u32::try_from(payload.len()).map_err(|_too_long| io::ErrorKind::InvalidInput)?;
        let request = Request {
            operation: operation as u8,
            a,
            b,
            len,
        };
        let mut bytes = Vec::with_capacity(REQUEST_LEN + payload.len());
        bytes.extend_from_slice(&request.encode());
        bytes.extend_from_slice(payload);
        self.stream.write_all(&bytes)
    }

    fn exchange(
        &mut self,
        operation: Operation,
        a: u32,
        b: u32,
        payload: &[u8],
    ) -> io::Result<Reply> {
        self.send(operation, a, b, payload)?;
        let mut bytes = [0; REPLY_LEN];
        self.stream.read_exact(&mut bytes)?;
        Ok(Reply::decode(&bytes))
    }

    /// One request and its reply's value.
    pub(super) fn ask(
        &mut self,
        operation: Operation,
        a: u32,
        b: u32,
        payload: &[u8],
    ) -> Result<u32, FlashFault> {
        match self.exchange(operation, a, b, payload) {
            Ok(reply) if reply.len != 0 => lost_chip(),
            Ok(reply) if reply.status == 0 => Ok(reply.value),
            Ok(reply) => Err(FlashFault::from_code(reply.status)),
            Err(_gone) => lost_chip(),
        }
    }

    /// Waits until something is typed, and returns at most `len` bytes of it.
    #[cfg(feature = "chip")]
    pub(super) fn read_console(&mut self, len: u32) -> Vec<u8> {
        let Ok(reply) = self.exchange(Operation::ReadConsole, len, 0, &[]) else {
            lost_chip()
        };
        if reply.status != 0 || reply.len > len {
            lost_chip()
        }
        let mut bytes = vec![0; usize::try_from(reply.len).unwrap_or(0)];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => bytes,
            Err(_gone) => lost_chip(),
        }
    }

    /// The first request: what the chip says about itself, and its files.
    pub(super) fn hello(&mut self) -> io::Result<([u8; HELLO_LEN], [File; HELLO_FILES])> {
        self.send(Operation::Hello, 0, 0, &[])?;
        let mut bytes = [0; REPLY_LEN + HELLO_LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(HELLO_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut files = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                files.extend(fds.map(File::from));
            }
        }
        // The files come with the first byte; the rest may come later.
        if let Some(rest) = bytes.get_mut(received.bytes..) {
            self.stream.read_exact(rest)?;
        }
        let incomplete = || io::Error::from(io::ErrorKind::InvalidData);
        let (header, body) = bytes
            .split_first_chunk::<REPLY_LEN>()
            .ok_or_else(incomplete)?;
        let reply = Reply::decode(header);
        let body = body.first_chunk::<HELLO_LEN>().ok_or_else(incomplete)?;
        let whole = usize::try_from(reply.len) == Ok(HELLO_LEN)
            && !received.flags.contains(ReturnFlags::CTRUNC);
        let files = files.try_into().map_err(|_files| incomplete())?;
        if reply.status == 0 && whole {
            Ok((*body, files))
        } else {
            Err(incomplete())
        }
    }
}
