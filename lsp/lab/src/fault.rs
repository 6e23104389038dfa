//! What can be done to a device.

/// Most power cuts of one run.
pub const TIMES_MAX: u32 = 1000;

/// A fault that the lab knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The reset button.
    Reset,
    /// The power goes, and comes back.
    PowerCut,
    /// The power goes in the middle of the next flash operation.
    CutNextWrite,
    /// The power goes again and again, whenever chance says.
    RandomCuts,
    /// A bit of the running image flips.
    CorruptRunning,
    /// A bit of a downloaded image flips before it is verified.
    CorruptUpdate,
    /// The network goes for a while.
    Offline,
    /// Everything in storage that is free is filled with noise.
    FillFlash,
    /// Storage does not take writes any more.
    WornFlash,
    /// The new firmware hangs on trial.
    HangNew,
    /// The new firmware crashes on trial.
    CrashNew,
}

impl Fault {
    /// All, in the order in which people see them.
    pub const ALL: [Self; 11] = [
        Self::Reset,
        Self::PowerCut,
        Self::CutNextWrite,
        Self::RandomCuts,
        Self::CorruptRunning,
        Self::CorruptUpdate,
        Self::Offline,
        Self::FillFlash,
        Self::WornFlash,
        Self::HangNew,
        Self::CrashNew,
    ];

    /// The name on the command line and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::PowerCut => "power-cut",
            Self::CutNextWrite => "cut-next-write",
            Self::RandomCuts => "random-cuts",
            Self::CorruptRunning => "corrupt-running",
            Self::CorruptUpdate => "corrupt-update",
            Self::Offline => "offline",
            Self::FillFlash => "fill-flash",
            Self::WornFlash => "worn-flash",
            Self::HangNew => "hang-new",
            Self::CrashNew => "crash-new",
        }
    }

    /// The fault of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// The button's label.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Reset => "Reset",
            Self::PowerCut => "Cut power",
            Self::CutNextWrite => "Cut power in the next write",
            Self::RandomCuts => "Cut power at random",
            Self::CorruptRunning => "Damage the running image",
            Self::CorruptUpdate => "Damage the next download",
            Self::Offline => "Drop the network",
            Self::FillFlash => "Fill the flash",
            Self::WornFlash => "Wear out the storage",
            Self::HangNew => "Hang the new firmware",
            Self::CrashNew => "Crash the new firmware",
        }
    }

    /// Whether it can be repeated in one run.
    pub const fn repeats(self) -> bool {
        matches!(self, Self::RandomCuts)
    }

    /// Whether it needs an update, and waits for one.
    pub const fn needs_update(self) -> bool {
        matches!(
            self,
            Self::CorruptUpdate | Self::WornFlash | Self::HangNew | Self::CrashNew
        )
    }

    /// Whether the device starts anew because of it.
    pub const fn restarts(self) -> bool {
        match self {
            Self::Reset
            | Self::PowerCut
            | Self::CutNextWrite
            | Self::RandomCuts
            | Self::CorruptRunning
            | Self::FillFlash
            | Self::HangNew
            | Self::CrashNew => true,
            Self::CorruptUpdate | Self::Offline | Self::WornFlash => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_and_are_told_apart() {
        for fault in Fault::ALL {
            assert_eq!(Fault::from_name(fault.name()), Some(fault));
        }
        assert_eq!(Fault::from_name("flood"), None);
    }
}
