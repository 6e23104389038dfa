//! Recovery: what a client says on the console goes into the session, until it asks for a reset.

use super::{Services, say};
use crate::HostFlash;
use otaru_bootloader::Stopped;
use otaru_bootloader_recovery::{Console, Device, Next, Note, Session};
use std::io::{self, Write};

/// Bytes of the frame buffer; a client fills it with each part of an image.
const FRAME_LEN: usize = 0x4000;

/// Serves the console.
pub(super) fn run(
    stopped: Stopped,
    flash: &mut HostFlash,
    services: &mut Services<'_>,
    buf: &mut [u8],
) -> ! {
    let board = services.board;
    let mut frame = vec![0; FRAME_LEN];
    let mut session = Session::new(stopped, &mut frame);
    let mut device = Device {
        flash,
        board: services,
        buf,
    };
    while session.feed(&board.read_console(), &mut device) == Next::Go {}
    board.reset()
}

impl Console for Services<'_> {
    fn send(&mut self, line: &[u8]) {
        let mut out = io::stdout();
        // The chip reads everything that is printed; without it this process ends anyway.
        drop(out.write_all(line).and_then(|()| out.flush()));
    }

    fn tell(&mut self, note: Note<'_>) {
        say(&text(note));
    }
}

fn text(note: Note<'_>) -> String {
    match note {
        Note::Upload { from: 0, len } => format!("recovery: an upload of {len} bytes begins"),
        Note::Upload { from, len } => {
            format!("recovery: an upload of {len} bytes goes on at {from}")
        }
        Note::Erased => "recovery: the storage slot is erased".to_owned(),
        Note::Stored { done, len } => {
            let percent = u64::from(done).saturating_mul(100).checked_div(len.into());
            format!("recovery: {} % stored", percent.unwrap_or(100))
        }
        Note::Verifying => "recovery: verifying what was uploaded".to_owned(),
        Note::Recovered(image) => {
            let [a, b, c, d, ..] = image.digest;
            let name = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
            format!("recovery: image {name} verifies: reset the device to install it")
        }
        Note::Refused(refusal) => format!("recovery: refused: {refusal}"),
        Note::Reset => "recovery: reset".to_owned(),
    }
}
