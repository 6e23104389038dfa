//! A device in memory: a flash that tears, the real bootloader, a board identity, two images.

use otaru_bootloader::{Boot, Decision, Port, ResetCause, boot};
use otaru_flash::{
    Area, DeviceBlock, Flash, Identity, IdentityStore, Key, Layout, Mode, Slot, TokenKind,
};
use otaru_image::{BoardIds, Ed25519Dalek, ImageBuilder, Label, SigningKey, Uuid, Version};
use otaru_record::{Geometry, HANDOVER_LEN_MAX, Image, Journal, State};
use otaru_runtime_agent::Outcome;
use otaru_sim::{Rng, Shape, SimFlash};

/// The key of devices in tests of encrypted images.
pub(crate) const DEVICE_KEY: [u8; 32] = [0x33; 32];
pub(crate) const VENDOR: [u8; 16] = [0x11; 16];
pub(crate) const CLASS: [u8; 16] = [0x22; 16];

/// SHA-256 of a file, by the code that the device uses.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    let keys = [signing_key(), second_key()].map(|key| otaru_image::Key {
        public: key.public().to_bytes(),
        kind: otaru_image::KeyKind::Ed25519,
        revoked: false,
    });
    let decryption_key = otaru_image::DecryptionKey::new(DEVICE_KEY);
    let expect = otaru_image::Expectation {
        keys: &keys,
        decryption_key: Some(&decryption_key),
        ..otaru_image::Expectation::default()
    };
    let len = u32::try_from(bytes.len()).unwrap();
    otaru_image::verify(&mut &bytes[..], len, &expect, &mut [0; 512])
        .expect("a good image")
        .digest()
}

/// A digest as it stands on the wire.
pub(crate) fn hex(digest: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15];
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    digest.iter().flat_map(digits).map(digit).collect()
}

pub(crate) fn image_of(bytes: &[u8]) -> Image {
    Image {
        len: u32::try_from(bytes.len()).unwrap(),
        digest: digest(bytes),
    }
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

/// A key that stands in the key table behind the first one of devices made by
/// [`World::with_two_keys`].
pub(crate) fn second_key() -> SigningKey {
    SigningKey::from_seed([8; 32])
}

/// A signed image with this label and about `len` bytes.
pub(crate) fn signed(label: &str, counter: u32, len: usize) -> Vec<u8> {
    signed_for(label, counter, len, CLASS, &signing_key())
}

pub(crate) fn signed_for(
    label: &str,
    counter: u32,
    len: usize,
    class: [u8; 16],
    key: &SigningKey,
) -> Vec<u8> {
    unsigned(label, counter, len, class).sign(key).unwrap()
}

/// The same before it is signed.
pub(crate) fn unsigned(label: &str, counter: u32, len: usize, class: [u8; 16]) -> ImageBuilder {
    let mut rng = Rng::new(u64::from(counter) * 1000 + len as u64);
    let payload: Vec<u8> = (0..len).map(|_| rng.byte()).collect();
    let version = Version {
        major: 1,
        minor: 0,
        revision: 0,
        build: counter,
    };
    ImageBuilder::new(payload, version)
        .header_len(32)
        .label(Label::new(label).unwrap())
        .security_counter(counter)
        .board(BoardIds {
            vid: Uuid(VENDOR),
            cid: Uuid(class),
        })
}

/// 48 chunks of 512 bytes.
pub(crate) fn layout(mode: Mode) -> Layout {
    Shape::plain(mode, 48).layout()
}

pub(crate) struct World {
    pub(crate) flash: SimFlash,
    pub(crate) layout: Layout,
    pub(crate) old: Vec<u8>,
    pub(crate) retained: Vec<u8>,
    pub(crate) boots: u32,
    /// What the application last saw as outcome.
    pub(crate) outcome: Option<Outcome>,
}

struct Quiet;

impl Port for Quiet {
    type Verifier = Ed25519Dalek;

    fn verifier(&mut self) -> Ed25519Dalek {
        Ed25519Dalek
    }

    fn feed_watchdog(&mut self) {}
    fn arm_watchdog(&mut self, _timeout_ms: u32) {}
    fn now_ms(&mut self) -> u32 {
        0
    }
    fn report(&mut self, _event: otaru_bootloader::Event<'_>) {}
}

/// What a device leaves the factory with.
struct Factory {
    image: Image,
    old: Vec<u8>,
    table: Vec<SigningKey>,
    trials: u8,
    decryption_key: Option<[u8; 32]>,
}

impl Default for Factory {
    fn default() -> Self {
        let old = signed("1.0.0+1", 1, 9000);
        Self {
            image: image_of(&old),
            old,
            table: vec![signing_key()],
            trials: 1,
            decryption_key: None,
        }
    }
}

impl World {
    /// A device as it leaves the factory, provisioned for a manager at `url`.
    pub(crate) fn new(mode: Mode, seed: u64, url: &str) -> Self {
        Self::made(mode, seed, url, Factory::default())
    }

    /// The same with a second key, provisioned for the day on which the first is given up.
    pub(crate) fn with_two_keys(mode: Mode, seed: u64, url: &str) -> Self {
        let factory = Factory {
            table: vec![signing_key(), second_key()],
            ..Factory::default()
        };
        Self::made(mode, seed, url, factory)
    }

    /// The same as [`World::new`] with this many trials in the device block.
    pub(crate) fn with_trials(mode: Mode, url: &str, trials: u8) -> Self {
        let factory = Factory {
            trials,
            ..Factory::default()
        };
        Self::made(mode, 5, url, factory)
    }

    /// The same with this image, which the record calls so and of which these bytes are installed,
    /// and perhaps with a key for encrypted ones.
    #[cfg(feature = "encryption")]
    pub(crate) fn with_image(
        mode: Mode,
        seed: u64,
        url: &str,
        (image, old): (Image, Vec<u8>),
        decryption_key: Option<[u8; 32]>,
    ) -> Self {
        let factory = Factory {
            image,
            old,
            decryption_key,
            ..Factory::default()
        };
        Self::made(mode, seed, url, factory)
    }

    fn made(mode: Mode, seed: u64, url: &str, factory: Factory) -> Self {
        let layout = layout(mode);
        let mut flash = SimFlash::new(Shape::plain(mode, 48).part(), seed);
        let keys: Vec<Key> = factory
            .table
            .iter()
            .map(|key| Key {
                public: key.public().to_bytes(),
                kind: otaru_flash::KeyKind::Ed25519,
                development: true,
            })
            .collect();
        let mut block = DeviceBlock::new("sim", layout, &keys).unwrap();
        block.vendor_id = VENDOR;
        block.class_id = CLASS;
        block.trials = factory.trials;
        let block = block.encode_with(factory.decryption_key.as_ref()).unwrap();
        flash.program(0, &block).unwrap();
        put(&mut flash, &layout.execution, &factory.old, &layout);
        Journal::create(
            &mut flash,
            Geometry::new(&layout).unwrap(),
            &State::factory(factory.image, 1),
        )
        .unwrap();
        let identity = Identity {
            device_id: "d1",
            token: "secret-token",
            token_kind: TokenKind::Target,
            ddi_url: url,
            ca: &[],
        };
        IdentityStore::new(&layout)
            .store(&mut flash, &identity, &mut [0; 4096])
            .unwrap();
        Self {
            flash,
            layout,
            old: factory.old,
            retained: vec![0; 4096],
            boots: 0,
            outcome: None,
        }
    }

    /// One boot of the real bootloader; the handover block it leaves. `None` after a power cut.
    pub(crate) fn boot(&mut self, cause: ResetCause) -> Option<Vec<u8>> {
        self.boots += 1;
        let at = Boot {
            device_block_at: 0,
            cause,
        };
        let start = match boot(&mut self.flash, &mut Quiet, at, &mut [0; 1024]) {
            Decision::Start(start) => start,
            Decision::Recovery(_) if self.flash.is_off() => return None,
            Decision::Recovery(why) => panic!("the device does not start: {why}"),
        };
        if self.flash.is_off() {
            return None;
        }
        let mut handover = vec![0; HANDOVER_LEN_MAX];
        let len = start.journal.hand_over(&mut handover).unwrap();
        handover.truncate(len);
        Some(handover)
    }

    /// The state in force, as a boot would see it.
    pub(crate) fn state(&mut self) -> State {
        *Journal::load(&mut self.flash, &self.layout)
            .unwrap()
            .state()
    }

    /// Whether the execution slot begins with these bytes.
    pub(crate) fn runs(&self, image: &[u8]) -> bool {
        self.slot(Slot::Execution).starts_with(image)
    }

    /// What stands in a slot, from where its image begins.
    pub(crate) fn slot(&self, slot: Slot) -> Vec<u8> {
        let area = self.layout.slot(slot);
        let start = self.layout.image_offset(slot);
        let mut bytes = vec![0; (area.len - start) as usize];
        area.read(&mut self.flash.clone(), start, &mut bytes)
            .unwrap();
        bytes
    }

    /// Sectors of execution slot and storage that were erased so far.
    pub(crate) fn image_erases(&self) -> u32 {
        [Slot::Execution, Slot::Storage0, Slot::Storage1]
            .map(|slot| self.layout.slot(slot))
            .iter()
            .map(|area| self.flash.erases_in(area.offset, area.len))
            .sum()
    }
}

fn put(flash: &mut SimFlash, area: &Area, bytes: &[u8], layout: &Layout) {
    let mut padded = bytes.to_vec();
    let unit = usize::from(layout.write_unit);
    padded.resize(padded.len().next_multiple_of(unit), layout.erased);
    area.program(flash, 0, &padded).unwrap();
}
