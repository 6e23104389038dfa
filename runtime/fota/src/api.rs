//! The interface: eleven functions, what they take and what they answer.

use core::fmt;

/// Configuration and places of this device, as [`Fota::get_record`] tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FotaRecord {
    /// Whether there is a record that somebody vouches for. `false` after the record was lost, until
    /// the next [`Fota::accept`]; the other fields then say what runs.
    pub valid: bool,
    /// Number of the VM that runs, from 0.
    pub running_vm: u8,
    /// VM slot of the current configuration: on trial the new one; behind an
    /// [`attempt`](Fota::attempt) that of the next restart.
    pub current_vm: u8,
    /// VM slot of the last working configuration.
    pub working_vm: u8,
    /// Bytecode slot of the current configuration.
    pub current_bytecode: u8,
    /// Bytecode slot of the last working configuration.
    pub working_bytecode: u8,
    /// Flash address of the slot of the bytecode that runs.
    pub bytecode_address: u32,
    /// Flash address of the slot of the VM that runs.
    pub vm_address: u32,
    /// Preferred length of what is written or downloaded at once, in bytes: 64…512.
    pub chunk_len: u32,
}

impl FotaRecord {
    /// The nine integers, in the order in which programs know them.
    pub fn as_tuple(&self) -> [u32; 9] {
        [
            u32::from(self.valid),
            u32::from(self.running_vm),
            u32::from(self.current_vm),
            u32::from(self.working_vm),
            u32::from(self.current_bytecode),
            u32::from(self.working_bytecode),
            self.bytecode_address,
            self.vm_address,
            self.chunk_len,
        ]
    }

    /// Whether the current configuration is the last working one, and the record valid.
    pub fn is_healthy(&self) -> bool {
        self.valid
            && self.current_vm == self.working_vm
            && self.current_bytecode == self.working_bytecode
    }
}

/// What [`Fota::set_record`] may set, in the order of its four integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewRecord {
    /// VM slot for the next restart.
    pub current_vm: u8,
    /// VM slot of the last working configuration.
    pub working_vm: u8,
    /// Bytecode slot for the next restart.
    pub current_bytecode: u8,
    /// Bytecode slot of the last working configuration.
    pub working_bytecode: u8,
}

/// A configuration by its slots, as [`Fota::attempt`] takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotRequest {
    /// Bytecode slot, from 0.
    pub bytecode: u8,
    /// VM slot, from 0.
    pub vm: u8,
}

/// Checksums of a range of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksums {
    /// MD5; protects against accidents only.
    pub md5: [u8; 16],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Why a function of the fota module did nothing, or did not finish.
///
/// The numbers reach programs and are never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FotaError {
    /// This target has no slot engine. Nothing was changed.
    Unsupported = 1,
    /// There is no slot with this number. Nothing was changed.
    NoSuchSlot = 2,
    /// The range is not inside one slot. Nothing was changed.
    OutsideSlot = 3,
    /// The slot runs, or is needed to go back. Nothing was changed.
    Protected = 4,
    /// The range was not erased since the last restart, or holds other bytes already: call
    /// [`Fota::erase_slot`]. What stood before it in the block may have been written.
    NotErased = 5,
    /// The slot was not closed since it was last erased or written, or since the last restart: call
    /// [`Fota::close_slot`]. Nothing was changed.
    NotClosed = 6,
    /// What stands in the slot is no image that this device may run from there. Nothing was
    /// changed; erase the slot and write another image.
    BadImage = 7,
    /// The configuration runs already. Nothing was changed.
    AlreadyRunning = 8,
    /// The running configuration is on trial: accept it or restart first. Nothing was changed.
    OnTrial = 9,
    /// Only the configuration that runs, or that worked last, can be called working. Nothing was
    /// changed.
    NotProven = 10,
    /// The flash failed. The content of the slot is unknown: erase it again.
    Flash = 11,
    /// The record could not be written. Either the former or the new one is in force, never a mix.
    Record = 12,
}

impl FotaError {
    /// Every error, in the order of its number.
    pub const ALL: [Self; 12] = [
        Self::Unsupported,
        Self::NoSuchSlot,
        Self::OutsideSlot,
        Self::Protected,
        Self::NotErased,
        Self::NotClosed,
        Self::BadImage,
        Self::AlreadyRunning,
        Self::OnTrial,
        Self::NotProven,
        Self::Flash,
        Self::Record,
    ];

    /// The number that programs see: 1…12.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The error with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.code() == code)
    }
}

impl fmt::Display for FotaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "this target does not support FOTA",
            Self::NoSuchSlot => "no slot has this number",
            Self::OutsideSlot => "the range is not inside one slot",
            Self::Protected => "the slot runs or is needed to go back",
            Self::NotErased => "erase the slot before it is written",
            Self::NotClosed => "close the slot before it is attempted",
            Self::BadImage => "the slot holds no image that may run from there",
            Self::AlreadyRunning => "this configuration runs already",
            Self::OnTrial => "accept the running configuration or restart first",
            Self::NotProven => "only what runs or worked last can be called working",
            Self::Flash => "the flash failed: erase the slot again",
            Self::Record => "the record could not be written",
        })
    }
}

impl core::error::Error for FotaError {}

/// The functions of the fota module.
///
/// # Power-cut contract
/// A cut during any of them leaves either the record before or the record after. A slot that was
/// being erased or written is started by nobody.
///
/// # Errors
/// Every function answers [`FotaError::Unsupported`] on a target without the slot engine.
/// [`FotaError::Record`] can come from each that writes the record.
pub trait Fota {
    /// The record, with the configuration that runs.
    ///
    /// # Errors
    /// Only [`FotaError::Unsupported`].
    fn get_record(&mut self) -> Result<FotaRecord, FotaError>;

    /// Sets the configuration for the next restart and the last working one, both at once.
    ///
    /// # Errors
    /// [`FotaError::NoSuchSlot`], [`FotaError::NotClosed`], [`FotaError::OnTrial`],
    /// [`FotaError::NotProven`], [`FotaError::Record`].
    fn set_record(&mut self, wanted: NewRecord) -> Result<(), FotaError>;

    /// Flash address of the bytecode slot that does not run.
    ///
    /// # Errors
    /// Only [`FotaError::Unsupported`].
    fn find_bytecode_slot(&mut self) -> Result<u32, FotaError>;

    /// Flash address of the VM slot that does not run; that of the running VM if there is only one.
    ///
    /// # Errors
    /// Only [`FotaError::Unsupported`].
    fn find_vm_slot(&mut self) -> Result<u32, FotaError>;

    /// Erases at least `len` bytes from `address`, widened to whole sectors inside the slot. An
    /// attempt that names the slot is withdrawn first.
    ///
    /// # Errors
    /// [`FotaError::OutsideSlot`], [`FotaError::Protected`], [`FotaError::Flash`],
    /// [`FotaError::Record`].
    fn erase_slot(&mut self, address: u32, len: u32) -> Result<(), FotaError>;

    /// Writes `block` at `address`, of any alignment and length. Bytes that do not fill a write unit
    /// are programmed when it is full or when the slot is closed.
    ///
    /// # Errors
    /// [`FotaError::OutsideSlot`], [`FotaError::Protected`], [`FotaError::NotErased`],
    /// [`FotaError::Flash`], [`FotaError::Record`].
    fn write_slot(&mut self, address: u32, block: &[u8]) -> Result<(), FotaError>;

    /// Checksums of `len` bytes from `address`; 0 is allowed.
    ///
    /// # Errors
    /// [`FotaError::OutsideSlot`], [`FotaError::Flash`].
    fn checksum_slot(&mut self, address: u32, len: u32) -> Result<Checksums, FotaError>;

    /// Ends the writing of the slot in which `address` lies, and verifies the image in it.
    ///
    /// # Errors
    /// [`FotaError::OutsideSlot`], [`FotaError::Protected`], [`FotaError::NotErased`],
    /// [`FotaError::BadImage`], [`FotaError::Flash`], [`FotaError::Record`].
    fn close_slot(&mut self, address: u32) -> Result<(), FotaError>;

    /// Makes these slots the configuration that is tried once, at the next restart. Slots that do
    /// not run must have been closed. Of several attempts the last one counts.
    ///
    /// # Errors
    /// [`FotaError::NoSuchSlot`], [`FotaError::AlreadyRunning`], [`FotaError::NotClosed`],
    /// [`FotaError::OnTrial`], [`FotaError::Record`].
    fn attempt(&mut self, wanted: SlotRequest) -> Result<(), FotaError>;

    /// Makes the running configuration the last working one. Of an update that the agent started it
    /// is the vote that the program works; the agent then confirms. Writes nothing if nothing
    /// changes.
    ///
    /// # Errors
    /// [`FotaError::Record`]: a restart may bring the former configuration back.
    fn accept(&mut self) -> Result<(), FotaError>;

    /// Resets the device. Returns only in tests.
    ///
    /// # Errors
    /// Only [`FotaError::Unsupported`].
    fn restart(&mut self) -> Result<(), FotaError>;
}

/// The fota module of a target without the slot engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoFota;

const UNSUPPORTED: FotaError = FotaError::Unsupported;

impl Fota for NoFota {
    fn get_record(&mut self) -> Result<FotaRecord, FotaError> {
        Err(UNSUPPORTED)
    }

    fn set_record(&mut self, _wanted: NewRecord) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn find_bytecode_slot(&mut self) -> Result<u32, FotaError> {
        Err(UNSUPPORTED)
    }

    fn find_vm_slot(&mut self) -> Result<u32, FotaError> {
        Err(UNSUPPORTED)
    }

    fn erase_slot(&mut self, _address: u32, _len: u32) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn write_slot(&mut self, _address: u32, _block: &[u8]) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn checksum_slot(&mut self, _address: u32, _len: u32) -> Result<Checksums, FotaError> {
        Err(UNSUPPORTED)
    }

    fn close_slot(&mut self, _address: u32) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn attempt(&mut self, _wanted: SlotRequest) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn accept(&mut self) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }

    fn restart(&mut self) -> Result<(), FotaError> {
        Err(UNSUPPORTED)
    }
}
