//! What bytecode links: the functions of its VM as safe Rust.
//!
//! [`run!`](crate::run) names the function that the VM calls. [`log`], [`time`], [`store`],
//! [`message`], [`pin`] and [`fota`] are the comfortable way to the VM's functions, [`host`] the plain one
//! (`docs/abi.md`). There is no heap; whoever wants one brings an allocator. On another target
//! than WebAssembly every function answers `Unsupported`, so that an application's own logic can be
//! tested anywhere.
//!
//! ```
//! use core::time::Duration;
//! use otaru_guest::{info, time};
//!
//! otaru_guest::run!(application);
//!
//! fn application() {
//!     for count in 0..3 {
//!         info!("count {count}");
//!         time::sleep(Duration::from_secs(1));
//!     }
//! }
//! # application();
//! ```
#![no_std]

pub mod fota;
pub mod host;
pub mod log;
pub mod message;
pub mod pin;
mod result;
pub mod store;
pub mod time;

pub use otaru_abi::{Errno, Level, PinMode};

/// Fills a buffer of any length with random bytes that nobody can predict.
///
/// # Errors
/// `Unsupported` on a device without a source of them.
pub fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    buffer
        .chunks_mut(otaru_abi::limits::RANDOM_LEN_MAX as usize)
        .try_for_each(host::random)
}

/// Names the function that the VM calls: once, without arguments. When it returns, the bytecode has
/// ended. The program begins with `#![cfg_attr(target_arch = "wasm32", no_std, no_main)]`.
#[macro_export]
macro_rules! run {
    ($function:path) => {
        /// What the VM calls.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(export_name = "run")]
        extern "C" fn otaru_run() {
            $function();
        }

        #[cfg(not(target_arch = "wasm32"))]
        fn main() {
            $function();
        }
    };
}

/// A panic is a line of the log and a trap: on trial it brings the old bytecode back.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    log::line(Level::Error, format_args!("{info}"));
    core::arch::wasm32::unreachable()
}
