//! How each fault is made.

use super::bench::Bench;
use super::{LabError, News};
use crate::Fault;
use crate::look::look;
use otaru_board_host::DEVICE_BLOCK_AT;
use otaru_board_host::chip::{BadAccess, BadRange};
use otaru_board_host::control::{EventKind, Moment};
use otaru_flash::{Flash as _, Slot};
use otaru_lsp_build::flash_map::{Role, map};
use otaru_record::Phase;
use std::time::Duration;

/// Latest flash operation at which chance cuts the power.
const OPERATIONS_MAX: u64 = 64;
/// Longest time that chance leaves the power on, in milliseconds: a boot and a while of running.
const ON_MS_MAX: u64 = 1500;
/// How long the network stays away at least.
const OFFLINE: Duration = Duration::from_secs(2);
/// How long a firmware may take to notice that.
const NOTICE_MAX: Duration = Duration::from_secs(30);
/// How long a bootloader may take from one line to the next.
const BOOT_MAX: Duration = Duration::from_mins(1);

/// What a firmware on trial does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misdeed {
    Hang,
    Crash,
}

impl Bench<'_> {
    /// Makes the fault.
    pub(super) fn strike(&mut self) -> Result<(), LabError> {
        match self.order.fault {
            Fault::Reset => self.reset(),
            Fault::PowerCut => self.cut(),
            Fault::CutNextWrite => self.cut_next_write(),
            Fault::RandomCuts => self.random_cuts(),
            Fault::CorruptRunning => self.corrupt_running(),
            Fault::CorruptUpdate => self.corrupt_update(),
            Fault::Offline => self.offline(),
            Fault::FillFlash => self.fill_flash(),
            Fault::WornFlash => self.worn_flash(),
            Fault::HangNew => self.on_trial(Misdeed::Hang),
            Fault::CrashNew => self.on_trial(Misdeed::Crash),
        }
    }

    /// The button is held while the record is read, so that it is known what the reset met.
    fn reset(&mut self) -> Result<(), LabError> {
        let mut probe = self.client.hold()?;
        let at = look(&mut probe)?;
        probe.release()?;
        self.struck(at, false);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), LabError> {
        self.client.power_cut(Moment::default())?;
        self.note_cut(false)
    }

    /// Reads what the cut met, and gives the power back.
    fn note_cut(&mut self, torn: bool) -> Result<(), LabError> {
        let at = look(&mut self.client)?;
        self.struck(at, torn);
        self.client.power_on()?;
        Ok(())
    }

    fn cut_next_write(&mut self) -> Result<(), LabError> {
        let seed = self.random(u64::MAX);
        self.client.power_cut(Moment {
            at_operation: Some(1),
            torn: true,
            seed: Some(seed),
            ..Moment::default()
        })?;
        self.tell(News::Waiting("the next write to the flash"));
        self.watch_event(None, is_cut)?;
        self.note_cut(true)
    }

    fn random_cuts(&mut self) -> Result<(), LabError> {
        for _ in 0..self.order.times {
            if self.is_stopped() {
                // What was done so far is worth a judgement.
                break;
            }
            let moment = Moment {
                at_operation: Some(1 + self.random(OPERATIONS_MAX)),
                torn: true,
                seed: Some(self.random(u64::MAX)),
                ..Moment::default()
            };
            self.client.power_cut(moment)?;
            let on = Duration::from_millis(1 + self.random(ON_MS_MAX));
            match self.cut_by_chance(on) {
                Ok(()) => {}
                Err(LabError::Stopped) => break,
                Err(error) => return Err(error),
            }
        }
        if self.strikes.is_empty() {
            return Err(LabError::Stopped);
        }
        Ok(())
    }

    /// Waits for the cut that was ordered, and makes one when it does not come in this time.
    fn cut_by_chance(&mut self, on: Duration) -> Result<(), LabError> {
        if self.watch_event(Some(on), is_cut)? {
            return self.note_cut(true);
        }
        self.cut()?;
        // Its event is on its way, and must not be taken for the next cut's.
        self.watch_event(Some(BOOT_MAX), is_cut).map(drop)
    }

    fn corrupt_running(&mut self) -> Result<(), LabError> {
        let at = look(&mut self.client)?;
        let len = at.state().map_or(0, |state| state.current().len);
        // In the middle of the image, where its program is.
        let inside = u64::from(len / 4) + self.random(u64::from(len / 2));
        let bit = self.random(8);
        let offset = at.layout.execution.offset + u32::try_from(inside).unwrap_or(0);
        self.struck(at, false);
        self.client.corrupt(offset, 1 << bit)?;
        self.client.reset(Moment::default())?;
        Ok(())
    }

    fn corrupt_update(&mut self) -> Result<(), LabError> {
        self.tell(News::Waiting("an update to be downloaded"));
        loop {
            self.watch_line(None, |line| line == "ota: verifying what was stored")?;
            let at = look(&mut self.client)?;
            let Some((slot, len)) = at
                .state()
                .ok()
                .and_then(|state| Some((state.slot()?, state.other().len)))
            else {
                continue;
            };
            let bit = self.random(8);
            // Near the end: what is read back from the beginning has not come there yet.
            let offset = at.layout.slot(slot).offset + at.layout.image_offset(slot) + len / 8 * 7;
            self.client.corrupt(offset, 1 << bit)?;
            self.struck(at, false);
            return Ok(());
        }
    }

    fn offline(&mut self) -> Result<(), LabError> {
        self.client.set_online(false)?;
        let at = look(&mut self.client)?;
        self.struck(at, false);
        self.watch_line(Some(NOTICE_MAX), |line| line.starts_with("ota: offline"))?;
        self.watch(Some(OFFLINE), |_| false)?;
        Ok(())
    }

    fn fill_flash(&mut self) -> Result<(), LabError> {
        let seed = self.random(u64::MAX);
        let mut probe = self.client.hold()?;
        let at = look(&mut probe)?;
        let areas = map(&mut probe, DEVICE_BLOCK_AT)?.areas;
        let mut noise = seed | 1;
        for area in areas {
            let storage = area.kind.slot().is_some_and(|slot| slot != Slot::Execution);
            if !storage || area.role != Some(Role::Free) {
                continue;
            }
            let bytes: Vec<u8> = (0..area.len)
                .map(|_| {
                    noise = noise
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    noise.to_be_bytes()[0]
                })
                .collect();
            probe.erase(area.offset, area.len)?;
            probe.program(area.offset, &bytes)?;
        }
        probe.release()?;
        self.struck(at, false);
        Ok(())
    }

    fn worn_flash(&mut self) -> Result<(), LabError> {
        let at = look(&mut self.client)?;
        let before = at.state().map_or(0, |state| state.outcome().attempt);
        for area in at.layout.storage.iter().filter(|area| area.len > 0) {
            self.client.bad_range(BadRange {
                offset: area.offset,
                len: area.len,
                access: BadAccess::Write,
                until_erased: false,
            })?;
        }
        self.struck(at, false);
        self.tell(News::Waiting("an update that writes to storage"));
        loop {
            self.watch_line(None, |line| line.starts_with("ota: update"))?;
            // The record follows the line at once, or the line the record.
            let ended = |state: &otaru_record::State| {
                state.phase() == Phase::Idle && state.outcome().attempt != before
            };
            if self.record().is_ok_and(|state| ended(&state)) {
                return Ok(());
            }
        }
    }

    /// Waits for a trial, and lets no new firmware get through it: neither its first start nor
    /// another one.
    fn on_trial(&mut self, misdeed: Misdeed) -> Result<(), LabError> {
        if !self
            .record()
            .is_ok_and(|state| state.phase() == Phase::Trial)
        {
            self.tell(News::Waiting("an update to be on trial"));
            self.wait_for_trial()?;
        }
        loop {
            // A firmware that reaches the manager is confirmed at once: too late for a crash.
            self.client.set_online(false)?;
            let at = look(&mut self.client)?;
            match misdeed {
                Misdeed::Hang => self.client.freeze()?,
                Misdeed::Crash => self.client.crash()?,
            }
            self.struck(at, false);
            let running = |line: &str| line.starts_with("ota: running version ");
            let mut again = false;
            self.watch(Some(BOOT_MAX), |seen| {
                let super::feed::Seen::Line(line) = seen else {
                    return false;
                };
                again = line.starts_with("ota: on trial for update");
                again || (running(line) && !line.contains("testing-"))
            })?;
            if !again {
                return Ok(());
            }
        }
    }

    fn wait_for_trial(&mut self) -> Result<(), LabError> {
        loop {
            self.watch_line(None, |line| {
                [":: requested", ":: installing", ":: installed", ":: trial"]
                    .iter()
                    .any(|start| line.starts_with(start))
            })?;
            // The bootloader needs no network; the new firmware must not have it for now.
            self.client.set_online(false)?;
            let mut on_trial = false;
            self.watch(Some(BOOT_MAX), |seen| {
                let super::feed::Seen::Line(line) = seen else {
                    return false;
                };
                on_trial = line.starts_with("ota: on trial for update");
                on_trial || (line.starts_with("ota: running") && !line.contains("testing-"))
            })?;
            if on_trial {
                return Ok(());
            }
            self.client.set_online(true)?;
        }
    }
}

fn is_cut(event: &EventKind) -> bool {
    *event == EventKind::PowerOff { cut: true }
}
