//! The power is cut at random instants of real installs, trials, confirms and reverts: QEMU is
//! killed, and the machine boots again from the files that are left.
//!
//! A seed decides where a cut is aimed; the host's scheduler decides where it hits. So a failure
//! prints what every boot printed, and the seed repeats the aim only.
//!
//! What holds after any number of cuts:
//! * every boot finds something to start;
//! * in the end the execution slot holds one of the two images, complete, and the record names it;
//! * a confirm that the firmware has announced stands, and a revert ends with the old image.
// A24–A33, A60
#![expect(clippy::print_stdout, reason = "the seed and what was survived")]

use crate::harness::{Machine, Running, Snapshot, described};
use crate::programs::image;
use otaru_lsp_project::Mode;
use otaru_record::{Cause, Phase};
use otaru_sim_flash::Rng;
use std::time::{Duration, Instant};

/// Runs per story, unless `OTARU_QEMU_CUTS` says otherwise. Each is cut one to three times.
const RUNS: u32 = 30;
/// Most cuts of one run.
const CUTS_MAX: u64 = 3;

/// From where a machine is cut, and what may become of it.
pub(crate) struct Story {
    pub(crate) machine: Machine,
    pub(crate) start: Snapshot,
    old: Vec<u8>,
    pub(crate) new: Vec<u8>,
    /// The phase before the work; a boot that resumes the work does not print it.
    before: &'static str,
    /// The line that begins the work, and the one that ends it.
    from: &'static str,
    pub(crate) to: &'static str,
    /// Whether the new image must not be there in the end.
    reverts: bool,
}

/// A run that was not cut.
#[derive(Debug)]
struct Measured {
    /// From the start to the end.
    all: Duration,
    /// From the first line of the work to the end.
    work: Duration,
    /// Lines printed in that time.
    lines: u64,
}

/// What was chosen before the start, or is drawn.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

pub(crate) fn seed() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let seed = number("OTARU_SEED")
        .unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
    println!("seed {seed}; repeat the aim with OTARU_SEED={seed}");
    seed
}

/// From the request of an update to its confirm.
pub(crate) fn install(mode: Mode) -> Story {
    let (old, new) = (image(0, "idle"), image(1, "confirm"));
    let machine = Machine::flashed(mode, &old);
    machine.request_update(&old, &new);
    Story {
        start: machine.snapshot(),
        machine,
        old,
        new,
        before: ":: requested: ",
        from: ":: installing: ",
        to: "\nconfirmed\n",
        reverts: false,
    }
}

/// From a trial that was not confirmed to the old image.
pub(crate) fn revert(mode: Mode) -> Story {
    let (old, new) = (image(0, "idle"), image(1, "hang"));
    let machine = Machine::flashed(mode, &old);
    machine.request_update(&old, &new);
    let mut running = machine.power_on();
    running.wait("firmware runs: hang\n");
    running.cut();
    Story {
        start: machine.snapshot(),
        machine,
        old,
        new,
        before: ":: trial: ",
        from: ":: reverting: ",
        to: "firmware runs: idle\n",
        reverts: true,
    }
}

impl Story {
    /// One run without a cut.
    fn measure(&self) -> Measured {
        self.machine.restore(&self.start);
        let begin = Instant::now();
        let mut running = self.machine.power_on();
        running.wait(self.from);
        let work = Instant::now();
        let from = running.text.len();
        running.wait(self.to);
        let rest = running.text.get(from..).unwrap_or_default();
        Measured {
            all: begin.elapsed(),
            work: work.elapsed(),
            lines: u64::try_from(rest.lines().count()).expect("few"),
        }
    }

    /// One boot that is cut: a quarter of them anywhere, the others at one of the lines that the work
    /// prints or shortly behind it.
    fn cut_boot(&self, rng: &mut Rng, measured: &Measured) -> Running {
        let mut draw = |range: Duration| {
            Duration::from_micros(rng.below(u64::try_from(range.as_micros()).unwrap_or(1).max(1)))
        };
        let line = measured.work / u32::try_from(measured.lines.max(1)).expect("few");
        let (anywhere, behind) = (draw(measured.all), draw(line * 2));
        let aimed = rng.below(4) > 0;
        let mut lines = rng.below(measured.lines.max(1));
        let mut running = self.machine.power_on();
        let end = Instant::now() + anywhere;
        // A boot that has no such work left prints its end instead.
        if aimed && running.prints_until(self.from, Instant::now() + measured.all * 2) {
            let limit = Instant::now() + measured.all * 2;
            while lines > 0 && running.prints_until("\n", limit) {
                lines -= 1;
            }
            running.prints_until(self.to, Instant::now() + behind);
        } else {
            running.prints_until(self.to, end);
        }
        running.cut();
        running
    }

    /// Boots until a firmware runs and has done what it does.
    pub(crate) fn last_boot(&self) -> Running {
        let mut running = self.machine.power_on();
        running.wait("firmware runs: ");
        if self.machine.executes(&self.new) && !self.reverts {
            running.wait("confirm\n");
            running.wait("confirm");
        }
        running.cut();
        running
    }

    pub(crate) fn check(&self, boots: &[Running]) {
        let text = boots
            .iter()
            .map(|boot| boot.text.as_str())
            .collect::<Vec<_>>()
            .join("\n---- cut ----\n");
        let state = self.machine.state();
        let runs_new = self.machine.executes(&self.new);
        let runs_old = self.machine.executes(&self.old);
        assert!(!text.contains("nothing to start"), "{text}");
        assert!(runs_new != runs_old, "no complete image:\n{text}");
        let expected = if runs_new { &self.new } else { &self.old };
        assert_eq!(state.current(), described(expected), "{text}");
        assert_eq!(state.phase(), Phase::Idle, "{text}");
        let cause = if runs_new {
            Cause::Confirmed
        } else {
            Cause::TrialReset
        };
        assert_eq!(state.outcome().cause, cause, "{text}");
        assert!(runs_old || !self.reverts, "{text}");
        if text.contains("\nconfirmed\n") {
            assert!(runs_new, "a confirm was lost:\n{text}");
        }
    }

    fn survive(&self) {
        let mut rng = Rng::new(seed());
        let measured = self.measure();
        let runs = number("OTARU_QEMU_CUTS").unwrap_or(u64::from(RUNS));
        let (mut cuts, mut resumed, mut kept) = (0, 0, 0);
        for _ in 0..runs {
            self.machine.restore(&self.start);
            let mut boots = Vec::new();
            for _ in 0..=rng.below(CUTS_MAX) {
                boots.push(self.cut_boot(&mut rng, &measured));
            }
            cuts += boots.len();
            boots.push(self.last_boot());
            self.check(&boots);
            resumed += boots
                .iter()
                .filter(|boot| boot.text.contains(self.from) && !boot.text.contains(self.before))
                .count();
            kept += usize::from(self.machine.executes(&self.new));
        }
        println!(
            "{runs} runs, {cuts} cuts, {resumed} resumed the work, {kept} ended with the new image; \
             without a cut: {measured:?}"
        );
    }
}

#[test]
#[ignore = "needs qemu"]
fn install_survives_cuts_in_standby() {
    install(Mode::Standby).survive();
}

#[test]
#[ignore = "needs qemu"]
fn install_survives_cuts_in_swap() {
    install(Mode::Swap).survive();
}

#[test]
#[ignore = "needs qemu"]
fn revert_survives_cuts_in_standby() {
    revert(Mode::Standby).survive();
}

#[test]
#[ignore = "needs qemu"]
fn revert_survives_cuts_in_swap() {
    revert(Mode::Swap).survive();
}
