//! What a firmware links besides the drivers: network, executor, and the update agent's platform.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! otaru_board_qemu_virt::entry!(main);
//!
//! fn main(board: QemuPlatform) {
//!     let status = Status::new();
//!     board.block_on(run(&board, board.flash(), &mut (), &status, work));
//! }
//! ```
//!
//! One thread of execution, no interrupts: [`QemuPlatform::block_on`] asks everything again when
//! something happened, and otherwise once a millisecond.

mod device;
mod executor;
mod network;
mod platform;
mod time;
mod virtio;

pub use network::QemuNetwork;
pub use platform::QemuPlatform;

use crate::{console::Console, monitor, retained};
use core::fmt::{self, Write as _};
use otaru_runtime_agent::tail;

/// Makes `main`, a function that takes a [`QemuPlatform`], what the machine starts with, and keeps the
/// text of a panic for the next boot. Once per program; a `main` that returns counts as a crash.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Called by the start-up code with RAM initialised.
        #[cfg(target_os = "none")]
        #[unsafe(no_mangle)]
        extern "C" fn otaru_start() -> ! {
            $crate::firmware::start($main)
        }

        #[cfg(target_os = "none")]
        #[panic_handler]
        fn panicked(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::firmware::panicked(info)
        }
    };
}

/// Takes the board and runs the firmware; what [`entry!`](crate::entry) calls.
pub fn start(main: fn(QemuPlatform)) -> ! {
    if let Some(board) = QemuPlatform::take() {
        main(board);
    }
    Console.line(format_args!("the firmware has ended"));
    monitor::crash()
}

/// Keeps a panic's text for the next boot, prints it and resets; what [`entry!`](crate::entry) calls.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    let mut both = LastWords;
    // Nothing here fails but a `Display` of the firmware, and then the rest of the line is lost.
    let _complete = write!(both, "{info}").and_then(|()| both.write_char('\n'));
    monitor::crash()
}

/// The console, and the console's tail in retained RAM.
struct LastWords;

impl fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        Console.send(text.as_bytes());
        retained::with_agent(&mut |ram| tail::push(ram, text));
        Ok(())
    }
}
