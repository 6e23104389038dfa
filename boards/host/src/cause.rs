//! Why the CPU was started.

/// Why the CPU was started. The numbers stand in the chip's hello and in retained RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "chip", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "chip", serde(rename_all = "kebab-case"))]
#[repr(u8)]
pub enum ResetCause {
    /// The device was switched on; retained RAM holds noise.
    PowerOn = 1,
    /// The reset button, or the debug probe let the CPU go.
    Button = 2,
    /// The watchdog was not fed in time.
    Watchdog = 3,
    /// The program asked for it.
    Software = 4,
    /// The program ended or died: a panic, an illegal access, a lost chip link.
    Crash = 5,
    /// Power was cut while the CPU ran, and came back; retained RAM holds noise.
    PowerCut = 6,
}

impl ResetCause {
    /// The number that is stored.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The cause with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::PowerOn,
            2 => Self::Button,
            3 => Self::Watchdog,
            4 => Self::Software,
            5 => Self::Crash,
            6 => Self::PowerCut,
            _ => return None,
        })
    }

    /// The name shown to people and used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::Button => "button",
            Self::Watchdog => "watchdog",
            Self::Software => "software",
            Self::Crash => "crash",
            Self::PowerCut => "power-cut",
        }
    }
}

impl std::fmt::Display for ResetCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
