//! Every cut of a scenario, every second cut of what follows, and so on.
//!
//! A run without a cut leaves, at each program and each erase, one copy of the flash per tear. Each of
//! these copies is a device whose power comes back; it lives on until nothing is left to do, checked
//! all the way, and leaves copies itself as long as more cuts are wanted. Copies that are equal, in
//! flash and in what the manager knows, are followed once.

use crate::device::{Ended, Violation};
use crate::{Cut, Device, Ledger, Rng, Tear};
use otaru_bootloader::ResetCause;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

/// How far to go.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The ways to tear the first cut, the second, and so on: its length is how many cuts there are at
    /// the most.
    pub tears: Vec<Vec<Tear>>,
    /// Of the third and every further cut, one in so many is followed.
    pub sample: u64,
    /// Seeds what is sampled.
    pub seed: u64,
}

impl Plan {
    /// Every cut, torn in these ways, up to `depth` of them in a row.
    pub fn every(tears: &[Tear], depth: usize) -> Self {
        Self {
            tears: vec![tears.to_vec(); depth],
            sample: 1,
            seed: 0,
        }
    }
}

/// What was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explored {
    /// Distinct states of flash and world that a cut left and that were booted.
    pub states: u64,
    /// Of these after one cut, after two, and so on.
    pub by_depth: Vec<u64>,
    /// Cuts that were tried, whether or not they led to a new state.
    pub cuts: u64,
    /// Boots.
    pub boots: u64,
    /// Series of cuts that met the stated limit: a part that garbles what is programmed twice.
    pub limits: u64,
}

impl Explored {
    /// Adds what was tried elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.cuts += other.cuts;
        self.boots += other.boots;
        self.limits += other.limits;
        let depths = self.by_depth.len().max(other.by_depth.len());
        self.by_depth.resize(depths, 0);
        for (sum, more) in self.by_depth.iter_mut().zip(&other.by_depth) {
            *sum += more;
        }
    }
}

/// A device whose power has gone, and how it came to that.
struct Node {
    device: Device,
    cuts: Vec<Cut>,
}

struct Explorer<'a> {
    plan: &'a Plan,
    tears: Vec<Rc<Vec<Tear>>>,
    seen: HashMap<u64, usize>,
    rng: Rng,
    explored: Explored,
}

/// Tries every cut that the plan asks for, from `device` on.
///
/// # Errors
/// The first broken promise, with the cuts that led to it.
pub fn explore(device: &Device, plan: &Plan) -> Result<Explored, (Violation, Vec<Cut>)> {
    let mut explorer = Explorer {
        tears: plan.tears.iter().cloned().map(Rc::new).collect(),
        seen: HashMap::new(),
        rng: Rng::new(plan.seed),
        explored: Explored {
            by_depth: vec![0; plan.tears.len()],
            ..Explored::default()
        },
        plan,
    };
    let mut open = explorer.live(Node {
        device: device.clone(),
        cuts: Vec::new(),
    })?;
    while let Some(node) = open.pop() {
        open.extend(explorer.live(node)?);
    }
    Ok(explorer.explored)
}

impl Explorer<'_> {
    /// Lives on from a node to the end; the nodes that further cuts make of it.
    fn live(&mut self, node: Node) -> Result<Vec<Node>, (Violation, Vec<Cut>)> {
        let Node { mut device, cuts } = node;
        let depth = cuts.len();
        device.ledger = Ledger::new(device.ledger.now());
        device.boots = 0;
        if let Some(tears) = self.tears.get(depth) {
            let moment = device.ledger.moment();
            device.flash.fork_at_every_operation(tears, moment);
        }
        let ended = device.live_until_dark();
        let forks = device.flash.take_forks();
        let ended = ended.and_then(|ended| {
            debug_assert_eq!(ended, Ended::Settled, "no cut was planned");
            device.check_end()
        });
        self.explored.boots += u64::from(device.boots);
        if let Err(violation) = ended {
            if device.flash.garbled() > 0 {
                self.explored.limits += 1;
                return Ok(Vec::new());
            }
            return Err((violation, cuts));
        }
        let mut further = Vec::new();
        for fork in forks {
            self.explored.cuts += 1;
            let mut child = device.clone();
            child.flash = fork.flash;
            child.ledger = Ledger::new(device.ledger.at(fork.moment));
            child.cuts = u32::try_from(depth).unwrap_or(u32::MAX);
            child.cut();
            if !self.is_new(&child, depth + 1) {
                continue;
            }
            let mut cuts = cuts.clone();
            cuts.push(fork.cut);
            further.push(Node {
                device: child,
                cuts,
            });
        }
        Ok(further)
    }

    fn is_new(&mut self, device: &Device, depth: usize) -> bool {
        if depth > 2 && self.rng.below(self.plan.sample) != 0 {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        let cause = device.cause == ResetCause::Watchdog;
        (device.flash.fingerprint(), device.ledger.now(), cause).hash(&mut hasher);
        let key = hasher.finish();
        let known = self.seen.get(&key).copied();
        if known.is_some_and(|known| known <= depth) {
            return false;
        }
        self.seen.insert(key, depth);
        if known.is_none() {
            self.explored.states += 1;
            if let Some(count) = self.explored.by_depth.get_mut(depth - 1) {
                *count += 1;
            }
        }
        true
    }
}
