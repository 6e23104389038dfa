//! Real probes, through probe-rs.
//!
//! A probe is open only while a request runs, so that other tools can use it in between. Erasing the
//! whole chip, which some chips need for unlocking, is never permitted to the library.

mod failures;
mod target;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use probe_rs::config::{Registry, TargetSelector};
use probe_rs::flashing::{
    DownloadOptions, FlashLoader, FlashProgress, ProgressEvent, ProgressOperation,
};
use probe_rs::probe::DebugProbeSelector;
use probe_rs::probe::list::{Accessibility, Lister};
use probe_rs::{MemoryInterface, Permissions, Session};

use crate::backend::{Link, Phase, ProbeBackend, ProbeInfo, Segment, Watch};
use crate::chip::Chip;
use crate::failure::Failure;

/// The probes of this machine and the chips that probe-rs knows.
pub(crate) struct ProbeRs {
    lister: Lister,
    /// Decoded on first use: thousands of chips.
    registry: Option<Registry>,
}

impl ProbeRs {
    /// Every kind of probe that the library supports.
    pub(crate) fn new() -> Self {
        Self::with_lister(Lister::new())
    }

    fn with_lister(lister: Lister) -> Self {
        Self {
            lister,
            registry: None,
        }
    }
}

impl ProbeBackend for ProbeRs {
    fn probes(&mut self) -> Result<Vec<ProbeInfo>, Failure> {
        let found = self.lister.list_all_with_access().into_iter();
        Ok(found
            .map(|item| ProbeInfo {
                probe: DebugProbeSelector::from(&item.info).to_string(),
                kind: item.info.probe_type(),
                name: item.info.identifier,
                serial: item.info.serial_number,
                accessible: item.accessibility == Accessibility::Accessible,
            })
            .collect())
    }

    fn chip(&mut self, name: &str) -> Result<Chip, Failure> {
        let registry = self
            .registry
            .get_or_insert_with(Registry::from_builtin_families);
        target::chip(registry, name)
    }

    fn attach(&mut self, probe: &ProbeInfo, chip: &Chip) -> Result<Box<dyn Link + '_>, Failure> {
        let failure = |error: &(dyn std::error::Error + 'static)| {
            failures::explain(error, &format!("cannot connect to {}", chip.name))
        };
        let selector =
            DebugProbeSelector::from_str(&probe.probe).map_err(|error| failure(&error))?;
        let registry = self
            .registry
            .get_or_insert_with(Registry::from_builtin_families);
        let target = TargetSelector::Unspecified(chip.name.clone());
        let session = self
            .lister
            .open(selector)
            .map_err(|error| failure(&error))?
            .attach_with_registry(target, Permissions::default(), registry)
            .map_err(|error| failure(&error))?;
        Ok(Box::new(Attached { session }))
    }
}

/// A connection to a chip. Dropping the session closes the probe.
struct Attached {
    session: Session,
}

impl Attached {
    fn loader(&self, segment: &Segment) -> Result<FlashLoader, Failure> {
        let mut loader = self.session.target().flash_loader();
        loader
            .add_data(segment.address, &segment.data)
            .map_err(|error| failures::explain(&error, "cannot place a segment"))?;
        Ok(loader)
    }
}

impl Link for Attached {
    fn rehearse(&mut self, segment: &Segment) -> Result<(), Failure> {
        let loader = self.loader(segment)?;
        let mut options = DownloadOptions::default();
        options.keep_unwritten_bytes = true;
        options.dry_run = true;
        loader
            .commit(&mut self.session, options)
            .map_err(|error| failures::explain(&error, "the segment cannot be flashed"))
    }

    /// The library cannot stop inside a segment: a cancellation waits for its end.
    fn program(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        let loader = self.loader(segment)?;
        let mut options = DownloadOptions::default();
        options.keep_unwritten_bytes = true;
        options.progress = progress(watch);
        loader
            .commit(&mut self.session, options)
            .map_err(|error| failures::explain(&error, "flashing failed"))
    }

    fn verify(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        self.loader(segment)?
            .verify(&mut self.session, &mut progress(watch))
            .map_err(|error| failures::explain(&error, "verifying failed"))
    }

    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Failure> {
        self.session
            .core(0)
            .and_then(|mut core| core.read(address, out))
            .map_err(|error| failures::explain(&error, "reading failed"))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.session
            .core(0)
            .and_then(|mut core| core.reset())
            .map_err(|error| failures::explain(&error, "the reset failed"))
    }
}

/// Translates the library's events; reading back what a sector keeps is no phase of ours.
fn progress(watch: &mut dyn Watch) -> FlashProgress<'_> {
    FlashProgress::new(move |event| {
        if let ProgressEvent::Progress {
            operation, size, ..
        } = event
        {
            match operation {
                ProgressOperation::Erase => watch.advance(Phase::Erase, size),
                ProgressOperation::Program => watch.advance(Phase::Program, size),
                ProgressOperation::Verify => watch.advance(Phase::Verify, size),
                ProgressOperation::Fill => {}
            }
        }
    })
}
