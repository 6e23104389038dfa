//! Layout checks, device block and identity area over a flash in memory.
// B7 (overlap and misalignment are refused), A10 (a cut while provisioning loses nothing)

use otaru_flash::{
    Area, AreaName, DEVICE_BLOCK_LEN, DeviceBlock, DeviceBlockError, Flash, IDENTITY_LEN_MAX,
    Identity, IdentityStore, Key, KeyKind, Layout, LayoutError, Mode, TokenKind,
};
use proptest::prelude::*;

struct Ram {
    bytes: Vec<u8>,
    budget: usize,
}

impl Flash for Ram {
    type Error = &'static str;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        let start = offset as usize;
        buf.copy_from_slice(self.bytes.get(start..start + buf.len()).ok_or("outside")?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), Self::Error> {
        for (at, byte) in data.iter().enumerate() {
            self.budget = self.budget.checked_sub(1).ok_or("power cut")?;
            self.bytes[offset as usize + at] &= byte;
        }
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), Self::Error> {
        self.budget = self.budget.checked_sub(1).ok_or("power cut")?;
        self.bytes[offset as usize..(offset + len) as usize].fill(0xFF);
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

fn check(change: impl FnOnce(&mut Layout), expect: Result<(), LayoutError>) {
    let mut layout = layout();
    change(&mut layout);
    assert_eq!(layout.check(), expect);
}

#[test]
fn layouts_that_cannot_work_are_refused() {
    check(|_| {}, Ok(()));
    check(|l| l.write_unit = 3, Err(LayoutError::WriteUnit));
    check(|l| l.write_unit = 0, Err(LayoutError::WriteUnit));
    check(|l| l.erased = 7, Err(LayoutError::ErasedValue));
    check(
        |l| l.record.offset = 0x3001,
        Err(LayoutError::Unaligned(AreaName::Record)),
    );
    check(
        |l| l.record.erase_len = 0,
        Err(LayoutError::Unaligned(AreaName::Record)),
    );
    check(
        |l| l.identity.len = 0,
        Err(LayoutError::Unaligned(AreaName::Identity)),
    );
    check(
        |l| l.identity.len = 4096,
        Err(LayoutError::OddHalves(AreaName::Identity)),
    );
    check(
        |l| l.flash_len = 0x37FFF,
        Err(LayoutError::OutsideFlash(AreaName::Storage1)),
    );
    check(
        |l| l.storage[1].offset = 0xFFFF_F000,
        Err(LayoutError::OutsideFlash(AreaName::Storage1)),
    );
    check(
        |l| l.storage[1].offset = 0x27000,
        Err(LayoutError::Overlap(AreaName::Storage0, AreaName::Storage1)),
    );
    check(|l| l.chunk_len = 0, Err(LayoutError::ChunkLen));
    check(|l| l.chunk_len = 2048, Err(LayoutError::ChunkLen));
    check(|l| l.chunk_len = 12288, Err(LayoutError::ChunkLen));
    check(
        |l| l.storage[0].len = 0xF000,
        Err(LayoutError::StorageTooShort),
    );
    check(|l| l.mode = Mode::Swap, Err(LayoutError::StorageTooShort));
    check(
        |l| {
            l.mode = Mode::Swap;
            l.storage = [Area::new(0x18000, 0x11000, 4096), Area::default()];
        },
        Ok(()),
    );
    check(
        |l| {
            l.flash_len = 0x4000_0000;
            l.execution = Area::new(0x100_0000, 4096 * 2048, 4096);
            l.storage = [
                Area::new(0x1000_0000, 4096 * 2048, 4096),
                Area::new(0x2000_0000, 4096 * 2048, 4096),
            ];
        },
        Err(LayoutError::TooManyChunks),
    );
}

fn block() -> DeviceBlock {
    let keys = [
        Key {
            public: [7; 32],
            kind: KeyKind::P256 { y_odd: true },
            development: true,
        },
        Key {
            public: [9; 32],
            kind: KeyKind::Ed25519,
            development: false,
        },
        Key {
            public: [8; 32],
            kind: KeyKind::P256 { y_odd: false },
            development: false,
        },
    ];
    let mut block = DeviceBlock::new("host", layout(), &keys).expect("valid");
    block.vendor_id = [1; 16];
    block.class_id = [2; 16];
    block.watchdog_ms = 4000;
    block.flash_address = 0x2000_0000;
    block
}

#[test]
fn device_block_round_trips() {
    let bytes = block().encode().expect("valid");
    assert_eq!(DeviceBlock::decode(&bytes), Ok(block()));
    assert_eq!(block().name(), "host");
    assert_eq!(block().keys().count(), 3);
}

#[test]
fn decryption_key_stays_in_flash() {
    let key = [0xA5; 32];
    let bytes = block().encode_with(Some(&key)).expect("valid");
    let read = DeviceBlock::decode(&bytes).expect("valid");
    assert!(read.decrypts() && !block().decrypts());
    assert_eq!(bytes[456..488], key);
    let mut flash = Ram {
        bytes: vec![0xFF; 0x40000],
        budget: usize::MAX,
    };
    flash.bytes[..DEVICE_BLOCK_LEN].copy_from_slice(&bytes);
    assert_eq!(read.read_decryption_key(&mut flash), Some(key));
    assert_eq!(block().read_decryption_key(&mut flash), None);
    assert!(!format!("{read:?}").contains("165, 165"));
    // Written without it, it would be lost silently.
    assert_eq!(read.encode(), Err(DeviceBlockError::OutOfRange));
    assert_eq!(read.encode_with(Some(&key)), Ok(bytes));
    let without = DeviceBlock::decode(&read.encode_with(None).expect("valid"));
    assert_eq!(without, Ok(block()));
}

#[test]
fn key_of_an_unknown_algorithm_is_refused() {
    let good = block().encode().expect("valid");
    let with_flags = |flags: u8| {
        let mut bytes = good;
        bytes[160 + 32] = flags;
        let crc = otaru_flash::crc32(&bytes[..508]);
        bytes[508..].copy_from_slice(&crc.to_le_bytes());
        DeviceBlock::decode(&bytes)
    };
    for flags in 0..=255 {
        let known = matches!(flags & !1, 0 | 2 | 6);
        assert_eq!(with_flags(flags).is_ok(), known, "flags {flags}");
    }
}

#[test]
fn device_block_with_one_flipped_bit_is_refused() {
    let bytes = block().encode().expect("valid");
    for bit in 0..DEVICE_BLOCK_LEN * 8 {
        let mut bad = bytes;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            DeviceBlock::decode(&bad),
            Err(DeviceBlockError::Invalid),
            "bit {bit}"
        );
    }
    assert_eq!(
        DeviceBlock::decode(&[0xFF; 512]),
        Err(DeviceBlockError::Invalid)
    );
}

#[test]
fn identity_in_force_survives_every_cut_of_a_new_one() {
    let store = IdentityStore::new(&layout());
    let mut buf = [0; IDENTITY_LEN_MAX];
    let first = Identity {
        device_id: "dev-1",
        token: "secret",
        token_kind: TokenKind::Target,
        ddi_url: "http://127.0.0.1:1/DEFAULT/controller/v1/dev-1",
        ca: &[],
    };
    let second = Identity {
        device_id: "dev-2",
        ca: &[1, 2, 3],
        ..first
    };
    let mut cuts = 0;
    for budget in 0.. {
        let mut flash = Ram {
            bytes: vec![0xFF; 0x40000],
            budget: usize::MAX,
        };
        assert_eq!(store.load(&mut flash, &mut buf), None);
        store.store(&mut flash, &first, &mut buf).expect("fits");
        flash.budget = budget;
        let done = store.store(&mut flash, &second, &mut buf).is_ok();
        flash.budget = usize::MAX;
        let loaded = store
            .load(&mut flash, &mut buf)
            .expect("an identity is in force");
        // A cut in the padding leaves the new identity complete already.
        assert!(
            loaded == second || (loaded == first && !done),
            "budget {budget}: {loaded:?}"
        );
        // Provisioning again after the cut works.
        store.store(&mut flash, &second, &mut buf).expect("fits");
        assert_eq!(store.load(&mut flash, &mut buf), Some(second));
        if done {
            break;
        }
        cuts += 1;
    }
    assert!(cuts > 100, "only {cuts} cuts were tried");
}

#[test]
fn identity_that_does_not_fit_is_refused_and_hides_its_token() {
    let store = IdentityStore::new(&layout());
    let mut buf = [0; IDENTITY_LEN_MAX];
    let mut flash = Ram {
        bytes: vec![0xFF; 0x40000],
        budget: usize::MAX,
    };
    let ca = [0; 5000];
    let identity = Identity {
        device_id: "d",
        token: "secret",
        ddi_url: "u",
        ca: &ca,
        ..Default::default()
    };
    assert!(store.store(&mut flash, &identity, &mut buf).is_err());
    assert!(!format!("{identity:?}").contains("secret"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_pass_as_an_identity(bytes in proptest::collection::vec(any::<u8>(), 0x1000..0x3000)) {
        let mut flash = Ram { bytes, budget: usize::MAX };
        flash.bytes.resize(0x40000, 0xFF);
        let mut buf = [0; IDENTITY_LEN_MAX];
        prop_assert_eq!(IdentityStore::new(&layout()).load(&mut flash, &mut buf), None);
    }
}
