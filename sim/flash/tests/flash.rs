//! The simulated flash keeps its own rules: what it refuses, what a cut leaves, what a fork is.

use otaru_flash::Flash;
use otaru_sim_flash::{Again, Cut, Fault, Misuse, Part, SimFlash, Tear};
use std::cell::Cell;
use std::rc::Rc;

fn part() -> Part {
    Part {
        again: Again::ZeroOnly,
        ..Part::uniform(4096, 512, 8)
    }
}

fn flash(part: Part) -> SimFlash {
    SimFlash::new(part, 1)
}

fn read(flash: &mut SimFlash, at: u32) -> [u8; 8] {
    let mut buf = [0; 8];
    flash.read(at, &mut buf).expect("it reads");
    buf
}

/// A program of a pattern at 512 that is cut, and the power back on.
fn torn(part: Part, tear: Tear) -> SimFlash {
    let mut flash = flash(part);
    flash.plan(Some(Cut { after: 0, tear }));
    assert_eq!(flash.program(512, &[0x0F; 64]), Err(Fault::PowerCut));
    assert!(flash.is_off());
    assert_eq!(flash.read(0, &mut [0; 8]), Err(Fault::PowerCut));
    flash.power_on();
    flash
}

#[test]
fn misuse_is_refused_and_remembered() {
    type Operation = fn(&mut SimFlash) -> Result<(), Fault>;
    let cases: [(Operation, Misuse); 5] = [
        (|f| f.program(4, &[0; 8]), Misuse::Unaligned(4)),
        (|f| f.program(0, &[0; 4]), Misuse::Unaligned(0)),
        (|f| f.erase(0, 100), Misuse::Unaligned(0)),
        (|f| f.read(4090, &mut [0; 8]), Misuse::OutOfBounds(4090)),
        (|f| f.program(4096, &[0; 8]), Misuse::OutOfBounds(4096)),
    ];
    for (operation, misuse) in cases {
        let mut flash = flash(part());
        assert_eq!(operation(&mut flash), Err(Fault::Misuse));
        assert_eq!(flash.misuse(), Some(misuse));
    }
}

#[test]
fn unit_is_programmed_once_and_may_be_overwritten_with_zeros_only_where_the_part_says_so() {
    for (again, other, zeros) in [
        (Again::ZeroOnly, Err(Fault::Misuse), Ok(())),
        (Again::Refused, Err(Fault::Refused), Err(Fault::Refused)),
        (Again::Garbled, Ok(()), Ok(())),
    ] {
        let mut flash = flash(Part { again, ..part() });
        flash.program(0, &[0x0F; 8]).expect("fresh");
        assert_eq!(flash.program(0, &[0; 8]), zeros, "{again:?}");
        assert_eq!(flash.program(0, &[0x0F; 8]), other, "{again:?}");
        flash.erase(0, 512).expect("erases");
        flash.program(0, &[0x0F; 8]).expect("fresh again");
    }
}

#[test]
fn cut_program_changes_only_bits_that_it_would_have_changed() {
    for tear in Tear::ALL {
        let mut flash = torn(part(), tear);
        for _ in 0..8 {
            for at in (0..4096).step_by(8) {
                let allowed = if (512..576).contains(&at) { 0xF0 } else { 0 };
                for byte in read(&mut flash, at) {
                    assert_eq!(!byte & !allowed, 0, "{tear:?} at {at:#x}: {byte:#x}");
                }
            }
            flash.power_on();
        }
    }
}

#[test]
fn tears_read_as_they_promise() {
    let seen = |tear| {
        let mut flash = torn(part(), tear);
        [(); 5].map(|()| {
            let bytes = read(&mut flash, 520);
            flash.power_on();
            bytes
        })
    };
    let (done, undone) = ([0x0F; 8], [0xFF; 8]);
    assert_eq!(seen(Tear::Before), [undone; 5]);
    assert_eq!(seen(Tear::Touched), [undone; 5]);
    assert_eq!(seen(Tear::After), [done; 5]);
    assert_eq!(seen(Tear::Seen), [done, undone, done, undone, done]);
    assert_eq!(seen(Tear::Unseen), [undone, done, undone, done, undone]);
    assert_eq!(seen(Tear::SeenLong), [done, done, undone, undone, done]);
    let bits = seen(Tear::Bits);
    assert_eq!(bits, [bits[0]; 5]);
    let boots = seen(Tear::Boots);
    assert_ne!(boots, [boots[0]; 5]);
    let mut flickers = torn(part(), Tear::Flicker);
    let readings = [(); 5].map(|()| read(&mut flickers, 520));
    assert_ne!(readings, [readings[0]; 5]);
}

#[test]
fn only_an_untouched_unit_is_fresh_after_a_cut() {
    for tear in Tear::ALL {
        let mut flash = torn(part(), tear);
        let again = flash.program(512, &[0x33; 64]);
        assert_eq!(again.is_ok(), tear == Tear::Before, "{tear:?}");
        let mut flash = torn(part(), tear);
        flash.program(512, &[0; 64]).expect("overwritten");
        assert_eq!(read(&mut flash, 520), [0; 8], "{tear:?}");
        assert!(flash.holds(512, &[0; 64]), "solid after {tear:?}");
    }
}

#[test]
fn ecc_reads_a_torn_unit_as_old_as_new_or_not_at_all() {
    let mut refused = 0;
    for tear in Tear::ALL {
        let mut flash = torn(part().with_ecc(), tear);
        for unit in 0..8 {
            let mut buf = [0; 8];
            match flash.read(512 + 8 * unit, &mut buf) {
                Ok(()) => assert!(buf == [0xFF; 8] || buf == [0x0F; 8], "{tear:?}: {buf:?}"),
                Err(fault) => {
                    assert_eq!(fault, Fault::Unreadable);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn erase_is_torn_sector_by_sector_where_sectors_are_unequal() {
    let part = Part::uniform(1024, 512, 8).with_unequal_sectors();
    assert_eq!(part.sectors, [128, 256, 128, 128, 256, 128]);
    let mut flash = flash(part);
    flash.program(0, &[0; 512]).expect("fresh");
    let cut = Cut {
        after: 2,
        tear: Tear::Before,
    };
    flash.plan(Some(cut));
    assert_eq!(flash.erase(0, 512), Err(Fault::PowerCut));
    flash.power_on();
    assert!(flash.holds(0, &[0xFF; 384]));
    assert!(flash.holds(384, &[0; 128]));
    assert_eq!(flash.counters().erases, 2);
}

#[test]
fn what_is_not_solid_does_not_count_as_held() {
    for tear in [Tear::Flicker, Tear::Boots, Tear::Seen, Tear::Unseen] {
        let flash = torn(part(), tear);
        assert!(!flash.holds(512, &[0x0F; 64]), "{tear:?}");
        assert!(!flash.holds(512, &[0xFF; 64]), "{tear:?}");
    }
}

#[test]
fn fork_is_what_the_same_cut_leaves() {
    let work = |flash: &mut SimFlash| -> Result<(), Fault> {
        flash.program(512, &[0x0F; 64])?;
        flash.erase(512, 1024)?;
        flash.program(600, &[0x33; 8])
    };
    for ecc in [false, true] {
        let part = Part { ecc, ..part() };
        let mut forking = flash(part.clone());
        let tears = Rc::new(Tear::ALL.to_vec());
        forking.fork_at_every_operation(&tears, Rc::new(Cell::new(0)));
        work(&mut forking).expect("nothing is cut");
        let forks = forking.take_forks();
        assert_eq!(
            forks.len(),
            4 * Tear::ALL.len(),
            "a program, two sectors, a program"
        );
        for fork in forks {
            let mut cut = flash(part.clone());
            cut.plan(Some(fork.cut));
            assert_eq!(work(&mut cut), Err(Fault::PowerCut));
            assert_eq!(cut.fingerprint(), fork.flash.fingerprint(), "{}", fork.cut);
        }
    }
}

#[test]
fn cuts_are_written_and_read_back() {
    for tear in Tear::ALL {
        let cut = Cut { after: 17, tear };
        assert_eq!(cut.to_string().parse(), Ok(cut));
    }
    for wrong in ["", "3", "x:bits", "3:gone"] {
        assert!(wrong.parse::<Cut>().is_err(), "{wrong}");
    }
}

#[test]
fn bad_and_worn_places_fail_and_wear_is_counted() {
    let mut flash = flash(part());
    flash.make_unreadable(1000, 8);
    assert_eq!(flash.read(992, &mut [0; 16]), Err(Fault::Unreadable));
    flash.read(1008, &mut [0; 16]).expect("beside it");
    flash.wear_out(1024, 512);
    assert_eq!(flash.erase(1024, 512), Err(Fault::Worn));
    assert_eq!(flash.program(1024, &[0; 8]), Err(Fault::Worn));
    flash.erase(0, 1024).expect("erases");
    flash.erase(0, 512).expect("erases");
    assert_eq!(flash.wear_max(0, 4096), 2);
    assert_eq!(flash.erases_in(0, 4096), 3);
    // Page erase of 85 ms for 4 KiB, three times 512 bytes, and 16 bytes read at 8 ns.
    assert_eq!(flash.counters().nanos / 1000, 3 * 85_000 / 8);
}
