//! Links bytecode: strips a WebAssembly module, works out what it needs, and puts its binding at its
//! head. Judges linked modules with the code that devices judge them with.

use crate::explain::{ErrorClass, Explain};
use otaru_abi::{Binding, FUNCTIONS, MODULE_HEADER, SECTION_LEN, limits};
pub use otaru_abi::{Target, VmVersion};
use otaru_runtime_vm::engine::{Engine as _, Wasmi};
use otaru_runtime_vm::{Limits, Rejection, check};

/// What cargo compiles bytecode for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Header of the image of bytecode, in bytes: short, because nothing is linked to an address behind
/// it, and a multiple of 16, so that the module stands where an engine may read it in place.
pub const HEADER_LEN: u16 = 64;

/// Id of a section that means nothing to an engine: names, debug information, our binding.
const CUSTOM: u8 = 0;

/// What bytecode is bound to besides the ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The bytecode slot, from 0; `None`: any.
    pub bytecode_slot: Option<u8>,
    /// The VM slot, from 0; `None`: any.
    pub vm_slot: Option<u8>,
    /// Lowest version of the VM; all 0: any.
    pub vm_version: VmVersion,
}

impl Place {
    /// What tells the files of several links of one version apart.
    pub(crate) fn suffix(self) -> String {
        let part = |name: &str, slot: Option<u8>| {
            slot.map_or_else(String::new, |slot| format!("-{name}{slot}"))
        };
        part("bc", self.bytecode_slot) + &part("vm", self.vm_slot)
    }
}

/// A linked module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Its bytes.
    pub module: Vec<u8>,
    /// What it is bound to.
    pub binding: Binding,
}

/// Why there is no bytecode.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is no WebAssembly module, or a broken one.
    #[error("this is no complete WebAssembly module")]
    NotAModule,
    /// No VM would start it.
    #[error("{0}")]
    Rejected(Rejection),
    /// It is no image with a module in it.
    #[error("this is no image of bytecode")]
    NotAnImage,
}

impl Explain for LinkError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAModule => "not-a-module",
            Self::Rejected(Rejection::Mismatch(_)) => "bytecode-mismatch",
            Self::Rejected(_) => "bytecode-rejected",
            Self::NotAnImage => "not-an-image",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Rejected(Rejection::Mismatch(_)) => "link it for the slots that it is meant for",
            Self::Rejected(Rejection::Import) => {
                "bytecode has the functions of `otaru-guest` and nothing else: no system, no browser"
            }
            Self::Rejected(Rejection::Export) => {
                "name the function that the VM calls: `otaru_guest::run!(main);`"
            }
            Self::Rejected(Rejection::Memory) => "use less static memory",
            Self::Rejected(_) | Self::NotAModule | Self::NotAnImage => return None,
        };
        Some(hint.to_owned())
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Rejected(Rejection::Mismatch(_)) => ErrorClass::Refused,
            Self::NotAModule | Self::Rejected(_) | Self::NotAnImage => ErrorClass::Failed,
        }
    }
}

/// What the linker of bytecode is told: a small stack, and below everything else, so that a stack
/// that grows too far leaves the memory instead of writing over data.
pub(crate) fn linker_flags() -> [String; 2] {
    [
        format!("-Clink-arg=-zstack-size={}", limits::STACK_LEN_DEFAULT),
        "-Clink-arg=--stack-first".to_owned(),
    ]
}

/// Binds a module, linked before or not, to a place.
///
/// # Errors
/// [`LinkError`] if no VM would start it.
pub fn link(module: &[u8], place: Place) -> Result<Linked, LinkError> {
    let plain = stripped(module).ok_or(LinkError::NotAModule)?;
    let limits = Limits {
        module_len: usize::MAX,
        memory_len: u32::MAX,
        ..Limits::default()
    };
    let facts = Wasmi
        .examine(&plain, &limits)
        .map_err(LinkError::Rejected)?;
    let binding = Binding {
        bytecode_slot: place.bytecode_slot,
        vm_slot: place.vm_slot,
        vm_version: place.vm_version,
        // The stack and all data are in it from the beginning; only a heap would grow.
        memory_len: u32::try_from(facts.memory_len_min)
            .map_err(|_too_large| LinkError::Rejected(Rejection::Memory))?,
        functions: facts.functions,
        ..Binding::UNBOUND
    };
    let (header, rest) = plain
        .split_at_checked(MODULE_HEADER.len())
        .ok_or(LinkError::NotAModule)?;
    let module = [header, &binding.section(), rest].concat();
    // What a device will say: never ship what it would refuse everywhere.
    let anywhere = Target {
        bytecode_slot: place.bytecode_slot.unwrap_or(0),
        vm_slot: place.vm_slot.unwrap_or(0),
        vm_version: place.vm_version,
        memory_len: u32::MAX,
        ..Target::new(0, 0)
    };
    check(&Wasmi, &module, &anywhere, &limits).map_err(LinkError::Rejected)?;
    Ok(Linked { module, binding })
}

/// Judges an image of bytecode for a place, as the device there would before `attempt`.
///
/// # Errors
/// [`LinkError`]; a device refuses the image too.
pub fn judge(image: &[u8], target: &Target) -> Result<Binding, LinkError> {
    let module = payload(image).ok_or(LinkError::NotAnImage)?;
    check(&Wasmi, module, target, &Limits::default()).map_err(LinkError::Rejected)
}

/// Names of host functions in a set of them.
pub fn function_names(functions: u64) -> Vec<&'static str> {
    FUNCTIONS
        .iter()
        .enumerate()
        .filter(|(number, _)| {
            functions
                .checked_shr(u32::try_from(*number).unwrap_or(u32::MAX))
                .is_some_and(|rest| rest & 1 == 1)
        })
        .map(|(_, function)| function.name)
        .collect()
}

/// The payload of an image, by its header; the signature is not looked at.
fn payload(image: &[u8]) -> Option<&[u8]> {
    let len = u32::try_from(image.len()).ok()?;
    let header = image.first_chunk::<{ otaru_image::HEADER_LEN as usize }>()?;
    let header = otaru_image::ImageHeader::parse(header, len).ok()?;
    let start = usize::from(header.header_len);
    let end = start.checked_add(usize::try_from(header.payload_len).ok()?)?;
    image.get(start..end)
}

/// The module without custom sections.
fn stripped(module: &[u8]) -> Option<Vec<u8>> {
    let mut rest = module.strip_prefix(&MODULE_HEADER)?;
    let mut plain = Vec::with_capacity(module.len().saturating_add(SECTION_LEN));
    plain.extend_from_slice(&MODULE_HEADER);
    while let [id, behind_id @ ..] = rest {
        let (len, body) = leb128(behind_id)?;
        let (_, next) = body.split_at_checked(usize::try_from(len).ok()?)?;
        let section = rest.get(..rest.len().checked_sub(next.len())?)?;
        if *id != CUSTOM {
            plain.extend_from_slice(section);
        }
        rest = next;
    }
    Some(plain)
}

/// A number of at most 32 bits, seven to a byte, lowest first; and what follows it.
fn leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let rest = bytes.get(index + 1..)?;
            return Some((u32::try_from(number).ok()?, rest));
        }
    }
    None
}

#[cfg(test)]
#[path = "bytecode_tests.rs"]
mod tests;
