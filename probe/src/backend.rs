//! The seam between the protocol and a debug probe: what every backend can do, in terms of addresses
//! and bytes. Choosing a probe, checking addresses, limits and replies are not a backend's business.

use serde::Serialize;

use crate::chip::Chip;
use crate::failure::Failure;

/// A probe that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ProbeInfo {
    /// Names this probe in requests: `VID:PID` or `VID:PID:SERIAL`, hexadecimal.
    pub probe: String,
    /// The name that the probe gives itself.
    pub name: String,
    /// Its kind, for people.
    pub kind: String,
    /// Its serial number, if it has one.
    pub serial: Option<String>,
    /// Whether this process may open it.
    pub accessible: bool,
}

/// Part of a request: bytes and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Address of the first byte on the chip.
    pub address: u64,
    /// Never empty.
    pub data: Vec<u8>,
}

impl Segment {
    /// Address behind the last byte, or the end of the address space.
    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.data.len() as u64)
    }
}

/// What runs, for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Sectors are erased.
    Erase,
    /// Bytes are written.
    Program,
    /// Bytes are read back and compared.
    Verify,
}

/// The request as a backend sees it while it works.
pub(crate) trait Watch {
    /// `bytes` more are done in `phase`.
    fn advance(&mut self, phase: Phase, bytes: u64);
    /// Whether the work should stop at the next place where that leaves no torn unit.
    fn cancelled(&self) -> bool;
}

/// Finds probes and knows chips.
pub(crate) trait ProbeBackend {
    /// The probes that are connected now, also those that this process may not open.
    ///
    /// # Errors
    /// The list cannot be made at all; no probe is an empty list.
    fn probes(&mut self) -> Result<Vec<ProbeInfo>, Failure>;

    /// The chip called `name`.
    ///
    /// # Errors
    /// `chip_unknown` with the nearest names, or `chip_ambiguous`.
    fn chip(&mut self, name: &str) -> Result<Chip, Failure>;

    /// Opens `probe` and connects to `chip`. The chip keeps running.
    ///
    /// # Errors
    /// Whatever stands between this process and the chip: access, the cable, a lock.
    fn attach(&mut self, probe: &ProbeInfo, chip: &Chip) -> Result<Box<dyn Link + '_>, Failure>;
}

/// A connection to a chip. Dropping it releases the probe.
///
/// Power-cut contract: after an interrupted [`program`](Self::program) the sectors of the segment hold
/// anything; sectors without bytes of the segment are as before.
pub(crate) trait Link {
    /// Checks that `segment` could be programmed, without changing the chip.
    ///
    /// # Errors
    /// What [`program`](Self::program) would fail with, as far as it can be known.
    fn rehearse(&mut self, segment: &Segment) -> Result<(), Failure>;

    /// Erases the sectors that `segment` touches and programs it. Bytes of those sectors that the
    /// segment does not cover keep their value.
    ///
    /// # Errors
    /// The probe, the chip, or a cancellation.
    fn program(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure>;

    /// Compares the chip with `segment`.
    ///
    /// # Errors
    /// `verify_mismatch`, the probe, or a cancellation.
    fn verify(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure>;

    /// Reads memory.
    ///
    /// # Errors
    /// The probe or the chip.
    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Failure>;

    /// Resets the chip and lets it run.
    ///
    /// # Errors
    /// The probe or the chip.
    fn reset(&mut self) -> Result<(), Failure>;
}
