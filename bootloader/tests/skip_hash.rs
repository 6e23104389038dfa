//! Steady boot: one hash of the image, and none if the device block asks for that and the record
//! says that this very image was verified since it was written.
#![expect(
    clippy::unwrap_used,
    reason = "clippy spares tests, but not the functions they share"
)]

use otaru_bootloader::{BUFFER_LEN_MIN, Boot, Decision, Event, Port, Recovery, ResetCause, boot};
use otaru_flash::{Area, DEVICE_BLOCK_LEN, DeviceBlock, Flash, Key, Layout, Mode};
use otaru_image::{Ed25519Small, ImageBuilder, SigningKey, Version, board_uuids};
use otaru_record::{Geometry, Image, Journal, State};
use sha2::{Digest as _, Sha256};

const EXECUTION: u32 = 0x1_0000;
const PAYLOAD_LEN: usize = 30_000;
/// Where the tests with a part put it, and how long its payload is.
const PART: usize = 0x8000;
const PART_LEN: usize = 20_000;

/// Flash in memory that counts the bytes read out of the execution slot.
struct Memory {
    bytes: Vec<u8>,
    read_from_execution: usize,
}

impl Flash for Memory {
    type Error = ();

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), ()> {
        if (EXECUTION..2 * EXECUTION).contains(&offset) {
            self.read_from_execution += buf.len();
        }
        let at = offset as usize;
        buf.copy_from_slice(self.bytes.get(at..at + buf.len()).ok_or(())?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), ()> {
        let at = offset as usize;
        for (to, from) in self.bytes[at..].iter_mut().zip(data) {
            *to &= from;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), ()> {
        let at = offset as usize;
        self.bytes[at..at + len as usize].fill(0xFF);
        Ok(())
    }
}

struct Services;

impl Port for Services {
    type Verifier = Ed25519Small;

    const DEVELOPMENT_KEYS: bool = true;

    fn verifier(&mut self) -> Ed25519Small {
        Ed25519Small
    }

    fn feed_watchdog(&mut self) {}

    fn arm_watchdog(&mut self, _timeout_ms: u32) {}

    fn now_ms(&mut self) -> u32 {
        0
    }

    fn report(&mut self, _event: Event<'_>) {}
}

/// A device with a signed image in its execution slot and a record that calls it confirmed.
fn device(skip_hash: bool, factory: bool) -> Memory {
    with_image(&image().sign(&signer()).unwrap(), skip_hash, factory)
}

fn signer() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

fn image() -> ImageBuilder {
    ImageBuilder::new(vec![0x5A; PAYLOAD_LEN], Version::default())
        .board(board_uuids("example.com", "test"))
}

/// The same device; its image has a part.
fn device_with_part(skip_hash: bool) -> Memory {
    let part = ImageBuilder::new(vec![0x3C; PART_LEN], Version::default())
        .board(board_uuids("example.com", "test"))
        .index(1)
        .sign(&signer())
        .unwrap();
    let align = u32::try_from(PART).unwrap();
    let file = image().part(1, part).part_align(align);
    with_image(&file.sign(&signer()).unwrap(), skip_hash, false)
}

fn with_image(image: &[u8], skip_hash: bool, factory: bool) -> Memory {
    let layout = Layout {
        flash_len: 0x4_0000,
        write_unit: 4,
        erased: 0xFF,
        overwrite: false,
        mode: Mode::Standby,
        chunk_len: 0x1000,
        device_block: Area::new(0, 0x1000, 0x1000),
        identity: Area::new(0x1000, 0x2000, 0x1000),
        record: Area::new(0x4000, 0x8000, 0x1000),
        execution: Area::new(EXECUTION, 0x1_0000, 0x1000),
        storage: [
            Area::new(0x2_0000, 0x1_0000, 0x1000),
            Area::new(0x3_0000, 0x1_0000, 0x1000),
        ],
    };
    let key = Key {
        public: signer().public().to_bytes(),
        kind: otaru_flash::KeyKind::Ed25519,
        development: true,
    };
    let board = board_uuids("example.com", "test");
    let mut block = DeviceBlock::new("test", layout, &[key]).unwrap();
    block.vendor_id = board.vid.0;
    block.class_id = board.cid.0;
    block.skip_hash = skip_hash;
    let mut memory = Memory {
        bytes: vec![0xFF; layout.flash_len as usize],
        read_from_execution: 0,
    };
    memory.bytes[..DEVICE_BLOCK_LEN].copy_from_slice(&block.encode().unwrap());
    memory.bytes[EXECUTION as usize..][..image.len()].copy_from_slice(image);
    let current = Image {
        len: u32::try_from(image.len()).unwrap(),
        digest: Sha256::digest(image).into(),
    };
    let mut state = State::factory(current, 0);
    state.set_factory_made(factory);
    let geometry = Geometry::new(&layout).unwrap();
    Journal::create(&mut memory, geometry, &state).unwrap();
    memory
}

fn start(memory: &mut Memory, cause: ResetCause) -> Decision {
    memory.read_from_execution = 0;
    let request = Boot {
        device_block_at: 0,
        cause,
    };
    boot(memory, &mut Services, request, &mut [0; BUFFER_LEN_MIN])
}

/// Whether the device started, after having read the whole image or only what describes it.
fn hashed(memory: &mut Memory, cause: ResetCause) -> bool {
    let decision = start(memory, cause);
    assert!(matches!(decision, Decision::Start(_)), "{decision:?}");
    let read = memory.read_from_execution;
    let whole = read > PAYLOAD_LEN;
    assert!(whole || read < 1000, "{read}");
    assert!(read < PAYLOAD_LEN + 2000, "once: {read}");
    whole
}

#[test]
fn without_the_flag_a_steady_boot_hashes_once() {
    let mut memory = device(false, false);
    assert!(hashed(&mut memory, ResetCause::PowerOn));
    assert!(hashed(&mut memory, ResetCause::Software));
}

#[test]
fn with_the_flag_a_verified_image_starts_without_a_hash() {
    let mut memory = device(true, false);
    for cause in [
        ResetCause::PowerOn,
        ResetCause::Button,
        ResetCause::Software,
    ] {
        assert!(!hashed(&mut memory, cause), "{cause:?}");
    }
}

#[test]
fn an_image_that_came_by_cable_is_always_hashed() {
    let mut memory = device(true, true);
    assert!(hashed(&mut memory, ResetCause::PowerOn));
}

#[test]
fn a_crash_brings_the_hash_back_and_finds_the_damage() {
    let mut memory = device(true, false);
    assert!(hashed(&mut memory, ResetCause::Watchdog));
    assert!(hashed(&mut memory, ResetCause::Crash));
    memory.bytes[EXECUTION as usize + 1000] ^= 1;
    // What the option gives up: a quiet start does not see it.
    assert!(!hashed(&mut memory, ResetCause::PowerOn));
    let decision = start(&mut memory, ResetCause::Watchdog);
    assert!(
        matches!(decision, Decision::Recovery(Recovery::NoImage(_))),
        "{decision:?}"
    );
}

/// Parts are hashed and verified with the image, or not, as the image is.
#[test]
fn a_part_is_skipped_with_the_image_and_its_damage_found_after_a_crash() {
    let mut memory = device_with_part(false);
    let decision = start(&mut memory, ResetCause::PowerOn);
    assert!(matches!(decision, Decision::Start(_)), "{decision:?}");
    assert!(memory.read_from_execution > PAYLOAD_LEN + PART_LEN);

    let mut memory = device_with_part(true);
    let Decision::Start(found) = start(&mut memory, ResetCause::PowerOn) else {
        panic!("the device does not start");
    };
    assert!(memory.read_from_execution < 1000, "not a byte of the part");
    let part = found.image.parts.get(1).expect("the firmware names it");
    assert_eq!(part.offset as usize, PART);
    assert!(
        found.image.len as usize > PART + PART_LEN,
        "all of the file"
    );

    memory.bytes[EXECUTION as usize + PART + 1000] ^= 1;
    assert!(!hashed(&mut memory, ResetCause::PowerOn));
    for cause in [ResetCause::Crash, ResetCause::Watchdog] {
        let decision = start(&mut memory, cause);
        let refused = matches!(decision, Decision::Recovery(Recovery::NoImage(_)));
        assert!(refused, "{cause:?}: {decision:?}");
    }
}

#[test]
fn a_destroyed_header_is_found_even_so() {
    let mut memory = device(true, false);
    memory.bytes[EXECUTION as usize] ^= 1;
    let decision = start(&mut memory, ResetCause::PowerOn);
    assert!(
        matches!(decision, Decision::Recovery(Recovery::NoImage(_))),
        "{decision:?}"
    );
}
