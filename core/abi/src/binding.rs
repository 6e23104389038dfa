//! The binding of a module: which ABI, VM and slot it was linked for.
//!
//! It is a custom section, and the first section of the module. So it stands in the first
//! [`HEAD_LEN`] bytes, and a device that receives a module can refuse it before it erases the slot
//! that the module is meant for. `docs/formats/bytecode.md` has the bytes.

use crate::{ABI_MAJOR, ABI_MINOR, known_functions, limits};

/// The first eight bytes of every WebAssembly module of version 1.
pub const MODULE_HEADER: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Bytes of the binding itself.
pub const BINDING_LEN: usize = 24;

/// Bytes of the section around it: id, length, length of the name, name.
pub const SECTION_LEN: usize = 32;

/// Bytes from the beginning of the module to the end of the binding.
pub const HEAD_LEN: usize = 40;

/// Section id 0, length 30, and the name `otaru` with its length.
const SECTION_START: [u8; 8] = *b"\0\x1e\x05otaru";

/// Raised when the meaning of the bytes changes.
const FORMAT: u8 = 1;

/// Stands for "any slot".
const ANY: u8 = 0xff;

/// A version of a VM: the numbers of its image, without the build number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct VmVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Revision.
    pub revision: u16,
}

/// What a module is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The bytecode slot that it may stand in, from 0 (at most 254); `None`: any.
    pub bytecode_slot: Option<u8>,
    /// The VM slot whose VM may run it, from 0 (at most 254); `None`: any.
    pub vm_slot: Option<u8>,
    /// Major and minor version of the ABI that it was built for.
    pub abi: (u16, u16),
    /// Lowest version of the VM; it must also have the same major number, unless all are 0: any.
    pub vm_version: VmVersion,
    /// Linear memory that it may grow to, in bytes.
    pub memory_len: u32,
    /// Host functions that it imports, as a set: bit = number.
    pub functions: u64,
}

/// Why a module's head holds no binding that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingError {
    /// This is no WebAssembly module, or fewer than [`HEAD_LEN`] bytes of one.
    NotAModule,
    /// The module's first section is no binding: it was not linked.
    NotLinked,
    /// The binding is of a later format or malformed.
    Format,
}

/// The place that a module is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The bytecode slot, from 0.
    pub bytecode_slot: u8,
    /// The slot of the VM that will run it, from 0.
    pub vm_slot: u8,
    /// Major and minor version of that VM's ABI.
    pub abi: (u16, u16),
    /// Version of that VM.
    pub vm_version: VmVersion,
    /// Linear memory that it grants, in bytes.
    pub memory_len: u32,
    /// Host functions that it knows.
    pub functions: u64,
}

/// Why a module does not fit a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// It was built for an ABI that the VM does not have.
    Abi,
    /// It was linked for another version of the VM.
    VmVersion,
    /// It was linked for another VM slot.
    VmSlot,
    /// It was linked for another bytecode slot.
    BytecodeSlot,
    /// It wants more memory than the VM grants.
    Memory,
    /// It needs a host function that the VM does not know.
    Function,
}

impl Target {
    /// The place for a VM as this crate describes it, of any version.
    pub fn new(bytecode_slot: u8, vm_slot: u8) -> Self {
        Self {
            bytecode_slot,
            vm_slot,
            abi: (ABI_MAJOR, ABI_MINOR),
            vm_version: VmVersion::default(),
            memory_len: limits::MEMORY_LEN_DEFAULT,
            functions: known_functions(),
        }
    }
}

impl Binding {
    /// Bound to this ABI and nothing else.
    pub const UNBOUND: Self = Self {
        bytecode_slot: None,
        vm_slot: None,
        abi: (ABI_MAJOR, ABI_MINOR),
        vm_version: VmVersion {
            major: 0,
            minor: 0,
            revision: 0,
        },
        memory_len: 0,
        functions: 0,
    };

    /// The complete section, to be put directly behind the module's eight header bytes.
    pub fn section(&self) -> [u8; SECTION_LEN] {
        let [abi_major, abi_minor] = [self.abi.0.to_le_bytes(), self.abi.1.to_le_bytes()];
        let mut section = [0_u8; SECTION_LEN];
        let fields = SECTION_START
            .into_iter()
            .chain([FORMAT])
            .chain([self.bytecode_slot.unwrap_or(ANY)])
            .chain([self.vm_slot.unwrap_or(ANY), 0])
            .chain(abi_major)
            .chain(abi_minor)
            .chain([self.vm_version.major, self.vm_version.minor])
            .chain(self.vm_version.revision.to_le_bytes())
            .chain(self.memory_len.to_le_bytes())
            .chain(self.functions.to_le_bytes());
        for (to, from) in section.iter_mut().zip(fields) {
            *to = from;
        }
        section
    }

    /// Reads the binding from the first bytes of a module; bytes behind the head are not looked at.
    ///
    /// # Errors
    /// [`BindingError`]; the module must not be started.
    pub fn read(module: &[u8]) -> Result<Self, BindingError> {
        let rest = module
            .strip_prefix(&MODULE_HEADER)
            .ok_or(BindingError::NotAModule)?;
        // Shorter than a head, it may still be seen that this is another section.
        let start = rest.get(..SECTION_START.len());
        if start.is_some_and(|start| start != SECTION_START) {
            return Err(BindingError::NotLinked);
        }
        let body: &[u8; BINDING_LEN] = rest
            .get(SECTION_START.len()..SECTION_LEN)
            .and_then(|body| body.try_into().ok())
            .ok_or(BindingError::NotAModule)?;
        let [
            format,
            bytecode,
            vm,
            reserved,
            am0,
            am1,
            an0,
            an1,
            rest @ ..,
        ] = *body;
        let [major, minor, r0, r1, m0, m1, m2, m3, functions @ ..] = rest;
        if format != FORMAT || reserved != 0 {
            return Err(BindingError::Format);
        }
        let slot = |byte: u8| (byte != ANY).then_some(byte);
        Ok(Self {
            bytecode_slot: slot(bytecode),
            vm_slot: slot(vm),
            abi: (
                u16::from_le_bytes([am0, am1]),
                u16::from_le_bytes([an0, an1]),
            ),
            vm_version: VmVersion {
                major,
                minor,
                revision: u16::from_le_bytes([r0, r1]),
            },
            memory_len: u32::from_le_bytes([m0, m1, m2, m3]),
            functions: u64::from_le_bytes(functions),
        })
    }

    /// Judges the binding for a place.
    ///
    /// # Errors
    /// The first [`Mismatch`]; the module must neither be put nor started there.
    pub fn check(&self, target: &Target) -> Result<(), Mismatch> {
        if self.abi.0 != target.abi.0 || self.abi.1 > target.abi.1 {
            return Err(Mismatch::Abi);
        }
        let any = self.vm_version == VmVersion::default();
        let same_major = self.vm_version.major == target.vm_version.major;
        if !any && (!same_major || self.vm_version > target.vm_version) {
            return Err(Mismatch::VmVersion);
        }
        if self.vm_slot.is_some_and(|slot| slot != target.vm_slot) {
            return Err(Mismatch::VmSlot);
        }
        if self
            .bytecode_slot
            .is_some_and(|slot| slot != target.bytecode_slot)
        {
            return Err(Mismatch::BytecodeSlot);
        }
        if self.memory_len > target.memory_len {
            return Err(Mismatch::Memory);
        }
        if self.functions & !target.functions != 0 {
            return Err(Mismatch::Function);
        }
        Ok(())
    }
}

impl core::fmt::Display for VmVersion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.revision)
    }
}

impl core::fmt::Display for BindingError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAModule => "this is no WebAssembly module",
            Self::NotLinked => "the module was not linked; `otaru link` does it",
            Self::Format => "the module was linked by a later version of the tools",
        })
    }
}

impl core::error::Error for BindingError {}

impl core::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Abi => "the bytecode was built for an ABI that this VM does not have",
            Self::VmVersion => "the bytecode was linked for another version of the VM",
            Self::VmSlot => "the bytecode was linked for another VM slot",
            Self::BytecodeSlot => "the bytecode was linked for another bytecode slot",
            Self::Memory => "the bytecode wants more memory than this VM grants",
            Self::Function => "the bytecode needs a function that this VM does not know",
        })
    }
}

impl core::error::Error for Mismatch {}
