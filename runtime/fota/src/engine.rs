//! The slot engine behind the functions: the record's part.

use crate::slots::Slots;
use crate::write::Pending;
use crate::{Checksums, Fota, FotaError, FotaRecord, NewRecord, SlotRequest};
use otaru_flash::Flash;
use otaru_slots::{
    Config, Facts, Judge, Run, SlotKind, SlotLayout, SlotName, SlotPhase, SlotRecord, SlotState,
    Taken,
};

/// What the fota module needs of a board besides its flash.
pub trait Port {
    /// Called at least once per sector erased and per block read.
    fn feed_watchdog(&mut self);

    /// Resets the CPU. Returns only in tests.
    fn reset(&mut self);
}

/// What the fota module works with.
#[derive(Debug)]
pub struct Parts<F, J, P> {
    /// The flash.
    pub flash: F,
    /// The layout, checked.
    pub layout: SlotLayout,
    /// The judge of images; the same as the first stage's.
    pub judge: J,
    /// The board.
    pub port: P,
}

/// The fota module of a device with the slot engine.
///
/// Which slots were erased and closed is kept in RAM: after a reset an update begins anew, because
/// what a cut left in a slot may read differently at the next boot.
#[derive(Debug)]
pub struct SlotFota<'m, F, J, P> {
    pub(crate) parts: Parts<F, J, P>,
    pub(crate) run: Run,
    pub(crate) record: Option<SlotRecord<'m>>,
    pub(crate) slots: Slots,
    pub(crate) pending: Option<Pending>,
    /// Whether the program has voted for itself.
    pub(crate) voted: bool,
}

impl<'m, F: Flash, J: Judge, P: Port> SlotFota<'m, F, J, P> {
    /// The fota module of the configuration that runs, as it was taken over from the first stage.
    pub fn new(parts: Parts<F, J, P>, taken: Taken<'m>) -> Self {
        Self {
            parts,
            run: taken.run,
            record: taken.record,
            slots: Slots::default(),
            pending: None,
            voted: false,
        }
    }

    /// What runs, and whether it is on trial.
    pub fn run(&self) -> Run {
        self.run
    }

    /// The state in force; `None` without a record.
    pub fn state(&self) -> Option<&SlotState> {
        self.record.as_ref()?.state()
    }

    /// The flash, for what else the firmware does with it.
    pub fn flash(&mut self) -> &mut F {
        &mut self.parts.flash
    }

    /// The state in force, for a function that will change something.
    pub(crate) fn writable(&self) -> Result<SlotState, FotaError> {
        self.state().copied().ok_or(FotaError::Record)
    }

    /// Appends `next` unless it is in force already.
    pub(crate) fn store(&mut self, next: &SlotState) -> Result<(), FotaError> {
        let record = self.record.as_mut().ok_or(FotaError::Record)?;
        if record.state() == Some(next) {
            return Ok(());
        }
        record
            .append(&mut self.parts.flash, next)
            .map_err(|_cause| FotaError::Record)
    }

    /// The same for what must never be lost again.
    pub(crate) fn store_twice(&mut self, next: &SlotState) -> Result<(), FotaError> {
        let record = self.record.as_mut().ok_or(FotaError::Record)?;
        record
            .append_twice(&mut self.parts.flash, next)
            .map_err(|_cause| FotaError::Record)
    }

    /// Like [`Fota::attempt`], for the attempt with this DDI action id; 0 means by hand.
    ///
    /// # Errors
    /// Those of [`Fota::attempt`].
    pub fn attempt_for(&mut self, wanted: SlotRequest, attempt: u64) -> Result<(), FotaError> {
        let config = Config {
            vm: wanted.vm,
            bytecode: wanted.bytecode,
        };
        if !self.parts.layout.has(config) {
            return Err(FotaError::NoSuchSlot);
        }
        if self.run.trial {
            return Err(FotaError::OnTrial);
        }
        if config == self.run.config {
            return Err(FotaError::AlreadyRunning);
        }
        let facts = self.facts_of(config)?;
        let state = self.writable()?;
        self.store(&state.armed(config, &facts, attempt))
    }

    /// What is known of the images of a configuration. Slots that run have nothing new.
    fn facts_of(&self, config: Config) -> Result<[Facts; 2], FotaError> {
        let facts = |slot: SlotName| {
            if self.run.config.has(slot) {
                Ok(Facts::default())
            } else {
                self.slots.closed(slot).ok_or(FotaError::NotClosed)
            }
        };
        let [vm, bytecode] = config.slots();
        Ok([facts(vm)?, facts(bytecode)?])
    }

    /// The state that [`Fota::set_record`] asks for, and whether it accepts what is on trial.
    fn state_for(&self, current: Config, working: Config) -> Result<(SlotState, bool), FotaError> {
        let state = self.writable()?;
        let own = self.run.config;
        // Of an update that the agent started, only the agent confirms.
        let accepts = self.run.trial && working == own && state.attempt == 0;
        if !accepts && working != state.working {
            return Err(FotaError::NotProven);
        }
        if self.run.trial && !accepts {
            let changes_nothing = current == own || current == state.working;
            return if changes_nothing {
                Ok((state, false))
            } else {
                Err(FotaError::OnTrial)
            };
        }
        let state = match (accepts, state.assumed) {
            (true, _) => state.accepted(),
            (false, true) => state.vouched(),
            (false, false) => state,
        };
        if current == own {
            let armed = state.phase == SlotPhase::Armed;
            let next = if armed { state.withdrawn() } else { state };
            return Ok((next, accepts));
        }
        let facts = self.facts_of(current)?;
        Ok((state.armed(current, &facts, 0), accepts))
    }

    /// Makes what is on trial the last working configuration.
    pub(crate) fn make_permanent(&mut self, state: &SlotState) -> Result<(), FotaError> {
        self.store_twice(&state.accepted())?;
        self.run.trial = false;
        self.voted = false;
        Ok(())
    }

    /// Address of the slot of this kind that does not run; of the running one if there is only one.
    fn next_address(&self, kind: SlotKind, running: u8) -> u32 {
        let index = match (self.parts.layout.count(kind), running) {
            (2, 0) => 1,
            _ => 0,
        };
        self.address_of(SlotName { kind, index })
    }

    fn address_of(&self, slot: SlotName) -> u32 {
        // Every slot of a configuration that runs exists.
        self.parts.layout.address(slot).unwrap_or_default()
    }
}

impl<F: Flash, J: Judge, P: Port> Fota for SlotFota<'_, F, J, P> {
    fn get_record(&mut self) -> Result<FotaRecord, FotaError> {
        let own = self.run.config;
        let (valid, working, current) = match self.state() {
            None => (false, own, own),
            Some(state) => {
                let armed = state.phase == SlotPhase::Armed;
                let current = if armed { state.candidate } else { own };
                (!state.assumed, state.working, current)
            }
        };
        Ok(FotaRecord {
            valid,
            running_vm: own.vm,
            current_vm: current.vm,
            working_vm: working.vm,
            current_bytecode: current.bytecode,
            working_bytecode: working.bytecode,
            bytecode_address: self.address_of(SlotName::bytecode(own.bytecode)),
            vm_address: self.address_of(SlotName::vm(own.vm)),
            chunk_len: u32::from(self.parts.layout.chunk_len),
        })
    }

    fn set_record(&mut self, wanted: NewRecord) -> Result<(), FotaError> {
        let current = Config {
            vm: wanted.current_vm,
            bytecode: wanted.current_bytecode,
        };
        let working = Config {
            vm: wanted.working_vm,
            bytecode: wanted.working_bytecode,
        };
        if !self.parts.layout.has(current) || !self.parts.layout.has(working) {
            return Err(FotaError::NoSuchSlot);
        }
        let (next, accepts) = self.state_for(current, working)?;
        if !accepts {
            return self.store(&next);
        }
        self.store_twice(&next)?;
        self.run.trial = false;
        Ok(())
    }

    fn find_bytecode_slot(&mut self) -> Result<u32, FotaError> {
        Ok(self.next_address(SlotKind::Bytecode, self.run.config.bytecode))
    }

    fn find_vm_slot(&mut self) -> Result<u32, FotaError> {
        Ok(self.next_address(SlotKind::Vm, self.run.config.vm))
    }

    fn erase_slot(&mut self, address: u32, len: u32) -> Result<(), FotaError> {
        self.erase(address, len)
    }

    fn write_slot(&mut self, address: u32, block: &[u8]) -> Result<(), FotaError> {
        self.write(address, block)
    }

    fn checksum_slot(&mut self, address: u32, len: u32) -> Result<Checksums, FotaError> {
        self.checksum(address, len)
    }

    fn close_slot(&mut self, address: u32) -> Result<(), FotaError> {
        self.close(address)
    }

    fn attempt(&mut self, wanted: SlotRequest) -> Result<(), FotaError> {
        self.attempt_for(wanted, 0)
    }

    fn accept(&mut self) -> Result<(), FotaError> {
        let state = self.writable()?;
        match (self.run.trial, state.attempt) {
            (true, 0) => self.make_permanent(&state),
            (true, _) => {
                self.voted = true;
                Ok(())
            }
            (false, _) if state.assumed => self.store_twice(&state.vouched()),
            (false, _) => Ok(()),
        }
    }

    fn restart(&mut self) -> Result<(), FotaError> {
        self.parts.port.reset();
        Ok(())
    }
}
