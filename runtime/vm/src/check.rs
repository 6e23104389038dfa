//! Whether a module may be put into a slot, and started from it.

use otaru_abi::{Binding, BindingError, Mismatch, Target};

use crate::engine::{Engine, Facts};
use crate::limits::Limits;

/// Why a module is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It has no binding.
    Binding(BindingError),
    /// It is bound to another place, or wants what is not granted there.
    Mismatch(Mismatch),
    /// It is longer than allowed.
    TooLong,
    /// It is no valid WebAssembly, uses what the engine does not have, or has a start function.
    Invalid,
    /// It imports something that is no function of the ABI.
    Import,
    /// It does not export its memory and `run`, or `run` has arguments or results.
    Export,
    /// It imports functions that its binding does not name.
    BindingUntrue,
    /// Its memory or tables begin larger than its binding says, or data lies outside.
    Memory,
    /// The engine failed.
    Engine,
}

impl From<BindingError> for Rejection {
    fn from(error: BindingError) -> Self {
        Self::Binding(error)
    }
}

impl From<Mismatch> for Rejection {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl core::fmt::Display for Rejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = match self {
            Self::Binding(error) => return error.fmt(f),
            Self::Mismatch(mismatch) => return mismatch.fmt(f),
            Self::TooLong => "the module is longer than allowed",
            Self::Invalid => "the module is no WebAssembly that this VM runs",
            Self::Import => "the module imports what is no function of the ABI",
            Self::Export => "the module does not export `memory` and `run`",
            Self::BindingUntrue => "the module imports functions that its binding does not name",
            Self::Memory => "the module begins with more memory than it is bound to",
            Self::Engine => "the engine failed",
        };
        f.write_str(text)
    }
}

impl core::error::Error for Rejection {}

/// Judges a module from its first [`HEAD_LEN`](otaru_abi::HEAD_LEN) bytes: what its binding says. It
/// takes no memory, so a device does it with the first bytes that it receives, before it erases the
/// slot.
///
/// # Errors
/// [`Rejection`]; the slot must not be erased for this module.
pub fn check_head(head: &[u8], target: &Target) -> Result<Binding, Rejection> {
    let binding = Binding::read(head)?;
    binding.check(target)?;
    Ok(binding)
}

/// Judges a complete module: its binding, that its binding is true, and that it is valid. It runs
/// nothing, but takes as much of the heap as loading does. A device does it with the module in its
/// slot, before `attempt`; one with room for a whole module does it before it erases the slot.
///
/// # Errors
/// [`Rejection`]; the module must not be started.
pub fn check<E: Engine>(
    engine: &E,
    module: &[u8],
    target: &Target,
    limits: &Limits,
) -> Result<Binding, Rejection> {
    let binding = check_head(module, target)?;
    let facts = engine.examine(module, &within(limits, &binding))?;
    check_facts(&binding, &facts)?;
    Ok(binding)
}

/// The limits of a module that is bound to less memory than there is.
pub(crate) fn within(limits: &Limits, binding: &Binding) -> Limits {
    Limits {
        memory_len: limits.memory_len.min(binding.memory_len),
        ..*limits
    }
}

/// The binding says what the module is.
pub(crate) fn check_facts(binding: &Binding, facts: &Facts) -> Result<(), Rejection> {
    if facts.functions & !binding.functions != 0 {
        return Err(Rejection::BindingUntrue);
    }
    if facts.memory_len_min > binding.memory_len.into() {
        return Err(Rejection::Memory);
    }
    Ok(())
}
