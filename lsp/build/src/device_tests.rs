//! Flashing and provisioning a flash in memory that keeps the rules of NOR.
// C31: a cable load resets the record and the version to Factory; C57: unchanged parts are skipped.

use super::*;
use otaru_lsp_project::board;
use otaru_record::Backup;

/// A flash in memory. Programming what is not erased, or beyond its end, fails.
pub(crate) struct Memory {
    pub(crate) bytes: Vec<u8>,
    writes_left: u32,
}

impl Memory {
    pub(crate) fn new(board: &Board) -> Self {
        let len = usize::try_from(board.flash.len).unwrap();
        Self {
            bytes: vec![board.flash.erased; len],
            writes_left: u32::MAX,
        }
    }

    fn range(&mut self, offset: u32, len: usize) -> Result<&mut [u8], &'static str> {
        let start = usize::try_from(offset).unwrap();
        self.bytes
            .get_mut(start..start + len)
            .ok_or("outside the flash")
    }

    fn count(&mut self) -> Result<(), &'static str> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or("power is gone")?;
        Ok(())
    }
}

impl Flash for Memory {
    type Error = &'static str;

    fn read(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), &'static str> {
        buf.copy_from_slice(self.range(offset, buf.len())?);
        Ok(())
    }

    fn program(&mut self, offset: u32, data: &[u8]) -> Result<(), &'static str> {
        self.count()?;
        let stored = self.range(offset, data.len())?;
        if stored.iter().any(|byte| *byte != 0xFF)
            || !data.len().is_multiple_of(8)
            || !offset.is_multiple_of(8)
        {
            return Err("not erased or not aligned");
        }
        stored.copy_from_slice(data);
        Ok(())
    }

    fn erase(&mut self, offset: u32, len: u32) -> Result<(), &'static str> {
        self.count()?;
        self.range(offset, usize::try_from(len).unwrap())?
            .fill(0xFF);
        Ok(())
    }
}

pub(crate) fn host() -> &'static Board {
    board("host").unwrap()
}

fn image(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn request(image: &[u8], mode: Mode) -> FlashRequest<'_> {
    let key = Key {
        public: [7; 32],
        kind: otaru_flash::KeyKind::Ed25519,
        development: true,
    };
    FlashRequest {
        board: host(),
        mode,
        keys: vec![key],
        image,
        security_counter: 3,
        revoked: 0,
        decryption_key: None,
    }
}

fn journal(memory: &mut Memory, mode: Mode) -> Journal {
    let layout = layout_of::<&str>(host(), mode).unwrap();
    Journal::load(memory, &layout).unwrap()
}

#[test]
fn a_flashed_device_has_block_image_backup_and_a_factory_record() {
    let (job, _events) = Job::new();
    let image = image(9_001);
    let mut memory = Memory::new(host());
    let flashed = flash(&mut memory, &request(&image, Mode::Standby), &job).unwrap();
    assert_eq!(
        flashed,
        Flashed {
            written: 6,
            skipped: 0
        }
    );

    let block = read_block(&mut memory, host()).unwrap();
    assert_eq!(block.name(), "host");
    assert_eq!(
        block
            .keys()
            .map(|key| (key.public[0], key.development))
            .collect::<Vec<_>>(),
        [(7, true)]
    );
    assert_eq!(block.trials, 1);
    for slot in [Slot::Execution, Slot::Storage0] {
        let mut stored = vec![0; image.len()];
        block
            .layout
            .slot(slot)
            .read(&mut memory, 0, &mut stored)
            .unwrap();
        assert_eq!(stored, image);
    }
    let journal = journal(&mut memory, Mode::Standby);
    let state = journal.state();
    assert!(state.factory_made());
    assert_eq!(state.floor(), 3);
    assert_eq!(state.current().len, 9_001);
    assert_eq!(
        state.current().digest,
        <[u8; 32]>::from(Sha256::digest(&image))
    );
    assert_eq!(state.backup(), Backup::Copy(Slot::Storage0));
}

#[test]
fn keys_that_the_image_revokes_are_revoked_from_the_beginning() {
    for mode in [Mode::Standby, Mode::Swap] {
        let (job, _events) = Job::new();
        let image = image(5_000);
        let mut memory = Memory::new(host());
        let mut request = request(&image, mode);
        request.keys.push(Key {
            public: [8; 32],
            kind: otaru_flash::KeyKind::Ed25519,
            development: false,
        });
        request.revoked = 1;
        flash(&mut memory, &request, &job).unwrap();
        let block = read_block(&mut memory, host()).unwrap();
        let places: Vec<u8> = block.keys().map(|key| key.public[0]).collect();
        assert_eq!(places, [7, 8]);
        assert_eq!(journal(&mut memory, mode).state().revoked(), 1);
    }
}

#[test]
fn in_mode_swap_only_the_execution_slot_is_written() {
    let (job, _events) = Job::new();
    let image = image(5_000);
    let mut memory = Memory::new(host());
    let flashed = flash(&mut memory, &request(&image, Mode::Swap), &job).unwrap();
    assert_eq!(flashed.written, 2);
    assert_eq!(
        journal(&mut memory, Mode::Swap).state().backup(),
        Backup::None
    );
}

#[test]
fn flashing_again_writes_only_what_differs_and_keeps_the_identity() {
    let (job, _events) = Job::new();
    let mut bytes = image(20_000);
    let mut memory = Memory::new(host());
    flash(&mut memory, &request(&bytes, Mode::Swap), &job).unwrap();
    let identity = Identity {
        device_id: "dev-1",
        token: "secret",
        ddi_url: "http://127.0.0.1:8480/ddi/v1/controller/dev-1",
        ..Identity::default()
    };
    provision(&mut memory, host(), &identity).unwrap();
    bytes[10_000] ^= 1;
    let flashed = flash(&mut memory, &request(&bytes, Mode::Swap), &job).unwrap();
    assert_eq!(
        flashed,
        Flashed {
            written: 1,
            skipped: 4
        }
    );
    let layout = read_block(&mut memory, host()).unwrap().layout;
    let mut scratch = vec![0; IDENTITY_LEN_MAX];
    let stored = IdentityStore::new(&layout)
        .load(&mut memory, &mut scratch)
        .unwrap();
    assert_eq!(stored, identity);
}

#[test]
fn a_device_cut_off_while_it_is_flashed_has_no_device_block() {
    let (job, _events) = Job::new();
    let image = image(9_001);
    let mut whole = Memory::new(host());
    flash(&mut whole, &request(&image, Mode::Standby), &job).unwrap();
    for writes in 0.. {
        let mut memory = Memory::new(host());
        flash(&mut memory, &request(&image, Mode::Standby), &job).unwrap();
        memory.bytes[0x10_0000] ^= 0xFF;
        memory.writes_left = writes;
        let result = flash(&mut memory, &request(&image, Mode::Standby), &job);
        memory.writes_left = u32::MAX;
        if result.is_ok() {
            assert!(writes > 4, "the test cut at least a few times");
            break;
        }
        // The first write erases the block; before it, nothing has changed.
        let block = read_block(&mut memory, host());
        assert_eq!(block.is_ok(), writes == 0, "after {writes} writes");
    }
}

#[test]
fn what_does_not_fit_or_was_never_flashed_is_refused() {
    let (job, _events) = Job::new();
    let mut memory = Memory::new(host());
    let error = provision(&mut memory, host(), &Identity::default()).unwrap_err();
    assert_eq!(error.code(), "device-block");
    let image = vec![0; 4 * 1024 * 1024 + 1];
    let error = flash(&mut memory, &request(&image, Mode::Swap), &job).unwrap_err();
    assert_eq!(error.code(), "image-too-large");
    assert!(
        memory.bytes.iter().all(|byte| *byte == 0xFF),
        "nothing was written"
    );
    job.cancel();
    let error = flash(&mut memory, &request(&[1], Mode::Swap), &job).unwrap_err();
    assert_eq!(error.code(), "cancelled");
}

/// An encrypted image and the key for it.
fn encrypted() -> (Vec<u8>, DecryptionKey) {
    let key = DecryptionKey::new([5; 32]);
    let signer = otaru_image::SigningKey::from_seed([1; 32]);
    let image = otaru_image::ImageBuilder::new(image(9_000), otaru_image::Version::default())
        .encrypt(key.public(), otaru_image::Aes::Aes256)
        .sign(&signer)
        .unwrap();
    (image, key)
}

// Encrypted images by cable: image.md, *Encrypted images*.
#[test]
fn an_encrypted_image_runs_in_plain_text_and_is_stored_as_it_was_sent() {
    let (job, _events) = Job::new();
    let (sent, key) = encrypted();
    let plain = installed_form(&sent, &key).unwrap();
    for mode in [Mode::Standby, Mode::Swap] {
        let mut memory = Memory::new(host());
        let request = FlashRequest {
            decryption_key: Some(&key),
            ..request(&sent, mode)
        };
        flash(&mut memory, &request, &job).unwrap();
        let block = read_block(&mut memory, host()).unwrap();
        assert_eq!(block.read_decryption_key(&mut memory), Some([5; 32]));
        let mut slots = vec![(Slot::Execution, &plain)];
        if mode == Mode::Standby {
            slots.push((Slot::Storage0, &sent));
        }
        for (slot, expected) in slots {
            let mut stored = vec![0; sent.len()];
            let area = block.layout.slot(slot);
            area.read(&mut memory, 0, &mut stored).unwrap();
            assert!(stored == *expected, "{mode:?} {slot:?}");
        }
        let current = journal(&mut memory, mode).state().current();
        assert_eq!(current.digest, <[u8; 32]>::from(Sha256::digest(&sent)));
    }
}

#[test]
fn an_encrypted_image_is_not_flashed_without_its_key() {
    let (job, _events) = Job::new();
    let (sent, _key) = encrypted();
    let other = DecryptionKey::new([6; 32]);
    for key in [None, Some(&other)] {
        let mut memory = Memory::new(host());
        memory.writes_left = 0;
        let request = FlashRequest {
            decryption_key: key,
            ..request(&sent, Mode::Standby)
        };
        let error = flash(&mut memory, &request, &job).unwrap_err();
        assert_eq!(error.code(), "not-decryptable", "{error}");
    }
}

#[test]
fn a_device_that_is_flashed_without_a_key_has_none() {
    let (job, _events) = Job::new();
    let image = image(900);
    let mut memory = Memory::new(host());
    flash(&mut memory, &request(&image, Mode::Swap), &job).unwrap();
    let block = read_block(&mut memory, host()).unwrap();
    assert!(!block.decrypts());
}
