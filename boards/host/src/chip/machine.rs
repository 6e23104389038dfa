//! The state of a device and what changes it: power, resets, the watchdog, flash operations.

use super::console::Console;
use super::flash::{Extent, FlashArray};
use super::noise::Noise;
use super::processor::Processor;
use super::retained::{BoardPage, RetainedRam};
use super::{ChipConfig, ChipError, CpuProgram};
use crate::cause::ResetCause;
use crate::control::{DeviceFile, Event, EventKind, Moment};
use crate::wire::{BUTTON_RECOVERY, CONSOLE_READ_LEN_MAX, FlashFault, Hello, Operation, Request};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A program that runs at least this long is not a quick exit.
const QUICK_EXIT: Duration = Duration::from_secs(2);
/// Quick exits in a row that are restarted at once.
const QUICK_EXITS_FREE: u32 = 16;
/// How long a CPU may go on after it closed its wire.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// Longest pause before a program that keeps ending is started again.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A reset or power cut to come.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) power_cut: bool,
    pub(super) moment: Moment,
    pub(super) deadline: Option<Instant>,
}

/// The watchdog timer while it is armed.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
}

/// The pipe that is readable while the network is off.
#[derive(Debug)]
struct NetworkSignal {
    reader: PipeReader,
    writer: PipeWriter,
}

/// The button that leads to recovery.
#[derive(Debug, Default)]
pub(super) struct RecoveryButton {
    /// Whether it will be held at the next start of the CPU.
    pub(super) next: bool,
    /// Whether it was held at the last one.
    now: bool,
}

/// A device.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) dir: PathBuf,
    program: CpuProgram,
    pub(super) device: DeviceFile,
    pub(super) flash: FlashArray,
    retained: RetainedRam,
    pub(super) page: BoardPage,
    pub(super) noise: Noise,
    pub(super) console: Console,
    pub(super) power: bool,
    /// The control connection that holds the CPU in reset.
    pub(super) holder: Option<u64>,
    pub(super) cpu: Option<Processor>,
    pub(super) cause: ResetCause,
    pub(super) recovery: RecoveryButton,
    /// Cause of the next start after a power loss, until that start.
    power_cause: Option<ResetCause>,
    pub(super) watchdog: Option<Watchdog>,
    pub(super) pending: Option<Pending>,
    power_on_at: Option<Instant>,
    restart_at: Option<Instant>,
    quick_exits: u32,
    pub(super) last_exit: Option<String>,
    pub(super) online: bool,
    losses: u32,
    network: NetworkSignal,
    events: Vec<Event>,
    pub(super) started: Instant,
    pub(super) pty: Option<PathBuf>,
    pub(super) shutdown: bool,
}

/// What the CPU gets for its request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Done, with a value.
    Done(u32),
    /// Refused or failed.
    Fault(FlashFault),
    /// Who the chip is, with files.
    Hello(Hello),
    /// What was typed.
    Input(Vec<u8>),
    /// Nothing yet: the answer comes when something is typed.
    Later,
    /// Nothing: the CPU that asked does not exist any more.
    Gone,
}

impl NetworkSignal {
    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok(Self { reader, writer })
    }

    fn set(&mut self, online: bool) -> io::Result<()> {
        let mut block = [0; 16];
        // Emptied first in both cases, so that at most one byte is ever in it.
        match self.reader.read(&mut block) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
        if online {
            return Ok(());
        }
        self.writer.write_all(&[1])
    }
}

impl Machine {
    pub(super) fn new(config: &ChipConfig, device: DeviceFile) -> Result<Self, ChipError> {
        let dir = &config.dir;
        let seed = config.seed.unwrap_or_else(Noise::fresh_seed);
        let mut machine = Self {
            dir: dir.clone(),
            program: config.cpu.clone(),
            flash: FlashArray::open(dir, device.geometry.clone())
                .map_err(ChipError::io("opening the flash file"))?,
            device,
            retained: RetainedRam::new(dir).map_err(ChipError::io("making retained RAM"))?,
            page: BoardPage::new(dir).map_err(ChipError::io("making the board page"))?,
            noise: Noise::from_seed(seed),
            console: Console::new(dir),
            power: false,
            holder: None,
            cpu: None,
            cause: ResetCause::PowerOn,
            recovery: RecoveryButton::default(),
            power_cause: Some(ResetCause::PowerOn),
            watchdog: None,
            pending: None,
            power_on_at: None,
            restart_at: None,
            quick_exits: 0,
            last_exit: None,
            online: true,
            losses: 0,
            network: NetworkSignal::new().map_err(ChipError::io("making a pipe"))?,
            events: Vec::new(),
            started: Instant::now(),
            pty: None,
            shutdown: false,
        };
        let Self {
            retained, noise, ..
        } = &mut machine;
        retained
            .lose(noise)
            .map_err(ChipError::io("writing retained RAM"))?;
        machine
            .device
            .store(dir)
            .map_err(ChipError::io("writing the device file"))?;
        Ok(machine)
    }

    pub(super) fn emit(&mut self, kind: EventKind) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.events.push(Event { ms, kind });
    }

    /// Events that nobody was told yet.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Starts the CPU, if there is power and no probe holds it.
    pub(super) fn boot(&mut self, cause: ResetCause) -> Result<(), ChipError> {
        if !self.power || self.holder.is_some() {
            return Ok(());
        }
        self.restart_at = None;
        // Whoever starts it first after a power loss: retained RAM is lost, and that is the cause.
        let cause = self.power_cause.take().unwrap_or(cause);
        self.cause = cause;
        self.recovery.now = std::mem::take(&mut self.recovery.next);
        self.flash
            .settle_unstable(&mut self.noise)
            .map_err(ChipError::io("writing the flash file"))?;
        self.flash.counters.reset();
        self.device.boots = self.device.boots.saturating_add(1);
        // A full disk must not stop the device: then this start is not counted for the next chip.
        drop(self.device.store(&self.dir));
        match Processor::start(&self.program) {
            Ok(cpu) => {
                self.cpu = Some(cpu);
                let boots = self.device.boots;
                self.emit(EventKind::Started { cause, boots });
            }
            Err(error) => {
                let program = self.program.program.display();
                let status = format!("cannot start {program}: {error}");
                self.quick_exits = self.quick_exits.max(QUICK_EXITS_FREE + 6);
                self.ended(status);
            }
        }
        Ok(())
    }

    /// Ends the CPU without a trace, as pulling the reset line does.
    fn stop_cpu(&mut self) -> Result<(), ChipError> {
        self.watchdog = None;
        self.restart_at = None;
        if let Some(mut cpu) = self.cpu.take() {
            cpu.kill().map_err(ChipError::io("ending the CPU"))?;
            self.drain(&mut cpu);
        }
        Ok(())
    }

    /// Takes over what the CPU printed before it ended.
    fn drain(&mut self, cpu: &mut Processor) {
        let mut block = [0; 0x1000];
        // A pipe holds 64 KiB; what a process outside the group adds meanwhile is not waited for.
        for _ in 0..64 {
            let count = cpu.read_output(&mut block);
            if count == 0 {
                break;
            }
            self.console.print(block.get(..count).unwrap_or_default());
        }
        self.console.end_line();
    }

    /// Resets the CPU.
    pub(super) fn reset(&mut self, cause: ResetCause) -> Result<(), ChipError> {
        self.stop_cpu()?;
        if cause != ResetCause::Crash {
            self.quick_exits = 0;
        }
        self.boot(cause)
    }

    /// Takes the power away.
    pub(super) fn power_off(&mut self, cut: bool, off_ms: Option<u64>) -> Result<(), ChipError> {
        self.stop_cpu()?;
        self.power = false;
        self.pending = None;
        self.quick_exits = 0;
        self.power_cause = Some(if cut {
            ResetCause::PowerCut
        } else {
            ResetCause::PowerOn
        });
        self.power_on_at = off_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        self.retained
            .lose(&mut self.noise)
            .map_err(ChipError::io("writing retained RAM"))?;
        self.emit(EventKind::PowerOff { cut });
        Ok(())
    }

    /// Gives the power back.
    pub(super) fn power_on(&mut self) -> Result<(), ChipError> {
        self.power_on_at = None;
        if self.power {
            return Ok(());
        }
        self.power = true;
        self.emit(EventKind::PowerOn);
        self.boot(ResetCause::PowerOn)
    }

    /// Keeps the CPU in reset for a debug probe.
    pub(super) fn hold(&mut self, connection: u64) -> Result<(), ChipError> {
        self.stop_cpu()?;
        self.holder = Some(connection);
        self.emit(EventKind::Held);
        Ok(())
    }

    /// Lets the CPU go, if this connection holds it.
    pub(super) fn release(&mut self, connection: u64) -> Result<(), ChipError> {
        if self.holder != Some(connection) {
            return Ok(());
        }
        self.holder = None;
        self.emit(EventKind::Released);
        self.boot(ResetCause::Button)
    }

    pub(super) fn freeze(&mut self) -> Result<(), ChipError> {
        if let Some(cpu) = &mut self.cpu {
            cpu.freeze().map_err(ChipError::io("stopping the CPU"))?;
        }
        Ok(())
    }

    /// Makes the program end by itself; that it did is noticed as with any other.
    pub(super) fn make_crash(&mut self) -> Result<(), ChipError> {
        if let Some(cpu) = &mut self.cpu {
            cpu.abort().map_err(ChipError::io("ending the program"))?;
        }
        Ok(())
    }

    pub(super) fn set_online(&mut self, online: bool) -> Result<(), ChipError> {
        if online == self.online {
            return Ok(());
        }
        self.online = online;
        if !online {
            self.losses = self.losses.wrapping_add(1);
        }
        self.page
            .set_network(online, self.losses)
            .and_then(|()| self.network.set(online))
            .map_err(ChipError::io("switching the network"))?;
        self.emit(EventKind::Network { online });
        Ok(())
    }

    /// Notices that the CPU ended by itself, if it did, and resets it.
    pub(super) fn check_exit(&mut self) -> Result<(), ChipError> {
        let Some(cpu) = &mut self.cpu else {
            return Ok(());
        };
        let ended = cpu.ended().map_err(ChipError::io("asking for the CPU"))?;
        match ended {
            Some(status) => self.crash(status.to_string()),
            None => Ok(()),
        }
    }

    /// Takes note that the CPU closed its wire. One that is ending does that too, a moment before
    /// its exit status is known; any other cannot go on.
    pub(super) fn wire_closed(&mut self) {
        if let Some(cpu) = &mut self.cpu {
            cpu.end_by.get_or_insert(Instant::now() + EXIT_GRACE);
        }
    }

    /// Ends a CPU that broke the rules of the wire, or takes note of one that ended.
    pub(super) fn crash(&mut self, status: String) -> Result<(), ChipError> {
        let quick = self
            .cpu
            .as_ref()
            .is_some_and(|cpu| cpu.started.elapsed() < QUICK_EXIT);
        self.quick_exits = if quick { self.quick_exits + 1 } else { 0 };
        self.stop_cpu()?;
        self.ended(status);
        if self.restart_at.is_some() {
            return Ok(());
        }
        self.boot(ResetCause::Crash)
    }

    /// Records how the program ended and whether the next start has to wait.
    fn ended(&mut self, status: String) {
        self.emit(EventKind::Exited {
            status: status.clone(),
        });
        self.last_exit = Some(status);
        if let Some(beyond) = self.quick_exits.checked_sub(QUICK_EXITS_FREE) {
            let pause = Duration::from_millis(16 << beyond.min(10)).min(RESTART_PAUSE_MAX);
            self.restart_at = Some(Instant::now() + pause);
        }
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [
            self.watchdog.as_ref().map(|watchdog| watchdog.deadline),
            self.pending.as_ref().and_then(|pending| pending.deadline),
            self.power_on_at,
            self.restart_at,
            self.cpu.as_ref().and_then(|cpu| cpu.end_by),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), ChipError> {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.power_on_at) {
            self.power_on()?;
        }
        if due(self.restart_at) {
            self.boot(ResetCause::Crash)?;
        }
        if due(self.cpu.as_ref().and_then(|cpu| cpu.end_by)) {
            self.crash("closed its wire to the chip".to_owned())?;
        }
        if due(self.pending.as_ref().and_then(|pending| pending.deadline))
            && let Some(pending) = self.pending.take()
        {
            self.strike(&pending)?;
        }
        if due(self.watchdog.as_ref().map(|watchdog| watchdog.deadline)) {
            self.emit(EventKind::WatchdogBit);
            self.reset(ResetCause::Watchdog)?;
        }
        Ok(())
    }

    /// Makes a pending reset or power cut happen.
    fn strike(&mut self, pending: &Pending) -> Result<(), ChipError> {
        if pending.power_cut {
            self.power_off(true, pending.moment.off_ms)
        } else {
            self.reset(ResetCause::Button)
        }
    }

    /// Does what the CPU asks for.
    pub(super) fn serve_cpu(
        &mut self,
        request: Request,
        payload: &[u8],
    ) -> Result<Answer, ChipError> {
        let Some(operation) = Operation::from_code(request.operation) else {
            return Ok(Answer::Fault(FlashFault::BadRequest));
        };
        match operation {
            Operation::Hello => Ok(Answer::Hello(self.hello())),
            Operation::Program => self.program(request.a, payload),
            Operation::Erase => self.erase(request.a, request.b),
            Operation::ArmWatchdog if request.a > 0 => {
                let timeout = Duration::from_millis(u64::from(request.a));
                let deadline = Instant::now() + timeout;
                self.watchdog = Some(Watchdog { timeout, deadline });
                Ok(Answer::Done(0))
            }
            // As on most chips: once it runs it cannot be stopped.
            Operation::ArmWatchdog => Ok(Answer::Fault(FlashFault::BadRequest)),
            Operation::FeedWatchdog => {
                if let Some(watchdog) = &mut self.watchdog {
                    watchdog.deadline = Instant::now() + watchdog.timeout;
                }
                Ok(Answer::Done(0))
            }
            Operation::Reset => {
                self.emit(EventKind::SoftwareReset);
                self.reset(ResetCause::Software)?;
                Ok(Answer::Gone)
            }
            Operation::ReadConsole => {
                let cpu = self.cpu.as_mut();
                let len = request.a.min(CONSOLE_READ_LEN_MAX);
                let input = cpu.and_then(|cpu| {
                    cpu.input.ask(len);
                    cpu.input.take()
                });
                Ok(input.map_or(Answer::Later, Answer::Input))
            }
            Operation::OpenConsole => {
                if let Some(cpu) = &mut self.cpu {
                    cpu.input.open();
                }
                Ok(Answer::Done(0))
            }
            Operation::Buttons => Ok(Answer::Done(if self.recovery.now {
                BUTTON_RECOVERY
            } else {
                0
            })),
        }
    }

    fn hello(&self) -> Hello {
        let geometry = self.flash.geometry();
        let watchdog = self.watchdog.as_ref();
        Hello {
            flash_len: geometry.flash_len,
            write_unit: u32::from(geometry.write_unit),
            erased: geometry.erased,
            cause: self.cause,
            boots: self.device.boots,
            watchdog_ms: watchdog.map_or(0, |watchdog| {
                u32::try_from(watchdog.timeout.as_millis()).unwrap_or(u32::MAX)
            }),
        }
    }

    /// The files that go with [`Hello`], in the order the CPU expects.
    pub(super) fn hello_files(&self) -> io::Result<[File; 4]> {
        use std::os::fd::OwnedFd;
        let signal = OwnedFd::from(self.network.reader.try_clone()?);
        Ok([
            self.flash.reader()?,
            self.retained.file().try_clone()?,
            self.page.reader()?,
            File::from(signal),
        ])
    }

    /// Counts one flash operation towards a pending reset or cut; the fault, if this is the one.
    fn count_operation(&mut self) -> Option<Pending> {
        let left = self.pending.as_mut()?.moment.at_operation.as_mut()?;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.pending.take()
        } else {
            None
        }
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<Answer, ChipError> {
        if let Err(fault) = self.flash.check_program(offset, data) {
            return Ok(Answer::Fault(fault));
        }
        match self.count_operation() {
            None => Ok(answer(self.flash.program(offset, data, Extent::Whole))),
            Some(fault) => {
                self.cut_operation(&fault, |flash, extent| flash.program(offset, data, extent))
            }
        }
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<Answer, ChipError> {
        if let Err(fault) = self.flash.check_erase(offset, len) {
            return Ok(Answer::Fault(fault));
        }
        match self.count_operation() {
            None => Ok(answer(self.flash.erase(offset, len, Extent::Whole))),
            Some(fault) => {
                self.cut_operation(&fault, |flash, extent| flash.erase(offset, len, extent))
            }
        }
    }

    fn cut_operation(
        &mut self,
        fault: &Pending,
        operate: impl FnOnce(&mut FlashArray, Extent<'_>) -> Result<(), FlashFault>,
    ) -> Result<Answer, ChipError> {
        let torn = fault.moment.torn;
        let seed = fault.moment.seed.unwrap_or_else(|| self.noise.next());
        let mut noise = Noise::from_seed(seed);
        let extent = if torn {
            Extent::Torn(&mut noise)
        } else {
            Extent::Nothing
        };
        // What the flash would answer does not matter: the CPU does not live to hear it.
        let _unheard = operate(&mut self.flash, extent);
        self.emit(EventKind::OperationReached { torn });
        self.strike(fault)?;
        Ok(Answer::Gone)
    }

    /// Ends everything.
    pub(super) fn shut_down(&mut self) -> Result<(), ChipError> {
        self.stop_cpu()
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

fn answer(result: Result<(), FlashFault>) -> Answer {
    match result {
        Ok(()) => Answer::Done(0),
        Err(fault) => Answer::Fault(fault),
    }
}
