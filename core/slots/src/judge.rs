//! Whether the image in a slot may run there.

use crate::{SlotKind, SlotLayout, SlotName};
use otaru_flash::{AccessError, Area, Flash};
use otaru_image::{
    BoardIds, Expectation, Key, KeyKind, Progress, ReadAt, SignatureVerifier, Verification,
};
use otaru_record::{Cause, DigestStart};

/// Bytes that are read and hashed at once.
const BLOCK_LEN: usize = 256;

/// What the record demands of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Lowest security counter.
    pub floor: u32,
    /// Revoked keys, bit = position in the key table.
    pub revoked: u16,
}

/// What is remembered of an image that may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Its length in bytes, from the beginning of the slot.
    pub len: u32,
    /// Its security counter.
    pub security_counter: u32,
    /// Keys that an accept revokes, bit = position in the key table.
    pub revoke: u16,
    /// The first 8 bytes of its digest.
    pub image: DigestStart,
}

/// Who says whether an image may run where it stands. First stage and VM must use the same.
pub trait Judge {
    /// Reads the whole image and judges it. Takes as long as that takes; feeds the watchdog
    /// meanwhile.
    ///
    /// # Errors
    /// Why it may not run, as it is told to the manager.
    fn judge<F: Flash>(
        &mut self,
        flash: &mut F,
        layout: &SlotLayout,
        slot: SlotName,
        rules: Rules,
    ) -> Result<Facts, Cause>;
}

impl<T: Judge> Judge for &mut T {
    fn judge<F: Flash>(
        &mut self,
        flash: &mut F,
        layout: &SlotLayout,
        slot: SlotName,
        rules: Rules,
    ) -> Result<Facts, Cause> {
        (**self).judge(flash, layout, slot, rules)
    }
}

/// Judges signed images: format, digest, key, signature, board, slot, security counter.
///
/// An image that is linked for a fixed address must be linked for its slot. A VM must be: one that
/// is not runs nowhere but where it was linked, and nobody would notice before it is started.
#[derive(Debug)]
pub struct ImageJudge<'k, V, W> {
    /// The key table, of which the record may have revoked some: those count as absent.
    pub keys: &'k [Key],
    /// The board.
    pub board: BoardIds,
    /// Makes the verifier of signatures.
    pub verifier: V,
    /// Called before each block.
    pub feed_watchdog: W,
}

impl<S: SignatureVerifier, V: FnMut() -> S, W: FnMut()> Judge for ImageJudge<'_, V, W> {
    fn judge<F: Flash>(
        &mut self,
        flash: &mut F,
        layout: &SlotLayout,
        slot: SlotName,
        rules: Rules,
    ) -> Result<Facts, Cause> {
        let area = *layout.slot(slot).ok_or(Cause::WrongSlot)?;
        let address = layout.address(slot).ok_or(Cause::WrongSlot)?;
        let (table, count) = in_force(self.keys, rules.revoked);
        let expect = Expectation {
            keys: table.get(..count).unwrap_or_default(),
            board: Some(self.board),
            slot_address: Some(address),
            security_floor: rules.floor,
            ..Expectation::default()
        };
        let mut reader = SlotBytes { flash, area };
        let mut verification = Verification::with_verifier(area.len, &expect, (self.verifier)());
        let mut buf = [0; BLOCK_LEN];
        let verified = loop {
            (self.feed_watchdog)();
            // Ends: each step that says `More` has read at least one byte of the slot.
            match verification.step(&mut reader, &mut buf) {
                Ok(Progress::More { .. }) => {}
                Ok(Progress::Done(verified)) => break verified,
                Err(refused) => return Err(Cause::from(&refused)),
            }
        };
        let info = verified.info();
        if slot.kind == SlotKind::Vm && info.rom_address().is_none() {
            return Err(Cause::WrongSlot);
        }
        let signer = u32::try_from(verified.key_index()).unwrap_or(u32::MAX);
        if 1_u16
            .checked_shl(signer)
            .is_some_and(|bit| info.revoke & bit != 0)
        {
            return Err(Cause::RevokesOwnKey);
        }
        Ok(Facts {
            len: info.len,
            security_counter: info.security_counter,
            revoke: info.revoke,
            image: verified.digest().first_chunk().copied().unwrap_or_default(),
        })
    }
}

/// The key table with the revoked keys marked as such, and how many entries it has.
fn in_force(keys: &[Key], revoked: u16) -> ([Key; otaru_image::KEYS_MAX], usize) {
    let absent = Key {
        public: [0; 32],
        kind: KeyKind::Ed25519,
        revoked: true,
    };
    let mut table = [absent; otaru_image::KEYS_MAX];
    let mut count = 0_usize;
    let mut rest = revoked;
    for (entry, key) in table.iter_mut().zip(keys) {
        *entry = Key {
            revoked: key.revoked || rest & 1 != 0,
            ..*key
        };
        rest = rest.rotate_right(1);
        count = count.saturating_add(1);
    }
    (table, count)
}

/// The bytes of a slot.
struct SlotBytes<'f, F> {
    flash: &'f mut F,
    area: Area,
}

impl<F: Flash> ReadAt for SlotBytes<'_, F> {
    type Error = AccessError<F::Error>;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        self.area.read(self.flash, offset, buf)
    }
}
