//! The key table as the verifier wants it: one mapping for agent and bootloader.

use otaru_flash::{DeviceBlock, KEYS_MAX};
use otaru_image::{Key, KeyKind};

/// The keys of the device block in their order, and how many there are. `revoked` has a bit for
/// each position.
pub fn key_table(block: &DeviceBlock, revoked: u16) -> ([Key; KEYS_MAX], usize) {
    let mut table = [Key {
        public: [0; 32],
        kind: KeyKind::Ed25519,
        revoked: true,
    }; KEYS_MAX];
    let mut count = 0_usize;
    let mut rest = revoked;
    for (entry, key) in table.iter_mut().zip(block.keys()) {
        *entry = Key {
            public: key.public,
            kind: match key.kind {
                otaru_flash::KeyKind::Ed25519 => KeyKind::Ed25519,
                otaru_flash::KeyKind::P256 { y_odd } => KeyKind::P256 { y_odd },
            },
            revoked: rest & 1 != 0,
        };
        rest = rest.rotate_right(1);
        count = count.saturating_add(1);
    }
    (table, count)
}
