//! Devices that run on this machine behind the same seam as a real probe: each running device of a
//! folder is a probe, and the chip behind it has the device's name. Flash rules, watchdog and power are
//! those of the device; while its flash is written its CPU is held, as a real probe does it.

use std::path::PathBuf;

use otaru_board_host::control::{
    Client, ControlError, DeviceFile, Moment, RefusalCode, Request, list_devices,
};
use otaru_flash::Flash as _;

use crate::backend::{Link, Phase, ProbeBackend, ProbeInfo, Segment, Watch};
use crate::chip::{self, Chip, Kind, Region, Sector, SectorRun};
use crate::failure::{Code, FLASH_AGAIN, Failure, PLUG_IN};

/// How the kind of these probes is named, in place of a vendor and a product.
const KIND: &str = "0000:0002";
/// Bytes that are compared at once.
const PAGE: usize = 4096;

/// The devices in one folder.
pub(crate) struct Host {
    root: PathBuf,
}

impl Host {
    /// Those below `root`, each in a folder that has its name.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The devices and their chips.
    fn devices(&self) -> Result<Vec<(PathBuf, bool, Chip)>, Failure> {
        let unreadable = |error: std::io::Error| {
            let message = format!("{} cannot be read: {error}", self.root.display());
            Failure::new(Code::ProbeFailed, message, "name the folder of the devices")
        };
        let mut found = Vec::new();
        for entry in list_devices(&self.root).map_err(unreadable)? {
            if let Some(file) = DeviceFile::load(&entry.dir).map_err(unreadable)? {
                found.push((entry.dir, entry.running, chip_of(&entry.name, &file)));
            }
        }
        Ok(found)
    }
}

/// A device's flash as the memory of a chip; addresses are offsets.
fn chip_of(name: &str, file: &DeviceFile) -> Chip {
    let mut sectors: Vec<SectorRun> = file
        .geometry
        .areas
        .iter()
        .filter(|area| area.erase_len > 0)
        .map(|area| SectorRun {
            start: u64::from(area.offset),
            size: u64::from(area.erase_len),
            count: u64::from(area.len / area.erase_len),
        })
        .collect();
    sectors.sort_by_key(|run| run.start);
    Chip {
        name: name.to_owned(),
        cores: vec!["host".to_owned()],
        regions: vec![Region {
            kind: Kind::Flash,
            name: Some("FLASH".to_owned()),
            start: 0,
            len: u64::from(file.geometry.flash_len),
            sectors,
        }],
    }
}

impl ProbeBackend for Host {
    fn probes(&mut self) -> Result<Vec<ProbeInfo>, Failure> {
        let devices = self.devices()?;
        let running = devices.into_iter().filter(|(_, running, _)| *running);
        let probe = |(_, _, chip): (PathBuf, bool, Chip)| ProbeInfo {
            probe: format!("{KIND}:{}", chip.name),
            name: "device on this machine".to_owned(),
            kind: "host board".to_owned(),
            serial: Some(chip.name),
            accessible: true,
        };
        Ok(running.map(probe).collect())
    }

    fn chip(&mut self, name: &str) -> Result<Chip, Failure> {
        let devices = self.devices()?;
        let found = devices.iter().map(|(_, _, chip)| chip);
        let exact = found.clone().find(|chip| chip.name == name);
        exact
            .cloned()
            .ok_or_else(|| chip::unknown(name, found.map(|chip| chip.name.as_str())))
    }

    fn attach(&mut self, probe: &ProbeInfo, chip: &Chip) -> Result<Box<dyn Link + '_>, Failure> {
        if probe.serial.as_deref() != Some(chip.name.as_str()) {
            return Err(Failure::new(
                Code::TargetNotFound,
                format!("{} is not behind the probe {}", chip.name, probe.probe),
                "name the probe of the same device",
            ));
        }
        let client =
            Client::connect(&self.root.join(&chip.name)).map_err(|error| failed(&error))?;
        Ok(Box::new(Attached {
            client,
            chip: chip.clone(),
            held: false,
        }))
    }
}

/// A connection to one device. When it ends, the device lets its CPU go.
struct Attached {
    client: Client,
    chip: Chip,
    held: bool,
}

impl Attached {
    fn hold(&mut self) -> Result<(), Failure> {
        if !self.held {
            self.client
                .exchange(&Request::Hold, &[])
                .map_err(|error| failed(&error))?;
            self.held = true;
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), Failure> {
        if self.held {
            self.client
                .exchange(&Request::Release, &[])
                .map_err(|error| failed(&error))?;
            self.held = false;
        }
        Ok(())
    }

    /// Erases a sector and writes it again with the bytes of the segment in it.
    fn sector(&mut self, sector: Sector, segment: &Segment) -> Result<u64, Failure> {
        let len = usize::try_from(sector.size).map_err(|_too_large| outside(sector.address))?;
        let mut cells = vec![0; len];
        let offset = offset_of(sector.address)?;
        self.client
            .read(offset, &mut cells)
            .map_err(|error| failed(&error))?;
        let from = sector.address.max(segment.address);
        let to = (sector.address + sector.size).min(segment.end());
        let range = |base: u64| {
            let at = |address: u64| usize::try_from(address - base).unwrap_or(usize::MAX);
            at(from)..at(to)
        };
        let new = segment.data.get(range(segment.address));
        let old = cells.get_mut(range(sector.address));
        if let (Some(new), Some(old)) = (new, old) {
            old.copy_from_slice(new);
        }
        let whole = u32::try_from(len).map_err(|_too_large| outside(sector.address))?;
        self.client
            .erase(offset, whole)
            .map_err(|error| failed(&error))?;
        self.client
            .program(offset, &cells)
            .map_err(|error| failed(&error))?;
        Ok(to - from)
    }
}

impl Link for Attached {
    fn rehearse(&mut self, segment: &Segment) -> Result<(), Failure> {
        self.chip.sectors(std::slice::from_ref(segment)).map(drop)
    }

    fn program(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        let sectors = self.chip.sectors(std::slice::from_ref(segment))?;
        self.hold()?;
        for sector in sectors {
            if watch.cancelled() {
                return Err(Failure::cancelled("between two sectors"));
            }
            let programmed = self.sector(sector, segment)?;
            watch.advance(Phase::Erase, sector.size);
            watch.advance(Phase::Program, programmed);
        }
        Ok(())
    }

    fn verify(&mut self, segment: &Segment, watch: &mut dyn Watch) -> Result<(), Failure> {
        let mut address = segment.address;
        for page in segment.data.chunks(PAGE) {
            let mut found = vec![0; page.len()];
            self.read(address, &mut found)?;
            if let Some(wrong) = found.iter().zip(page).position(|(is, should)| is != should) {
                let address = address + wrong as u64;
                return Err(Failure::new(
                    Code::VerifyMismatch,
                    format!("the flash differs from the file at {address:#010x}"),
                    FLASH_AGAIN,
                )
                .with("address", address));
            }
            address += page.len() as u64;
            watch.advance(Phase::Verify, page.len() as u64);
        }
        Ok(())
    }

    fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), Failure> {
        self.client
            .read(offset_of(address)?, out)
            .map_err(|error| failed(&error))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        self.release()?;
        match self.client.reset(Moment::default()) {
            // A device without power has nothing to reset.
            Err(error) if error.refusal() == Some(RefusalCode::Off) => Ok(()),
            done => done.map_err(|error| failed(&error)),
        }
    }
}

fn offset_of(address: u64) -> Result<u32, Failure> {
    u32::try_from(address).map_err(|_too_large| outside(address))
}

fn outside(address: u64) -> Failure {
    let message = format!("{address:#010x} is not in the device's flash");
    Failure::new(
        Code::AddressOutsideFlash,
        message,
        "addresses of a device on this machine are offsets of its flash",
    )
    .with("address", address)
}

/// What a device says, in the words of a probe.
fn failed(error: &ControlError) -> Failure {
    let (code, hint) = match (error, error.refusal()) {
        (ControlError::NotRunning { .. } | ControlError::Io { .. }, _) => {
            (Code::ProbeUnplugged, PLUG_IN)
        }
        (_, Some(RefusalCode::Busy)) => (
            Code::ProbeFailed,
            "another program is flashing it; wait for its end",
        ),
        (ControlError::Refused(_) | ControlError::Protocol { .. }, _) => {
            (Code::FlashFailed, FLASH_AGAIN)
        }
    };
    Failure::new(code, error.to_string(), hint)
}
