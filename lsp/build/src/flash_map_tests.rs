//! Maps of flashed devices.
// C62: the slots with their versions, and whether the device would run what stands there

use super::*;
use crate::Job;
use crate::device::tests::{Memory, host};
use crate::device::{FlashRequest, flash};
use otaru_flash::KeyKind;
use otaru_image::{ImageBuilder, Label, SigningKey, Version, board_uuids};
use otaru_lsp_project::Mode;
use otaru_record::Download;

const KEY: [u8; 32] = [5; 32];

fn signed_by(key: [u8; 32]) -> Vec<u8> {
    ImageBuilder::new(vec![0x5A; 20_000], Version::default())
        .label(Label::new("1.2.0+3").unwrap())
        .board(board_uuids(&host().vid, &host().cid))
        .security_counter(2)
        .sign(&SigningKey::from_seed(key))
        .unwrap()
}

fn flashed(mode: Mode, image: &[u8]) -> Memory {
    let mut memory = Memory::new(host());
    let key = otaru_flash::Key {
        public: SigningKey::from_seed(KEY).public().to_bytes(),
        kind: KeyKind::Ed25519,
        development: true,
    };
    let request = FlashRequest {
        board: host(),
        mode,
        keys: vec![key],
        image,
        security_counter: 2,
        revoked: 0,
        decryption_key: None,
    };
    flash(&mut memory, &request, &Job::new().0).unwrap();
    memory
}

fn row(area: &MappedArea) -> (&'static str, Option<Role>, Option<&str>) {
    let version = area.image.as_ref().map(|image| image.version.as_str());
    (area.kind.name(), area.role, version)
}

#[test]
fn a_flashed_device_shows_its_image_and_its_backup() {
    let image = signed_by(KEY);
    let map = map(&mut flashed(Mode::Standby, &image), 0).unwrap();
    assert_eq!(map.board, "host");
    let rows: Vec<_> = map.areas.iter().map(row).collect();
    let version = Some("1.2.0+3");
    assert_eq!(
        rows,
        [
            ("device block", None, None),
            ("identity", None, None),
            ("unused", None, None),
            ("record", None, None),
            ("unused", None, None),
            ("execution", Some(Role::Running), version),
            ("storage 0", Some(Role::Backup), version),
            ("storage 1", Some(Role::Free), None),
            ("unused", None, None),
        ]
    );
    let len = u32::try_from(image.len()).unwrap();
    assert_eq!(map.areas[5].used, len);
    let mut end = 0;
    for area in &map.areas {
        assert_eq!(area.offset, end);
        end += area.len;
    }
    assert_eq!(end, map.len);
    assert_eq!(map.record.unwrap().phase(), Phase::Idle);
}

#[test]
fn a_download_fills_its_slot_by_sixteenths() {
    let mut memory = flashed(Mode::Swap, &signed_by(KEY));
    let layout = block_of(&mut memory, 0).unwrap().layout;
    let mut journal = Journal::load(&mut memory, &layout).unwrap();
    let download = Download {
        attempt: 7,
        image: Image {
            len: 1600,
            digest: [9; 32],
        },
        deadline_s: 60,
        trials: 1,
    };
    let receiving = journal
        .state()
        .receiving(otaru_flash::Mode::Swap, &download);
    let mut receiving = receiving.unwrap();
    receiving.set_step(4);
    journal.append(&mut memory, &receiving).unwrap();
    let map = map(&mut memory, 0).unwrap();
    let secondary = &map.areas[6];
    assert_eq!(secondary.role, Some(Role::Receiving { sixteenths: 4 }));
    assert_eq!(secondary.used, 400);
}

#[test]
fn an_image_is_judged_as_the_device_would() {
    let image = signed_by(KEY);
    let mut memory = flashed(Mode::Standby, &image);
    let good = details(&mut memory, 0, Slot::Execution).unwrap();
    assert_eq!((good.key, good.problem), (Some(0), None));
    assert_eq!(good.digest, {
        use sha2::Digest as _;
        Some(hex(&sha2::Sha256::digest(&image)))
    });
    assert!(good.fields.contains(&("security counter", "2".to_owned())));

    let at = usize::try_from(host().areas[3].offset).unwrap() + 5_000;
    memory.bytes[at] ^= 1;
    let bad = details(&mut memory, 0, Slot::Execution).unwrap();
    assert_eq!(bad.digest, None);
    assert_eq!(
        bad.problem.unwrap(),
        VerifyError::<&str>::HashMismatch.to_string()
    );

    let mut stranger = flashed(Mode::Standby, &signed_by([6; 32]));
    let unknown = details(&mut stranger, 0, Slot::Execution).unwrap();
    assert_eq!(
        unknown.problem.unwrap(),
        VerifyError::<&str>::KeyUnknown.to_string()
    );
}

#[test]
fn an_empty_flash_and_an_empty_slot_say_so() {
    assert!(matches!(
        map(&mut Memory::new(host()), 0),
        Err(MapError::Block(DeviceBlockError::Invalid))
    ));
    let mut memory = flashed(Mode::Standby, &signed_by(KEY));
    let none = details(&mut memory, 0, Slot::Storage1).unwrap_err();
    assert!(
        none.to_string()
            .starts_with("no image stands in storage1: not a valid image"),
        "{none}"
    );
}

#[test]
fn a_lost_record_is_part_of_the_map() {
    let mut memory = flashed(Mode::Standby, &signed_by(KEY));
    let record = &host().areas[2];
    let at = usize::try_from(record.offset).unwrap();
    memory.bytes[at..at + 0x2_0000].fill(0xFF);
    let map = map(&mut memory, 0).unwrap();
    assert_eq!(map.record.unwrap_err(), "no valid entry in the record");
    assert_eq!(map.areas[5].role, Some(Role::Free));
    assert!(map.areas[5].image.is_some());
}
