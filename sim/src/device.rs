//! A device in the simulator: the shipped bootloader and record, and a firmware reduced to what it
//! does to flash.

mod check;
mod firmware;

use crate::images::{DEVICE_KEY, Encryption};
use crate::progress::{Ledger, Progress};
use crate::{Cut, Damage, Images, Part, Scenario, Shape, SimFlash, port::Board};
use otaru_bootloader::{Boot, Decision, ResetCause, boot};
use otaru_flash::{DeviceBlock, Flash, Key, KeyKind, Layout, Slot};
use otaru_record::{Geometry, HANDOVER_LEN_MAX, Journal, State};
use std::rc::Rc;

/// A promise of the install protocol was broken. The text says which and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

pub(crate) type Checked<T = ()> = Result<T, Violation>;

pub(crate) fn violated<T>(text: impl Into<String>) -> Checked<T> {
    Err(Violation(text.into()))
}

/// How a life of the device ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    PowerCut,
    Reset(ResetCause),
    Settled,
}

/// What does not change during a scenario.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) layout: Layout,
    pub(crate) images: Images,
    pub(crate) scenario: Scenario,
}

/// One device in a scenario.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its flash.
    pub flash: SimFlash,
    pub(crate) setting: Rc<Setting>,
    pub(crate) ledger: Ledger,
    pub(crate) cause: ResetCause,
    /// Boots in this run.
    pub boots: u32,
    /// Power cuts in this run.
    pub cuts: u32,
    /// Sectors of the execution slot and of storage that the bootloader erased.
    pub boot_erases: u64,
}

fn device_block(layout: &Layout, images: &Images) -> DeviceBlock {
    let keys = [Key {
        public: images.public,
        kind: KeyKind::Ed25519,
        development: true,
    }];
    let mut block = DeviceBlock::new("sim", *layout, &keys).expect("the layout is good");
    block.vendor_id = crate::images::VENDOR;
    block.class_id = crate::images::CLASS;
    block
}

/// More boots than any run needs: a boot loop ends here.
const BOOTS_MAX: u32 = 80;
/// The copy buffer of the bootloader, in bytes.
const BUFFER_LEN: usize = 1024;

impl Device {
    /// A device as it leaves the factory, which then lived through what the scenario says was before.
    ///
    /// # Panics
    /// If layout and images do not fit, or what was before breaks a promise: mistakes in the test, or
    /// defects that a run without cuts shows.
    pub fn new(shape: &Shape, images: &Images, scenario: &Scenario, seed: u64) -> Self {
        Self::on(shape.layout(), shape.part(), images, scenario, seed)
    }

    /// The same on any layout and part.
    ///
    /// # Panics
    /// As [`Device::new`].
    pub fn on(layout: Layout, part: Part, images: &Images, scenario: &Scenario, seed: u64) -> Self {
        let mut flash = SimFlash::new(part, seed);
        let block = device_block(&layout, images);
        let decryption_key = (images.encryption != Encryption::None).then_some(&DEVICE_KEY);
        let encoded = block.encode_with(decryption_key).expect("it encodes");
        let block_at = layout.device_block.offset;
        flash.program(block_at, &encoded).expect("power is on");
        let unit = usize::from(layout.write_unit);
        let mut padded = images.installed(0).to_vec();
        padded.resize(padded.len().next_multiple_of(unit), layout.erased);
        layout
            .execution
            .program(&mut flash, 0, &padded)
            .expect("power is on");
        let geometry = Geometry::new(&layout).expect("the record fits");
        let factory = State::factory(images.image(0), Images::counter(0));
        Journal::create(&mut flash, geometry, &factory).expect("power is on");
        let setting = Setting {
            layout,
            images: images.clone(),
            scenario: Scenario {
                updates: scenario.before,
                ..*scenario
            },
        };
        let mut device = Self {
            flash,
            setting: Rc::new(setting),
            ledger: Ledger::new(Progress {
                floor: Images::counter(0),
                ..Progress::default()
            }),
            cause: ResetCause::PowerOn,
            boots: 0,
            cuts: 0,
            boot_erases: 0,
        };
        device.live_before();
        device.enter(scenario);
        device
    }

    fn live_before(&mut self) {
        if let Err(violation) = self.run(&[]) {
            panic!("without a cut: {}", violation.0);
        }
    }

    /// The scenario itself begins.
    fn enter(&mut self, scenario: &Scenario) {
        match scenario.damage {
            Damage::None => {}
            Damage::Execution => self.corrupt(Slot::Execution, 40),
            Damage::WornEnd => {
                let layout = *self.layout();
                let last = layout.execution.offset + layout.execution.len - layout.chunk_len;
                self.flash.wear_out(last, layout.chunk_len);
            }
        }
        self.setting = Rc::new(Setting {
            layout: self.setting.layout,
            images: self.setting.images.clone(),
            scenario: *scenario,
        });
        self.ledger.learn(|known| known.update = 0);
        (self.boots, self.cuts, self.boot_erases) = (0, 0, 0);
        self.cause = ResetCause::PowerOn;
        self.flash.power_on();
    }

    /// The images of its scenario.
    pub fn images(&self) -> &Images {
        &self.setting.images
    }

    /// The layout.
    pub fn layout(&self) -> &Layout {
        &self.setting.layout
    }

    /// Fills the record by this many entries that say nothing new, so that it changes its half
    /// elsewhere.
    ///
    /// # Panics
    /// If the device does not boot.
    pub fn fill_record(&mut self, entries: u32) {
        for _ in 0..entries {
            let Decision::Start(start) = self.boot() else {
                panic!("the device does not boot");
            };
            let mut journal = start.journal;
            let state = *journal.state();
            // The firmware's first append in a boot: behind a gap, and twice.
            let mut handover = [0; HANDOVER_LEN_MAX];
            let len = journal.hand_over(&mut handover).expect("it fits");
            journal = Journal::take_over(self.layout(), &handover[..len]).expect("it is whole");
            journal
                .append(&mut self.flash, &state)
                .expect("power is on");
            self.flash.reset();
        }
        self.boots = 0;
    }

    /// Boots once, without what the firmware then does.
    pub fn boot(&mut self) -> Decision {
        let at = Boot {
            device_block_at: self.layout().device_block.offset,
            cause: ResetCause::PowerOn,
        };
        let ledger = self.ledger.clone();
        boot(
            &mut self.flash,
            &mut Board::new(&ledger),
            at,
            &mut [0; BUFFER_LEN],
        )
    }

    /// Whether the execution slot holds this image bit for bit.
    pub fn holds(&self, image: u8) -> bool {
        let at = self.layout().execution.offset;
        self.flash.holds(at, self.setting.images.installed(image))
    }

    /// Flips a bit in a slot, `at` bytes from where its image begins.
    pub fn corrupt(&mut self, slot: Slot, at: u32) {
        self.flash.corrupt(self.offset_in(slot) + at, 0x10);
    }

    /// Makes a slot unreadable, from `at` bytes behind where its image begins.
    pub fn make_unreadable(&mut self, slot: Slot, at: u32, len: u32) {
        let offset = self.offset_in(slot) + at;
        self.flash.make_unreadable(offset, len);
    }

    fn offset_in(&self, slot: Slot) -> u32 {
        let layout = self.layout();
        layout.slot(slot).offset + layout.image_offset(slot)
    }

    /// Flashes the device block anew, without a decryption key.
    ///
    /// # Panics
    /// If the device block cannot be written.
    pub fn forget_decryption_key(&mut self) {
        let area = self.layout().device_block;
        let block = device_block(self.layout(), &self.setting.images);
        let encoded = block.encode().expect("it encodes");
        area.erase(&mut self.flash, 0, area.len)
            .expect("power is on");
        area.program(&mut self.flash, 0, &encoded)
            .expect("power is on");
    }

    /// Damages every cell of the record.
    pub fn lose_record(&mut self) {
        let area = self.layout().record;
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
        match self.life()? {
            Ended::Reset(ResetCause::Software) => Ok(()),
            Ended::Reset(_) | Ended::PowerCut | Ended::Settled => {
                violated("no install was requested")
            }
        }
    }

    /// Lives until nothing is left to do, with these power cuts, each counted from the former.
    ///
    /// # Errors
    /// The first broken promise.
    pub fn run(&mut self, cuts: &[Cut]) -> Checked {
        let mut cuts = cuts.iter();
        self.flash.plan(cuts.next().copied());
        while self.live_until_dark()? == Ended::PowerCut {
            self.cut();
            self.flash.plan(cuts.next().copied());
        }
        self.flash.plan(None);
        self.check_end()
    }

    /// The power went and comes back.
    pub(crate) fn cut(&mut self) {
        self.cuts += 1;
        self.flash.power_on();
        // A watchdog that fires during an install is a cut like any other.
        self.cause = if self.cuts.is_multiple_of(2) {
            ResetCause::Watchdog
        } else {
            ResetCause::PowerOn
        };
    }

    /// Lives through resets until the power goes or nothing is left to do.
    pub(crate) fn live_until_dark(&mut self) -> Checked<Ended> {
        loop {
            self.check_copy_exists()?;
            match self.life()? {
                Ended::Reset(cause) => {
                    self.cause = cause;
                    self.flash.reset();
                }
                ended @ (Ended::PowerCut | Ended::Settled) => return Ok(ended),
            }
        }
    }

    /// One boot, and what the firmware then does.
    fn life(&mut self) -> Checked<Ended> {
        self.boots += 1;
        if self.boots > BOOTS_MAX {
            return violated("boot loop");
        }
        let before = self.flash.counters().erases;
        let ledger = self.ledger.clone();
        let mut board = Board::new(&ledger);
        let at = Boot {
            device_block_at: self.layout().device_block.offset,
            cause: self.cause,
        };
        let decision = boot(&mut self.flash, &mut board, at, &mut [0; BUFFER_LEN]);
        let broken = board.broken.take();
        self.boot_erases += self.flash.counters().erases - before;
        self.check_use()?;
        if let Some(broken) = broken {
            return violated(broken);
        }
        if self.flash.is_off() {
            return Ok(Ended::PowerCut);
        }
        let start = match decision {
            Decision::Start(start) => start,
            Decision::Recovery(reason) => return violated(format!("recovery: {reason}")),
        };
        self.check_start(start.journal.state())?;
        let mut handover = [0; HANDOVER_LEN_MAX];
        let Some(len) = start.journal.hand_over(&mut handover) else {
            return violated("the record was given up");
        };
        let mut journal = Journal::take_over(self.layout(), &handover[..len]).expect("it is whole");
        let ended = self.firmware(&mut journal);
        self.check_use()?;
        match ended {
            Ok(ended) => Ok(ended),
            Err(_cut) if self.flash.is_off() => Ok(Ended::PowerCut),
            Err(failure) => violated(format!("the firmware failed: {failure}")),
        }
    }

    fn check_use(&self) -> Checked {
        match self.flash.misuse() {
            None => Ok(()),
            Some(misuse) => violated(format!("flash misused: {misuse:?}")),
        }
    }
}
