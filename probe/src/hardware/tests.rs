//! The backend for real probes as far as the library's fake probe goes: it can be listed, opened and
//! attached to, and plans can be made; it has no CPU, so that nothing can be flashed. The tests marked
//! as ignored need a board.
//!
//! The fake probe prints to stdout, which the test harness catches; the program itself never uses it.

use std::fmt;

use probe_rs::integration::{FakeProbe, ProbeLister};
use probe_rs::probe::list::ProbeListItem;
use probe_rs::probe::{
    DebugProbe, DebugProbeError, DebugProbeInfo, Probe, ProbeCreationError, ProbeFactory,
};

use super::*;
use crate::chip::{Kind, Region};
use crate::failure::Code;
use crate::job;
use crate::progress::Progress;
use crate::protocol;
use std::io::Write;
use std::sync::atomic::AtomicBool;

const CHIP: &str = "nRF51822_xxAA";
const PROBE: &str = "0001:0002:FAKE";

/// Lists one fake probe, and opens it as often as asked.
#[derive(Debug)]
struct OneFake {
    /// What opening it fails with.
    refused: bool,
    accessibility: Accessibility,
}

#[derive(Debug)]
struct FakeFactory;

impl fmt::Display for FakeFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fake")
    }
}

impl ProbeFactory for FakeFactory {
    fn open(&self, _: &DebugProbeSelector) -> Result<Box<dyn DebugProbe>, DebugProbeError> {
        Ok(Box::new(FakeProbe::with_mocked_core()))
    }

    fn list_probes(&self) -> Vec<ProbeListItem> {
        Vec::new()
    }
}

impl ProbeLister for OneFake {
    fn open(&self, selector: &DebugProbeSelector) -> Result<Probe, DebugProbeError> {
        assert_eq!(selector.to_string(), PROBE);
        if self.refused {
            return Err(ProbeCreationError::CouldNotOpen.into());
        }
        Ok(FakeProbe::with_mocked_core().into_probe())
    }

    fn list_with_access(&self, _: Option<&DebugProbeSelector>) -> Vec<ProbeListItem> {
        let serial = Some("FAKE".to_owned());
        let info = DebugProbeInfo::new("fake probe", 1, 2, serial, &FakeFactory, None, false);
        vec![ProbeListItem {
            info,
            accessibility: self.accessibility,
        }]
    }
}

fn fake() -> ProbeRs {
    backend(false, Accessibility::Accessible)
}

fn backend(refused: bool, accessibility: Accessibility) -> ProbeRs {
    ProbeRs::with_lister(Lister::with_lister(Box::new(OneFake {
        refused,
        accessibility,
    })))
}

/// Carries out a request line as the program does.
fn request(backend: &mut ProbeRs, line: &serde_json::Value) -> Result<serde_json::Value, Failure> {
    let cancel = AtomicBool::new(false);
    let mut progress = Progress::new(&cancel, |_, _, _| true);
    let (_, op) = protocol::parse(line.to_string().as_bytes());
    job::run(backend, op.unwrap(), &mut progress).map(Into::into)
}

fn file(len: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![0x5a; len]).unwrap();
    file
}

fn flash(address: u64, file: &tempfile::NamedTempFile, dry_run: bool) -> serde_json::Value {
    serde_json::json!({
        "id": 1, "op": "flash", "chip": CHIP, "dry_run": dry_run,
        "segments": [{ "address": address, "file": file.path() }],
    })
}

#[test]
fn the_fake_probe_is_listed() {
    let reply = request(&mut fake(), &serde_json::json!({ "id": 1, "op": "list" })).unwrap();
    assert_eq!(reply["probes"][0]["probe"], PROBE);
    assert_eq!(reply["probes"][0]["accessible"], true);
}

#[test]
fn a_dry_run_attaches_and_names_the_sectors() {
    let reply = request(&mut fake(), &flash(0x1200, &file(0x400), true)).unwrap();
    assert_eq!(reply["probe"], PROBE);
    assert_eq!(reply["chip"], CHIP);
    // Sectors of this chip have 1 KiB: the segment touches two.
    let erase = serde_json::json!([{ "address": 0x1000, "len": 0x800, "sectors": 2 }]);
    assert_eq!(reply["erase"], erase);
    assert_eq!(reply["verified"], false);
}

#[test]
fn bytes_behind_the_flash_are_refused_before_the_probe_is_opened() {
    let mut refusing = backend(true, Accessibility::Accessible);
    let failure = request(&mut refusing, &flash(0x3f000, &file(0x2000), true)).unwrap_err();
    assert_eq!(failure.code, Code::AddressOutsideFlash);
    assert_eq!(failure.details["address"], 0x40000);
}

/// The library agrees with our own check of addresses.
#[test]
fn the_library_refuses_bytes_behind_the_flash_too() {
    let mut backend = fake();
    let chip = backend.chip(CHIP).unwrap();
    let probe = backend.probes().unwrap().remove(0);
    let mut link = backend.attach(&probe, &chip).unwrap();
    let segment = Segment {
        address: 0x3f000,
        data: vec![0; 0x2000],
    };
    let failure = link.rehearse(&segment).unwrap_err();
    assert_eq!(failure.code, Code::AddressOutsideFlash, "{failure:?}");
}

#[test]
fn flashing_without_a_cpu_fails_and_says_that_flash_may_have_changed() {
    let failure = request(&mut fake(), &flash(0x1000, &file(16), false)).unwrap_err();
    assert_eq!(failure.code, Code::ProbeFailed, "{failure:?}");
    assert_eq!(failure.details["flash_changed"], true);
    assert!(failure.message.contains("halt"), "{}", failure.message);
}

#[test]
fn a_probe_that_does_not_open_says_why() {
    let mut refusing = backend(true, Accessibility::Accessible);
    let failure = request(&mut refusing, &flash(0, &file(4), true)).unwrap_err();
    assert_eq!(failure.code, Code::ProbeFailed, "{failure:?}");
    assert!(
        failure.message.contains("could not be opened"),
        "{failure:?}"
    );
    let mut denied = backend(false, Accessibility::PermissionDenied);
    let failure = request(&mut denied, &flash(0, &file(4), true)).unwrap_err();
    assert_eq!(failure.code, Code::PermissionDenied);
    assert!(failure.hint.contains("udev"), "{}", failure.hint);
}

#[test]
fn memory_maps_hold_the_sectors_of_real_chips() {
    let mut backend = fake();
    // The only flash of `len` bytes at `start`, as size and count of its sectors.
    let runs = |chip: &Chip, start: u64, len: u64| -> Vec<(u64, u64)> {
        let found = |region: &&Region| region.start == start && region.len == len;
        let region = chip
            .regions
            .iter()
            .find(found)
            .unwrap_or_else(|| panic!("{chip:?}"));
        assert_eq!(region.kind, Kind::Flash);
        region
            .sectors
            .iter()
            .map(|run| (run.size, run.count))
            .collect()
    };
    let nrf = backend.chip("nrf52840_xxaa").unwrap();
    assert_eq!(nrf.name, "nRF52840_xxAA");
    assert_eq!(runs(&nrf, 0, 1 << 20), [(4096, 256)]);
    let stm = backend.chip("STM32F407VG").unwrap();
    let sectors = [(16 << 10, 4), (64 << 10, 1), (128 << 10, 7)];
    assert_eq!(runs(&stm, 0x0800_0000, 1 << 20), sectors);
}

#[test]
fn every_known_chip_has_a_memory_map_without_zero_sectors() {
    let registry = Registry::from_builtin_families();
    let mut count = 0;
    for family in registry.families() {
        for variant in &family.variants {
            let chip = target::chip(&registry, &variant.name).unwrap();
            for region in &chip.regions {
                assert!(region.len > 0, "{chip:?}");
                for run in &region.sectors {
                    assert!(run.size > 0 && run.count > 0, "{chip:?}");
                }
            }
            count += 1;
        }
    }
    assert!(count > 1000, "{count} chips");
}

#[test]
fn wrong_chip_names_get_the_nearest_ones() {
    let mut backend = fake();
    let unknown = backend.chip("nRF52480_xxAA").unwrap_err();
    assert_eq!(unknown.code, Code::ChipUnknown);
    assert!(unknown.hint.contains("nRF52840_xxAA"), "{}", unknown.hint);
    let ambiguous = backend.chip("STM32F407").unwrap_err();
    assert_eq!(ambiguous.code, Code::ChipAmbiguous);
    assert!(ambiguous.hint.contains("STM32F407VG"), "{}", ambiguous.hint);
}

#[test]
fn what_a_driver_says_decides_before_what_flashing_says() {
    let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let error = DebugProbeError::Usb(refused);
    assert_eq!(failures::explain(&error, "x").code, Code::PermissionDenied);
    let gone = std::io::Error::from(std::io::ErrorKind::NotConnected);
    let error = probe_rs::flashing::FlashError::EraseFailed {
        sector_address: 0,
        source: Box::new(probe_rs::Error::Probe(DebugProbeError::Usb(gone))),
    };
    assert_eq!(failures::explain(&error, "x").code, Code::ProbeUnplugged);
    let error = probe_rs::flashing::FlashError::EraseFailed {
        sector_address: 0,
        source: Box::new(probe_rs::Error::Timeout),
    };
    assert_eq!(failures::explain(&error, "x").code, Code::FlashFailed);
}

/// `OTARU_PROBE_CHIP` names the chip of the board that is connected.
#[test]
#[ignore = "needs a board; its flash is overwritten at OTARU_PROBE_ADDRESS"]
fn a_real_board_is_flashed_verified_and_reset() {
    let chip = std::env::var("OTARU_PROBE_CHIP").expect("OTARU_PROBE_CHIP names the chip");
    let address: u64 = std::env::var("OTARU_PROBE_ADDRESS")
        .expect("OTARU_PROBE_ADDRESS is a free flash address, decimal")
        .parse()
        .unwrap();
    let data = file(5000);
    let segments = serde_json::json!([{ "address": address, "file": data.path() }]);
    let mut backend = ProbeRs::new();
    for op in ["flash", "verify"] {
        let line = serde_json::json!({ "id": 1, "op": op, "chip": chip, "segments": segments });
        assert_eq!(request(&mut backend, &line).unwrap()["verified"], true);
    }
    let line =
        serde_json::json!({ "id": 1, "op": "read", "chip": chip, "address": address, "len": 4 });
    assert_eq!(request(&mut backend, &line).unwrap()["data"], "5a5a5a5a");
    request(
        &mut backend,
        &serde_json::json!({ "id": 1, "op": "reset", "chip": chip }),
    )
    .unwrap();
}
