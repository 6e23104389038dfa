//! A thousand random resets and power cuts through updates of the real host binaries.
// A10 A28 A50: whatever happens, the device runs the old or the new image, bit for bit.

#![expect(clippy::print_stdout, reason = "the seed and what was survived")]

use otaru_board_host::control::Moment;
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, Lab};

const CUTS: u32 = 1000;

/// A small generator, so that a printed seed repeats the choice of moments.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}

async fn survive(mode: Mode, cuts: u32) {
    let seed = seed();
    println!("seed {seed}; repeat with OTARU_SEED={seed}");
    let mut random = Random(seed);
    let lab = Lab::new().await;
    let images = ["1.0.0", "2.0.0", "3.0.0"].map(|label| lab.image(label, 1));
    let device = lab.device("kitchen", mode, &images[0]).await;
    lab.upload("2.0.0", &images[1]).await;
    lab.upload("3.0.0", &images[2]).await;
    let (mut done, mut updates, mut succeeded) = (0, 0_u32, 0_u32);
    while done < cuts {
        let label = if updates.is_multiple_of(2) {
            "2.0.0"
        } else {
            "3.0.0"
        };
        updates += 1;
        let action = lab.deploy(&device, label, 30).await;
        // Between none and many per update, so that some get through; the next one is planned as
        // soon as the device has started again.
        for _ in 0..random.below(40) {
            match fault(&device, &mut random, &lab, &action).await {
                Some(reached) => done += u32::from(reached),
                None => break,
            }
        }
        device.control().clear_faults().expect("no fault is left");
        let ended = lab.api.action_end(&action).await;
        succeeded += u32::from(ended["status"] == "succeeded");
        let slot = device.execution_slot(images[1].len());
        let whole = images.iter().any(|image| slot.starts_with(image));
        assert!(whole, "seed {seed}: a mixed image after {ended:#}");
    }
    println!("{done} resets and cuts in {updates} updates, {succeeded} of which succeeded");
    assert!(succeeded > 0, "seed {seed}: no update ever succeeded");
}

/// Plans a reset or a cut and waits until the device has started again. Says whether it started for
/// that reason, or nothing if the update ended instead.
async fn fault(device: &Device, random: &mut Random, lab: &Lab, action: &str) -> Option<bool> {
    let power = random.below(2) == 0;
    let moment = Moment {
        at_operation: Some(1 + random.below(60)),
        torn: power,
        seed: power.then(|| random.below(u64::MAX >> 33)),
        off_ms: power.then_some(1),
        ..Moment::default()
    };
    let mut starts = device.starts();
    let mut control = device.control();
    let planned = if power {
        control.power_cut(moment)
    } else {
        control.reset(moment)
    };
    planned.expect("the fault is planned");
    let mut started = tokio::task::spawn_blocking(move || starts.wait());
    tokio::select! {
        biased;
        started = &mut started => Some(started.expect("the device starts")),
        _ = lab.api.action_end(action) => {
            // The fault may still be ahead: press the button instead. If it came just now and the
            // power is still away, the device starts by itself.
            let mut control = device.control();
            control.clear_faults().expect("no fault is left");
            drop(control.reset(Moment::default()));
            started.await.expect("the device starts");
            None
        }
    }
}

fn seed() -> u64 {
    let chosen = std::env::var("OTARU_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    chosen.unwrap_or_else(|| {
        use std::hash::{BuildHasher as _, Hasher as _};
        std::hash::RandomState::new().build_hasher().finish() >> 1
    })
}

#[tokio::test]
async fn five_hundred_resets_and_cuts_in_standby() {
    survive(Mode::Standby, CUTS / 2).await;
}

#[tokio::test]
async fn five_hundred_resets_and_cuts_in_swap() {
    survive(Mode::Swap, CUTS / 2).await;
}
