//! Random orders of events: whatever the network, the flash, the power and the operator do, no
//! illegal transition happens (checked at every append), the device always runs one of the two
//! images bit for bit, and once the trouble is over the attempt comes to its end.

use otaru_flash::Mode;
use otaru_record::Phase;
use otaru_runtime_agent::{Action, MayInstall};
use otaru_sim::{Cut, Rng, Tear};
use proptest::prelude::*;

use crate::cloud::{Cloud, Offer, Ranges};
use crate::life::{Fate, Fault, live_on};
use crate::world::{World, signed};

const BASE: &str = "http://127.0.0.1:1/T/controller/v1/d1";

/// Trouble for a while.
struct Chaos {
    rng: Rng,
    /// Actions for which there is trouble.
    left: u32,
    /// One action in this many is troubled.
    rarity: u64,
}

impl Chaos {
    fn one_in(&mut self, n: u64) -> bool {
        self.rng.below(n) == 0
    }
}

impl Fate for Chaos {
    fn fault(&mut self, action: &Action, cloud: &mut Cloud) -> Fault {
        if self.left == 0 {
            return Fault::None;
        }
        self.left -= 1;
        if self.one_in(400) {
            cloud.canceling = cloud.offer.is_some();
        }
        if self.one_in(1000) {
            // The operator's database was restored, or the action was forced to its end.
            cloud.offer = None;
            cloud.canceling = false;
        }
        if self.one_in(50) {
            cloud.config_wanted = true;
            cloud.etags = self.rng.below(2) == 0;
        }
        if self.one_in(100) {
            cloud.ranges = Ranges::Ignored;
        }
        if !self.one_in(self.rarity) {
            return Fault::None;
        }
        let local = matches!(
            action,
            Action::Erase { .. } | Action::Program { .. } | Action::Copy { .. }
        );
        match self.rng.below(8) {
            0 => Fault::Reset,
            1 => Fault::ResetAfter,
            2 if local => Fault::Storage,
            3 => Fault::ReplyLost,
            4 => {
                let statuses = [400, 401, 403, 404, 408, 409, 410, 429, 500, 503];
                Fault::Status(statuses[self.rng.index(statuses.len())])
            }
            _ => Fault::Lost,
        }
    }

    fn may_install(&mut self) -> MayInstall<'static> {
        match self.rng.below(20) {
            0 => MayInstall::Refuse("no"),
            1..=4 => MayInstall::NotNow("later"),
            _ => MayInstall::Yes,
        }
    }

    fn healthy(&mut self) -> bool {
        self.rng.below(10) > 0
    }
}

fn check_end(world: &mut World, cloud: &Cloud, new: &[u8], lines: &[String]) {
    let old = world.old.clone();
    let runs_new = world.runs(new);
    assert!(
        runs_new || world.runs(&old),
        "neither image runs: {lines:#?}"
    );
    let state = world.state();
    assert_eq!(state.phase(), Phase::Idle, "{lines:#?}");
    assert!(state.outcome().reported || state.outcome().attempt == 0);
    assert!(cloud.offer.is_none(), "the attempt has no end: {lines:#?}");
    for posted in &cloud.feedback {
        if posted.finished == "success" {
            assert!(runs_new, "success without the new image: {lines:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_faults_ends_in_order(
        // A9 A10 A11 A27 A31 A32 C23
        seed in any::<u64>(),
        swap in any::<bool>(),
        rarity in 4_u64..200,
        trials in 1_u32..4,
    ) {
        let mode = if swap { Mode::Swap } else { Mode::Standby };
        let mut world = World::new(mode, seed, BASE);
        let mut cloud = Cloud::new(BASE);
        let new = signed("1.1.0+2", 2, 15_000);
        cloud.offer = Some(Offer { trials, ..Offer::new(8, "1.1.0+2", &new) });
        let mut chaos = Chaos { rng: Rng::new(seed), left: 2000, rarity };
        let lines = live_on(&mut world, &mut cloud, &mut chaos);
        check_end(&mut world, &cloud, &new, &lines);
    }
}

#[test]
fn power_cut_at_every_flash_operation_of_the_agent() {
    // A10 A27: torn, in both modes; the attempt is told as ended or goes through.
    struct Calm;
    impl Fate for Calm {}
    for mode in [Mode::Standby, Mode::Swap] {
        let new = signed("1.1.0+2", 2, 15_000);
        let run = |cut: Option<Cut>| {
            let mut world = World::new(mode, 3, BASE);
            let mut cloud = Cloud::new(BASE);
            cloud.offer = Some(Offer::new(8, "1.1.0+2", &new));
            let before = world.flash.operations();
            world.flash.plan(cut);
            let lines = live_on(&mut world, &mut cloud, &mut Calm);
            check_end(&mut world, &cloud, &new, &lines);
            world.flash.operations() - before
        };
        let total = run(None);
        for after in 0..total {
            run(Some(Cut {
                after,
                tear: Tear::Bits,
            }));
        }
    }
}
