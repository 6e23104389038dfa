//! The manager over real HTTP, each test with its own process-local manager and SQLite file.

mod api;
mod ddi;
mod download;
mod events;
mod fleet;
mod flow;
mod open;
mod support;
mod tls;
mod uploads;
