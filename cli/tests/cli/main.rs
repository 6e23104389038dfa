//! The command line as a person and as a script see it: real processes, a real manager.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod device;
mod local;
mod manager;
mod support;
