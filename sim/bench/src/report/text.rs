//! The words of the report.

use otaru_sim::Tear;

/// What a tear leaves behind.
pub(super) const fn tear(tear: Tear) -> &'static str {
    match tear {
        Tear::Before => {
            "Nothing happened: the cut between two operations, and the only one that most simulators know."
        }
        Tear::After => "Everything happened, but nobody was told.",
        Tear::Touched => {
            "Reads as if nothing had happened, for ever; but the units are no longer fresh, and programming them again is a misuse."
        }
        Tear::Bits => {
            "A random subset of the bits changed, for good. With ECC each unit is old, new or unreadable."
        }
        Tear::Prefix => {
            "Everything up to a random unit happened, nothing behind it; that unit reads differently each time."
        }
        Tear::Flicker => {
            "Every bit reads differently each time. With ECC so does every unit, or it fails to read."
        }
        Tear::Boots => "Every bit reads differently at each boot.",
        Tear::Seen => "The next boot sees everything done, the one after it nothing, and so on.",
        Tear::Unseen => "The next boot sees nothing done, the one after it everything, and so on.",
        Tear::SeenLong => "Two boots see everything done, the next two nothing, and so on.",
        Tear::UnseenLong => "Two boots see nothing done, the next two everything, and so on.",
    }
}

/// What is checked at every boot and at the end.
pub(super) const PROMISES: &[&str] = &[
    "What is started is the old image or the new one, bit for bit, every bit of it solid; never a mixed one.",
    "At every boot a complete copy of the confirmed image exists, every bit of it solid.",
    "An image that did not confirm itself does not stay; one that did is not lost.",
    "The floor of the security counter never falls.",
    "No more trials are started than were allowed.",
    "A step of copying that is marked as done is never done again.",
    "The record is never lost, and no boot ends in recovery: some image always starts.",
    "When nothing is left to do, booting again changes nothing (one boot may have to write the state in force a second time).",
    "An update that is not cut succeeds.",
    "No rule of the flash is broken: a unit is programmed once between two erases, or overwritten with the inverse of the erased value where the part allows that; everything is aligned and inside its area.",
    "The device comes to rest: no more than 80 boots in a row.",
];

/// How the figures of the comparison came about.
pub(super) const MEASURED: &[&str] = &[
    "Both bootloaders run unmodified over the same simulated flash with pages of 4 KiB, with a copy buffer of 4096 bytes each, and with the same two images. Ours verifies signatures in both; embassy-boot moves bytes.",
    "Install is everything from the request to the first boot into the new image, that boot included; revert is everything from there to the boot into the old image. The download is not counted.",
    "n is the number of chunks of the image, d\u{b7}n of those that differ (at least two: the first holds the version, the last the signature), N the pages of the partition. embassy-boot exchanges whole partitions whatever stands in them, so it stands there once with N = n and once with N = 1.5 n. Ours does not depend on the length of the slot.",
    "Erases are sectors; behind the plus sign, sectors of the state partition or of the record. Programs are calls; counts are those of the part with 4-byte units.",
    "Time is modelled: typical erase, program and read times of the data sheets, multiplied. It leaves out the CPU: our hashes and signature checks take their own time. A serial flash is charged per page of 256 bytes.",
    "embassy-boot verifies nothing at boot: whoever asks for the exchange has to have verified the image, and what stands in the partition afterwards is started. It reads less for that reason. Ours verifies both images before it changes anything and the result afterwards.",
    "In mode standby the device once in its life copies the running image into a storage slot (n erases), or has it written there by cable. That is not counted.",
];

/// How failures were counted.
pub(super) const FAILED: &[&str] = &[
    "Three chunks of 512 bytes, 8-byte units, two endings: the new firmware confirms itself, or hangs. Every operation of the whole update is cut in every way of the row, and in the life that follows every operation once more.",
    "A state counts as failed if a mixed image is started from it, an image that never confirmed stays, a confirmed one is lost, or nothing ever comes to rest.",
    "The firmware over embassy-boot is as careful as the interface allows: it asks for the exchange only when the whole image was written, confirms at every start, and tries again after every error.",
    "Clean cuts, the row before, are what embassy-boot is made for, and there it does no harm where a unit may be overwritten with zeros. It does overwrite one, so on flash that takes each unit once, as the trait it builds on demands, one clean cut in a confirm or a revert makes every later boot fail.",
];

/// What happens in a scenario.
pub(super) fn scenario(name: &str) -> &'static str {
    match name {
        "confirm" => "an update that confirms itself",
        "hang" => "the new firmware hangs, the bootloader reverts",
        "refuse" => "the new firmware gives itself up",
        "cancel" => "withdrawn once it is parked",
        "replace" => "a newer update comes while one is parked",
        "retry" => "the third start of the trial is the one that works",
        "second" => "the second update, when slots have changed their parts",
        "second-hang" => "the same, reverted",
        "after-revert" => "an update after one that was reverted",
        "heal" => "the execution slot goes bad and is restored",
        "worn" => "an install that has to be given up in the middle",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_is_explained() {
        for scenario in otaru_sim::SCENARIOS {
            assert!(
                !super::scenario(scenario.name).is_empty(),
                "{}",
                scenario.name
            );
        }
    }
}
