//! The blocking client of a running device.

use super::{
    CONSOLE_SOCKET, CONTROL_SOCKET, Event, FRAME_LEN_MAX, Moment, Refusal, RefusalCode, Request,
    Response, Status, connect,
};
use crate::chip::BadRange;
use otaru_flash::Flash;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the client waits for a response before it gives up.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
const LINE_LEN_MAX: u64 = 0x1_0000;
const TRANSFER_LEN: usize = 0x4_0000;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens in this folder.
    #[error("no device runs in {}: start it with `otaru device run`", .dir.display())]
    NotRunning {
        /// The device folder.
        dir: PathBuf,
    },
    /// The chip refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The connection broke, or the chip ended.
    #[error("the device in {} does not answer: {cause}", .dir.display())]
    Io {
        /// The device folder.
        dir: PathBuf,
        /// What happened.
        #[source]
        cause: io::Error,
    },
    /// The chip sent something else than this client understands.
    #[error("the device in {} speaks another language ({what}): restart it with this version", .dir.display())]
    Protocol {
        /// The device folder.
        dir: PathBuf,
        /// What it sent.
        what: String,
    },
}

impl ControlError {
    /// The refusal's code, if the chip refused.
    pub fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            Self::NotRunning { .. } | Self::Io { .. } | Self::Protocol { .. } => None,
        }
    }
}

/// A connection to the control socket of one device.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    dir: PathBuf,
}

fn open(dir: &Path, name: &str) -> Result<UnixStream, ControlError> {
    connect(dir, name).map_err(|cause| {
        let dir = dir.to_owned();
        let nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if nobody.contains(&cause.kind()) {
            ControlError::NotRunning { dir }
        } else {
            ControlError::Io { dir, cause }
        }
    })
}

impl Client {
    /// Connects to the device in `dir`.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] or [`ControlError::Io`].
    pub fn connect(dir: &Path) -> Result<Self, ControlError> {
        let stream = open(dir, CONTROL_SOCKET)?;
        let client = Self {
            stream: BufReader::new(stream),
            dir: dir.to_owned(),
        };
        let stream = client.stream.get_ref();
        stream
            .set_read_timeout(Some(RESPONSE_TIMEOUT))
            .and_then(|()| stream.set_write_timeout(Some(RESPONSE_TIMEOUT)))
            .map_err(|cause| client.io(cause))?;
        Ok(client)
    }

    /// Opens the console of the device in `dir`: first its history, then what the CPU prints.
    /// Reading ends when the chip ends.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] or [`ControlError::Io`].
    pub fn console(dir: &Path) -> Result<UnixStream, ControlError> {
        open(dir, CONSOLE_SOCKET)
    }

    fn io(&self, cause: io::Error) -> ControlError {
        let dir = self.dir.clone();
        ControlError::Io { dir, cause }
    }

    fn protocol(&self, what: impl Into<String>) -> ControlError {
        ControlError::Protocol {
            dir: self.dir.clone(),
            what: what.into(),
        }
    }

    fn receive_line(&mut self) -> Result<String, ControlError> {
        let mut line = String::new();
        let read = (&mut self.stream)
            .take(LINE_LEN_MAX)
            .read_line(&mut line)
            .map_err(|cause| self.io(cause))?;
        if read == 0 {
            return Err(self.io(io::ErrorKind::UnexpectedEof.into()));
        }
        if !line.ends_with('\n') {
            return Err(self.protocol("a line without end"));
        }
        Ok(line)
    }

    /// Sends one request with its raw bytes and returns the response with its raw bytes. The typed
    /// methods below are nicer.
    ///
    /// # Errors
    /// [`ControlError`]; a refusal is [`ControlError::Refused`].
    pub fn exchange(
        &mut self,
        request: &Request,
        frame: &[u8],
    ) -> Result<(Response, Vec<u8>), ControlError> {
        let mut line = serde_json::to_vec(request).map_err(|error| self.io(error.into()))?;
        line.push(b'\n');
        line.extend_from_slice(frame);
        self.stream
            .get_mut()
            .write_all(&line)
            .map_err(|cause| self.io(cause))?;
        let line = self.receive_line()?;
        let response: Response =
            serde_json::from_str(&line).map_err(|error| self.protocol(error.to_string()))?;
        let len = response.len.unwrap_or(0);
        if len > FRAME_LEN_MAX {
            return Err(self.protocol(format!("a frame of {len} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.stream
            .read_exact(&mut bytes)
            .map_err(|cause| self.io(cause))?;
        match response.error {
            Some(refusal) => Err(ControlError::Refused(refusal)),
            None if response.ok => Ok((response, bytes)),
            None => Err(self.protocol("neither done nor refused")),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<(), ControlError> {
        self.exchange(request, &[]).map(|_done| ())
    }

    /// How the device is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(&mut self) -> Result<Status, ControlError> {
        let (response, _) = self.exchange(&Request::Status, &[])?;
        let status = response.status.map(|status| *status);
        status.ok_or_else(|| self.protocol("no status"))
    }

    /// Presses the reset button, now or at the given moment.
    ///
    /// # Errors
    /// [`ControlError`]; refused while the device is off or held.
    pub fn reset(&mut self, moment: Moment) -> Result<(), ControlError> {
        self.ask(&Request::Reset(moment))
    }

    /// Cuts the power, now or at the given moment.
    ///
    /// # Errors
    /// [`ControlError`]; refused while the device is off.
    pub fn power_cut(&mut self, moment: Moment) -> Result<(), ControlError> {
        self.ask(&Request::PowerCut(moment))
    }

    /// Switches the device on; nothing happens if it is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn power_on(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::PowerOn)
    }

    /// Holds the recovery button during the next start of the CPU, whenever that is.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn hold_recovery(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::Recovery)
    }

    /// Attaches the debug probe: the CPU is kept in reset until the probe is released, dropped, or
    /// this process ends.
    ///
    /// # Errors
    /// [`ControlError`]; refused while another probe holds the CPU.
    pub fn hold(&mut self) -> Result<Probe<'_>, ControlError> {
        self.ask(&Request::Hold)?;
        Ok(Probe {
            client: self,
            released: false,
        })
    }

    /// Flips bits of one byte of flash.
    ///
    /// # Errors
    /// [`ControlError`]; refused outside the flash.
    pub fn corrupt(&mut self, offset: u32, xor: u8) -> Result<(), ControlError> {
        self.ask(&Request::Corrupt { offset, xor })
    }

    /// Makes a range of the flash fail.
    ///
    /// # Errors
    /// [`ControlError`]; refused outside the flash, and when there are 64 already.
    pub fn bad_range(&mut self, range: BadRange) -> Result<(), ControlError> {
        self.ask(&Request::BadRange(range))
    }

    /// Takes back failing ranges and pending resets and cuts.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn clear_faults(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::ClearFaults)
    }

    /// Takes the network away or gives it back.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn set_online(&mut self, online: bool) -> Result<(), ControlError> {
        self.ask(if online {
            &Request::Online
        } else {
            &Request::Offline
        })
    }

    /// Stops the CPU without resetting it, as a firmware does that hangs.
    ///
    /// # Errors
    /// [`ControlError`]; refused while the device is off or held.
    pub fn freeze(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::Freeze)
    }

    /// Ends the program as an illegal access does; the chip resets the CPU.
    ///
    /// # Errors
    /// [`ControlError`]; refused while the device is off or held.
    pub fn crash(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::Crash)
    }

    /// Switches the device off and ends the chip.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn shutdown(&mut self) -> Result<(), ControlError> {
        self.ask(&Request::Shutdown)
    }

    /// Turns the connection into a stream of events. The status is that of the moment before the
    /// first event.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn events(mut self) -> Result<(Status, EventStream), ControlError> {
        let (response, _) = self.exchange(&Request::Events, &[])?;
        let status = response.status.map(|status| *status);
        let status = status.ok_or_else(|| self.protocol("no status"))?;
        Ok((status, EventStream { client: self }))
    }
}

/// The events of a device, as they happen.
#[derive(Debug)]
pub struct EventStream {
    client: Client,
}

impl EventStream {
    /// The next event; `None` when there was none for `timeout`.
    ///
    /// # Errors
    /// [`ControlError::Io`] when the chip has ended.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>, ControlError> {
        let client = &mut self.client;
        let timeout = timeout.max(Duration::from_millis(1));
        let stream = client.stream.get_ref();
        stream
            .set_read_timeout(Some(timeout))
            .map_err(|cause| client.io(cause))?;
        if client.stream.buffer().is_empty() {
            match client.stream.fill_buf() {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(client.io(error)),
            }
        }
        // The chip writes whole lines; the rest of one is on its way.
        let stream = client.stream.get_ref();
        stream
            .set_read_timeout(Some(RESPONSE_TIMEOUT))
            .map_err(|cause| client.io(cause))?;
        let line = client.receive_line()?;
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| client.protocol(error.to_string()))
    }
}

/// A debug probe that holds the CPU in reset. It is a [`Flash`], so what the device reads can be
/// written with the same code.
#[derive(Debug)]
pub struct Probe<'a> {
    client: &'a mut Client,
    released: bool,
}

impl Probe<'_> {
    /// Lets the CPU go: it starts with cause *button* if the device is switched on.
    ///
    /// # Errors
    /// [`ControlError`]; the CPU then starts when the connection ends.
    pub fn release(mut self) -> Result<(), ControlError> {
        self.released = true;
        self.client.ask(&Request::Release)
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.released {
            // If the chip does not answer, it releases the CPU when the connection ends.
            drop(self.client.ask(&Request::Release));
        }
    }
}

fn pieces(offset: u32, len: usize) -> impl Iterator<Item = (u32, std::ops::Range<usize>)> {
    (0..len).step_by(TRANSFER_LEN).map(move |start| {
        let at = offset.saturating_add(u32::try_from(start).unwrap_or(u32::MAX));
        (at, start..len.min(start.saturating_add(TRANSFER_LEN)))
    })
}

fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Without [`Client::hold`] the flash can only be read: the chip refuses everything else.
impl Flash for Client {
    type Error = ControlError;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), ControlError> {
        for (offset, range) in pieces(offset, buf.len()) {
            let Some(part) = buf.get_mut(range) else {
                break;
            };
            let len = length(part.len());
            let (_, bytes) = self.exchange(&Request::Read { offset, len }, &[])?;
            if bytes.len() != part.len() {
                return Err(self.protocol("fewer bytes than asked for"));
            }
            part.copy_from_slice(&bytes);
        }
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), ControlError> {
        for (offset, range) in pieces(offset, data.len()) {
            let Some(part) = data.get(range) else { break };
            let len = length(part.len());
            self.exchange(&Request::Program { offset, len }, part)?;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), ControlError> {
        self.ask(&Request::Erase { offset, len })
    }
}

impl Flash for Probe<'_> {
    type Error = ControlError;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), ControlError> {
        self.client.read(offset, buf)
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), ControlError> {
        self.client.program(offset, data)
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), ControlError> {
        self.client.erase(offset, len)
    }
}
