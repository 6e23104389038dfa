//! Recovery: what a client says on the console goes into the session, until it asks for a reset.

use crate::services::Services;
use crate::{Memory, guard, say};
use otaru_board_qemu_virt::{console, flash::MappedFlash, report::Short, retained::Cause};
use otaru_bootloader::Stopped;
use otaru_bootloader_recovery::{Console, Device, Next, Note, Session};

/// Bytes of the frame buffer; a client fills it with each part of an image.
pub(crate) const FRAME_LEN: usize = 0x4000;

/// Serves the console.
pub(crate) fn run(
    stopped: Stopped,
    flash: &mut MappedFlash,
    services: &mut Services,
    memory: &mut Memory,
) -> ! {
    let mut session = Session::new(stopped, &mut memory.frame);
    let mut device = Device {
        flash,
        board: services,
        buf: &mut memory.buf,
    };
    loop {
        let next = match console::Console.receive() {
            Some(byte) => session.feed(&[byte], &mut device),
            None => Next::Go,
        };
        if next == Next::Reset {
            guard::reset(Cause::Software)
        }
    }
}

impl Console for Services {
    fn send(&mut self, line: &[u8]) {
        console::Console.send(line);
    }

    fn tell(&mut self, note: Note<'_>) {
        match note {
            Note::Upload { from: 0, len } => {
                say(format_args!("recovery: an upload of {len} bytes begins"));
            }
            Note::Upload { from, len } => say(format_args!(
                "recovery: an upload of {len} bytes goes on at {from}"
            )),
            Note::Erased => say(format_args!("recovery: the storage slot is erased")),
            Note::Stored { done, len } => {
                let percent = u64::from(done).saturating_mul(100).checked_div(len.into());
                say(format_args!(
                    "recovery: {} % stored",
                    percent.unwrap_or(100)
                ));
            }
            Note::Verifying => say(format_args!("recovery: verifying what was uploaded")),
            Note::Recovered(image) => say(format_args!(
                "recovery: image {} verifies: reset the device to install it",
                Short(image)
            )),
            Note::Refused(refusal) => say(format_args!("recovery: refused: {refusal}")),
            Note::Reset => say(format_args!("recovery: reset")),
        }
    }
}
