//! The language server: the only crate that knows LSP. It turns messages into questions to
//! `otaru-lsp-ide` and orders to `otaru-lsp-build`, and their answers into messages. It never
//! compiles, signs or talks to a manager itself.
//!
//! All state belongs to one task (`workspace`) that takes its work from one ordered queue; handlers
//! only put work in and wait for the answer. What the server says on its own goes through one
//! outbox. So no client, however slow or silent, can stop it.

mod console;
mod convert;
mod keys;
mod lab;
mod outbox;
mod paths;
mod progress;
pub mod protocol;
mod server;
pub mod update;
mod verbs;
mod workspace;

pub use server::{serve, serve_stdio};
