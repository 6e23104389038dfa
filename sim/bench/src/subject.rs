//! What is cut: a case, or a board's own geometry; and the line that repeats a failure.

use crate::board;
use anyhow::{Context as _, Result, bail};
use otaru_flash::{Layout, Mode};
use otaru_sim::{Case, Cut, Device, Images, Part, Rng, Scenario, Shape, Violation};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

thread_local! {
    /// Whether a panic of this thread is caught and told as a broken promise.
    static PANIC_IS_AN_ANSWER: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics that are caught from being printed besides.
pub(crate) fn print_only_other_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !PANIC_IS_AN_ANSWER.get() {
            usual(panic);
        }
    }));
}

/// A board's geometry with a scenario.
#[derive(Debug, Clone)]
pub(crate) struct OnBoard {
    file: PathBuf,
    mode: Mode,
    layout: Layout,
    scenario: &'static Scenario,
    image_len: u32,
}

/// What is cut.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    Case(Case),
    Board(OnBoard),
}

impl Subject {
    /// The case with this name.
    pub(crate) fn case(name: &str) -> Result<Self> {
        let case = Case::from_name(name).with_context(|| {
            format!(
                "`{name}` is no case; one looks like `swap-3x512-unit8-ff-ecc/confirm/d70/f0/s1`"
            )
        })?;
        Ok(Self::Case(case))
    }

    /// The geometry of a board file with a scenario. `image_len` is the length of the longest image
    /// in bytes; none means six chunks and a half.
    pub(crate) fn board(
        file: &Path,
        mode: Mode,
        scenario: &'static Scenario,
        image_len: Option<u32>,
    ) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let layout = board::layout(&text, mode)
            .with_context(|| format!("{} cannot be simulated", file.display()))?;
        let len_max = layout.image_len_max();
        let usual = layout.chunk_len * 13 / 2;
        let image_len = image_len.unwrap_or(usual).min(len_max);
        if image_len < 1024 {
            bail!("images need at least 1024 bytes");
        }
        Ok(Self::Board(OnBoard {
            file: file.to_owned(),
            mode,
            layout,
            scenario,
            image_len,
        }))
    }

    /// The device at the beginning.
    ///
    /// # Errors
    /// If the scenario fails already without a cut.
    pub(crate) fn device(&self) -> Result<Device, Violation> {
        PANIC_IS_AN_ANSWER.set(true);
        let made = catch_unwind(AssertUnwindSafe(|| match self {
            Self::Case(case) => case.device(),
            Self::Board(board) => board.device(),
        }));
        PANIC_IS_AN_ANSWER.set(false);
        made.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Violation(text.unwrap_or_else(|| "the device cannot be made".to_owned()))
        })
    }

    /// Lives through these cuts.
    ///
    /// # Errors
    /// The first broken promise.
    pub(crate) fn run(&self, cuts: &[Cut]) -> Result<Device, Violation> {
        let mut device = self.device()?;
        device.run(cuts)?;
        Ok(device)
    }

    /// Whether the flash is the plain one of its mode.
    pub(crate) fn is_plain(&self) -> bool {
        match self {
            Self::Case(case) => case.shape == Shape::plain(case.shape.mode, case.shape.chunks),
            Self::Board(_) => false,
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Case(case) => case.to_string(),
            Self::Board(board) => format!(
                "{} {} {}",
                board.file.display(),
                board.mode.name(),
                board.scenario.name
            ),
        }
    }

    /// The command that repeats a run.
    pub(crate) fn reproduction(&self, cuts: &[Cut]) -> String {
        let shown: Vec<String> = cuts.iter().map(ToString::to_string).collect();
        let what = match self {
            Self::Case(case) => format!("--case '{case}'"),
            Self::Board(board) => format!(
                "--board '{}' --mode {} --scenario {} --image-len {}",
                board.file.display(),
                board.mode.name(),
                board.scenario.name,
                board.image_len
            ),
        };
        format!("cargo xtask sim {what} --cuts '{}'", shown.join(","))
    }
}

impl OnBoard {
    fn device(&self) -> Device {
        let mut rng = Rng::new(1);
        // The TLVs of an image are shorter than 384 bytes, its header has 32.
        let room = self.image_len - 32 - 384;
        let lens: Vec<u32> = (0..self.scenario.images())
            .map(|_| {
                let shorter = rng.below(u64::from(room) / 4 + 1);
                room - u32::try_from(shorter).unwrap_or(0)
            })
            .collect();
        let images = Images::new(&self.layout, &lens, 70, 1);
        Device::on(
            self.layout,
            Part::of(&self.layout),
            &images,
            self.scenario,
            1,
        )
    }
}

/// Cuts as they are printed: `12:seen,3:bits`.
///
/// # Errors
/// Which part cannot be understood.
pub(crate) fn parse_cuts(text: &str) -> Result<Vec<Cut>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(|cut| cut.trim().parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_sim::{Encryption, SCENARIOS, Tear};

    #[test]
    fn cuts_are_read_as_they_are_printed() {
        for tear in Tear::ALL {
            let cuts = [Cut { after: 12, tear }, Cut { after: 0, tear }];
            let text = format!("{},{}", cuts[0], cuts[1]);
            assert_eq!(parse_cuts(&text), Ok(cuts.to_vec()));
        }
        assert_eq!(parse_cuts(""), Ok(Vec::new()));
        for wrong in ["12", "x:seen", "1:never", "1:seen,", "-1:seen"] {
            assert!(parse_cuts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_reproduction_names_the_very_same_run() {
        for seed in 0..200 {
            let (case, cuts) = Case::random(seed);
            let line = Subject::Case(case).reproduction(&cuts);
            let words: Vec<&str> = line.split('\'').collect();
            let Subject::Case(read) = Subject::case(words[1]).unwrap() else {
                unreachable!("it is a case");
            };
            assert_eq!(read, case, "{line}");
            assert_eq!(parse_cuts(words[3]).unwrap(), cuts, "{line}");
        }
    }

    #[test]
    fn what_is_no_case_is_refused() {
        for wrong in ["", "swap", "swap-3x512-unit8-ff/confirm/d70/f0", "x/y/z"] {
            assert!(Subject::case(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_run_is_the_same_each_time() {
        let (case, cuts) = Case::random(7);
        // Encrypted images have random keys, so their bytes are not the same.
        let subject = Subject::Case(Case {
            encryption: Encryption::None,
            ..case
        });
        let one = subject.run(&cuts).unwrap();
        let other = subject.run(&cuts).unwrap();
        assert_eq!(one.flash.fingerprint(), other.flash.fingerprint());
        assert_eq!(one.boots, other.boots);
    }

    #[test]
    fn a_case_that_cannot_be_says_so_instead_of_ending_the_program() {
        let shape = Shape {
            chunk_len: 100,
            ..Shape::plain(Mode::Swap, 3)
        };
        let case = Case {
            shape,
            scenario: &SCENARIOS[0],
            differing: 70,
            filled: 0,
            seed: 1,
            encryption: Encryption::None,
        };
        assert!(Subject::Case(case).device().is_err());
    }

    #[test]
    fn the_host_board_lives_through_a_cut() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let file = root.join("boards/host/board.toml");
        for mode in [Mode::Swap, Mode::Standby] {
            let subject = Subject::board(&file, mode, &SCENARIOS[0], None).unwrap();
            let cuts = parse_cuts("20:bits").unwrap();
            let device = subject.run(&cuts).unwrap();
            assert_eq!(device.cuts, 1, "{}", subject.reproduction(&cuts));
        }
    }
}
