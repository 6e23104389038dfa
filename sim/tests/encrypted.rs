//! Encrypted images: what is copied, what storage holds, what heals, what is refused. Their power cuts
//! are with those of the other images.
// A10 A26 A27, with encrypted images

use otaru_bootloader::{Decision, Start};
use otaru_flash::{Mode, Slot};
use otaru_record::{Backup, Cause, Phase};
use otaru_sim::{Device, Encryption, Images, Scenario, Shape};

const MODES: [Mode; 2] = [Mode::Swap, Mode::Standby];

fn images(mode: Mode, encryption: Encryption) -> Images {
    let layout = Shape::plain(mode, 7).layout();
    // Two thirds of the chunks would be equal if they could be compared.
    Images::encrypted(&layout, &[2600, 2288, 2400], 30, (3, encryption))
}

fn device(mode: Mode, scenario: &str, encryption: Encryption) -> Device {
    let scenario = Scenario::from_name(scenario).expect("it is in the list");
    Device::new(
        &Shape::plain(mode, 7),
        &images(mode, encryption),
        scenario,
        3,
    )
}

fn start(decision: Decision) -> Start {
    match decision {
        Decision::Start(start) => start,
        Decision::Recovery(reason) => panic!("recovery: {reason}"),
    }
}

#[test]
fn every_chunk_is_copied_when_the_new_image_is_encrypted() {
    for mode in MODES {
        for encryption in [Encryption::All, Encryption::Odd] {
            let mut device = device(mode, "confirm", encryption);
            device.run(&[]).expect("the update succeeds");
            let start = start(device.boot());
            let state = start.journal.state();
            let new = device.images().image(1);
            for chunk in 0..device.layout().chunks_of(new.len) {
                assert!(state.differing.contains(chunk), "{mode:?} chunk {chunk}");
            }
        }
    }
}

#[test]
fn storage_holds_the_file_that_was_sent_and_the_execution_slot_plain_text() {
    for encryption in [Encryption::All, Encryption::Odd] {
        let mut device = device(Mode::Standby, "confirm", encryption);
        device.run(&[]).expect("the update succeeds");
        let images = device.images().clone();
        assert_ne!(images.sent(1), images.installed(1));
        assert!(device.holds(1));
        let start = start(device.boot());
        let Backup::Copy(slot) = start.journal.state().backup() else {
            panic!("{:?}", start.journal.state().backup());
        };
        let at = device.layout().slot(slot).offset;
        assert!(device.flash.holds(at, images.sent(1)));
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_a_backup_in_either_form() {
    for encryption in [Encryption::All, Encryption::Odd] {
        let mut standby = device(Mode::Standby, "confirm", encryption);
        standby.run(&[]).expect("the update succeeds");
        standby.corrupt(Slot::Execution, 700);
        start(standby.boot());
        assert!(standby.holds(1));
        // In `swap` the backup is the image before, which a revert has left in plain text.
        let mut swap = device(Mode::Swap, "hang", encryption);
        swap.run(&[]).expect("the update reverts");
        swap.corrupt(Slot::Execution, 700);
        start(swap.boot());
        assert!(swap.holds(0));
    }
}

#[test]
fn lost_record_is_rebuilt_from_an_encrypted_image() {
    for mode in MODES {
        let mut device = device(mode, "confirm", Encryption::All);
        device.run(&[]).expect("the update succeeds");
        device.lose_record();
        let current = start(device.boot()).journal.state().current();
        assert_eq!(current, device.images().image(1));
    }
}

#[test]
fn parked_image_whose_key_was_damaged_is_not_installed() {
    for (mode, slot) in [
        (Mode::Swap, Slot::Storage0),
        (Mode::Standby, Slot::Storage1),
    ] {
        let mut device = device(mode, "confirm", Encryption::Odd);
        device.run_to_request().expect("an install is requested");
        // The encrypted key is the last of the TLVs.
        let len = device.images().image(1).len;
        device.corrupt(slot, len - 1);
        let state = *start(device.boot()).journal.state();
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::DigestMismatch));
        assert!(device.holds(0));
    }
}

#[test]
fn device_without_a_key_refuses_encrypted_images_and_goes_on_running() {
    for mode in MODES {
        let mut device = device(mode, "confirm", Encryption::Odd);
        device.run_to_request().expect("an install is requested");
        device.forget_decryption_key();
        let state = *start(device.boot()).journal.state();
        let ended = (state.phase(), state.outcome().cause);
        assert_eq!(ended, (Phase::Idle, Cause::Unsupported));
        assert!(device.holds(0));
    }
}
