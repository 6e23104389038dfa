//! The agent from outside: its session against every order of events, its driver against a real
//! TCP server. The requirement that a test covers stands in its first line.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks at the few actions it is about"
)]
#![expect(
    clippy::struct_excessive_bools,
    reason = "observations and switches that do not depend on each other"
)]

mod chaos;
mod cloud;
mod driver;
#[cfg(feature = "encryption")]
mod encrypted;
mod life;
#[cfg(feature = "parts")]
mod parts;
mod rotation;
mod server;
mod session;
mod trials;
mod world;
