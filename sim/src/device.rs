//! A device in the simulator: the shipped bootloader and record, and a firmware reduced to what it
//! does to flash. Checks the promises of the install protocol at every boot.

use crate::{Cut, Rng, SimFlash};
use otaru_bootloader::{Boot, Decision, Event, Port, ResetCause, boot};
use otaru_flash::{Area, DeviceBlock, Flash, Key, Layout, Mode, Slot};
use otaru_image::{
    BoardIds, Ed25519Dalek, Expectation, ImageBuilder, SigningKey, Uuid, Version, verify,
};
use otaru_record::{
    Backup, Cause, Download, Geometry, HANDOVER_LEN_MAX, Image, Journal, Phase, SlotReader, State,
};

/// A promise of the install protocol was broken. The text says which and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

type Checked<T = ()> = Result<T, Violation>;

fn violated<T>(text: impl Into<String>) -> Checked<T> {
    Err(Violation(text.into()))
}

/// How the update is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The new firmware confirms itself.
    Confirm,
    /// The new firmware hangs.
    Hang,
    /// The new firmware gives itself up.
    Refuse,
    /// The update is cancelled once it is parked.
    Cancel,
}

/// The two images of an update and the key that signs them.
#[derive(Debug, Clone)]
pub struct Images {
    old: Vec<u8>,
    new: Vec<u8>,
    public: [u8; 32],
}

const VENDOR: [u8; 16] = [0x11; 16];
const CLASS: [u8; 16] = [0x22; 16];

impl Images {
    /// Two signed images of about these many bytes; about `differing` percent of the chunks of the
    /// new one differ from the old one.
    ///
    /// # Panics
    /// If the images cannot be built, which is a mistake in the test.
    pub fn new(layout: &Layout, old_len: u32, new_len: u32, differing: u64, seed: u64) -> Self {
        let key = SigningKey::from_seed([7; 32]);
        let mut rng = Rng::new(seed);
        let shared: Vec<u8> = (0..old_len.max(new_len)).map(|_| rng.byte()).collect();
        let mut changed = shared.clone();
        for chunk in changed.chunks_mut(layout.chunk_len as usize) {
            if rng.below(100) < differing {
                for byte in chunk {
                    *byte ^= 0x55;
                }
            }
        }
        let build = |payload: &[u8], counter: u32| {
            ImageBuilder::new(
                payload,
                Version {
                    major: 1,
                    minor: 0,
                    revision: 0,
                    build: counter,
                },
            )
            .header_len(32)
            .security_counter(counter)
            .board(BoardIds {
                vid: Uuid(VENDOR),
                cid: Uuid(CLASS),
            })
            .sign(&key)
            .expect("the image can be built")
        };
        Self {
            old: build(&shared[..old_len as usize], 1),
            new: build(&changed[..new_len as usize], 2),
            public: key.public().to_bytes(),
        }
    }

    fn image(bytes: &[u8], public: &[u8; 32]) -> Image {
        let mut source = bytes;
        let keys = [otaru_image::Key {
            public: *public,
            kind: otaru_image::KeyKind::Ed25519,
            revoked: false,
        }];
        let expect = Expectation {
            keys: &keys,
            board: None,
            slot_address: None,
            security_floor: 0,
            digest: None,
            len: None,
            ..Expectation::default()
        };
        let len = u32::try_from(bytes.len()).expect("images are small");
        let verified = verify(&mut source, len, &expect, &mut [0; 256]).expect("our own image");
        Image {
            len,
            digest: verified.digest(),
        }
    }
}

/// A layout of `chunks` chunks for tests: small sectors, both modes.
pub fn geometry(mode: Mode, chunks: u32, write_unit: u16, erased: u8) -> Layout {
    let sector = 512;
    let chunk = 512;
    let execution = chunks * chunk;
    // Small halves, so that tests go through many changes of half.
    let record = 2 * 10 * sector;
    let storage_len = if mode == Mode::Swap {
        execution + chunk
    } else {
        execution
    };
    let at = |index: u32| 3 * sector + record + execution + index * storage_len;
    let second = if mode == Mode::Swap {
        Area::default()
    } else {
        Area::new(at(1), storage_len, sector)
    };
    Layout {
        flash_len: at(2),
        write_unit,
        erased,
        mode,
        chunk_len: chunk,
        device_block: Area::new(0, sector, sector),
        identity: Area::new(sector, 2 * sector, sector),
        record: Area::new(3 * sector, record, sector),
        execution: Area::new(3 * sector + record, execution, sector),
        storage: [Area::new(at(0), storage_len, sector), second],
    }
}

#[derive(Default)]
struct Quiet;

impl Port for Quiet {
    type Verifier = Ed25519Dalek;

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

/// How a life of the device ended.
enum End {
    PowerCut,
    Reset(ResetCause),
    Settled,
}

/// One device from the factory through an update.
#[derive(Debug)]
pub struct Device {
    /// Its flash.
    pub flash: SimFlash,
    layout: Layout,
    images: Images,
    old: Image,
    new: Image,
    goal: Goal,
    attempt: u64,
    confirm_begun: bool,
    confirm_done: bool,
    floor: u32,
    /// Sectors of image areas that the bootloader erased.
    pub boot_erases: u64,
    /// Boots so far.
    pub boots: u32,
    /// Power cuts so far.
    pub cuts: u32,
    /// Whether an install was undone.
    pub reverted: bool,
}

/// More boots than any test needs: a boot loop ends here.
const BOOTS_MAX: u32 = 60;

impl Device {
    /// A device as it leaves the factory: old image, empty storage.
    ///
    /// # Panics
    /// If the layout does not fit the images, which is a mistake in the test.
    pub fn new(layout: Layout, images: &Images, goal: Goal, seed: u64) -> Self {
        let mut flash = SimFlash::new(&layout, seed);
        let keys = [Key {
            public: images.public,
            kind: otaru_flash::KeyKind::Ed25519,
            development: true,
        }];
        let mut block = DeviceBlock::new("sim", layout, &keys).expect("the layout is good");
        block.vendor_id = VENDOR;
        block.class_id = CLASS;
        flash
            .program(0, &block.encode().expect("encodes"))
            .expect("power is on");
        let old = Images::image(&images.old, &images.public);
        let new = Images::image(&images.new, &images.public);
        let unit = usize::from(layout.write_unit);
        let mut padded = images.old.clone();
        padded.resize(padded.len().next_multiple_of(unit), layout.erased);
        layout
            .execution
            .program(&mut flash, 0, &padded)
            .expect("power is on");
        let geometry = Geometry::new(&layout).expect("the record fits");
        Journal::create(&mut flash, geometry, &State::factory(old, 1)).expect("power is on");
        Self {
            flash,
            layout,
            images: images.clone(),
            old,
            new,
            goal,
            attempt: 0,
            confirm_begun: false,
            confirm_done: false,
            floor: 0,
            boot_erases: 0,
            boots: 0,
            cuts: 0,
            reverted: false,
        }
    }

    /// Boots once, without what the firmware then does.
    pub fn boot(&mut self) -> Decision {
        let at = Boot {
            device_block_at: 0,
            cause: ResetCause::PowerOn,
        };
        boot(&mut self.flash, &mut Quiet, at, &mut [0; 1024])
    }

    /// Whether the execution slot holds the old image bit for bit.
    pub fn holds_old(&self) -> bool {
        self.slot_image(Slot::Execution)
            .starts_with(&self.images.old)
    }

    /// Whether the execution slot holds the new image bit for bit.
    pub fn holds_new(&self) -> bool {
        self.slot_image(Slot::Execution)
            .starts_with(&self.images.new)
    }

    /// Flips a bit in a slot, `at` bytes from where its image begins.
    pub fn corrupt(&mut self, slot: Slot, at: u32) {
        let offset = self.layout.slot(slot).offset + self.layout.image_offset(slot) + at;
        self.flash.corrupt(offset, 0x10);
    }

    /// Makes both halves of the record unreadable.
    pub fn lose_record(&mut self) {
        let area = self.layout.record;
        for at in (0..area.len).step_by(8) {
            self.flash.corrupt(area.offset + at, 0x10);
        }
    }

    /// Lives through resets, without cuts, until the firmware is about to let the bootloader
    /// install.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn run_to_request(&mut self) -> Checked {
        match self.life(ResetCause::PowerOn)? {
            End::Reset(ResetCause::Software) => Ok(()),
            End::Reset(_) | End::PowerCut | End::Settled => violated("no install was requested"),
        }
    }

    /// Lives until nothing is left to do, with these power cuts, each counted from the former.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn run(&mut self, cuts: &[Cut]) -> Checked {
        let mut cuts = cuts.iter();
        self.flash.plan(cuts.next().copied());
        let mut cause = ResetCause::PowerOn;
        loop {
            self.check_copy_exists()?;
            match self.life(cause)? {
                End::PowerCut => {
                    self.cuts += 1;
                    self.flash.power_on();
                    self.flash.plan(cuts.next().copied());
                    cause = ResetCause::PowerOn;
                }
                End::Reset(reset) => cause = reset,
                End::Settled => break,
            }
        }
        self.flash.plan(None);
        self.check_end()
    }

    /// One boot, and what the firmware then does.
    fn life(&mut self, cause: ResetCause) -> Checked<End> {
        self.boots += 1;
        if self.boots > BOOTS_MAX {
            return violated("boot loop");
        }
        let before = self.flash.image_erases();
        let mut buf = [0; 1024];
        let decision = boot(
            &mut self.flash,
            &mut Quiet,
            Boot {
                device_block_at: 0,
                cause,
            },
            &mut buf,
        );
        self.boot_erases += self.flash.image_erases() - before;
        if self.flash.is_off() {
            return Ok(End::PowerCut);
        }
        let start = match decision {
            Decision::Start(start) => start,
            Decision::Recovery(reason) => return violated(format!("recovery: {reason}")),
        };
        let state = *start.journal.state();
        self.check_start(&state)?;
        let mut handover = [0; HANDOVER_LEN_MAX];
        let len = start
            .journal
            .hand_over(&mut handover)
            .expect("the handover fits");
        let mut journal = Journal::take_over(&self.layout, &handover[..len]).expect("it is valid");
        match self.firmware(&mut journal) {
            Ok(end) => end,
            Err(_cut) if self.flash.is_off() => Ok(End::PowerCut),
            Err(failure) => violated(format!("the firmware failed: {failure}")),
        }
    }

    /// What the running image promises at the moment it is started.
    fn check_start(&mut self, state: &State) -> Checked {
        if state.floor < self.floor {
            return violated(format!(
                "the floor fell from {} to {}",
                self.floor, state.floor
            ));
        }
        self.floor = state.floor;
        let running = self.slot_image(Slot::Execution);
        let expected = if state.on_trial() {
            &self.images.new
        } else {
            self.image_of(state)?
        };
        if !running.starts_with(expected) {
            return violated(format!(
                "a mixed image runs in phase {}",
                state.phase.name()
            ));
        }
        if state.on_trial() && state.trials_used > state.trials_allowed {
            return violated("more trials than allowed");
        }
        if !state.on_trial() && state.current == self.new && !self.confirm_begun {
            return violated("an unconfirmed image became permanent");
        }
        if self.confirm_done && state.current != self.new {
            return violated("a confirmed image was lost");
        }
        if state.outcome.phase == Phase::Trial && state.current == self.old {
            self.reverted = true;
        }
        Ok(())
    }

    fn image_of(&self, state: &State) -> Checked<&Vec<u8>> {
        if state.current == self.old {
            Ok(&self.images.old)
        } else if state.current == self.new {
            Ok(&self.images.new)
        } else {
            violated("the record names an unknown image")
        }
    }

    fn slot_image(&self, slot: Slot) -> &[u8] {
        let area = self.layout.slot(slot);
        &self.flash.bytes()[area.offset as usize..(area.offset + area.len) as usize]
    }

    /// A27: a complete copy of the confirmed image exists at every instant.
    fn check_copy_exists(&self) -> Checked {
        let complete = |image: &[u8]| match self.layout.mode {
            Mode::Standby => [Slot::Execution, Slot::Storage0, Slot::Storage1]
                .iter()
                .any(|&slot| self.slot_image(slot).starts_with(image)),
            Mode::Swap => {
                let len = self.layout.chunk_len as usize;
                let saved: Vec<&[u8]> = self.slot_image(Slot::Storage0).chunks(len).collect();
                image.chunks(len).enumerate().all(|(index, chunk)| {
                    let here = self.slot_image(Slot::Execution)[index * len..].starts_with(chunk);
                    here || saved.iter().any(|stored| stored.starts_with(chunk))
                })
            }
        };
        let old = complete(&self.images.old);
        let new = complete(&self.images.new);
        let kept = if self.confirm_done {
            new
        } else {
            old || (self.confirm_begun && new)
        };
        if kept {
            Ok(())
        } else {
            violated("no complete copy of the confirmed image exists")
        }
    }

    fn check_end(&mut self) -> Checked {
        // The first boot may have to write the state in force a second time; no later one.
        let mut operations = 0;
        for boots in 0..3 {
            if boots == 1 {
                operations = self.flash.operations();
            }
            match self.boot() {
                Decision::Start(start) => self.check_start(start.journal.state())?,
                Decision::Recovery(reason) => return violated(format!("recovery: {reason}")),
            }
        }
        if self.flash.operations() != operations {
            return violated("booting again changed the flash");
        }
        let runs_new = self
            .slot_image(Slot::Execution)
            .starts_with(&self.images.new);
        if runs_new && self.goal != Goal::Confirm {
            return violated("an image that never confirmed stayed");
        }
        if self.cuts == 0 && self.goal == Goal::Confirm && !runs_new {
            return violated("an update without a cut did not succeed");
        }
        Ok(())
    }

    /// The firmware's part, until it resets or has nothing left to do.
    fn firmware(&mut self, journal: &mut Journal) -> Result<Checked<End>, String> {
        let state = *journal.state();
        match state.phase {
            Phase::Idle => {}
            Phase::Receiving => self.append(journal, &state.ended(Cause::Interrupted))?,
            Phase::Parked => return self.request(journal),
            Phase::Trial => return self.trial(journal),
            Phase::Requested
            | Phase::Installing
            | Phase::Installed
            | Phase::Refused
            | Phase::Reverting => {
                return Ok(violated(format!(
                    "firmware started in {}",
                    state.phase.name()
                )));
            }
        }
        self.report(journal)?;
        let outcome = journal.state().outcome;
        let over = outcome.attempt != 0
            && !matches!(outcome.cause, Cause::Interrupted | Cause::StorageFailed);
        if over {
            return Ok(Ok(End::Settled));
        }
        if self.layout.mode == Mode::Standby && journal.state().backup == Backup::None {
            self.back_up(journal)?;
        }
        self.download(journal)?;
        let next = journal.state().parked();
        self.append(journal, &next)?;
        self.request(journal)
    }

    fn report(&mut self, journal: &mut Journal) -> Result<(), String> {
        let state = *journal.state();
        if state.outcome.attempt != 0 && !state.outcome.reported {
            self.append(journal, &state.reported())?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        journal: &mut Journal,
        next: &Result<State, otaru_record::WrongPhase>,
    ) -> Result<(), String> {
        let next = next.as_ref().map_err(ToString::to_string)?;
        journal
            .append(&mut self.flash, next)
            .map_err(|error| error.to_string())
    }

    fn request(&mut self, journal: &mut Journal) -> Result<Checked<End>, String> {
        let state = *journal.state();
        if self.goal == Goal::Cancel {
            self.append(journal, &state.ended(Cause::Withdrawn))?;
            self.report(journal)?;
            return Ok(Ok(End::Settled));
        }
        self.append(journal, &state.requested())?;
        Ok(Ok(End::Reset(ResetCause::Software)))
    }

    fn trial(&mut self, journal: &mut Journal) -> Result<Checked<End>, String> {
        let state = *journal.state();
        match self.goal {
            Goal::Confirm => {
                self.confirm_begun = true;
                let next = state
                    .confirmed(self.layout.mode, state.attempt, 2, 0)
                    .map_err(|wrong| wrong.to_string())?;
                journal
                    .append_twice(&mut self.flash, &next)
                    .map_err(|error| error.to_string())?;
                self.confirm_done = true;
                self.report(journal)?;
                Ok(Ok(End::Settled))
            }
            Goal::Refuse => {
                self.append(journal, &state.refused(Cause::Unhealthy))?;
                Ok(Ok(End::Reset(ResetCause::Software)))
            }
            Goal::Hang | Goal::Cancel => Ok(Ok(End::Reset(ResetCause::Watchdog))),
        }
    }

    fn back_up(&mut self, journal: &mut Journal) -> Result<(), String> {
        let bytes = self.slot_image(Slot::Execution)[..self.old.len as usize].to_vec();
        self.store(journal, Slot::Storage0, &bytes, 0)?;
        self.verify(Slot::Storage0, self.old)?;
        let next = journal.state().backed_up(Slot::Storage0);
        self.append(journal, &next)
    }

    fn download(&mut self, journal: &mut Journal) -> Result<(), String> {
        self.attempt += 1;
        let download = Download {
            attempt: self.attempt,
            image: self.new,
            deadline_s: 300,
            trials: 1,
        };
        let next = journal.state().receiving(self.layout.mode, &download);
        self.append(journal, &next)?;
        let slot = journal.state().slot.ok_or("no slot")?;
        let bytes = self.images.new.clone();
        let resume = u32::from(journal.state().step);
        self.store(journal, slot, &bytes, resume)?;
        self.verify(slot, self.new)
    }

    /// Erases and programs sector by sector from mark `resume` on, with a mark per sixteenth.
    fn store(
        &mut self,
        journal: &mut Journal,
        slot: Slot,
        bytes: &[u8],
        resume: u32,
    ) -> Result<(), String> {
        let sector = self.layout.slot(slot).erase_len as usize;
        let unit = usize::from(self.layout.write_unit);
        let sectors = u32::try_from(bytes.len().div_ceil(sector)).expect("few sectors");
        let marked = |mark: u32| mark * sectors / 16;
        let mut mark = resume;
        for (number, data) in (0_u32..).zip(bytes.chunks(sector)) {
            if number < marked(resume) {
                continue;
            }
            let mut data = data.to_vec();
            data.resize(data.len().next_multiple_of(unit), self.layout.erased);
            let at = number * self.layout.slot(slot).erase_len;
            let permit = journal.permit(slot).ok_or("storage may not be written")?;
            let len = self.layout.slot(slot).erase_len;
            permit
                .erase(&mut self.flash, &self.layout, at, len)
                .map_err(|e| e.to_string())?;
            permit
                .program(&mut self.flash, &self.layout, at, &data)
                .map_err(|e| e.to_string())?;
            if journal.state().phase == Phase::Receiving {
                while mark < 15 && marked(mark + 1) <= number + 1 {
                    let step = u16::try_from(mark).expect("at most 16 marks");
                    journal
                        .mark(&mut self.flash, step)
                        .map_err(|e| e.to_string())?;
                    mark += 1;
                }
            }
        }
        Ok(())
    }

    fn verify(&mut self, slot: Slot, image: Image) -> Result<(), String> {
        let keys = [otaru_image::Key {
            public: self.images.public,
            kind: otaru_image::KeyKind::Ed25519,
            revoked: false,
        }];
        let expect = Expectation {
            keys: &keys,
            board: Some(BoardIds {
                vid: Uuid(VENDOR),
                cid: Uuid(CLASS),
            }),
            slot_address: None,
            security_floor: 0,
            digest: Some(image.digest),
            len: Some(image.len),
            ..Expectation::default()
        };
        let mut source = SlotReader::new(&mut self.flash, &self.layout, slot);
        verify(
            &mut source,
            self.layout.image_len_max(),
            &expect,
            &mut [0; 512],
        )
        .map(drop)
        .map_err(|error| format!("what was stored does not verify: {error}"))
    }
}
