//! Numbers that cross the boundary: errors, log levels, pin modes. Never renumbered.

/// Makes an enum whose numbers are fixed, and the way back from a number.
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the boundary.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The way back; `None` for a number that this version does not know.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Its name and its meaning, for the reference.
            pub const fn describe(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant => (stringify!($variant), concat!($($doc),+)),)+
                }
            }
        }
    };
}

numbered! {
    /// Why a host function did not do what was asked. A function returns it negated.
    Errno {
        /// This device does not have the function.
        Unsupported = 1,
        /// An argument is out of range.
        Invalid = 2,
        /// There is nothing under this key.
        NotFound = 3,
        /// There is no room left.
        NoSpace = 4,
        /// Something is longer than its limit, or does not fit into the buffer.
        TooLong = 5,
        /// Nothing came in time.
        TimedOut = 6,
        /// Not now; try again later.
        Busy = 7,
        /// The storage failed.
        Storage = 8,
        /// Not allowed: the slot is running, or an update that was not asked for here is under way.
        Denied = 9,
        /// The address is in no slot, or the range leaves its slot.
        Outside = 10,
        /// The slot holds nothing that could start: not closed, empty, or it failed verification.
        NotReady = 11,
        /// The image is bound to another slot, VM or board.
        Mismatch = 12,
    }
}

numbered! {
    /// How important a line of the log is.
    Level {
        /// Something failed.
        Error = 1,
        /// Something is not as it should be.
        Warn = 2,
        /// What the application does.
        Info = 3,
        /// Details for its author.
        Debug = 4,
    }
}

numbered! {
    /// What a pin is used for.
    PinMode {
        /// Input, floating.
        Input = 0,
        /// Input, pulled up.
        InputPullUp = 1,
        /// Input, pulled down.
        InputPullDown = 2,
        /// Output, driven both ways.
        Output = 3,
        /// Output that only pulls down.
        OutputOpenDrain = 4,
    }
}

impl Errno {
    /// What a host function returns for it: the negated number.
    pub const fn result(self) -> i64 {
        match self {
            Self::Unsupported => -1,
            Self::Invalid => -2,
            Self::NotFound => -3,
            Self::NoSpace => -4,
            Self::TooLong => -5,
            Self::TimedOut => -6,
            Self::Busy => -7,
            Self::Storage => -8,
            Self::Denied => -9,
            Self::Outside => -10,
            Self::NotReady => -11,
            Self::Mismatch => -12,
        }
    }

    /// Takes a result apart: a number, or why there is none. A negative number that this version
    /// does not know reads as [`Errno::Invalid`].
    ///
    /// # Errors
    /// What the host function answered.
    pub fn from_result(result: i64) -> Result<u64, Self> {
        match u64::try_from(result) {
            Ok(number) => Ok(number),
            Err(_negative) => Err(u32::try_from(result.unsigned_abs())
                .ok()
                .and_then(Self::from_number)
                .unwrap_or(Self::Invalid)),
        }
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "this device does not have the function",
            Self::Invalid => "an argument is out of range",
            Self::NotFound => "there is nothing under this key",
            Self::NoSpace => "there is no room left",
            Self::TooLong => "longer than its limit",
            Self::TimedOut => "nothing came in time",
            Self::Busy => "not now",
            Self::Storage => "the storage failed",
            Self::Denied => "not allowed now",
            Self::Outside => "the range is not within one slot",
            Self::NotReady => "the slot holds nothing that could start",
            Self::Mismatch => "bound to another slot, VM or board",
        })
    }
}

impl core::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed_and_come_back() {
        let numbers: [u32; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        assert_eq!(Errno::ALL.len(), numbers.len());
        for (errno, number) in Errno::ALL.iter().zip(numbers) {
            assert_eq!(errno.number(), number);
            assert_eq!(errno.result(), -i64::from(number));
            assert_eq!(Errno::from_number(number), Some(*errno));
            assert_eq!(Errno::from_result(errno.result()), Err(*errno));
        }
        assert_eq!(Errno::from_number(0), None);
        assert_eq!(Errno::from_result(7), Ok(7));
        assert_eq!(Errno::from_result(i64::MIN), Err(Errno::Invalid));
    }
}
