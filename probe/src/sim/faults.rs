//! The faults of the simulated backend, as the command line names them.

/// The probes that are connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Probes {
    /// No probe.
    None,
    /// One, and all is well.
    #[default]
    One,
    /// Two.
    Two,
    /// One that the system refuses access to.
    Refused,
}

/// What goes wrong. Positions count the bytes programmed since the process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// What is connected.
    pub(super) probes: Probes,
    /// The chip is protected.
    pub locked: bool,
    /// The chip does not answer.
    pub silent: bool,
    /// The probe goes away before this byte.
    pub unplug: Option<u64>,
    /// This byte is stored inverted.
    pub flip: Option<u64>,
    /// The chip stops answering before this byte, until the request is cancelled.
    pub stall: Option<u64>,
    /// Milliseconds that each sector takes.
    pub slow: Option<u64>,
}

impl Faults {
    /// Reads `locked,unplug=4096` and the like; empty text is no fault.
    ///
    /// # Errors
    /// What is not a fault.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for fault in text.split(',').filter(|fault| !fault.is_empty()) {
            let (name, value) = match fault.split_once('=') {
                Some((name, value)) => (name, value.parse::<u64>().ok()),
                None => (fault, None),
            };
            match (name, value) {
                ("no-probe", None) => faults.probes = Probes::None,
                ("two-probes", None) => faults.probes = Probes::Two,
                ("permission", None) => faults.probes = Probes::Refused,
                ("locked", None) => faults.locked = true,
                ("silent", None) => faults.silent = true,
                ("unplug", Some(_)) => faults.unplug = value,
                ("flip", Some(_)) => faults.flip = value,
                ("stall", Some(_)) => faults.stall = value,
                ("slow", Some(_)) => faults.slow = value,
                _ => return Err(format!("{fault:?} is not a fault")),
            }
        }
        Ok(faults)
    }
}
