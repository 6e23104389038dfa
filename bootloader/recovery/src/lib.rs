//! Recovery over the console: takes an image with SMP and makes it the current one.
//!
//! A boot that starts nothing leaves a [`Stopped`](otaru_bootloader::Stopped). A board with a
//! console gives it to a [`Session`], feeds it what arrives, and resets when it is told to:
//!
//! ```ignore
//! let mut session = Session::new(stopped, &mut frame);
//! let mut device = Device { flash: &mut flash, board: &mut services, buf: &mut buf };
//! while session.feed(console.read(), &mut device) == Next::Go {}
//! reset()
//! ```
//!
//! ```text
//! bytes ─► lines ─► frames ─► requests ─► storage slot ─► verified ─► record: current image
//!         framing   CRC-16     CBOR       receiving                    recovered
//! ```
//!
//! It writes into a storage slot only, behind the record's permit, and never into the execution
//! slot: once the record names the uploaded image as the current one, the next boot heals the
//! execution slot from there. So every power cut meets code that is there for other reasons.
//!
//! What arrives is untrusted. Line, frame and reply have fixed lengths, a request is parsed in one
//! pass without recursion, and one byte causes at most one request's work.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod framing;
pub mod fuzz;
mod message;
mod refusal;
mod reply;
mod server;
mod session;
mod upload;

pub use refusal::Refusal;
pub use session::{Console, Device, FRAME_LEN_MIN, Next, Note, Session};
