//! Updates with encrypted images, in both modes, with a power cut at every flash operation.
//!
//! After each cut: the execution slot holds the installed form of a whole image, old or new, and the
//! device comes to the same end. Storage holds images as they were sent.
// A10 A26 A27, with encrypted images

use otaru_bootloader::{Boot, Decision, Event, Port, ResetCause, boot};
use otaru_flash::{Area, DeviceBlock, Flash as _, Key, KeyKind, Layout, Mode, Slot};
use otaru_image::{
    Aes, BoardIds, DecryptionKey, Expectation, Form, ImageBuilder, OutOfBounds, ReadAt, SigningKey,
    StandardVerifier, Uuid, Verified, VerifyError, Version, installed_form, verify,
};
use otaru_record::{
    Backup, Cause, Download, Geometry, HANDOVER_LEN_MAX, Image, Journal, Phase, SlotReader, State,
    WrongPhase,
};
use otaru_sim::{Cut, SimFlash, Tear};

const VENDOR: [u8; 16] = [0x11; 16];
const CLASS: [u8; 16] = [0x22; 16];
const DEVICE_KEY: [u8; 32] = [0x5A; 32];
const CHUNK: u32 = 512;
/// A boot loop ends here.
const BOOTS_MAX: u32 = 40;

fn signing_key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

fn device_key() -> DecryptionKey {
    DecryptionKey::new(DEVICE_KEY)
}

/// An image file: what was sent, what runs, and what the record calls it.
#[derive(Debug, Clone)]
struct Made {
    sent: Vec<u8>,
    installed: Vec<u8>,
    image: Image,
}

fn made(number: u8, payload_len: usize, encryption: Option<Aes>) -> Made {
    let payload: Vec<u8> = (0..payload_len)
        .map(|at| u8::try_from((at / 7) % 251).expect("small") ^ number)
        .collect();
    let version = Version {
        build: u32::from(number),
        ..Version::default()
    };
    let mut builder = ImageBuilder::new(payload, version)
        .header_len(32)
        .security_counter(1)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(CLASS),
        });
    if let Some(aes) = encryption {
        builder = builder.encrypt(device_key().public(), aes);
    }
    let sent = builder.sign(&signing_key()).expect("it can be built");
    let installed = installed_form(&sent, &device_key()).expect("our own");
    assert_eq!(sent == installed, encryption.is_none());
    let verified = accepted(&mut &*sent, u32_of(&sent), Form::AsSent).expect("our own");
    let image = Image {
        len: verified.info().len,
        digest: verified.digest(),
    };
    Made {
        sent,
        installed,
        image,
    }
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("images are small")
}

fn accepted<S: ReadAt>(
    source: &mut S,
    slot_len: u32,
    form: Form,
) -> Result<Verified, VerifyError<S::Error>> {
    let (public, device_key) = (signing_key().public(), device_key());
    let keys = [otaru_image::Key {
        public: public.to_bytes(),
        kind: public.kind(),
        revoked: false,
    }];
    let expect = Expectation {
        keys: &keys,
        form,
        decryption_key: Some(&device_key),
        ..Expectation::default()
    };
    verify(source, slot_len, &expect, &mut [0; 256])
}

/// Seven chunks of one sector each.
fn layout(mode: Mode) -> Layout {
    let (execution, record) = (7 * CHUNK, 20 * CHUNK);
    let storage = execution + if mode == Mode::Swap { CHUNK } else { 0 };
    let at = |index: u32| 3 * CHUNK + record + execution + index * storage;
    let second = match mode {
        Mode::Swap => Area::default(),
        Mode::Standby => Area::new(at(1), storage, CHUNK),
    };
    Layout {
        flash_len: at(2),
        write_unit: 8,
        erased: 0xFF,
        mode,
        chunk_len: CHUNK,
        device_block: Area::new(0, CHUNK, CHUNK),
        identity: Area::new(CHUNK, 2 * CHUNK, CHUNK),
        record: Area::new(3 * CHUNK, record, CHUNK),
        execution: Area::new(3 * CHUNK + record, execution, CHUNK),
        storage: [Area::new(at(0), storage, CHUNK), second],
    }
}

fn empty_flash(layout: &Layout, seed: u64) -> SimFlash {
    SimFlash::new(layout, seed)
}

struct Quiet;

impl Port for Quiet {
    type Verifier = StandardVerifier;

    fn verifier(&mut self) -> StandardVerifier {
        StandardVerifier::default()
    }

    fn feed_watchdog(&mut self) {}
    fn arm_watchdog(&mut self, _timeout_ms: u32) {}
    fn now_ms(&mut self) -> u32 {
        0
    }
    fn report(&mut self, _event: Event<'_>) {}
}

struct Case {
    mode: Mode,
    old: Made,
    new: Made,
    confirms: bool,
    with_key: bool,
}

impl Case {
    fn name(&self) -> String {
        format!(
            "{} {}→{} bytes, confirms: {}",
            self.mode.name(),
            self.old.sent.len(),
            self.new.sent.len(),
            self.confirms
        )
    }

    fn device(&self, seed: u64) -> Device<'_> {
        let layout = layout(self.mode);
        let mut flash = empty_flash(&layout, seed);
        let keys = [Key {
            public: signing_key().public().to_bytes(),
            kind: KeyKind::Ed25519,
            development: true,
        }];
        let mut block = DeviceBlock::new("sim", layout, &keys).expect("the layout is good");
        (block.vendor_id, block.class_id) = (VENDOR, CLASS);
        let key = self.with_key.then_some(&DEVICE_KEY);
        let block = block.encode_with(key).expect("it encodes");
        flash.program(0, &block).expect("power is on");
        let padded = padded(&self.old.installed);
        let execution = layout.execution;
        execution
            .program(&mut flash, 0, &padded)
            .expect("power is on");
        let geometry = Geometry::new(&layout).expect("the record fits");
        let state = State::factory(self.old.image, 1);
        Journal::create(&mut flash, geometry, &state).expect("power is on");
        Device {
            case: self,
            layout,
            flash,
            attempts: 0,
        }
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(padded.len().next_multiple_of(8), 0xFF);
    padded
}

enum End {
    Cut,
    Reset(ResetCause),
    Settled(Box<State>),
}

struct Device<'c> {
    case: &'c Case,
    layout: Layout,
    flash: SimFlash,
    attempts: u64,
}

type Tried<T = ()> = Result<T, String>;

fn next(next: &Result<State, WrongPhase>) -> Tried<State> {
    next.map_err(|wrong| wrong.to_string())
}

impl Device<'_> {
    fn runs(&mut self, made: &Made) -> bool {
        let mut bytes = vec![0; made.installed.len()];
        let read = self.layout.execution.read(&mut self.flash, 0, &mut bytes);
        read.is_ok() && bytes == made.installed
    }

    fn boot(&mut self, cause: ResetCause) -> Decision {
        let at = Boot {
            device_block_at: 0,
            cause,
        };
        boot(&mut self.flash, &mut Quiet, at, &mut [0; 512])
    }

    /// Lives through one power cut until nothing is left to do; the state in the end.
    fn run(&mut self, cut: Option<Cut>) -> State {
        let name = self.case.name();
        self.flash.plan(cut);
        let mut cause = ResetCause::PowerOn;
        for _ in 0..BOOTS_MAX {
            match self.life(cause) {
                Ok(End::Settled(state)) => return *state,
                Ok(End::Reset(reset)) => cause = reset,
                Ok(End::Cut) => {
                    self.flash.power_on();
                    cause = ResetCause::PowerOn;
                }
                Err(failure) => panic!("{name}, {cut:?}: {failure}"),
            }
        }
        panic!("{name}, {cut:?}: boot loop");
    }

    fn life(&mut self, cause: ResetCause) -> Tried<End> {
        let decision = self.boot(cause);
        if self.flash.is_off() {
            return Ok(End::Cut);
        }
        let start = match decision {
            Decision::Start(start) => start,
            Decision::Recovery(reason) => return Err(format!("recovery: {reason}")),
        };
        let state = *start.journal.state();
        let case = self.case;
        let expected = if *state.running() == case.new.image {
            &case.new
        } else {
            &case.old
        };
        if *state.running() != expected.image || !self.runs(expected) {
            return Err(format!("a mixed image runs in {}", state.phase.name()));
        }
        let mut handover = [0; HANDOVER_LEN_MAX];
        let len = start.journal.hand_over(&mut handover).ok_or("handover")?;
        let mut journal = Journal::take_over(&self.layout, &handover[..len])
            .map_err(|error| error.to_string())?;
        match self.firmware(&mut journal) {
            Err(_cut) if self.flash.is_off() => Ok(End::Cut),
            ended => ended,
        }
    }

    fn firmware(&mut self, journal: &mut Journal) -> Tried<End> {
        let state = *journal.state();
        match state.phase {
            Phase::Idle => {}
            Phase::Receiving => self.append(journal, &state.ended(Cause::StorageFailed))?,
            Phase::Parked => return self.request(journal),
            Phase::Trial if !self.case.confirms => return Ok(End::Reset(ResetCause::Watchdog)),
            Phase::Trial => {
                let confirmed = next(&state.confirmed(self.layout.mode, state.attempt, 1, 0))?;
                journal
                    .append_twice(&mut self.flash, &confirmed)
                    .map_err(|error| error.to_string())?;
                return Ok(End::Settled(Box::new(confirmed)));
            }
            Phase::Requested
            | Phase::Installing
            | Phase::Installed
            | Phase::Refused
            | Phase::Reverting => return Err(format!("started in {}", state.phase.name())),
        }
        let state = *journal.state();
        let over = state.outcome.attempt != 0 && state.outcome.cause != Cause::StorageFailed;
        if over {
            return Ok(End::Settled(Box::new(state)));
        }
        if self.layout.mode == Mode::Standby && state.backup == Backup::None {
            // What an agent does: the running image, in the form in which it was sent.
            let sent = self.case.old.sent.clone();
            self.store(journal, Slot::Storage0, &sent)?;
            self.append(journal, &state.backed_up(Slot::Storage0))?;
        }
        self.attempts += 1;
        let download = Download {
            attempt: self.attempts,
            image: self.case.new.image,
            deadline_s: 300,
            trials: 1,
        };
        let receiving = journal.state().receiving(self.layout.mode, &download);
        self.append(journal, &receiving)?;
        let slot = journal.state().slot.ok_or("no slot")?;
        let sent = self.case.new.sent.clone();
        self.store(journal, slot, &sent)?;
        let parked = journal.state().parked();
        self.append(journal, &parked)?;
        self.request(journal)
    }

    fn request(&mut self, journal: &mut Journal) -> Tried<End> {
        let requested = journal.state().requested();
        self.append(journal, &requested)?;
        Ok(End::Reset(ResetCause::Software))
    }

    fn append(&mut self, journal: &mut Journal, to: &Result<State, WrongPhase>) -> Tried {
        let to = next(to)?;
        let appended = journal.append(&mut self.flash, &to);
        appended.map_err(|error| error.to_string())
    }

    fn store(&mut self, journal: &Journal, slot: Slot, sent: &[u8]) -> Tried {
        let permit = journal.permit(slot).ok_or("storage may not be written")?;
        for (at, piece) in (0..)
            .step_by(CHUNK as usize)
            .zip(sent.chunks(CHUNK as usize))
        {
            let (flash, layout) = (&mut self.flash, &self.layout);
            permit
                .erase(flash, layout, at, CHUNK)
                .map_err(|error| error.to_string())?;
            permit
                .program(flash, layout, at, &padded(piece))
                .map_err(|error| error.to_string())?;
        }
        let mut source = SlotReader::new(&mut self.flash, &self.layout, slot);
        accepted(&mut source, self.layout.image_len_max(), Form::AsSent)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// Payloads of 2288 bytes make an image of 2600: its encrypted key, the last 80 bytes, stands in two
/// chunks.
fn cases(confirms: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let short = Some(Aes::Aes128);
    for mode in [Mode::Swap, Mode::Standby] {
        for (old_len, new_len, old, new) in [
            (2400, 2288, None, short),
            (1500, 2288, short, Some(Aes::Aes256)),
            (3000, 2288, short, short),
            (2288, 2300, short, None),
        ] {
            cases.push(Case {
                mode,
                old: made(1, old_len, old),
                new: made(2, new_len, new),
                confirms,
                with_key: true,
            });
        }
    }
    cases
}

fn every_cut(confirms: bool) {
    let mut tried = 0;
    for case in cases(confirms) {
        let mut clean = case.device(0);
        let from = clean.flash.operations();
        let end = clean.run(None);
        let total = clean.flash.operations() - from;
        let expected = if confirms { &case.new } else { &case.old };
        assert_eq!(end.current, expected.image, "{}", case.name());
        for after in 0..total {
            for tear in Tear::ALL {
                let mut device = case.device(after);
                let end = device.run(Some(Cut { after, tear }));
                // A cut on trial ends it, as any reset does.
                assert!(
                    end.current == expected.image || end.outcome.cause == Cause::TrialReset,
                    "{} cut {after} {tear:?}: {:?}",
                    case.name(),
                    end.outcome
                );
                let current = if end.current == case.new.image {
                    &case.new
                } else {
                    &case.old
                };
                assert!(device.runs(current), "{} {after} {tear:?}", case.name());
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "only {tried} cuts were tried");
}

#[test]
fn every_single_cut_of_a_confirmed_encrypted_update_is_survived() {
    every_cut(true);
}

#[test]
fn every_single_cut_of_an_encrypted_update_that_reverts_is_survived() {
    every_cut(false);
}

#[test]
fn key_tlv_of_the_image_under_test_stands_in_two_chunks() {
    let len = made(2, 2288, Some(Aes::Aes128)).sent.len();
    assert!(
        (len - 80) / CHUNK as usize != (len - 1) / CHUNK as usize,
        "{len}"
    );
}

#[test]
fn every_chunk_is_copied_when_the_new_image_is_encrypted() {
    for case in cases(true) {
        let mut device = case.device(0);
        device.run(None);
        let Decision::Start(start) = device.boot(ResetCause::PowerOn) else {
            panic!("{} does not boot", case.name());
        };
        let state = start.journal.state();
        let chunks = device.layout.chunks_of(case.new.image.len);
        if case.new.sent != case.new.installed {
            for chunk in 0..chunks {
                assert!(state.differing.contains(chunk), "{} {chunk}", case.name());
            }
        }
        // What storage holds is the file that was sent.
        if case.mode == Mode::Standby {
            let Backup::Copy(slot) = state.backup else {
                panic!("{:?}", state.backup);
            };
            let mut stored = vec![0; case.new.sent.len()];
            let area = *device.layout.slot(slot);
            area.read(&mut device.flash, 0, &mut stored).unwrap();
            assert_eq!(stored, case.new.sent, "{}", case.name());
        }
    }
}

#[test]
fn damaged_execution_slot_is_healed_from_a_backup_in_either_form() {
    for case in cases(true) {
        let mut device = case.device(0);
        device.run(None);
        let at = device.layout.execution.offset;
        device.flash.corrupt(at + 700, 0x10);
        let Decision::Start(start) = device.boot(ResetCause::PowerOn) else {
            panic!("{} is not healed", case.name());
        };
        // The backup of `standby` is the running image, that of `swap` the one before it.
        let healed = match case.mode {
            Mode::Swap => &case.old,
            Mode::Standby => &case.new,
        };
        assert_eq!(start.journal.state().current, healed.image);
        assert!(device.runs(healed), "{}", case.name());
    }
}

#[test]
fn permuted_backup_of_which_no_chunk_was_moved_is_an_image_as_it_was_sent() {
    // So a recovery leaves an image that it stored where a parked one stands.
    let mut cases = cases(true);
    cases.retain(|case| case.mode == Mode::Swap);
    for case in cases {
        let mut device = case.device(0);
        let (layout, len) = (device.layout, case.new.image.len);
        let secondary = layout.storage[0];
        let at = layout.image_offset(Slot::Storage0);
        let sent = padded(&case.new.sent);
        secondary.program(&mut device.flash, at, &sent).unwrap();
        let state = State {
            backup: Backup::Permuted,
            backup_image: case.new.image,
            permuted_len: len,
            ..State::factory(case.new.image, 1)
        };
        let geometry = Geometry::new(&layout).unwrap();
        Journal::create(&mut device.flash, geometry, &state).unwrap();
        let Decision::Start(_) = device.boot(ResetCause::PowerOn) else {
            panic!("{} is not healed", case.name());
        };
        assert!(device.runs(&case.new), "{}", case.name());
    }
}

#[test]
fn lost_record_is_rebuilt_from_an_encrypted_image() {
    for case in cases(true) {
        let mut device = case.device(0);
        device.run(None);
        let record = device.layout.record;
        for at in (0..record.len).step_by(8) {
            device.flash.corrupt(record.offset + at, 0x10);
        }
        let Decision::Start(start) = device.boot(ResetCause::PowerOn) else {
            panic!("{} does not boot", case.name());
        };
        assert_eq!(start.journal.state().current, case.new.image);
    }
}

#[test]
fn device_without_a_key_refuses_encrypted_images_and_goes_on_running() {
    for mode in [Mode::Swap, Mode::Standby] {
        let case = Case {
            mode,
            old: made(1, 2400, None),
            new: made(2, 2288, Some(Aes::Aes128)),
            confirms: true,
            with_key: false,
        };
        let mut device = case.device(0);
        let end = device.run(None);
        assert_eq!(end.outcome.cause, Cause::Unsupported, "{}", case.name());
        assert_eq!(end.outcome.phase, Phase::Requested);
        assert!(device.runs(&case.old));
    }
}

#[test]
fn parked_image_whose_key_was_damaged_is_not_installed() {
    for mode in [Mode::Swap, Mode::Standby] {
        let mut broken = made(2, 2288, Some(Aes::Aes256));
        let last = broken.sent.len() - 1;
        let case = Case {
            mode,
            old: made(1, 2400, None),
            new: broken.clone(),
            confirms: true,
            with_key: true,
        };
        broken.sent[last] ^= 1;
        let mut source = broken.sent.as_slice();
        let verdict = accepted(&mut source, u32_of(&broken.sent), Form::AsSent);
        assert_eq!(
            verdict.map(drop),
            Err::<(), VerifyError<OutOfBounds>>(VerifyError::NotDecryptable)
        );

        let mut device = case.device(0);
        assert!(matches!(
            device.life(ResetCause::PowerOn),
            Ok(End::Reset(ResetCause::Software))
        ));
        let slot = match mode {
            Mode::Swap => Slot::Storage0,
            Mode::Standby => Slot::Storage1,
        };
        let image_at = device.layout.slot(slot).offset + device.layout.image_offset(slot);
        device.flash.corrupt(image_at + u32_of(&broken.sent) - 1, 1);
        let end = device.run(None);
        assert_eq!(end.outcome.cause, Cause::DigestMismatch, "{}", case.name());
        assert!(device.runs(&case.old));
    }
}
