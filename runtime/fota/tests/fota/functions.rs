//! Each function of the fota module on its own.
// B2 B3 B5 B11 B12 B13 B14 B15 B16 B27 B28 B29 B36 B37 B38 B39 B41 B43 … B58 B60 … B63

use crate::world::{Device, Shape, fill, image};
use otaru_runtime_fota::{Checksums, Fota, FotaError, FotaRecord, NewRecord, NoFota, SlotRequest};
use otaru_sim_flash::SimFlash;
use otaru_slots::{Config, LayoutKind, SlotKind};
use proptest::prelude::*;

const FLASH: u32 = 0x0800_0000;
const HOME: Config = Config { vm: 0, bytecode: 0 };
const TO_1: SlotRequest = SlotRequest { bytecode: 1, vm: 0 };
const BOTH: SlotRequest = SlotRequest { bytecode: 1, vm: 1 };

fn device(kind: LayoutKind) -> Device {
    Device::new(Shape::plain(kind), HOME, &[])
}

fn bytecode_device() -> Device {
    device(LayoutKind::Bytecode)
}

fn bytecode(version: u8) -> &'static [u8] {
    image(SlotKind::Bytecode, version)
}

/// Everything that stands in the flash.
fn content(flash: &mut SimFlash) -> Vec<u8> {
    let mut bytes = vec![0; flash.part().len() as usize];
    otaru_flash::Flash::read(flash, 0, &mut bytes).unwrap();
    bytes
}

/// Brings the device on trial with bytecode 2 in slot 1.
fn tried(device: &mut Device) {
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        fota.attempt(TO_1).unwrap();
    });
    device.reset(otaru_slots::ResetCause::Plain);
}

#[test]
fn without_the_engine_every_function_is_unsupported() {
    // B2 B3
    let fota: &mut dyn Fota = &mut NoFota;
    let unsupported = FotaError::Unsupported;
    let new = NewRecord {
        current_vm: 0,
        working_vm: 0,
        current_bytecode: 1,
        working_bytecode: 0,
    };
    assert_eq!(fota.get_record(), Err(unsupported));
    assert_eq!(fota.set_record(new), Err(unsupported));
    assert_eq!(fota.find_bytecode_slot(), Err(unsupported));
    assert_eq!(fota.find_vm_slot(), Err(unsupported));
    assert_eq!(fota.erase_slot(0, 64), Err(unsupported));
    assert_eq!(fota.write_slot(0, &[1]), Err(unsupported));
    assert_eq!(fota.checksum_slot(0, 64), Err(unsupported));
    assert_eq!(fota.close_slot(0), Err(unsupported));
    assert_eq!(fota.attempt(TO_1), Err(unsupported));
    assert_eq!(fota.accept(), Err(unsupported));
    assert_eq!(fota.restart(), Err(unsupported));
}

#[test]
fn error_numbers_are_stable() {
    let codes: Vec<u8> = FotaError::ALL.iter().map(|error| error.code()).collect();
    assert_eq!(codes, (1..=12).collect::<Vec<u8>>());
    for error in FotaError::ALL {
        assert_eq!(FotaError::from_code(error.code()), Some(error));
    }
    assert_eq!(
        (FotaError::from_code(0), FotaError::from_code(13)),
        (None, None)
    );
    assert_eq!(FotaError::NotClosed.code(), 6);
    assert_eq!(FotaError::Record.code(), 12);
}

#[test]
fn a_healthy_record_has_nine_integers_in_their_order() {
    // B11 B27 B29 B30 … B36
    let mut device = bytecode_device();
    let record = device.session(|fota| fota.get_record().unwrap());
    let layout = device.layout;
    let expected = [
        1,
        0,
        0,
        0,
        0,
        0,
        FLASH + layout.bytecode[0].offset,
        FLASH + layout.vm[0].offset,
        64,
    ];
    assert_eq!(record.as_tuple(), expected);
    assert!(record.is_healthy());
}

#[test]
fn on_trial_the_current_bytecode_runs_and_the_former_works() {
    // B37
    let mut device = bytecode_device();
    tried(&mut device);
    let address = FLASH + device.layout.bytecode[1].offset;
    let (before, after): (FotaRecord, FotaRecord) = device.session(|fota| {
        let before = fota.get_record().unwrap();
        fota.accept().unwrap();
        (before, fota.get_record().unwrap())
    });
    assert_eq!((before.current_bytecode, before.working_bytecode), (1, 0));
    assert_eq!(
        (before.bytecode_address, before.is_healthy()),
        (address, false)
    );
    assert_eq!((after.current_bytecode, after.working_bytecode), (1, 1));
    assert!(after.is_healthy());
}

#[test]
fn the_next_slot_is_never_the_running_one() {
    // B12 B44 B45 B46
    for kind in [LayoutKind::Bytecode, LayoutKind::VmBytecode] {
        let mut device = device(kind);
        let layout = device.layout;
        device.session(|fota| {
            let record = fota.get_record().unwrap();
            let vm = match kind {
                LayoutKind::Bytecode => record.vm_address,
                LayoutKind::VmBytecode => FLASH + layout.vm[1].offset,
            };
            assert_eq!(fota.find_vm_slot(), Ok(vm));
            let next = FLASH + layout.bytecode[1].offset;
            assert_eq!(fota.find_bytecode_slot(), Ok(next));
            // Nor after an attempt that waits for its restart.
            fill(fota, next, bytecode(2)).unwrap();
            fota.attempt(TO_1).unwrap();
            assert_eq!(fota.find_bytecode_slot(), Ok(next));
            assert_eq!(fota.find_vm_slot(), Ok(vm));
            assert_eq!(fota.get_record().unwrap().current_bytecode, 1);
        });
    }
}

#[test]
fn erasing_is_widened_to_sectors_and_stays_in_the_slot() {
    // B13 B47
    let mut device = bytecode_device();
    let slot = device.layout.bytecode[1];
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fota.erase_slot(address, slot.len).unwrap();
        fota.write_slot(address, &vec![0x11; slot.len as usize])
            .unwrap();
        fota.erase_slot(address + 70, 1).unwrap();
    });
    let bytes = content(&mut device.flash);
    let (from, len) = (slot.offset as usize, slot.len as usize);
    assert!(bytes[from..from + 64].iter().all(|&byte| byte == 0x11));
    assert!(
        bytes[from + 64..from + 128]
            .iter()
            .all(|&byte| byte == 0xFF)
    );
    assert!(
        bytes[from + 128..from + len]
            .iter()
            .all(|&byte| byte == 0x11)
    );
}

#[test]
fn what_runs_cannot_be_erased_or_written() {
    // B48 B52
    let mut device = device(LayoutKind::VmBytecode);
    let layout = device.layout;
    let before = content(&mut device.flash);
    device.session(|fota| {
        for area in [layout.vm[0], layout.bytecode[0]] {
            let address = FLASH + area.offset;
            assert_eq!(fota.erase_slot(address, 1), Err(FotaError::Protected));
            assert_eq!(fota.write_slot(address, &[0]), Err(FotaError::Protected));
            assert_eq!(fota.close_slot(address), Err(FotaError::Protected));
        }
    });
    assert_eq!(content(&mut device.flash), before);
}

#[test]
fn on_trial_the_way_back_cannot_be_erased() {
    // B19
    let mut device = bytecode_device();
    tried(&mut device);
    device.session(|fota| {
        let other = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.erase_slot(other, 1), Err(FotaError::Protected));
        fota.accept().unwrap();
        assert_eq!(fota.erase_slot(other, 1), Ok(()));
    });
}

#[test]
fn ranges_outside_one_slot_are_refused_and_nothing_is_written() {
    // B47 B52
    let mut device = bytecode_device();
    let layout = device.layout;
    let before = content(&mut device.flash);
    let end = FLASH + layout.bytecode[1].end().unwrap();
    let record = FLASH + layout.area(otaru_slots::SlotArea::Record).offset;
    let outside = Err(FotaError::OutsideSlot);
    device.session(|fota| {
        for (address, len) in [
            (0, 1),
            (FLASH - 1, 1),
            (FLASH, 1),
            (record, 64),
            (end - 4, 5),
            (end, 0),
            (end, 1),
            (u32::MAX, u32::MAX),
            (FLASH + layout.bytecode[1].offset, u32::MAX),
        ] {
            assert_eq!(fota.erase_slot(address, len), outside, "{address:x}+{len}");
            assert_eq!(fota.checksum_slot(address, len).map(|_| ()), outside);
        }
        assert_eq!(fota.write_slot(end - 4, &[0; 5]), outside);
        assert_eq!(fota.write_slot(record, &[0; 8]), outside);
        assert_eq!(fota.close_slot(end), outside);
    });
    assert_eq!(content(&mut device.flash), before);
}

#[test]
fn a_slot_is_written_only_where_this_boot_erased_it() {
    // B54
    let mut device = bytecode_device();
    let not_erased = Err(FotaError::NotErased);
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.write_slot(address, &[1]), not_erased);
        fota.erase_slot(address, 64).unwrap();
        assert_eq!(fota.write_slot(address + 60, &[1; 5]), not_erased);
        fota.write_slot(address, &[1; 16]).unwrap();
        // The same again is no harm (B51), something else is told at once.
        assert_eq!(fota.write_slot(address, &[1; 16]), Ok(()));
        assert_eq!(fota.write_slot(address + 8, &[1; 3]), Ok(()));
        assert_eq!(fota.write_slot(address + 8, &[3; 8]), not_erased);
        assert_eq!(fota.write_slot(address + 9, &[3; 2]), not_erased);
        fota.close_slot(address).unwrap_err();
    });
    device.reset(otaru_slots::ResetCause::Plain);
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.write_slot(address + 32, &[1; 8]), not_erased);
    });
}

#[test]
fn an_image_that_another_boot_wrote_is_not_closed() {
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
    });
    device.reset(otaru_slots::ResetCause::Plain);
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.attempt(TO_1), Err(FotaError::NotClosed));
        assert_eq!(fota.close_slot(address), Err(FotaError::NotErased));
    });
}

fn sums(bytes: &[u8]) -> Checksums {
    use md5::Digest as _;
    Checksums {
        md5: md5::Md5::digest(bytes).into(),
        sha256: sha2::Sha256::digest(bytes).into(),
    }
}

#[test]
fn checksums_are_those_of_the_stored_bytes() {
    // B15 B55; the values for no bytes are those of RFC 1321 and FIPS 180
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        let empty = fota.checksum_slot(address, 0).unwrap();
        assert_eq!(empty.md5[..4], [0xd4, 0x1d, 0x8c, 0xd9]);
        assert_eq!(empty.sha256[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        fota.erase_slot(address, 192).unwrap();
        fota.write_slot(address, bytecode(2)).unwrap();
        // 88 bytes, and 83 of them from an odd place; what is not programmed yet counts too.
        assert_eq!(fota.checksum_slot(address, 88), Ok(sums(bytecode(2))));
        assert_eq!(
            fota.checksum_slot(address + 5, 83),
            Ok(sums(&bytecode(2)[5..]))
        );
        fota.write_slot(address + 88, &[7; 3]).unwrap();
        let mut all = bytecode(2).to_vec();
        all.extend([7, 7, 7, 0xFF]);
        assert_eq!(fota.checksum_slot(address, 92), Ok(sums(&all)));
    });
}

#[test]
fn closing_refuses_what_is_no_image_and_a_write_opens_the_slot_again() {
    // B23 B56 B63
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.attempt(TO_1), Err(FotaError::NotClosed));
        fota.erase_slot(address, 192).unwrap();
        assert_eq!(fota.close_slot(address), Err(FotaError::BadImage));
        fota.write_slot(address, bytecode(2)).unwrap();
        assert_eq!(fota.attempt(TO_1), Err(FotaError::NotClosed));
        assert_eq!(fota.close_slot(address + 3), Ok(()));
        assert_eq!(fota.close_slot(address), Ok(()));
        fota.write_slot(address + 100, &[1]).unwrap();
        assert_eq!(fota.attempt(TO_1), Err(FotaError::NotClosed));
        fota.close_slot(address).unwrap();
        assert_eq!(fota.attempt(TO_1), Ok(()));
    });
}

#[test]
fn an_attempt_changes_nothing_but_the_record() {
    // B16 B41 B61
    let mut device = bytecode_device();
    let slots = 3 * 2048..;
    let (before, after, record) = device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        let before = content(fota.flash());
        fota.attempt(TO_1).unwrap();
        (before, content(fota.flash()), fota.get_record().unwrap())
    });
    assert_eq!(before[slots.clone()], after[slots]);
    assert_ne!(before, after);
    assert_eq!((record.current_bytecode, record.working_bytecode), (1, 0));
    assert_eq!(record.running_vm, 0);
}

#[test]
fn attempts_that_make_no_sense_are_refused() {
    // B5 B43 B63
    let mut device = bytecode_device();
    device.session(|fota| {
        let attempt = |fota: &mut crate::world::Module<'_>, bytecode, vm| {
            fota.attempt(SlotRequest { bytecode, vm })
        };
        assert_eq!(attempt(fota, 0, 0), Err(FotaError::AlreadyRunning));
        for (bytecode, vm) in [(2, 0), (0, 1), (1, 1), (255, 255)] {
            assert_eq!(attempt(fota, bytecode, vm), Err(FotaError::NoSuchSlot));
        }
    });
    tried(&mut device);
    device.session(|fota| {
        let back = SlotRequest { bytecode: 0, vm: 0 };
        assert_eq!(fota.attempt(back), Err(FotaError::OnTrial));
    });
}

#[test]
fn of_two_attempts_the_last_one_counts() {
    // B62
    let mut device = device(LayoutKind::VmBytecode);
    device.session(|fota| {
        let (bytecode_at, vm_at) = (
            fota.find_bytecode_slot().unwrap(),
            fota.find_vm_slot().unwrap(),
        );
        fill(fota, bytecode_at, bytecode(2)).unwrap();
        fill(fota, vm_at, image(SlotKind::Vm, 2)).unwrap();
        fota.attempt(BOTH).unwrap();
        fota.attempt(TO_1).unwrap();
    });
    device.reset(otaru_slots::ResetCause::Plain);
    let run = device.session(|fota| fota.run());
    assert_eq!(
        (run.config, run.trial),
        (Config { vm: 0, bytecode: 1 }, true)
    );
}

#[test]
fn erasing_the_slot_of_an_attempt_withdraws_it() {
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        fota.attempt(TO_1).unwrap();
        fota.erase_slot(address, 1).unwrap();
        assert!(fota.get_record().unwrap().is_healthy());
    });
    device.reset(otaru_slots::ResetCause::Plain);
    assert!(!device.session(|fota| fota.run().trial));
}

#[test]
fn accepting_what_works_already_writes_nothing() {
    // B58 B60
    let mut device = bytecode_device();
    tried(&mut device);
    device.session(|fota| {
        fota.accept().unwrap();
        let operations = fota.flash().operations();
        fota.accept().unwrap();
        assert_eq!(fota.flash().operations(), operations);
    });
}

#[test]
fn an_accept_does_not_accept_what_was_never_started() {
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        fota.attempt(TO_1).unwrap();
        fota.accept().unwrap();
        let record = fota.get_record().unwrap();
        assert_eq!((record.current_bytecode, record.working_bytecode), (1, 0));
    });
}

fn set(current: u8, working: u8) -> NewRecord {
    NewRecord {
        current_vm: 0,
        working_vm: 0,
        current_bytecode: current,
        working_bytecode: working,
    }
}

#[test]
fn set_record_attempts_withdraws_and_accepts() {
    // B38 B40 B41
    let mut device = bytecode_device();
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.set_record(set(1, 0)), Err(FotaError::NotClosed));
        fill(fota, address, bytecode(2)).unwrap();
        fota.set_record(set(1, 0)).unwrap();
        assert_eq!(fota.get_record().unwrap().current_bytecode, 1);
        fota.set_record(set(0, 0)).unwrap();
        assert!(fota.get_record().unwrap().is_healthy());
        fota.set_record(set(1, 0)).unwrap();
    });
    device.reset(otaru_slots::ResetCause::Plain);
    device.session(|fota| {
        let before = fota.get_record().unwrap();
        assert_eq!((before.current_bytecode, before.working_bytecode), (1, 0));
        fota.set_record(set(1, 1)).unwrap();
        assert!(fota.get_record().unwrap().is_healthy());
    });
    device.reset(otaru_slots::ResetCause::Plain);
    assert_eq!(device.session(|fota| fota.run().config.bytecode), 1);
}

#[test]
fn set_record_refuses_what_does_not_exist_or_never_worked() {
    // B39 B43
    let mut device = bytecode_device();
    device.session(|fota| {
        let before = fota.get_record().unwrap();
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        assert_eq!(fota.set_record(set(1, 1)), Err(FotaError::NotProven));
        assert_eq!(fota.set_record(set(0, 1)), Err(FotaError::NotProven));
        assert_eq!(fota.set_record(set(2, 0)), Err(FotaError::NoSuchSlot));
        assert_eq!(fota.set_record(set(0, 9)), Err(FotaError::NoSuchSlot));
        assert_eq!(fota.get_record().unwrap(), before);
    });
}

#[test]
fn a_lost_record_is_invalid_until_an_accept_and_the_default_runs() {
    // B8 B28
    for shape in [
        Shape::plain(LayoutKind::Bytecode),
        Shape::volatile(LayoutKind::Bytecode),
    ] {
        let mut device = Device::new(shape, HOME, &[]);
        let record = device.layout.area(otaru_slots::SlotArea::Record);
        for at in (0..record.len).step_by(8) {
            device.flash.corrupt(record.offset + at, 0x10);
        }
        device.power_on(true);
        device.session(|fota| {
            let lost = fota.get_record().unwrap();
            assert_eq!(lost.as_tuple()[..6], [0; 6]);
            assert_eq!(lost.chunk_len, 64);
            fota.accept().unwrap();
            assert!(fota.get_record().unwrap().is_healthy());
        });
        device.reset(otaru_slots::ResetCause::Plain);
        assert!(device.session(|fota| fota.get_record().unwrap().is_healthy()));
    }
}

#[test]
fn a_worn_out_record_ends_in_an_error_and_starts_nothing_untried() {
    // B40
    let mut device = bytecode_device();
    let record = device.layout.area(otaru_slots::SlotArea::Record);
    device.session(|fota| {
        let address = fota.find_bytecode_slot().unwrap();
        fill(fota, address, bytecode(2)).unwrap();
        fota.attempt(TO_1).unwrap();
    });
    device.flash.wear_out(record.offset, record.len);
    device.reset(otaru_slots::ResetCause::Plain);
    device.session(|fota| {
        assert_eq!(fota.run().config, HOME);
        assert!(!fota.run().trial);
        assert!(!fota.get_record().unwrap().valid);
        assert_eq!(fota.attempt(TO_1), Err(FotaError::NotClosed));
        assert_eq!(fota.accept(), Err(FotaError::Record));
        let other = fota.find_bytecode_slot().unwrap();
        assert_eq!(fota.erase_slot(other, 1), Err(FotaError::Record));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// B49 B50 B51 B53: whatever the lengths, and in whichever order whole pieces come, the slot reads
    /// back what was written, and no unit is programmed twice.
    #[test]
    fn blocks_of_any_length_read_back(
        lengths in prop::collection::vec(1_usize..40, 1..20),
        unit in prop::sample::select(vec![1_u16, 4, 8, 64]),
        erased in prop::sample::select(vec![0_u8, 0xFF]),
        reverse: bool,
    ) {
        let shape = Shape { write_unit: unit, erased, ..Shape::plain(LayoutKind::Bytecode) };
        let mut device = Device::new(shape, HOME, &[]);
        let slot_len = device.layout.bytecode[1].len as usize;
        let data: Vec<u8> = (0..slot_len).map(|at| (at * 31 % 251) as u8).collect();
        let mut pieces = Vec::new();
        let mut at = 0;
        for length in lengths {
            let length = if reverse { length.next_multiple_of(usize::from(unit)) } else { length };
            let end = (at + length).min(slot_len);
            pieces.push(at..end);
            at = end;
        }
        if reverse {
            pieces.reverse();
        }
        let len = u32::try_from(at).unwrap();
        let (stored, sum) = device.session(|fota| {
            let address = fota.find_bytecode_slot().unwrap();
            fota.erase_slot(address, slot_len as u32).unwrap();
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                for _ in 0..2 {
                    fota.write_slot(address + piece.start as u32, &data[piece.clone()]).unwrap();
                }
            }
            let sum = fota.checksum_slot(address, len).unwrap();
            // Closing programs what is left; there is no image.
            assert_eq!(fota.close_slot(address), Err(FotaError::BadImage));
            (fota.checksum_slot(address, len).unwrap(), sum)
        });
        prop_assert_eq!(sum, sums(&data[..at]));
        prop_assert_eq!(stored, sum);
    }
}
