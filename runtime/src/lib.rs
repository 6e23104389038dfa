//! What a firmware links: the update agent and its application interface.
//!
//! A firmware makes one [`Status`], lends it to [`run`] together with its board and its answers
//! to the agent's questions, and goes on with its own work:
//!
//! ```ignore
//! let status = Status::new();
//! board.block_on(run(&board, flash, &mut (), &status, async {
//!     loop {
//!         println!(&board, "version {}", status.version());
//!         board.sleep_ms(1000).await;
//!     }
//! }));
//! ```
//!
//! Both run on one executor and share nothing but references, so neither needs a lock. What is
//! printed with [`println!`] or [`print_line`] reaches the debug console and is kept through a
//! reset: should this firmware fail on trial, its last lines reach the manager.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use embassy_futures::select::{Either, select};
use otaru_flash::Flash;

pub use otaru_runtime_agent::{
    Application, Boot, MayInstall, Outcome, OutcomePhase, Permanent, Platform, Progress, Reason,
    ResetReason, Status, UpdatePhase, Version, print_line,
};

/// The agent itself, for who wants to drive it in another way.
pub use otaru_runtime_agent as agent;

/// Settings that outlive updates and reverts.
pub use otaru_runtime_data as data;

/// The images that were installed with this firmware, in one file with it: resources, a radio.
///
/// ```
/// use otaru_flash::Flash;
/// use otaru_runtime::parts::{PartError, find_part};
///
/// /// Reads the first bytes of the resources, part 1.
/// fn greeting<F: Flash>(flash: &mut F, device_block_at: u32) -> Result<[u8; 5], PartError> {
///     let part = find_part(flash, device_block_at, 1)?.ok_or(PartError::NotInstalled)?;
///     let mut text = [0; 5];
///     part.read(flash, 0, &mut text)?;
///     Ok(text)
/// }
/// ```
#[cfg(feature = "parts")]
pub mod parts {
    pub use otaru_runtime_agent::{InstalledPart, PartError, find_part};
}

/// Prints a line on the board's console: `println!(&board, "count {n}")`.
#[macro_export]
macro_rules! println {
    ($board:expr) => {
        $crate::print_line($board, ::core::format_args!(""))
    };
    ($board:expr, $($text:tt)+) => {
        $crate::print_line($board, ::core::format_args!($($text)+))
    };
}

/// Runs the update agent beside `work` until a reset is due, and resets.
///
/// `app` answers the agent's questions; `()` says yes to everything. When `work` ends, the agent
/// goes on alone. Returns only if the board's reset does, which is in tests.
pub async fn run<P: Platform, F: Flash, A: Application>(
    board: &P,
    flash: F,
    app: &mut A,
    status: &Status,
    work: impl Future<Output = ()>,
) -> ResetReason {
    let agent = otaru_runtime_agent::run(board, flash, app, status);
    let work = async {
        work.await;
        core::future::pending().await
    };
    // The agent comes first: it begins the console tail before the application prints.
    let reason = match select(agent, work).await {
        Either::First(reason) | Either::Second(reason) => reason,
    };
    board.reset(reason);
    reason
}

/// Keeps the message of a panic with the console's last lines; call it from the panic handler,
/// then reset.
pub fn print_panic<P: Platform>(board: &P, panic: &core::panic::PanicInfo<'_>) {
    print_line(board, format_args!("{panic}"));
}
