//! Every cut of an update with `embassy-boot`, and every second cut of what follows. Unlike our own
//! explorer it goes on after a failure and counts.

use super::device::{Ended, Kind};
use super::{Device, Ending, Failure};
use crate::embassy::world::History;
use otaru_sim::{Cut, Tear};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

/// What was tried, and what went wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tried {
    /// Cuts that were tried.
    pub(crate) cuts: u64,
    /// Distinct states that one cut left, and that two left.
    pub(crate) states: [u64; 2],
    /// Boots.
    pub(crate) boots: u64,
    /// States after one cut, and after two, from which something went wrong.
    pub(crate) failed: [u64; 2],
    /// The same by what went wrong.
    pub(crate) kinds: BTreeMap<Failure, u64>,
    /// For each of these one series of cuts that leads there, as short as there was.
    pub(crate) examples: BTreeMap<Failure, (Ending, Vec<Cut>)>,
}

impl Tried {
    pub(crate) fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.boots += other.boots;
        for index in 0..2 {
            self.states[index] += other.states[index];
            self.failed[index] += other.failed[index];
        }
        for (kind, count) in &other.kinds {
            *self.kinds.entry(*kind).or_default() += count;
        }
        for (kind, (ending, cuts)) in &other.examples {
            self.keep(*kind, *ending, cuts);
        }
    }

    fn keep(&mut self, kind: Failure, ending: Ending, cuts: &[Cut]) {
        let known = self.examples.get(&kind);
        if known.is_none_or(|(_, known)| cuts.len() < known.len()) {
            self.examples.insert(kind, (ending, cuts.to_vec()));
        }
    }
}

struct Node {
    device: Device,
    cuts: Vec<Cut>,
}

/// Tries every cut torn in one of these ways, and every pair of them.
pub(crate) fn explore(kind: Kind, ending: Ending, tears: &[Tear]) -> Tried {
    let tears = Rc::new(tears.to_vec());
    let mut tried = Tried::default();
    let mut seen = HashMap::new();
    let mut open = vec![Node {
        device: Device::new(kind, ending),
        cuts: Vec::new(),
    }];
    while let Some(Node { mut device, cuts }) = open.pop() {
        let depth = cuts.len();
        device.history = History::new(device.history.now());
        device.boots = 0;
        if depth < 2 {
            let moment = device.history.moment();
            device.sim(|flash| flash.fork_at_every_operation(&tears, moment));
        }
        let lived = device.live_until_dark();
        let forks = device.sim(otaru_sim::SimFlash::take_forks);
        tried.boots += u64::from(device.boots);
        let result = lived.and_then(|ended| {
            debug_assert_eq!(ended, Ended::Settled, "no cut was planned");
            let end = device.check_end();
            tried.boots += 4;
            end
        });
        if let Err(failure) = result {
            assert!(depth > 0, "a run without a cut fails: {}", failure.name());
            tried.failed[depth - 1] += 1;
            *tried.kinds.entry(failure).or_default() += 1;
            tried.keep(failure, ending, &cuts);
        }
        for fork in forks {
            tried.cuts += 1;
            let mut child = device.clone();
            child.history = History::new(device.history.at(fork.moment));
            child.sim(|flash| {
                *flash = fork.flash;
                flash.power_on();
            });
            let mut hasher = DefaultHasher::new();
            child.history.now().hash(&mut hasher);
            child.sim(|flash| flash.fingerprint()).hash(&mut hasher);
            let key = hasher.finish();
            let known: Option<usize> = seen.get(&key).copied();
            if known.is_some_and(|known| known <= depth + 1) {
                continue;
            }
            seen.insert(key, depth + 1);
            tried.states[depth] += 1;
            let mut cuts = cuts.clone();
            cuts.push(fork.cut);
            child.boots = 0;
            open.push(Node {
                device: child,
                cuts,
            });
        }
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::super::device::What;
    use super::*;

    #[test]
    fn clean_cuts_do_no_harm_where_overwriting_is_allowed() {
        for ending in Ending::ALL {
            let tried = explore(Kind::PLAIN, ending, &Tear::CLEAN);
            assert_eq!(tried.failed, [0, 0], "{:?}", tried.examples);
            assert!(tried.cuts > 400, "{tried:?}");
        }
    }

    #[test]
    fn every_failure_is_repeated_by_its_cuts() {
        let tried = explore(Kind::PLAIN, Ending::Hang, &[Tear::Seen]);
        assert!(!tried.examples.is_empty(), "this tear is known to do harm");
        for (failure, (ending, cuts)) in tried.examples {
            let mut device = Device::new(Kind::PLAIN, ending);
            assert_eq!(device.run(&cuts), Err(failure), "{cuts:?}");
        }
    }

    #[test]
    fn one_clean_cut_in_a_revert_ends_every_boot_where_units_are_programmed_once() {
        let tried = explore(Kind::ONCE, Ending::Hang, &Tear::CLEAN);
        assert!(tried.kinds.contains_key(&What::Stuck), "{:?}", tried.kinds);
    }
}
