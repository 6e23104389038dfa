//! The shape of a host function, as data.

/// One function that the VM offers to bytecode.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Name of the import, and of the function in the guest crate.
    pub name: &'static str,
    /// Parameters in order.
    pub params: &'static [Param],
    /// What it returns.
    pub outcome: Outcome,
    /// Who answers it.
    pub served: Served,
    /// What it does, in sentences.
    pub doc: &'static str,
    /// Minor version of the ABI that brought it.
    pub since: u16,
}

/// A parameter. Pointers and lengths are `i32`, read without sign; a range that is not within the
/// bytecode's memory is a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// A number without sign, one `i32`.
    Number {
        /// Its name.
        name: &'static str,
    },
    /// Bytes that the host reads: pointer and length.
    Bytes {
        /// Its name.
        name: &'static str,
        /// More is refused with `TooLong`.
        len_max: u32,
    },
    /// Text that the host reads, UTF-8: pointer and length.
    Text {
        /// Its name.
        name: &'static str,
        /// More bytes are refused with `TooLong`.
        len_max: u32,
    },
    /// Room that the host fills from its beginning: pointer and length.
    Buffer {
        /// Its name.
        name: &'static str,
        /// A longer one is refused with `TooLong`.
        len_max: u32,
    },
    /// Room of fixed length that the host fills: a pointer.
    Array {
        /// Its name.
        name: &'static str,
        /// Its length.
        len: u32,
    },
}

impl Param {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Number { name }
            | Self::Bytes { name, .. }
            | Self::Text { name, .. }
            | Self::Buffer { name, .. }
            | Self::Array { name, .. } => name,
        }
    }

    /// How many `i32` it takes.
    pub const fn words(self) -> usize {
        match self {
            Self::Number { .. } | Self::Array { .. } => 1,
            Self::Bytes { .. } | Self::Text { .. } | Self::Buffer { .. } => 2,
        }
    }
}

/// What a function returns. Everything but a time can also be a negative number: an
/// [`Errno`](crate::Errno).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0.
    Done,
    /// A number below 2^31.
    Number,
    /// How many bytes of the buffer were filled.
    Length,
    /// A flash address, below 2^32.
    Address,
    /// Length of the topic in the upper 32 bits, of the payload in the lower ones.
    Message,
    /// Milliseconds since the start; never an error.
    Time,
    /// It does not return, but if it is refused: then with the error.
    Never,
}

/// The WebAssembly type of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// `i32`.
    I32,
    /// `i64`.
    I64,
}

impl Outcome {
    /// Its WebAssembly type.
    pub const fn width(self) -> Width {
        match self {
            Self::Done | Self::Number | Self::Length | Self::Never => Width::I32,
            Self::Address | Self::Message | Self::Time => Width::I64,
        }
    }
}

/// Who answers a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The VM itself: it suspends the bytecode.
    Vm,
    /// The firmware that hosts the VM.
    Host,
    /// The module that updates the device.
    Fota,
}

impl Function {
    /// How many `i32` its parameters take.
    pub fn words(&self) -> usize {
        self.params
            .iter()
            .fold(0_usize, |sum, param| sum.saturating_add(param.words()))
    }
}
