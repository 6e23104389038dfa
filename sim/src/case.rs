//! One case: a shape, images, a scenario; named, so that a failure can be repeated with one line.

use crate::{Cut, Damage, Device, Encryption, Images, Rng, SCENARIOS, Scenario, Shape, Tear};
use otaru_flash::Mode;
use std::fmt;

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Part and layout.
    pub shape: Shape,
    /// What happens.
    pub scenario: &'static Scenario,
    /// Percent of the chunks that differ from one image to the next.
    pub differing: u64,
    /// Entries that stand in the record before.
    pub filled: u32,
    /// Which images are encrypted.
    pub encryption: Encryption,
    /// Seeds images and tears.
    pub seed: u64,
}

impl Case {
    /// The case that a seed stands for, and cuts to try on it.
    pub fn random(seed: u64) -> (Self, Vec<Cut>) {
        let mut rng = Rng::new(seed);
        let pick = |rng: &mut Rng, from: &[u32]| from[rng.index(from.len())];
        let mode = [Mode::Swap, Mode::Standby][rng.index(2)];
        let write_unit = pick(&mut rng, &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        let chunk_len = 512 * pick(&mut rng, &[1, 1, 2, 4]);
        let mut shape = Shape {
            chunk_len,
            write_unit: u16::try_from(write_unit).unwrap_or(8),
            erased: [0xFF, 0x00][rng.index(2)],
            ecc: rng.below(3) == 0,
            unequal: rng.below(2) == 0,
            ..Shape::plain(mode, 0)
        };
        shape.chunks = u32::try_from(2 + rng.below(11)).unwrap_or(2);
        let scenario = &SCENARIOS[rng.index(SCENARIOS.len())];
        let case = Self {
            shape,
            scenario,
            differing: [0, 5, 30, 70, 100][rng.index(5)],
            filled: u32::try_from(rng.below(30)).unwrap_or(0),
            encryption: [Encryption::None, Encryption::All, Encryption::Odd][rng.index(3)],
            seed,
        };
        let cuts = (0..=rng.below(8))
            .map(|index| Cut {
                after: rng.below(if index == 0 { 150 } else { 20 }),
                tear: Tear::ALL[rng.index(Tear::ALL.len())],
            })
            .collect();
        (case, cuts)
    }

    /// The device at the beginning of the case.
    ///
    /// # Panics
    /// If the case cannot be, or fails without a cut.
    pub fn device(&self) -> Device {
        let layout = self.shape.layout();
        let room = layout.image_len_max() - 32 - 384;
        let mut rng = Rng::new(self.seed);
        let worn = self.scenario.damage == Damage::WornEnd;
        let lens: Vec<u32> = (0..self.scenario.images())
            .map(|image| {
                if worn {
                    // The first image ends before the last chunk, the next one inside it.
                    return if image == 0 { room / 2 } else { room };
                }
                let shorter = rng.below(u64::from(room) / 2 + 1);
                room - u32::try_from(shorter).unwrap_or(0)
            })
            .collect();
        let how = (self.seed, self.encryption);
        let images = Images::encrypted(&layout, &lens, self.differing, how);
        let mut device = Device::new(&self.shape, &images, self.scenario, self.seed);
        if self.filled > 0 && self.scenario.damage == Damage::None {
            device.fill_record(self.filled);
        }
        device
    }

    /// The case with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.split('/');
        let shape = Shape::from_name(parts.next()?)?;
        let scenario = Scenario::from_name(parts.next()?)?;
        let number = |part: Option<&str>, prefix: &str| part?.strip_prefix(prefix)?.parse().ok();
        Some(Self {
            shape,
            scenario,
            differing: number(parts.next(), "d")?,
            filled: u32::try_from(number(parts.next(), "f")?).ok()?,
            seed: number(parts.next(), "s")?,
            encryption: match parts.next() {
                None => Encryption::None,
                Some("all-encrypted") => Encryption::All,
                Some("odd-encrypted") => Encryption::Odd,
                Some(_) => return None,
            },
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/d{}/f{}/s{}{}",
            self.shape.name(),
            self.scenario.name,
            self.differing,
            self.filled,
            self.seed,
            match self.encryption {
                Encryption::None => "",
                Encryption::All => "/all-encrypted",
                Encryption::Odd => "/odd-encrypted",
            }
        )
    }
}
