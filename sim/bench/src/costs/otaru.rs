//! Our update, step by step, with the shipped bootloader and record.

use super::{BUFFER_LEN, Costs, PAGE_LEN, Pair, Timed};
use crate::meter::Meter;
use anyhow::{Result, anyhow, bail, ensure};
use otaru_bootloader::{Boot, Decision, Event, Port, ResetCause, boot};
use otaru_flash::{DeviceBlock, Flash as _, Key, KeyKind, Layout, Mode, Slot};
use otaru_image::Ed25519Dalek;
use otaru_record::{Cause, Download, Geometry, Journal, Phase, State};
use otaru_sim::{Shape, SimFlash};

/// A board that says nothing.
struct Silent;

impl Port for Silent {
    type Verifier = Ed25519Dalek;

    const SHOWS_ENTRIES: bool = false;

    fn verifier(&mut self) -> Ed25519Dalek {
        Ed25519Dalek
    }

    fn feed_watchdog(&mut self) {}

    fn arm_watchdog(&mut self, _timeout_ms: u32) {}

    fn now_ms(&mut self) -> u32 {
        0
    }

    fn report(&mut self, _event: Event<'_>) {}
}

/// A device with its flash.
#[derive(Clone)]
struct Device {
    layout: Layout,
    flash: Meter,
}

/// The layout for these images: slots half as long again as the image, which costs nothing, and the
/// shortest record that fits.
fn shape(mode: Mode, pair: &Pair, part: &Timed) -> Shape {
    Shape {
        chunk_len: PAGE_LEN,
        write_unit: part.write_unit,
        ..Shape::plain(mode, pair.chunks() * 3 / 2)
    }
}

/// Cells of half a record, more or less: how many entries to try as a filling.
pub(super) fn fillings(mode: Mode, pair: &Pair, part: &Timed) -> u32 {
    shape(mode, pair, part).layout().record.len / 2 / 184
}

/// Measures one update, after `filled` further entries were appended to the record.
///
/// # Errors
/// If the update does not do what it should.
pub(super) fn measure(mode: Mode, pair: &Pair, part: &Timed, filled: u32) -> Result<Costs> {
    let shape = shape(mode, pair, part);
    let layout = shape.layout();
    let mut device = Device::flashed(&shape, pair, part)?;
    let mut journal = device.start(ResetCause::PowerOn, Phase::Idle)?;
    for _ in 0..filled {
        let state = *journal.state();
        device.append(&mut journal, &state)?;
    }
    if mode == Mode::Standby {
        // Once in the life of a device; `otaru flash` can do it too.
        journal
            .claim(&mut device.flash)
            .map_err(|e| anyhow!("{e}"))?;
        device.store(&mut journal, Slot::Storage0, &pair.old.bytes)?;
        let next = journal.state().backed_up(Slot::Storage0)?;
        device.append(&mut journal, &next)?;
    }
    device.flash.take();
    device.download(&mut journal, pair)?;
    let before = device.flash.take();

    let next = journal.state().requested()?;
    device.append(&mut journal, &next)?;
    let mut journal = device.start(ResetCause::Software, Phase::Trial)?;
    device.expect_running(&pair.new.bytes)?;
    let install = device.flash.take();

    let mut reverting = device.clone();
    let state = *reverting.start(ResetCause::Watchdog, Phase::Idle)?.state();
    ensure!(state.outcome().cause == Cause::TrialWatchdog, "no revert");
    reverting.expect_running(&pair.old.bytes)?;
    let revert = reverting.flash.take();

    let state = *journal.state();
    let next = state.confirmed(mode, state.attempt(), 2, 0)?;
    journal
        .append_twice(&mut device.flash, &next)
        .map_err(|e| anyhow!("{e}"))?;
    let next = journal.state().reported()?;
    device.append(&mut journal, &next)?;
    let confirm = device.flash.take();
    device.start(ResetCause::PowerOn, Phase::Idle)?;
    device.expect_running(&pair.new.bytes)?;
    ensure!(device.flash.flash().misuse().is_none(), "flash misused");
    Ok(Costs {
        before,
        install,
        revert,
        confirm,
        half_sectors: u64::from(layout.record.len / 2 / layout.record.erase_len),
    })
}

impl Device {
    /// As it is flashed by cable.
    fn flashed(shape: &Shape, pair: &Pair, part: &Timed) -> Result<Self> {
        let layout = shape.layout();
        let simulated = SimFlash::new(shape.part().with_timing(part.timing), 1);
        let record = (
            layout.record.offset,
            layout.record.offset + layout.record.len,
        );
        let mut flash = Meter::new(simulated, record);
        let keys = [Key {
            public: pair.public,
            kind: KeyKind::Ed25519,
            development: false,
        }];
        let mut block =
            DeviceBlock::new("sim", layout, &keys).map_err(|e| anyhow!("device block: {e}"))?;
        block.vendor_id = Pair::IDS.vid.0;
        block.class_id = Pair::IDS.cid.0;
        let encoded = block.encode().map_err(|e| anyhow!("device block: {e}"))?;
        flash.program(0, &encoded).map_err(fault)?;
        flash
            .program(layout.execution.offset, &pair.old.bytes)
            .map_err(fault)?;
        let geometry = Geometry::new(&layout).map_err(|e| anyhow!("record: {e}"))?;
        let factory = State::factory(pair.old.image, 1);
        Journal::create(&mut flash, geometry, &factory).map_err(|e| anyhow!("{e}"))?;
        Ok(Self { layout, flash })
    }

    /// Resets and boots, which must start an image in this phase.
    fn start(&mut self, cause: ResetCause, phase: Phase) -> Result<Journal> {
        self.flash.reset();
        let at = Boot {
            device_block_at: 0,
            cause,
        };
        match boot(&mut self.flash, &mut Silent, at, &mut [0; BUFFER_LEN]) {
            Decision::Start(start) if start.journal.state().phase() == phase => Ok(start.journal),
            Decision::Start(start) => bail!("started in {}", start.journal.state().phase().name()),
            Decision::Recovery(reason) => bail!("recovery: {reason}"),
        }
    }

    fn append(&mut self, journal: &mut Journal, state: &State) -> Result<()> {
        journal
            .append(&mut self.flash, state)
            .map_err(|error| anyhow!("{error}"))
    }

    fn download(&mut self, journal: &mut Journal, pair: &Pair) -> Result<()> {
        let download = Download {
            attempt: 1,
            image: pair.new.image,
            deadline_s: 300,
            trials: 1,
        };
        let next = journal.state().receiving(self.layout.mode, &download)?;
        self.append(journal, &next)?;
        let slot = journal.state().slot().ok_or_else(|| anyhow!("no slot"))?;
        self.store(journal, slot, &pair.new.bytes)?;
        let next = journal.state().parked()?;
        self.append(journal, &next)
    }

    /// Writes an image into storage, with a mark per sixteenth of a download.
    fn store(&mut self, journal: &mut Journal, slot: Slot, bytes: &[u8]) -> Result<()> {
        let sectors = u32::try_from(bytes.len().div_ceil(PAGE_LEN as usize))?;
        let mut mark = 0;
        for (number, data) in (0_u32..).zip(bytes.chunks(PAGE_LEN as usize)) {
            let at = number * PAGE_LEN;
            let permit = journal
                .permit(slot)
                .ok_or_else(|| anyhow!("storage may not be written"))?;
            permit
                .erase(&mut self.flash, &self.layout, at, PAGE_LEN)
                .map_err(|error| anyhow!("{error}"))?;
            permit
                .program(&mut self.flash, &self.layout, at, data)
                .map_err(|error| anyhow!("{error}"))?;
            let receiving = journal.state().phase() == Phase::Receiving;
            while receiving && mark < 15 && (mark + 1) * sectors / 16 <= number + 1 {
                journal
                    .mark(&mut self.flash, u16::try_from(mark)?)
                    .map_err(|error| anyhow!("{error}"))?;
                mark += 1;
            }
        }
        Ok(())
    }

    fn expect_running(&self, bytes: &[u8]) -> Result<()> {
        let at = self.layout.execution.offset;
        ensure!(self.flash.flash().holds(at, bytes), "another image runs");
        Ok(())
    }
}

fn fault(fault: otaru_sim::Fault) -> anyhow::Error {
    anyhow!("flash: {fault:?}")
}
