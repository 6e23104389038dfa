//! The judge of signed images, with real signatures.
// B23: an image linked for another slot is refused before it is attempted

use otaru_flash::Area;
use otaru_image::{BoardIds, Ed25519Small, ImageBuilder, Key, KeyKind, SigningKey, Uuid, Version};
use otaru_record::Cause;
use otaru_sim_flash::{Part, SimFlash};
use otaru_slots::{Config, Facts, ImageJudge, Judge, RecordPlace, Rules, SlotLayout, SlotName};

const BOARD: BoardIds = BoardIds {
    vid: Uuid([1; 16]),
    cid: Uuid([2; 16]),
};
const ADDRESS: u32 = 0x0800_0000;

fn layout() -> SlotLayout {
    let area = |index: u32| Area::new(index * 4096, 4096, 4096);
    SlotLayout {
        flash_len: 7 * 4096,
        flash_address: ADDRESS,
        write_unit: 4,
        erased: 0xFF,
        overwrite: true,
        chunk_len: 64,
        default: Config::default(),
        first_stage: area(0),
        device_block: Area::default(),
        identity: Area::default(),
        record: RecordPlace::Flash(Area::new(4096, 8192, 4096)),
        vm: [area(3), area(5)],
        bytecode: [area(4), area(6)],
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

fn builder() -> ImageBuilder {
    let version = Version {
        major: 1,
        minor: 0,
        revision: 0,
        build: 0,
    };
    ImageBuilder::new(vec![0x42; 700], version)
        .board(BOARD)
        .security_counter(5)
}

/// What the judge says about this image in this slot.
fn judge(slot: SlotName, image: &[u8], rules: Rules) -> Result<Facts, Cause> {
    let layout = layout();
    let mut flash = SimFlash::new(Part::uniform(layout.flash_len, 4096, 4), 1);
    let mut bytes = image.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0xFF);
    let area = layout.slot(slot).unwrap();
    area.program(&mut flash, 0, &bytes).unwrap();
    let keys = [1, 2].map(|seed| Key {
        public: key(seed).public().to_bytes(),
        kind: KeyKind::Ed25519,
        revoked: false,
    });
    let mut fed = 0;
    let mut judge = ImageJudge {
        keys: &keys,
        board: BOARD,
        verifier: Ed25519Small::default,
        feed_watchdog: || fed += 1,
    };
    let verdict = judge.judge(&mut flash, &layout, slot, rules);
    assert!(fed > 0);
    verdict
}

fn at(slot: SlotName) -> ImageBuilder {
    builder().rom_address(layout().address(slot).unwrap())
}

fn signed(builder: &ImageBuilder) -> Vec<u8> {
    builder.sign(&key(1)).unwrap()
}

#[test]
fn an_image_that_is_linked_for_its_slot_may_run_there() {
    for slot in SlotName::ALL {
        let image = signed(&at(slot));
        let facts = judge(slot, &image, Rules::default()).unwrap();
        let len = u32::try_from(image.len()).unwrap();
        assert_eq!((facts.len, facts.security_counter), (len, 5));
    }
}

#[test]
fn an_image_that_is_linked_for_another_slot_may_not() {
    for slot in SlotName::ALL {
        for other in SlotName::ALL.into_iter().filter(|&other| other != slot) {
            let verdict = judge(other, &signed(&at(slot)), Rules::default());
            assert_eq!(verdict, Err(Cause::WrongSlot), "{slot} in {other}");
        }
    }
}

#[test]
fn only_bytecode_may_leave_its_place_open() {
    let image = signed(&builder());
    for index in [0, 1] {
        assert!(judge(SlotName::bytecode(index), &image, Rules::default()).is_ok());
        let vm = judge(SlotName::vm(index), &image, Rules::default());
        assert_eq!(vm, Err(Cause::WrongSlot));
    }
}

#[test]
fn the_rules_of_the_record_hold() {
    let slot = SlotName::bytecode(1);
    let image = signed(&builder());
    let rules = |floor, revoked| Rules { floor, revoked };
    assert!(judge(slot, &image, rules(5, 0b10)).is_ok());
    assert_eq!(
        judge(slot, &image, rules(6, 0)),
        Err(Cause::SecurityCounter)
    );
    assert_eq!(judge(slot, &image, rules(0, 0b01)), Err(Cause::KeyRevoked));
}

#[test]
fn what_is_not_ours_is_refused() {
    let slot = SlotName::bytecode(0);
    let check = |image: &[u8]| judge(slot, image, Rules::default());
    let unknown = builder().sign(&key(9)).unwrap();
    assert_eq!(check(&unknown), Err(Cause::KeyUnknown));
    let mut damaged = signed(&builder());
    damaged[100] ^= 1;
    assert_eq!(check(&damaged), Err(Cause::DigestMismatch));
    assert_eq!(check(&[0x55; 64]), Err(Cause::MalformedImage));
    let suicidal = builder().revoke(0b01).sign(&key(1)).unwrap();
    assert_eq!(check(&suicidal), Err(Cause::RevokesOwnKey));
    let other = builder().revoke(0b10).sign(&key(1)).unwrap();
    assert_eq!(check(&other).unwrap().revoke, 0b10);
    let board = BoardIds {
        cid: Uuid([3; 16]),
        ..BOARD
    };
    let foreign = builder().board(board).sign(&key(1)).unwrap();
    assert_eq!(check(&foreign), Err(Cause::WrongBoard));
}
