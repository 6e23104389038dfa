//! A device of the slot engine for tests: simulated flash, the first stage, the VM's first code and a
//! program that updates itself.

use otaru_flash::{Area, Flash, crc32};
use otaru_record::Cause;
use otaru_runtime_fota::{Fota, FotaError, Parts, Port, SlotFota, SlotRequest};
use otaru_sim_flash::{Again, Cut, Part, SimFlash, Timing};
use otaru_slots::{
    Config, Decision, Facts, FirstCode, Judge, LayoutKind, RecordPlace, ResetCause, Rules, Run,
    SLOT_HANDOVER_LEN_MAX, SlotKind, SlotLayout, SlotName, SlotRecord, SlotState, VOLATILE_LEN,
    first_code, first_stage, hand_over, take_over,
};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::LazyLock;

pub(crate) const SECTOR: u32 = 64;
pub(crate) const SLOT: u32 = 2 * SECTOR;
pub(crate) const IMAGE_LEN: usize = 88;
const HALF: u32 = 2048;

/// What a device is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kind: LayoutKind,
    pub(crate) volatile: bool,
    pub(crate) write_unit: u16,
    pub(crate) erased: u8,
    pub(crate) again: Again,
    pub(crate) ecc: bool,
}

impl Shape {
    pub(crate) const fn plain(kind: LayoutKind) -> Self {
        Self {
            kind,
            volatile: false,
            write_unit: 8,
            erased: 0xFF,
            again: Again::ZeroOnly,
            ecc: false,
        }
    }

    pub(crate) const fn volatile(kind: LayoutKind) -> Self {
        Self {
            volatile: true,
            ..Self::plain(kind)
        }
    }

    /// first stage | record A | record B | VM 0 | bytecode 0 | VM 1 | bytecode 1 (one sector longer)
    pub(crate) fn layout(self) -> SlotLayout {
        let record = Area::new(HALF, 2 * HALF, HALF);
        let from = 3 * HALF;
        let vm_1 = match self.kind {
            LayoutKind::Bytecode => Area::default(),
            LayoutKind::VmBytecode => Area::new(from + 2 * SLOT, SLOT, SECTOR),
        };
        SlotLayout {
            flash_len: from + 4 * SLOT + SECTOR,
            flash_address: 0x0800_0000,
            write_unit: self.write_unit,
            erased: self.erased,
            overwrite: self.again == Again::ZeroOnly,
            chunk_len: 64,
            default: Config::default(),
            first_stage: Area::new(0, HALF, HALF),
            device_block: Area::default(),
            identity: Area::default(),
            record: if self.volatile {
                RecordPlace::Volatile
            } else {
                RecordPlace::Flash(record)
            },
            vm: [Area::new(from, SLOT, SECTOR), vm_1],
            bytecode: [
                Area::new(from + SLOT, SLOT, SECTOR),
                Area::new(from + 3 * SLOT, SLOT + SECTOR, SECTOR),
            ],
        }
    }

    fn part(self) -> Part {
        let slots = (self.layout().flash_len - 3 * HALF) / SECTOR;
        let mut sectors = vec![HALF; 3];
        sectors.extend((0..slots).map(|_| SECTOR));
        Part {
            sectors,
            write_unit: u32::from(self.write_unit),
            erased: self.erased,
            ecc: self.ecc,
            again: self.again,
            timing: Timing::NRF52840,
        }
    }
}

/// Highest version that a test makes.
const VERSIONS: u8 = 16;

fn made(kind: SlotKind, version: u8) -> Vec<u8> {
    let tag = match kind {
        SlotKind::Vm => b'V',
        SlotKind::Bytecode => b'B',
    };
    let filling = (0..IMAGE_LEN - 6).map(|at| (at as u8).wrapping_mul(version.wrapping_add(3)));
    let mut bytes: Vec<u8> = [tag, version].into_iter().chain(filling).collect();
    bytes.extend(crc32(&bytes).to_le_bytes());
    bytes
}

static IMAGES: LazyLock<[Vec<Vec<u8>>; 2]> = LazyLock::new(|| {
    [SlotKind::Vm, SlotKind::Bytecode].map(|kind| (0..=VERSIONS).map(|v| made(kind, v)).collect())
});

/// An image: kind, version, filling, checksum.
pub(crate) fn image(kind: SlotKind, version: u8) -> &'static [u8] {
    let [vm, bytecode] = &*IMAGES;
    let images = if kind == SlotKind::Vm { vm } else { bytecode };
    &images[usize::from(version)]
}

/// Judges these images by their checksum: hundreds of thousands of boots have no time for
/// signatures. `tests/signed.rs` has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checksum;

impl Judge for Checksum {
    fn judge<F: Flash>(
        &mut self,
        flash: &mut F,
        layout: &SlotLayout,
        slot: SlotName,
        rules: Rules,
    ) -> Result<Facts, Cause> {
        let mut bytes = [0; IMAGE_LEN];
        let area = layout.slot(slot).ok_or(Cause::WrongSlot)?;
        let read = area.read(flash, 0, &mut bytes);
        read.map_err(|_failed| Cause::StorageFailed)?;
        if bytes[1] > VERSIONS || bytes[..] != *image(slot.kind, bytes[1]) {
            return Err(Cause::DigestMismatch);
        }
        // Every third version is one that must not be undone.
        let security_counter = u32::from(bytes[1] / 3);
        if security_counter < rules.floor {
            return Err(Cause::SecurityCounter);
        }
        Ok(Facts {
            len: IMAGE_LEN as u32,
            security_counter,
            revoke: 0,
            image: [bytes[1]; 8],
        })
    }
}

/// What a new program does on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Behaviour {
    /// Accepts.
    Good,
    /// Restarts, or is restarted, without a word.
    Silent,
    /// Ends in the watchdog; a VM may do so before it runs anything.
    Hangs,
}

/// One update that the program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Update {
    pub(crate) vm: bool,
    pub(crate) behaviour: Behaviour,
}

/// Versions of VM and bytecode.
pub(crate) type Pair = (u8, u8);

/// What the world knows besides the flash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    /// Which update is under way.
    update: usize,
    /// What was accepted, and whether accept was begun for something else.
    pub(crate) confirmed: Pair,
    accepting: Option<Pair>,
    /// Calls of attempt in this update, and trials started since the last one.
    attempts: u32,
    trials: u32,
    /// Updates that were accepted.
    pub(crate) accepted: u32,
    boots: u32,
    /// Whether a power loss has erased the record in memory.
    lost: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) flash: SimFlash,
    pub(crate) memory: Vec<u8>,
    pub(crate) layout: SlotLayout,
    pub(crate) ledger: Ledger,
    updates: &'static [Update],
    reset: ResetCause,
}

pub(crate) type Checked<T = ()> = Result<T, String>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    PowerCut,
    Settled,
}

pub(crate) struct Board;

impl Port for Board {
    fn feed_watchdog(&mut self) {}

    fn reset(&mut self) {}
}

pub(crate) type Module<'a> = SlotFota<'a, &'a mut SimFlash, Checksum, Board>;

/// What the firmware did when its boot ended.
enum After {
    Reset(ResetCause),
    Settled,
}

const BOOTS_MAX: u32 = 60;

impl Device {
    /// A device that was flashed by cable with version 1 of everything, in the slots `home`.
    pub(crate) fn new(shape: Shape, home: Config, updates: &'static [Update]) -> Self {
        let layout = shape.layout();
        layout.check().expect("the layout works");
        let mut flash = SimFlash::new(shape.part(), 7);
        for slot in home.slots() {
            let area = layout.slot(slot).expect("it exists");
            let mut bytes = image(slot.kind, 1).to_vec();
            let unit = usize::from(shape.write_unit);
            bytes.resize(bytes.len().next_multiple_of(unit), shape.erased);
            area.program(&mut flash, 0, &bytes).expect("power is on");
        }
        let mut memory = vec![0x5A; VOLATILE_LEN];
        SlotRecord::open(&mut flash, &layout, &mut memory)
            .expect("it fits")
            .append(&mut flash, &SlotState::factory(home))
            .expect("power is on");
        flash.reset();
        let ledger = Ledger {
            update: 0,
            confirmed: (1, 1),
            accepting: None,
            attempts: 0,
            trials: 0,
            accepted: 0,
            boots: 0,
            lost: false,
        };
        Self {
            flash,
            memory,
            layout,
            ledger,
            updates,
            reset: ResetCause::Plain,
        }
    }

    /// The power comes back; `erases` says that the memory of a volatile record did not survive.
    pub(crate) fn power_on(&mut self, erases: bool) {
        self.flash.power_on();
        self.flash.plan(None);
        self.reset = ResetCause::Plain;
        if erases {
            self.memory.fill(0xC3);
            self.ledger.lost = self.layout.record == RecordPlace::Volatile;
        }
    }

    /// Boots in the last call of [`Device::live`].
    pub(crate) fn boots(&self) -> u32 {
        self.ledger.boots
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let mut ledger = self.ledger.clone();
        ledger.boots = 0;
        (self.flash.fingerprint(), &self.memory, ledger).hash(&mut hasher);
        hasher.finish()
    }

    /// Lives through resets until the power goes or nothing is left to do.
    pub(crate) fn live(&mut self) -> Checked<Ended> {
        self.ledger.boots = 0;
        loop {
            self.ledger.boots += 1;
            if self.ledger.boots > BOOTS_MAX {
                return Err("boot loop".to_owned());
            }
            let after = self.life();
            if let Some(misuse) = self.flash.misuse() {
                return Err(format!("flash misused: {misuse:?}"));
            }
            match after {
                _ if self.flash.is_off() => return Ok(Ended::PowerCut),
                Err(broken) => return Err(broken),
                Ok(After::Settled) => return Ok(Ended::Settled),
                Ok(After::Reset(cause)) => {
                    self.reset = cause;
                    self.flash.reset();
                }
            }
        }
    }

    /// Nothing is left to do: booting again changes nothing. What a cut left torn may be seen by one
    /// boot and not by the next, so the first boots may still settle it.
    pub(crate) fn check_end(&mut self) -> Checked {
        for boot in 0..8 {
            self.flash.reset();
            self.reset = ResetCause::Plain;
            let before = self.flash.operations();
            let after = self.life()?;
            if self.ledger.lost {
                // What is torn may look whole to one boot and not to the next.
                continue;
            }
            let After::Settled = after else {
                return Err("a settled device goes on".to_owned());
            };
            if boot >= 4 && self.flash.operations() != before {
                return Err("a settled device writes at every boot".to_owned());
            }
        }
        Ok(())
    }

    /// One boot up to the VM: which VM the first stage starts and what is to run; `None` if nothing
    /// can be started.
    pub(crate) fn boot(&mut self, handover: &mut [u8]) -> Option<(u8, Run)> {
        let decision = first_stage(
            &mut self.flash,
            &self.layout,
            &mut self.memory,
            &mut Checksum,
            self.reset,
        );
        match decision {
            Decision::Start(start) => {
                let len = hand_over(start.run, start.record.as_ref(), handover);
                len.expect("the handover fits");
                Some((start.vm, start.run))
            }
            Decision::Stop(_) => None,
        }
    }

    /// The fota module of the VM that runs after [`Device::boot`]. B21: the VM that was started passes
    /// control on, and writes nothing.
    pub(crate) fn module(&mut self, vm: u8, handover: &[u8]) -> Checked<Module<'_>> {
        let taken = take_over(&self.layout, &mut self.memory, handover)
            .map_err(|error| error.to_string())?;
        let taken = match first_code(vm, taken) {
            FirstCode::Run(taken) if taken.run.config.vm == vm => taken,
            FirstCode::PassOn(other, taken) if taken.run.config.vm == other => {
                match first_code(other, taken) {
                    FirstCode::Run(taken) => taken,
                    FirstCode::PassOn(..) => return Err("the new VM does not run".to_owned()),
                }
            }
            FirstCode::Run(_) | FirstCode::PassOn(..) => return Err("wrong VM".to_owned()),
        };
        let parts = Parts {
            flash: &mut self.flash,
            layout: self.layout,
            judge: Checksum,
            port: Board,
        };
        Ok(SlotFota::new(parts, taken))
    }

    /// Boots, and lends the fota module to a program.
    pub(crate) fn session<R>(&mut self, program: impl FnOnce(&mut Module<'_>) -> R) -> R {
        let mut handover = [0; SLOT_HANDOVER_LEN_MAX];
        let (vm, _) = self.boot(&mut handover).expect("something starts");
        let result = program(&mut self.module(vm, &handover).expect("a VM runs"));
        assert_eq!(self.flash.misuse(), None);
        result
    }

    /// A reset for this reason; the next [`Device::session`] boots after it.
    pub(crate) fn reset(&mut self, cause: ResetCause) {
        self.reset = cause;
        self.flash.reset();
    }

    /// One boot: first stage, first code of the VM that it starts, and the program.
    fn life(&mut self) -> Checked<After> {
        let mut handover = [0; SLOT_HANDOVER_LEN_MAX];
        let whole = self.has_whole();
        let started = self.boot(&mut handover);
        if self.flash.is_off() {
            return Ok(After::Settled);
        }
        let Some((vm, run)) = started else {
            // Only a boot without a record may find nothing, and only if nothing is whole.
            return if self.ledger.lost && !whole {
                Ok(After::Settled)
            } else {
                Err("nothing to start".to_owned())
            };
        };
        let versions = self.check_start(vm, run)?;
        let program = Program {
            layout: self.layout,
            updates: self.updates,
            versions,
        };
        let mut ledger = self.ledger.clone();
        let mut fota = self.module(vm, &handover)?;
        if fota.state().is_none() {
            return Err("the record was not handed over".to_owned());
        }
        let after = program.live(&mut fota, &mut ledger);
        self.ledger = ledger;
        after.map_err(|error| format!("the program failed: {error}"))
    }

    /// Which versions stand whole in the slots of a configuration.
    fn versions(&self, config: Config) -> Checked<Pair> {
        let [vm, bytecode] = config.slots().map(|slot| self.version(slot));
        vm.zip(bytecode)
            .ok_or_else(|| format!("{config:?} is not whole"))
    }

    fn version(&self, slot: SlotName) -> Option<u8> {
        let at = self.layout.slot(slot)?.offset;
        (1..=VERSIONS).find(|&version| self.flash.holds(at, image(slot.kind, version)))
    }

    /// Whether any configuration is whole for good.
    fn has_whole(&self) -> bool {
        let kinds = [SlotName::vm, SlotName::bytecode];
        kinds.iter().all(|slot| {
            [0, 1]
                .iter()
                .any(|&index| self.version(slot(index)).is_some())
        })
    }

    /// Which versions a boot sees in the slots of a configuration.
    fn versions_seen(&mut self, config: Config) -> Checked<Pair> {
        let [vm, bytecode] = config.slots().map(|slot| {
            let rules = Rules::default();
            let layout = self.layout;
            Checksum.judge(&mut self.flash, &layout, slot, rules).ok()
        });
        vm.zip(bytecode)
            .map(|(vm, bytecode)| (vm.image[0], bytecode.image[0]))
            .ok_or_else(|| format!("{config:?} does not verify"))
    }

    /// What every start must keep: whole images that belong together, the accepted ones or, once per
    /// attempt, those on trial.
    fn check_start(&mut self, vm: u8, run: Run) -> Checked<Pair> {
        if self.ledger.lost {
            // Nobody knows what was accepted, or what is torn; whatever verifies may run.
            let versions = self.versions_seen(run.config)?;
            if !run.trial {
                self.ledger.confirmed = versions;
            }
            return Ok(versions);
        }
        let versions = self.versions(run.config)?;
        let ledger = &mut self.ledger;
        let goal = goal(ledger.confirmed, self.updates.get(ledger.update));
        if run.trial {
            ledger.trials += 1;
            if Some(versions) != goal || ledger.attempts == 0 {
                return Err(format!("{versions:?} is on trial, not {goal:?}"));
            }
            if ledger.trials > 1 {
                return Err("a second trial".to_owned());
            }
            let confirmed = ledger.confirmed;
            let working = self.version(SlotName::vm(vm));
            if working != Some(confirmed.0) {
                return Err(format!("the VM {working:?} was started before the trial"));
            }
            return Ok(versions);
        }
        if let Some(accepting) = ledger.accepting.take() {
            // Whatever was decided stays decided.
            if versions == accepting {
                (ledger.confirmed, ledger.accepted) = (versions, ledger.accepted + 1);
            }
            ledger.next_update();
        } else if ledger.trials > 0 {
            ledger.next_update();
        }
        if versions != ledger.confirmed {
            let confirmed = ledger.confirmed;
            return Err(format!("{versions:?} runs, {confirmed:?} is confirmed"));
        }
        Ok(versions)
    }
}

impl Ledger {
    fn next_update(&mut self) {
        self.update += 1;
        (self.attempts, self.trials) = (0, 0);
    }
}

/// What an update makes of these versions.
fn goal((vm, bytecode): Pair, update: Option<&Update>) -> Option<Pair> {
    let vm = if update?.vm { vm + 1 } else { vm };
    Some((vm, bytecode + 1))
}

/// The program that runs, of these versions.
struct Program {
    layout: SlotLayout,
    updates: &'static [Update],
    versions: Pair,
}

impl Program {
    fn live(&self, fota: &mut Module<'_>, ledger: &mut Ledger) -> Result<After, FotaError> {
        let Some(update) = self.updates.get(ledger.update) else {
            return Ok(After::Settled);
        };
        if fota.run().trial {
            return match update.behaviour {
                Behaviour::Good => {
                    ledger.accepting = Some(self.versions);
                    fota.accept()?;
                    ledger.accepting = None;
                    ledger.confirmed = self.versions;
                    ledger.accepted += 1;
                    ledger.next_update();
                    fota.restart()?;
                    Ok(After::Reset(ResetCause::Plain))
                }
                Behaviour::Silent => Ok(After::Reset(ResetCause::Plain)),
                Behaviour::Hangs => Ok(After::Reset(ResetCause::Watchdog)),
            };
        }
        if ledger.attempts == 3 || ledger.lost && ledger.attempts > 0 {
            // An update that never came to its trial, because the power went each time.
            ledger.next_update();
            return Ok(After::Reset(ResetCause::Plain));
        }
        self.update(fota, ledger, *update)?;
        fota.restart()?;
        Ok(After::Reset(ResetCause::Plain))
    }

    /// The whole of it, as the documentation of the module tells it.
    fn update(
        &self,
        fota: &mut Module<'_>,
        ledger: &mut Ledger,
        update: Update,
    ) -> Result<(), FotaError> {
        let new = goal(self.versions, Some(&update)).expect("there is one");
        let bytecode = fota.find_bytecode_slot()?;
        fill(fota, bytecode, image(SlotKind::Bytecode, new.1))?;
        let mut wanted = SlotRequest {
            bytecode: self.index_of(bytecode),
            vm: fota.get_record()?.running_vm,
        };
        if update.vm {
            let vm = fota.find_vm_slot()?;
            fill(fota, vm, image(SlotKind::Vm, new.0))?;
            wanted.vm = self.index_of(vm);
        }
        ledger.attempts += 1;
        ledger.trials = 0;
        fota.attempt(wanted)
    }

    fn index_of(&self, address: u32) -> u8 {
        self.layout.find(address, 0).expect("a slot").0.index
    }
}

/// Erases a slot, writes an image in blocks whose length is no multiple of any write unit, closes it.
pub(crate) fn fill(fota: &mut Module<'_>, address: u32, image: &[u8]) -> Result<(), FotaError> {
    fota.erase_slot(address, IMAGE_LEN as u32)?;
    let mut at = address;
    for block in image.chunks(37) {
        fota.write_slot(at, block)?;
        at += block.len() as u32;
    }
    fota.close_slot(address)
}

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Explored {
    /// Distinct states that a cut left, by the number of cuts before.
    pub(crate) states: Vec<usize>,
    pub(crate) runs: u64,
    pub(crate) boots: u64,
}

/// Cuts the power at every flash operation, torn in every one of these ways, then at every operation
/// of what follows, and so on: one element of `tears` per cut.
pub(crate) fn explore(
    device: &Device,
    tears: &[&[otaru_sim_flash::Tear]],
    erases: bool,
) -> Explored {
    let mut explored = Explored::default();
    let mut open = vec![(device.clone(), Vec::new())];
    for tears in tears {
        let mut seen = std::collections::HashSet::new();
        let mut next = Vec::new();
        for (device, cuts) in &open {
            for after in 0.. {
                let mut reached = false;
                for &tear in *tears {
                    let cut = Cut { after, tear };
                    let mut child = device.clone();
                    child.flash.plan(Some(cut));
                    let ended = run(&mut child, cuts, Some(cut));
                    explored.runs += 1;
                    explored.boots += u64::from(child.ledger.boots);
                    if ended == Ended::Settled {
                        continue;
                    }
                    reached = true;
                    child.power_on(erases);
                    if seen.insert(child.fingerprint()) {
                        let mut cuts = cuts.clone();
                        cuts.push(cut);
                        next.push((child, cuts));
                    }
                }
                if !reached {
                    break;
                }
            }
        }
        explored.states.push(next.len());
        for (device, cuts) in &next {
            let mut device = device.clone();
            assert_eq!(run(&mut device, cuts, None), Ended::Settled);
            explored.boots += u64::from(device.ledger.boots);
            if let Err(broken) = device.check_end() {
                panic!("{broken}\n  after the cuts {}", text(cuts, None));
            }
        }
        open = next;
    }
    explored
}

fn text(cuts: &[Cut], last: Option<Cut>) -> String {
    let cuts = cuts.iter().copied().chain(last);
    let cuts: Vec<String> = cuts.map(|cut| cut.to_string()).collect();
    cuts.join(",")
}

fn run(device: &mut Device, cuts: &[Cut], last: Option<Cut>) -> Ended {
    match device.live() {
        Ok(ended) => ended,
        Err(broken) => panic!("{broken}\n  after the cuts {}", text(cuts, last)),
    }
}
