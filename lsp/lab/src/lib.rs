//! The failure lab: makes a device on this machine fail, says beforehand what should happen, and
//! judges afterwards by the device's own evidence whether it did.
//!
//! ```text
//! Fault ── expect ──▶ Expected          before: what should happen, from the record as it stands
//!   │
//!   └──── run ──────▶ Evidence ──┐      the fault, in a real device; console, events, record, flash
//!                                ├─ judge ──▶ Report: as expected, or not, point by point
//!          manager's word ───────┘
//! ```
//!
//! [`expect`] and [`judge`] are pure. [`run`] blocks and talks to the device's sockets;
//! [`ask_manager`] asks the manager afterwards. Nothing here knows an editor or prints. A fault is taken back before [`run`] returns, however it
//! ends: the network is there again, and no reset or failing range is left pending.

mod evidence;
mod expect;
mod fault;
mod judge;
mod look;
mod manager;
mod run;

pub use evidence::{Evidence, Strike, Trace};
pub use expect::{Ending, Expected, expect};
pub use fault::{Fault, TIMES_MAX};
pub use judge::{Check, ManagerWord, Report, judge};
pub use look::{Look, look};
pub use manager::ask_manager;
pub use run::{LabError, News, Order, fresh_seed, run};
