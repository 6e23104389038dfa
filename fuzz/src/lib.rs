//! Fuzz targets: what parses bytes from outside, fed with bytes that nobody meant.
//!
//! Each target is a module with a function `run(&[u8])` that panics when something does not hold;
//! what has to hold stands at the top of the module. The entry points in `src/bin` hand libFuzzer's
//! inputs to them; `tests/corpus.rs` runs the committed inputs without it. `docs/fuzzing.md` says
//! how to run a target, add one, and repeat a finding. No other crate depends on this one.

pub mod boot;
pub mod ddi;
pub mod forge;
pub mod identity;
pub mod image;
pub mod input;
pub mod layouts;
pub mod ram;
pub mod record;
pub mod seeds;
pub mod smp;
pub mod states;

/// A target: its name, what runs an input, and what makes its first inputs.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name, which is also that of its folder in `corpus/`.
    pub name: &'static str,
    /// Runs one input; panics if something does not hold.
    pub run: fn(&[u8]),
    /// Inputs to begin with, with their names.
    pub seeds: fn() -> Vec<(&'static str, Vec<u8>)>,
}

/// Every target; `docs/fuzzing.md` says what else a new one needs.
pub const TARGETS: &[Target] = &[
    Target {
        name: "boot",
        run: boot::run,
        seeds: seeds::boot,
    },
    Target {
        name: "ddi",
        run: ddi::run,
        seeds: seeds::ddi,
    },
    Target {
        name: "identity",
        run: identity::run,
        seeds: seeds::identity,
    },
    Target {
        name: "image",
        run: image::run,
        seeds: seeds::image,
    },
    Target {
        name: "record",
        run: record::run,
        seeds: seeds::record,
    },
    Target {
        name: "smp",
        run: smp::run,
        seeds: seeds::smp,
    },
];
