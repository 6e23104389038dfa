//! A device with `embassy-boot` and the firmware that its documentation describes.
//!
//! The firmware is as careful as its interface allows: it asks for the exchange only after the whole
//! image was written, the new one confirms itself at every start, and an error of the bootloader is
//! followed by a reset and another try.

use super::traced::Traced;
use super::world::{History, World};
use super::{Firmware, Partitions, prepare_boot, update};
use otaru_sim::{Again, Cut, Part, Rng, SimFlash};
use serde::Serialize;
use std::cell::RefCell;
use std::rc::Rc;

/// Pages of ACTIVE.
const PAGES: u32 = 3;
/// Bytes of a page.
const PAGE_LEN: u32 = 512;
const PAGE: usize = PAGE_LEN as usize;
/// Bytes of a write unit.
const UNIT_LEN: u32 = 8;
const UNIT: usize = UNIT_LEN as usize;
/// More boots than any run needs.
const BOOTS_MAX: u32 = 40;

/// How the update is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Ending {
    /// The new firmware confirms itself.
    Confirm,
    /// The new firmware never does.
    Hang,
}

impl Ending {
    pub(crate) const ALL: [Self; 2] = [Self::Confirm, Self::Hang];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Hang => "hang",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.name() == name)
    }
}

/// The flash under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Torn units may fail to read.
    pub(crate) ecc: bool,
    /// Whether a unit that is not erased may be programmed to all zeros.
    pub(crate) overwrite: bool,
}

impl Kind {
    /// What most parts allow.
    pub(crate) const PLAIN: Self = Self {
        ecc: false,
        overwrite: true,
    };
    /// A part that takes every unit once between two erases, as the trait `NorFlash` says.
    pub(crate) const ONCE: Self = Self {
        overwrite: false,
        ..Self::PLAIN
    };
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum What {
    /// What is started is neither the old image nor the new one.
    MixedImage,
    /// An image that never confirmed itself stays.
    UnconfirmedStays,
    /// A confirmed image is replaced by the old one.
    ConfirmedLost,
    /// The bootloader fails at every boot, or nothing ever comes to rest.
    Stuck,
    /// A rule of the flash was broken.
    FlashRule,
}

/// What went wrong in a run.
pub(crate) type Failure = What;

impl What {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MixedImage => "a mixed image runs",
            Self::UnconfirmedStays => "an unconfirmed image stays",
            Self::ConfirmedLost => "a confirmed image is lost",
            Self::Stuck => "stuck",
            Self::FlashRule => "a rule of the flash is broken",
        }
    }
}

/// How one life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    PowerCut,
    Reset,
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Old,
    New,
}

/// The device.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(super) flash: RefCell<Traced>,
    at: Partitions,
    images: Rc<[Vec<u8>; 2]>,
    ending: Ending,
    pub(super) history: History,
    pub(super) boots: u32,
}

impl Device {
    pub(crate) fn new(kind: Kind, ending: Ending) -> Self {
        let at = Partitions::new(PAGES, PAGE_LEN, UNIT_LEN);
        let mut part = Part::uniform(at.len(), PAGE_LEN, UNIT_LEN);
        part.ecc = kind.ecc;
        part.again = if kind.overwrite {
            Again::ZeroOnly
        } else {
            Again::Refused
        };
        let mut rng = Rng::new(1);
        let mut image = || (0..at.active).map(|_| rng.byte()).collect::<Vec<u8>>();
        let images = Rc::new([image(), image()]);
        let mut flash = SimFlash::new(part, 1);
        otaru_flash::Flash::program(&mut flash, 0, &images[0]).expect("the flash is erased");
        Self {
            flash: RefCell::new(Traced::new(flash, at)),
            at,
            images,
            ending,
            history: History::new(World::default()),
            boots: 0,
        }
    }

    /// Lives until nothing is left to do, with these cuts.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn run(&mut self, cuts: &[Cut]) -> Result<(), Failure> {
        let mut cuts = cuts.iter();
        self.sim(|flash| flash.plan(cuts.next().copied()));
        while self.live_until_dark()? == Ended::PowerCut {
            self.sim(|flash| {
                flash.power_on();
                flash.plan(cuts.next().copied());
            });
        }
        self.sim(|flash| flash.plan(None));
        self.check_end()
    }

    pub(super) fn sim<T>(&self, work: impl FnOnce(&mut SimFlash) -> T) -> T {
        work(&mut self.flash.borrow_mut().sim)
    }

    fn note(&self, line: impl FnOnce() -> String) {
        self.flash.borrow_mut().note(line);
    }

    /// Lives through resets until the power goes or nothing is left to do.
    pub(super) fn live_until_dark(&mut self) -> Result<Ended, Failure> {
        loop {
            match self.life()? {
                Ended::Reset => self.sim(SimFlash::reset),
                ended @ (Ended::PowerCut | Ended::Settled) => return Ok(ended),
            }
        }
    }

    /// Nothing may change any more: four further boots.
    pub(super) fn check_end(&mut self) -> Result<(), Failure> {
        for _ in 0..4 {
            self.sim(SimFlash::reset);
            self.boots = 0;
            self.live_until_dark()?;
        }
        Ok(())
    }

    /// One boot, and what the firmware then does.
    fn life(&mut self) -> Result<Ended, Failure> {
        self.boots += 1;
        self.note(|| format!("boot {}", self.boots));
        if self.boots > BOOTS_MAX {
            return Err(match self.running() {
                Some(Running::New) if self.ending == Ending::Hang => What::UnconfirmedStays,
                Some(_) | None => What::Stuck,
            });
        }
        let mut buf = [0; PAGE];
        let state = prepare_boot::<_, UNIT, PAGE>(&self.flash, &self.at, &mut buf);
        self.check_use()?;
        if self.sim(|flash| flash.is_off()) {
            return Ok(Ended::PowerCut);
        }
        let Ok(state) = state else {
            // Its ports panic here; the watchdog then resets.
            self.note(|| "  prepare_boot fails".to_owned());
            return Ok(Ended::Reset);
        };
        let running = self.running();
        self.note(|| format!("  prepare_boot found {state:?}; ACTIVE holds {running:?}"));
        let ended = self.firmware(running.ok_or(What::MixedImage)?)?;
        self.check_use()?;
        if self.sim(|flash| flash.is_off()) {
            return Ok(Ended::PowerCut);
        }
        Ok(ended)
    }

    fn running(&self) -> Option<Running> {
        let [old, new] = &*self.images;
        let holds = |image: &[u8]| self.sim(|flash| flash.holds(0, image));
        if holds(old) {
            Some(Running::Old)
        } else {
            holds(new).then_some(Running::New)
        }
    }

    fn firmware(&mut self, running: Running) -> Result<Ended, Failure> {
        let world = self.history.now();
        match (running, self.ending) {
            (Running::Old, _) if world.confirmed => Err(What::ConfirmedLost),
            // The attempt has failed, and the old firmware knows it.
            (Running::Old, Ending::Hang) if world.started => Ok(Ended::Settled),
            (Running::Old, Ending::Hang | Ending::Confirm) => {
                let image = &self.images[1];
                if self.update(Firmware::Download(image)) {
                    self.update(Firmware::MarkUpdated);
                }
                Ok(Ended::Reset)
            }
            (Running::New, Ending::Hang) => {
                self.history.learn(|world| world.started = true);
                Ok(Ended::Reset)
            }
            (Running::New, Ending::Confirm) => {
                self.history.learn(|world| world.started = true);
                if !self.update(Firmware::MarkBooted) {
                    return Ok(Ended::Reset);
                }
                self.history.learn(|world| world.confirmed = true);
                Ok(Ended::Settled)
            }
        }
    }

    /// Whether the updater did it.
    fn update(&self, what: Firmware<'_>) -> bool {
        update::<_, UNIT, PAGE>(&self.flash, &self.at, what).is_ok()
    }

    fn check_use(&self) -> Result<(), Failure> {
        self.sim(|flash| flash.misuse())
            .map_or(Ok(()), |_misuse| Err(What::FlashRule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_sim::Tear;

    #[test]
    fn without_a_cut_both_endings_come_out_right() {
        for ending in Ending::ALL {
            let mut device = Device::new(Kind::PLAIN, ending);
            assert_eq!(device.run(&[]), Ok(()));
            let wanted = match ending {
                Ending::Confirm => Running::New,
                Ending::Hang => Running::Old,
            };
            assert_eq!(device.running(), Some(wanted));
            assert_eq!(device.history.now().confirmed, ending == Ending::Confirm);
        }
    }

    #[test]
    fn a_damaged_image_is_noticed() {
        let mut device = Device::new(Kind::PLAIN, Ending::Confirm);
        device.sim(|flash| flash.corrupt(40, 1));
        assert_eq!(device.run(&[]), Err(What::MixedImage));
    }

    #[test]
    fn a_cut_download_is_repeated() {
        for after in 0..6 {
            let mut device = Device::new(Kind::PLAIN, Ending::Confirm);
            let tear = Tear::Before;
            assert_eq!(device.run(&[Cut { after, tear }]), Ok(()));
            assert_eq!(device.running(), Some(Running::New));
        }
    }
}
