//! What happens to a device: which updates, how each is meant to end, and what was damaged before.

/// How an update is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The new firmware confirms itself at this start of its trial (1 is the first).
    Confirm(u8),
    /// The new firmware hangs at every start.
    Hang,
    /// The new firmware gives itself up.
    Refuse,
    /// The update is withdrawn once it is parked.
    Cancel,
    /// The install cannot succeed.
    Impossible,
}

/// What is wrong with the device when a scenario begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// Nothing.
    None,
    /// A byte of the execution slot has changed.
    Execution,
    /// The last chunk of the execution slot takes no program any more. The image that runs does not
    /// reach it, the next one does.
    WornEnd,
}

/// One update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Update {
    /// Which image, 1 for the first behind the one that was flashed by cable.
    pub image: u8,
    /// Starts that its trial gets.
    pub trials: u8,
    /// How it is meant to end.
    pub end: End,
}

const fn update(image: u8, end: End) -> Update {
    Update {
        image,
        trials: 1,
        end,
    }
}

/// What happens to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// The name used in reproductions.
    pub name: &'static str,
    /// Updates that have passed without a cut before the scenario begins.
    pub before: &'static [Update],
    /// What is wrong with the device then.
    pub damage: Damage,
    /// The updates that power cuts meet.
    pub updates: &'static [Update],
}

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "confirm",
        before: &[],
        damage: Damage::None,
        updates: &[update(1, End::Confirm(1))],
    },
    Scenario {
        name: "hang",
        before: &[],
        damage: Damage::None,
        updates: &[update(1, End::Hang)],
    },
    Scenario {
        name: "refuse",
        before: &[],
        damage: Damage::None,
        updates: &[update(1, End::Refuse)],
    },
    Scenario {
        name: "cancel",
        before: &[],
        damage: Damage::None,
        updates: &[update(1, End::Cancel)],
    },
    // A newer update comes while one is parked.
    Scenario {
        name: "replace",
        before: &[],
        damage: Damage::None,
        updates: &[update(1, End::Cancel), update(2, End::Confirm(1))],
    },
    // The third start of the trial is the one that works.
    Scenario {
        name: "retry",
        before: &[],
        damage: Damage::None,
        updates: &[Update {
            image: 1,
            trials: 3,
            end: End::Confirm(3),
        }],
    },
    // From the second update on the storage slots have changed their parts.
    Scenario {
        name: "second",
        before: &[update(1, End::Confirm(1))],
        damage: Damage::None,
        updates: &[update(2, End::Confirm(1))],
    },
    Scenario {
        name: "second-hang",
        before: &[update(1, End::Confirm(1))],
        damage: Damage::None,
        updates: &[update(2, End::Hang)],
    },
    Scenario {
        name: "after-revert",
        before: &[update(1, End::Hang)],
        damage: Damage::None,
        updates: &[update(2, End::Confirm(1))],
    },
    // The execution slot goes bad after a revert: every mode has a backup then.
    Scenario {
        name: "heal",
        before: &[update(1, End::Hang)],
        damage: Damage::Execution,
        updates: &[],
    },
    // An install that has to be given up in the middle.
    Scenario {
        name: "worn",
        before: &[],
        damage: Damage::WornEnd,
        updates: &[update(1, End::Impossible)],
    },
];

impl Scenario {
    /// The scenario with this name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// How many images it needs, the one that is flashed by cable included.
    pub fn images(&self) -> usize {
        let all = self.before.iter().chain(self.updates);
        usize::from(all.map(|update| update.image).max().unwrap_or(0)) + 1
    }
}
