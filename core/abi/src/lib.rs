//! What bytecode and the VM that runs it agree on: functions, limits, error numbers, and the section
//! at the head of a module that says which slot and which VM it is bound to.
//!
//! [`FUNCTIONS`] is the one description. From it come the guest crate's imports, the VM's dispatch
//! and `docs/abi.md`; `cargo xtask codegen` writes all three. This crate never runs bytecode and
//! never calls a host function.
//!
//! ```
//! use otaru_abi::{Binding, FUNCTIONS, Target, function};
//!
//! let (index, sleep) = function("sleep").ok_or("no such function")?;
//! assert_eq!((index, FUNCTIONS.len()), (2, 24));
//! assert_eq!(sleep.params.len(), 1);
//!
//! // Bytecode that was linked for slot 1 is refused for slot 0.
//! let binding = Binding { bytecode_slot: Some(1), ..Binding::UNBOUND };
//! assert!(binding.check(&Target::new(0, 0)).is_err());
//! assert!(binding.check(&Target::new(1, 0)).is_ok());
//! # Ok::<(), &str>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod binding;
mod errno;
mod function;
pub mod limits;
mod table;

pub use binding::{
    BINDING_LEN, Binding, BindingError, HEAD_LEN, MODULE_HEADER, Mismatch, SECTION_LEN, Target,
    VmVersion,
};
pub use errno::{Errno, Level, PinMode};
pub use function::{Function, Outcome, Param, Served, Width};
pub use table::{FUNCTIONS, function, known_functions};

/// Name of the import module, with the major version of the ABI in it: bytecode for another major
/// version finds none of its functions.
pub const IMPORT_MODULE: &str = "otaru1";

/// Major version of the ABI; bytecode must have the same.
pub const ABI_MAJOR: u16 = 1;

/// Minor version of the ABI; bytecode may have a lower one. A minor version only adds functions.
pub const ABI_MINOR: u16 = 0;

/// The export that the VM calls, once, without arguments or results. When it returns, the bytecode
/// has ended.
pub const EXPORT_RUN: &str = "run";

/// The export that is the bytecode's memory.
pub const EXPORT_MEMORY: &str = "memory";
