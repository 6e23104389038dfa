//! What the control socket can make a device do.

use super::ChipError;
use super::machine::{Machine, Pending};
use crate::cause::ResetCause;
use crate::control::{
    CpuState, Moment, PendingFault, Refusal, RefusalCode, Request, Response, Status, WatchdogStatus,
};
use crate::wire::FlashFault;
use std::time::{Duration, Instant};

/// A response and the raw bytes behind it.
type Answer = (Response, Vec<u8>);

/// Why a request does not get an ordinary answer: refused, or the chip itself failed.
enum Failure {
    Refused(Refusal),
    Chip(ChipError),
}

impl From<ChipError> for Failure {
    fn from(error: ChipError) -> Self {
        Self::Chip(error)
    }
}

impl From<FlashFault> for Failure {
    fn from(fault: FlashFault) -> Self {
        refuse(RefusalCode::of_fault(fault), fault.to_string())
    }
}

fn refuse(code: RefusalCode, message: impl Into<String>) -> Failure {
    let message = message.into();
    Failure::Refused(Refusal { code, message })
}

fn done() -> Answer {
    let response = Response {
        ok: true,
        ..Response::default()
    };
    (response, Vec::new())
}

/// A response that refuses.
pub(super) fn refusal(refusal: Refusal) -> Answer {
    let response = Response {
        error: Some(refusal),
        ..Response::default()
    };
    (response, Vec::new())
}

impl Machine {
    /// Handles one request of the control connection `from`.
    ///
    /// # Errors
    /// When the chip cannot go on. A refused request is an ordinary answer.
    pub(super) fn handle(
        &mut self,
        from: u64,
        request: Request,
        frame: &[u8],
    ) -> Result<Answer, ChipError> {
        match self.try_handle(from, request, frame) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(reason)) => Ok(refusal(reason)),
            Err(Failure::Chip(error)) => Err(error),
        }
    }

    fn try_handle(&mut self, from: u64, request: Request, frame: &[u8]) -> Result<Answer, Failure> {
        match request {
            Request::Status | Request::Events => return Ok(self.status_answer()),
            Request::Reset(moment) => self.request_fault(false, moment)?,
            Request::PowerCut(moment) => self.request_fault(true, moment)?,
            Request::PowerOn => self.power_on()?,
            Request::Recovery => self.recovery.next = true,
            Request::Hold => self.request_hold(from)?,
            Request::Release => self.release(from)?,
            Request::Read { offset, len } => return self.probe_read(offset, len),
            Request::Program { offset, .. } => {
                self.need_probe(from)?;
                self.flash
                    .program(offset, frame, super::flash::Extent::Whole)?;
            }
            Request::Erase { offset, len } => {
                self.need_probe(from)?;
                self.flash.erase(offset, len, super::flash::Extent::Whole)?;
                self.publish_bad_ranges()?;
            }
            Request::Corrupt { offset, xor } => self.flash.corrupt(offset, xor)?,
            Request::BadRange(range) => {
                if !self.flash.add_bad_range(range)? {
                    let text = "there are 64 failing ranges already: clear the faults first";
                    return Err(refuse(RefusalCode::TooMany, text));
                }
                self.publish_bad_ranges()?;
            }
            Request::ClearFaults => {
                self.pending = None;
                self.flash.clear_bad_ranges();
                self.publish_bad_ranges()?;
            }
            Request::Offline => self.set_online(false)?,
            Request::Online => self.set_online(true)?,
            Request::Freeze => {
                self.need_running()?;
                self.freeze()?;
            }
            Request::Crash => {
                self.need_running()?;
                self.make_crash()?;
            }
            Request::Shutdown => self.shutdown = true,
        }
        Ok(done())
    }

    pub(super) fn publish_bad_ranges(&mut self) -> Result<(), ChipError> {
        self.page
            .set_bad_ranges(self.flash.bad_ranges())
            .map_err(ChipError::io("writing the board page"))
    }

    fn need_running(&self) -> Result<(), Failure> {
        if self.holder.is_some() {
            let text = "a debug probe holds the CPU: release it first";
            return Err(refuse(RefusalCode::Held, text));
        }
        self.need_power()
    }

    fn need_power(&self) -> Result<(), Failure> {
        if self.power {
            Ok(())
        } else {
            let text = "the device is switched off: switch it on first";
            Err(refuse(RefusalCode::Off, text))
        }
    }

    fn need_probe(&self, from: u64) -> Result<(), Failure> {
        if self.holder == Some(from) {
            Ok(())
        } else {
            let text = "flash is accessible only while this connection holds the CPU";
            Err(refuse(RefusalCode::NotHeld, text))
        }
    }

    fn request_hold(&mut self, from: u64) -> Result<(), Failure> {
        match self.holder {
            Some(holder) if holder == from => Ok(()),
            Some(_other) => {
                let text = "another debug probe holds the CPU: wait until it is done";
                Err(refuse(RefusalCode::Busy, text))
            }
            None => Ok(self.hold(from)?),
        }
    }

    /// As with most debug ports, memory can be read while the CPU runs.
    fn probe_read(&mut self, offset: u32, len: u32) -> Result<Answer, Failure> {
        if len > crate::control::FRAME_LEN_MAX {
            return Err(FlashFault::OutOfBounds.into());
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.flash.read(offset, &mut bytes)?;
        let response = Response {
            ok: true,
            len: Some(len),
            ..Response::default()
        };
        Ok((response, bytes))
    }

    /// A reset or a power cut, now or later. A later one replaces another that is pending.
    fn request_fault(&mut self, power_cut: bool, moment: Moment) -> Result<(), Failure> {
        let bad = |text: &str| Err(refuse(RefusalCode::BadRequest, text));
        if moment.at_operation.is_some() && moment.after_ms.is_some() {
            return bad("give at_operation or after_ms, not both");
        }
        if moment.at_operation == Some(0) {
            return bad("at_operation counts from 1, the next operation");
        }
        if moment.torn && moment.at_operation.is_none() {
            return bad("torn needs at_operation: between two operations nothing can tear");
        }
        if moment.off_ms.is_some() && !power_cut {
            return bad("off_ms belongs to a power cut");
        }
        // An operation can be chosen before the device is switched on: for cuts of a whole boot.
        if moment.at_operation.is_none() {
            self.need_power()?;
        }
        if moment.at_operation.is_none() && moment.after_ms.is_none() {
            self.pending = None;
            if power_cut {
                self.power_off(true, moment.off_ms)?;
            } else {
                self.need_running()?;
                self.reset(ResetCause::Button)?;
            }
            return Ok(());
        }
        let after = moment.after_ms.map(Duration::from_millis);
        let deadline = match after.map(|after| Instant::now().checked_add(after)) {
            Some(None) => return bad("after_ms is too far away"),
            Some(deadline) => deadline,
            None => None,
        };
        self.pending = Some(Pending {
            power_cut,
            moment,
            deadline,
        });
        Ok(())
    }

    fn cpu_state(&self) -> CpuState {
        if self.holder.is_some() {
            CpuState::Held
        } else if !self.power {
            CpuState::Off
        } else {
            match &self.cpu {
                None => CpuState::Restarting,
                Some(cpu) if cpu.frozen => CpuState::Frozen,
                Some(_) => CpuState::Running,
            }
        }
    }

    fn status_answer(&self) -> Answer {
        let now = Instant::now();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let status = Status {
            board: self.device.board.clone(),
            pid: std::process::id(),
            cpu_pid: self.cpu.as_ref().map(super::processor::Processor::pid),
            power: self.power,
            state: self.cpu_state(),
            reset_cause: self.cause,
            boots: self.device.boots,
            uptime_ms: ms(now.duration_since(self.started)),
            last_exit: self.last_exit.clone(),
            watchdog: self.watchdog.as_ref().map(|watchdog| WatchdogStatus {
                timeout_ms: ms(watchdog.timeout),
                left_ms: ms(watchdog.deadline.saturating_duration_since(now)),
            }),
            online: self.online,
            flash: self.flash.counters.clone(),
            unstable_bytes: self.flash.unstable_len() as u64,
            bad_ranges: self.flash.bad_ranges().to_vec(),
            pending: self.pending.as_ref().map(|pending| PendingFault {
                power_cut: pending.power_cut,
                moment: pending.moment,
            }),
            pty: self.pty.as_ref().map(|path| path.display().to_string()),
        };
        let response = Response {
            ok: true,
            status: Some(Box::new(status)),
            ..Response::default()
        };
        (response, Vec::new())
    }
}
