//! The device manager: DDI, public API and web app over SQLite.
//!
//! ```text
//! devices ──DDI──▶ ddi ─┐                       ┌▶ store (SQLite)
//! CLI, editor ───▶ api ─┼▶ engine ─▶ rollout    ├▶ blobs (object store)
//! browser ───────▶ web ─┘   (one transaction)   └▶ events, presence (memory only)
//! ```
//!
//! [`Manager::open`] takes a folder, [`Manager::serve`] a listener; nothing is global, so a program
//! may run several. What an update's state means is decided in `otaru-manager-rollout`; every
//! decision is committed before anybody is told. It never sees a private signing key, and never
//! calls an update done on anything but the device's own proof.
#![forbid(unsafe_code)]

mod api;
mod app;
mod auth;
mod blobs;
mod config;
mod ddi;
mod deploy;
mod engine;
mod error;
mod events;
mod inspect;
mod limiter;
mod lock;
mod manager;
mod origin;
mod presence;
mod public_key;
mod secret;
mod server;
mod store;
mod tls;
mod uploads;
mod web;

pub use api::{openapi, views};
pub use config::{Clock, Config, TlsFiles};
pub use manager::{Manager, OpenError};
pub use otaru_manager_rollout::Limits;
pub use tls::TlsError;
