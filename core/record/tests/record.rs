//! The record over a flash in memory: format, order, change of half, handover.
// C25 (newest valid wins, torn entry ignored), C26, A33

use otaru_flash::{Area, Flash, Layout, Mode, Slot};
use otaru_record::{
    Backup, Cause, ChunkSet, Download, Geometry, HANDOVER_LEN_MAX, HandoverError, Image, Journal,
    LoadError, Outcome, Phase, State,
};
use proptest::prelude::*;

struct Ram(Vec<u8>);

impl Flash for Ram {
    type Error = &'static str;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        let start = offset as usize;
        buf.copy_from_slice(self.0.get(start..start + buf.len()).ok_or("outside")?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        for (at, byte) in (offset as usize..).zip(data) {
            self.0[at] &= byte;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.0[offset as usize..(offset + len) as usize].fill(0xFF);
        Ok(())
    }
}

fn layout() -> Layout {
    Layout {
        flash_len: 0x40000,
        write_unit: 8,
        erased: 0xFF,
        overwrite: false,
        mode: Mode::Standby,
        chunk_len: 4096,
        device_block: Area::new(0, 4096, 4096),
        identity: Area::new(0x1000, 8192, 4096),
        record: Area::new(0x3000, 16384, 4096),
        execution: Area::new(0x8000, 0x10000, 4096),
        storage: [
            Area::new(0x18000, 0x10000, 4096),
            Area::new(0x28000, 0x10000, 4096),
        ],
    }
}

fn image(seed: u8) -> Image {
    Image {
        len: 1000 + u32::from(seed),
        digest: [seed; 32],
    }
}

fn created() -> (Ram, Journal) {
    let mut flash = Ram(vec![0xFF; 0x40000]);
    let geometry = Geometry::new(&layout()).expect("fits");
    let journal = Journal::create(&mut flash, geometry, &State::factory(image(1), 3));
    (flash, journal.expect("created"))
}

fn full_state() -> State {
    let mut differing = ChunkSet::default();
    for chunk in [0, 3, 15] {
        differing.insert(chunk);
    }
    let mut state = State::default();
    state.set_phase(Phase::Reverting);
    state.set_step(0x0102);
    state.set_steps_installed(0x0304);
    state.set_current(&image(0x11));
    state.set_other(&image(0x22));
    state.set_slot(Some(Slot::Storage1));
    state.set_backup(Backup::Copy(Slot::Storage0));
    state.set_backup_image(&image(0x33));
    state.set_permuted_len(0x0506_0708);
    state.differing = differing;
    state.set_heals(true);
    state.set_factory_made(true);
    state.set_attempt(0x1112_1314_1516_1718);
    state.set_trials_used(2);
    state.set_trials_allowed(3);
    state.set_deadline_s(300);
    state.set_floor(0x2122_2324);
    state.set_revoked(0x8001);
    state.set_cuts(7);
    state.set_outcome(&Outcome {
        attempt: 0x3132_3334_3536_3738,
        cause: Cause::TrialWatchdog,
        phase: Phase::Trial,
        reported: true,
        cuts: 9,
        chunks: 10,
        millis: 11,
        from: [0x41; 8],
        to: [0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49],
    });
    state
}

#[test]
fn entry_bytes_never_change() {
    let (mut flash, mut journal) = created();
    journal.append(&mut flash, &full_state()).expect("appended");
    journal.mark(&mut flash, 0x0102).expect("marked");
    let half = layout().record.halves()[0];
    let stored = &flash.0[half.offset as usize..][..5 * 208 + 8];
    let golden = include_bytes!("vectors/v1/record.bin");
    assert_eq!(
        stored, golden,
        "the format of released records must stay readable"
    );
}

#[test]
fn every_field_round_trips() {
    let (mut flash, mut journal) = created();
    journal.append(&mut flash, &full_state()).expect("appended");
    let loaded = Journal::load(&mut flash, &layout()).expect("loads");
    assert_eq!(loaded.state(), &full_state());
    assert_eq!(loaded.sequence(), journal.sequence());
}

#[test]
fn execution_slot_is_no_place_for_a_download_or_a_backup() {
    let mut download = State::factory(image(1), 3);
    download.set_slot(Some(Slot::Execution));
    let mut backup = State::factory(image(1), 3);
    backup.set_backup(Backup::Copy(Slot::Execution));
    for state in [download, backup] {
        let (mut flash, mut journal) = created();
        let before = *journal.state();
        // It would read as no entry.
        assert!(journal.append(&mut flash, &state).is_err());
        let loaded = Journal::load(&mut flash, &layout()).expect("a record");
        assert_eq!(*loaded.state(), before);
    }
}

#[test]
fn blank_record_is_lost() {
    let mut flash = Ram(vec![0xFF; 0x40000]);
    assert_eq!(Journal::load(&mut flash, &layout()), Err(LoadError::Lost));
    let mut flash = Ram(vec![0; 0x40000]);
    assert_eq!(Journal::load(&mut flash, &layout()), Err(LoadError::Lost));
}

#[test]
fn thousands_of_entries_keep_the_newest_and_erase_rarely() {
    let (mut flash, mut journal) = created();
    for attempt in 1..3000 {
        let mut state = State::factory(image(1), 3);
        state.set_attempt(attempt);
        journal.append(&mut flash, &state).expect("appended");
        if attempt % 7 == 0 {
            journal = Journal::load(&mut flash, &layout()).expect("loads");
        }
        assert_eq!(journal.state().attempt(), attempt);
    }
}

#[test]
fn marks_move_the_step_through_changes_of_half() {
    let (mut flash, mut journal) = created();
    let mut state = State::factory(image(1), 3);
    state.set_phase(Phase::Receiving);
    journal.append(&mut flash, &state).expect("appended");
    for step in 0..2500 {
        journal.mark(&mut flash, step).expect("marked");
        if step % 11 == 0 {
            journal = Journal::load(&mut flash, &layout()).expect("loads");
        }
        assert_eq!(journal.state().step(), step + 1);
    }
    assert_eq!(
        Journal::load(&mut flash, &layout())
            .expect("loads")
            .state()
            .step(),
        2500
    );
}

#[test]
fn handover_is_taken_over_and_damage_is_refused() {
    let (mut flash, mut journal) = created();
    journal.append(&mut flash, &full_state()).expect("appended");
    let mut buf = [0; HANDOVER_LEN_MAX];
    let len = journal.hand_over(&mut buf).expect("fits");
    let taken = Journal::take_over(&layout(), &buf).expect("valid");
    assert_eq!(taken.state(), journal.state());
    for bit in 0..len * 8 {
        let mut bad = buf;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Journal::take_over(&layout(), &bad),
            Err(HandoverError::Invalid),
            "bit {bit}"
        );
    }
    for short in 0..len {
        assert_eq!(
            Journal::take_over(&layout(), &buf[..short]),
            Err(HandoverError::Invalid)
        );
    }
}

#[test]
fn storage_may_be_written_only_in_idle_and_receiving_and_never_the_backup() {
    let (mut flash, mut journal) = created();
    let mut with = |state: State| {
        journal.append(&mut flash, &state).expect("appended");
        let slots = [Slot::Execution, Slot::Storage0, Slot::Storage1];
        slots.map(|slot| journal.permit(slot).is_some())
    };
    let idle = State::factory(image(1), 3);
    assert_eq!(with(idle), [false, true, true]);
    let copied = idle.backed_up(Slot::Storage0).expect("idle");
    assert_eq!(with(copied), [false, false, true]);
    let download = Download {
        attempt: 5,
        image: image(2),
        deadline_s: 9,
        trials: 1,
    };
    let receiving = copied.receiving(Mode::Standby, &download).expect("idle");
    assert_eq!(with(receiving), [false, false, true]);
    let parked = receiving.parked().expect("receiving");
    assert_eq!(with(parked), [false; 3]);
    assert_eq!(with(parked.requested().expect("parked")), [false; 3]);
}

#[test]
fn causes_have_one_number_each() {
    for &cause in Cause::ALL {
        assert_eq!(Cause::from_code(cause.code()), Some(cause));
    }
    assert_eq!(Cause::from_code(2), None);
}

#[test]
fn unconfirmed_attempts_never_raise_the_floor() {
    let idle = State::factory(image(1), 3)
        .backed_up(Slot::Storage0)
        .expect("idle");
    let download = Download {
        attempt: 5,
        image: image(2),
        deadline_s: 9,
        trials: 1,
    };
    let requested = idle
        .receiving(Mode::Standby, &download)
        .and_then(|state| state.parked())
        .and_then(|state| state.requested())
        .expect("in order");
    let trial = requested
        .installing(Mode::Standby, ChunkSet::default())
        .and_then(|state| state.installed(0, 0, 0))
        .and_then(|state| state.trial())
        .expect("in order");
    assert!(trial.trial().is_err(), "one attempt only");
    assert!(
        trial.confirmed(Mode::Standby, 6, 9, 0).is_err(),
        "another attempt"
    );
    let reverted = trial
        .reverting(Cause::TrialReset, 0)
        .and_then(|state| state.reverted())
        .expect("in order");
    assert_eq!((reverted.floor(), reverted.current()), (3, image(1)));
    let confirmed = trial.confirmed(Mode::Standby, 5, 9, 2).expect("on trial");
    assert_eq!(
        (confirmed.floor(), confirmed.current(), confirmed.revoked()),
        (9, image(2), 2)
    );
    assert_eq!(confirmed.backup(), Backup::Copy(Slot::Storage1));
}

#[test]
fn recovery_makes_the_uploaded_image_current_with_its_slot_as_backup() {
    let idle = State::factory(image(1), 3);
    for (mode, state, slot, backup) in [
        (
            Mode::Standby,
            idle,
            Slot::Storage0,
            Backup::Copy(Slot::Storage0),
        ),
        (
            Mode::Standby,
            idle.backed_up(Slot::Storage0).expect("idle"),
            Slot::Storage1,
            Backup::Copy(Slot::Storage1),
        ),
        (Mode::Swap, idle, Slot::Storage0, Backup::Permuted),
    ] {
        let recovering = state.recovering(mode, image(2)).expect("idle");
        assert!(recovering.is_recovering());
        assert_eq!(recovering.slot(), Some(slot));
        assert_eq!(recovering.current(), image(1), "nothing is decided yet");
        let recovered = recovering
            .recovered(mode, image(2).digest, 9)
            .expect("recovering");
        assert_eq!(recovered.phase(), Phase::Idle);
        assert_eq!(
            (
                recovered.current(),
                recovered.backup(),
                recovered.backup_image()
            ),
            (image(2), backup, image(2))
        );
        assert!(recovered.differing.is_empty() && recovered.backup_complete());
        assert_eq!(recovered.floor(), 3, "only a confirm raises the floor");
        assert_eq!(recovered.outcome(), Outcome::default(), "nobody to tell");
        let healing = recovered.healing().expect("there is a backup");
        assert_eq!(healing.reverted().expect("healing").current(), image(2));
    }
}

#[test]
fn recovery_without_a_record_takes_the_floor_from_the_image() {
    let recovered = State::default()
        .recovering(Mode::Swap, image(2))
        .and_then(|state| state.recovered(Mode::Swap, image(2).digest, 9))
        .expect("in order");
    assert_eq!((recovered.floor(), recovered.current()), (9, image(2)));
}

#[test]
fn recovery_ends_an_update_and_tells_so() {
    let download = Download {
        attempt: 5,
        image: image(2),
        deadline_s: 9,
        trials: 1,
    };
    let receiving = State::factory(image(1), 3)
        .receiving(Mode::Swap, &download)
        .expect("idle");
    let parked = receiving.parked().expect("receiving");
    let failed = parked
        .requested()
        .and_then(|state| state.installing(Mode::Swap, ChunkSet::default()))
        .and_then(|state| state.reverting(Cause::InstallFailed, 0))
        .expect("in order");
    for (state, phase) in [
        (receiving, Phase::Receiving),
        (parked, Phase::Parked),
        (failed, Phase::Installing),
    ] {
        let recovering = state.recovering(Mode::Swap, image(3)).expect("allowed");
        let outcome = recovering.outcome();
        assert_eq!(
            (outcome.attempt, outcome.cause, outcome.phase),
            (5, Cause::Recovered, phase)
        );
        assert_eq!(
            recovering
                .recovered(Mode::Swap, image(3).digest, 1)
                .map(|next| next.outcome()),
            Ok(outcome)
        );
    }
    assert!(
        parked
            .requested()
            .expect("parked")
            .recovering(Mode::Swap, image(3))
            .is_err()
    );
    assert!(
        receiving.recovered(Mode::Swap, image(2).digest, 1).is_err(),
        "an update"
    );
}

#[test]
fn upload_in_recovery_resumes_only_for_the_same_image_and_only_in_recovery() {
    let (mut flash, mut journal) = created();
    let begun = journal
        .state()
        .recovering(Mode::Standby, image(2))
        .expect("idle");
    journal.append(&mut flash, &begun).expect("appended");
    journal.mark(&mut flash, 3).expect("marked");
    let state = *journal.state();
    assert!(journal.permit(Slot::Storage0).is_some());
    assert!(journal.permit(Slot::Execution).is_none());
    assert!(journal.permit(Slot::Storage1).is_none());
    let step = |image| {
        state
            .recovering(Mode::Standby, image)
            .map(|next| next.step())
    };
    assert_eq!(step(image(2)), Ok(4));
    assert_eq!(step(image(3)), Ok(0));
    // The agent counts in other pieces: it begins anew.
    let interrupted = state.ended(Cause::Interrupted).expect("receiving");
    assert_eq!((interrupted.slot(), interrupted.step()), (None, 0));
    let unknown = Image {
        len: 7,
        digest: [0; 32],
    };
    let state = state.recovering(Mode::Standby, unknown).expect("allowed");
    assert_eq!(
        state
            .recovering(Mode::Standby, unknown)
            .map(|next| next.step()),
        Ok(0)
    );
}

#[test]
fn every_end_of_an_attempt_names_the_image_before_and_the_one_it_was_for() {
    let idle = State::factory(image(1), 3)
        .backed_up(Slot::Storage0)
        .expect("idle");
    let download = Download {
        attempt: 5,
        image: image(2),
        deadline_s: 9,
        trials: 1,
    };
    let check = |state: &State| {
        assert_eq!(state.outcome().attempt, 5);
        assert_eq!((state.outcome().from, state.outcome().to), ([1; 8], [2; 8]));
    };
    check(
        &idle
            .failed_early(5, Cause::SizeMismatch, &image(2))
            .expect("idle"),
    );
    let receiving = idle.receiving(Mode::Standby, &download).expect("idle");
    let withdrawn = receiving.ended(Cause::Withdrawn).expect("receiving");
    assert_eq!(withdrawn.other(), Image::default(), "forgotten");
    check(&withdrawn);
    let requested = receiving.parked().and_then(|state| state.requested());
    let installing = requested
        .and_then(|state| state.installing(Mode::Standby, ChunkSet::default()))
        .expect("in order");
    let aborted = installing
        .reverting(Cause::InstallFailed, 0)
        .and_then(|state| state.reverted());
    check(&aborted.expect("in order"));
    let trial = installing
        .installed(0, 0, 0)
        .and_then(|state| state.trial())
        .expect("in order");
    check(&trial.confirmed(Mode::Standby, 5, 9, 0).expect("on trial"));
    let reverted = trial
        .refused(Cause::Unhealthy)
        .and_then(|state| state.reverting(Cause::Unhealthy, 0))
        .and_then(|state| state.reverted());
    check(&reverted.expect("in order"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_neither_load_nor_panic(bytes in proptest::collection::vec(any::<u8>(), 16384)) {
        let mut flash = Ram(vec![0xFF; 0x40000]);
        flash.0[0x3000..0x7000].copy_from_slice(&bytes);
        prop_assert_eq!(Journal::load(&mut flash, &layout()), Err(LoadError::Lost));
    }

    #[test]
    fn one_damaged_entry_leaves_an_older_state_in_force(bit in 0_usize..208 * 8) {
        let (mut flash, mut journal) = created();
        let mut first = State::factory(image(1), 3);
        first.set_attempt(1);
        journal.append(&mut flash, &first).expect("appended");
        let mut second = first;
        second.set_attempt(2);
        journal.append(&mut flash, &second).expect("appended");
        let at = 0x3000 + 4 * 208 + bit / 8;
        flash.0[at] ^= 1 << (bit % 8);
        let loaded = Journal::load(&mut flash, &layout()).expect("loads");
        prop_assert_eq!(loaded.state().attempt(), 1);
    }
}
