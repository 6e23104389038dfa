//! Cut points of one recorded run: QEMU writes down every change of the flash in order, and the machine
//! boots from the flash as it was between two of them, or with the next one torn.
//!
//! Unlike a killed process this does not depend on the host's scheduler: the seed repeats it exactly. A
//! torn change leaves any subset of the bits that would have changed, which QEMU's own flash never does.
// A24–A33, A60
#![expect(clippy::print_stdout, reason = "what was survived")]

use crate::cuts::{Story, install, number, revert, seed};
use crate::harness::Snapshot;
use otaru_lsp_project::Mode;
use otaru_sim_flash::Rng;
use std::path::Path;

/// Cut points per story, unless `OTARU_QEMU_CUTS` says otherwise; as many as there are changes means
/// all of them.
const POINTS: u64 = 15;
/// Sectors of QEMU's log.
const SECTOR: usize = 512;
/// First bytes of the log: `0x006a736677736872`.
const MAGIC: u64 = 0x006A_7366_7773_6872;

/// One change of the flash.
struct Change {
    offset: usize,
    bytes: Vec<u8>,
}

/// The changes that a log holds, in order: a header, then an entry of one sector before the bytes of
/// each.
fn changes(log: &Path) -> Vec<Change> {
    let log = std::fs::read(log).expect("the log");
    let number = |at: usize| u64::from_le_bytes(log[at..at + 8].try_into().expect("8 bytes"));
    let small = |at: usize| usize::try_from(number(at)).expect("small");
    assert_eq!(number(0), MAGIC);
    let mut at = SECTOR;
    let mut changes = Vec::new();
    for _ in 0..number(16) {
        let (offset, len) = (small(at) * SECTOR, small(at + 8) * SECTOR);
        at += SECTOR;
        if len > 0 {
            let bytes = log[at..at + len].to_vec();
            changes.push(Change { offset, bytes });
        }
        at += len;
    }
    changes
}

impl Snapshot {
    /// Makes a change; whether anything is different afterwards. With a source of chance only a part of
    /// the bits changes.
    fn apply(&mut self, change: &Change, mut torn: Option<&mut Rng>) -> bool {
        let (start, bytes) = self
            .0
            .iter_mut()
            .find(|(start, bytes)| {
                let start = *start as usize;
                (start..start + bytes.len()).contains(&change.offset)
            })
            .expect("the bootloader writes inside areas only");
        let place = &mut bytes[change.offset - *start as usize..][..change.bytes.len()];
        let differs = place != change.bytes;
        for (old, new) in place.iter_mut().zip(&change.bytes) {
            let chosen = torn.as_mut().map_or(0xFF, |rng| rng.byte());
            *old ^= (*old ^ new) & chosen;
        }
        differs
    }
}

impl Story {
    fn replay(&self) {
        let mut rng = Rng::new(seed());
        self.machine.restore(&self.start);
        let (mut running, log) = self.machine.power_on_recorded();
        running.wait(self.to);
        running.quit();
        let changes = changes(&log);
        let count = u64::try_from(changes.len()).expect("few");
        let points = number("OTARU_QEMU_CUTS").unwrap_or(POINTS);
        let (mut clean, mut torn, mut kept) = (0, 0, 0);
        let mut now = Snapshot(self.start.0.clone());
        for change in &changes {
            let mut next = Snapshot(now.0.clone());
            let differs = next.apply(change, None);
            if differs && rng.below(count) < points {
                let with_tear = rng.below(2) == 0;
                if with_tear {
                    now.apply(change, Some(&mut rng));
                    torn += 1;
                } else {
                    clean += 1;
                }
                self.machine.restore(&now);
                self.check(&[self.last_boot()]);
                kept += u32::from(self.machine.executes(&self.new));
            }
            now = next;
        }
        self.machine.restore(&now);
        let last = self.last_boot();
        self.check(&[running, last]);
        println!(
            "{count} changes, booted before {clean} of them and from {torn} torn ones, {kept} ended \
             with the new image"
        );
    }
}

#[test]
#[ignore = "needs qemu"]
fn recorded_install_survives_every_cut_in_standby() {
    install(Mode::Standby).replay();
}

#[test]
#[ignore = "needs qemu"]
fn recorded_install_survives_every_cut_in_swap() {
    install(Mode::Swap).replay();
}

#[test]
#[ignore = "needs qemu"]
fn recorded_revert_survives_every_cut_in_standby() {
    revert(Mode::Standby).replay();
}

#[test]
#[ignore = "needs qemu"]
fn recorded_revert_survives_every_cut_in_swap() {
    revert(Mode::Swap).replay();
}
