//! Target `image`: `inspect` and `verify` over arbitrary bytes.
//!
//! The first byte says what they are: its low two bits choose nothing or an original, its third bit
//! asks for a repair of the hashes, its sixth one makes the first original the one with parts. Then follow edits of the original, or the bytes themselves.
//!
//! What has to hold: every read lies inside the slot; what `inspect` accepts lies inside it too; a
//! verification reads every byte once and says the same however it is cut into blocks; and the
//! real verifier accepts nothing but what was signed.

use otaru_image::{
    Ed25519Dalek, Expectation, ReadAt, Reason, SignatureVerifier, Stopped, TLVS_MAX, Verification,
    Verified, VerifyError, inspect, verify_with,
};

use crate::forge::{BOARD, Marked, ORIGINALS, SLOT_ADDRESS, WITH_PARTS, digest, keys, repair};
use crate::input::Input;

/// A slot that watches what is read from it.
struct Slot<'a> {
    bytes: &'a [u8],
    reads: usize,
    read_bytes: usize,
    longest: usize,
}

impl<'a> Slot<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            reads: 0,
            read_bytes: 0,
            longest: 0,
        }
    }
}

impl ReadAt for Slot<'_> {
    type Error = std::convert::Infallible;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> Result<(), Self::Error> {
        self.reads += 1;
        self.read_bytes += buf.len();
        self.longest = self.longest.max(buf.len());
        let start = offset as usize;
        let stored = self.bytes.get(start..start + buf.len());
        buf.copy_from_slice(stored.expect("a read stays inside the slot"));
        Ok(())
    }
}

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.u8();
    let floor = u32::from(kind >> 3) & 3;
    let mut bytes = match usize::from(kind & 3).checked_sub(1) {
        Some(original) => {
            let mut bytes = if original == 0 && kind & 0x20 != 0 {
                WITH_PARTS.clone()
            } else {
                ORIGINALS[original].clone()
            };
            while !input.is_empty() {
                input.edit(&mut bytes);
            }
            bytes
        }
        None => input.rest().to_vec(),
    };
    if kind & 4 != 0 {
        repair(&mut bytes);
    }
    inspected(&bytes);
    let keys = keys();
    for (board, slot_address) in [(None, None), (Some(BOARD), Some(SLOT_ADDRESS))] {
        let expect = Expectation {
            keys: &keys,
            board,
            slot_address,
            security_floor: floor,
            ..Expectation::default()
        };
        let lenient = verified(&bytes, &expect, Marked);
        announced(&bytes, &expect, &lenient);
        if let Ok(found) = verified(&bytes, &expect, Ed25519Dalek) {
            let image = &bytes[..found.info().len as usize];
            assert!(
                ORIGINALS.iter().any(|original| original == image) || *WITH_PARTS == image,
                "an image was accepted that nobody signed"
            );
        }
    }
}

fn slot_len(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("inputs are short")
}

fn inspected(bytes: &[u8]) {
    let mut slot = Slot::new(bytes);
    let result = inspect(&mut slot, slot_len(bytes));
    assert!(slot.reads <= 3 + 2 * usize::from(TLVS_MAX) && slot.longest <= 64);
    let Ok(info) = result else { return };
    assert!(
        info.len <= slot_len(bytes),
        "the image is longer than its slot"
    );
    assert!(info.hashed_len < info.len);
    assert_eq!(info.hashed_len, info.header.hashed_len());
    let at = info.signature_offset as usize;
    assert!(at >= info.hashed_len as usize && at + 64 <= info.len as usize);
    assert_eq!(&bytes[at..at + 64], info.signature.as_bytes());
    if let Some(label) = info.label {
        assert!(!label.as_str().is_empty());
    }
}

type Verdict = Result<Verified, VerifyError<std::convert::Infallible>>;

/// Verifies in blocks of several lengths, which must not matter.
fn verified(
    bytes: &[u8],
    expect: &Expectation<'_>,
    verifier: impl SignatureVerifier + Copy,
) -> Verdict {
    let [first, others @ ..] = [256, 0, 33].map(|block_len| {
        let mut slot = Slot::new(bytes);
        let mut block = vec![0; block_len];
        let verdict = verify_with(&mut slot, slot_len(bytes), expect, &mut block, verifier);
        assert!(slot.read_bytes <= bytes.len(), "a byte was read twice");
        let reason = reason(bytes, expect, &mut block, verifier);
        assert_eq!(reason, verdict.as_ref().err().map(Reason::from));
        if let Ok(found) = &verdict {
            let info = inspect(&mut &*bytes, slot_len(bytes)).expect("what verifies is an image");
            assert_eq!(*found.info(), info);
            let image = &bytes[..info.len as usize];
            assert_eq!(found.digest(), digest(image));
            assert_eq!(info.image_hash, digest(&image[..info.hashed_len as usize]));
            assert!(info.security_counter >= expect.security_floor);
            assert!(expect.board.is_none() || info.board() == expect.board);
        }
        verdict
    });
    for other in others {
        assert_eq!(
            first, other,
            "the verdict depends on the length of the blocks"
        );
    }
    first
}

/// What a bootloader records of the verdict.
fn reason(
    bytes: &[u8],
    expect: &Expectation<'_>,
    block: &mut [u8],
    verifier: impl SignatureVerifier,
) -> Option<Reason> {
    let mut slot = Slot::new(bytes);
    let mut verification = Verification::begin(slot_len(bytes), expect, verifier);
    loop {
        match verification.advance(&mut slot, block) {
            Ok(None) => {}
            Ok(Some(_)) => return None,
            Err(Stopped::Refused(reason)) => return Some(reason),
        }
    }
}

/// With the true digest and length announced the verdict stays; with others nothing is accepted.
fn announced(bytes: &[u8], expect: &Expectation<'_>, before: &Verdict) {
    let len = slot_len(bytes);
    let exact = before.as_ref().map_or(len, |found| found.info().len);
    let image = &bytes[..exact as usize];
    let expect = Expectation {
        digest: Some(digest(image)),
        len: Some(exact),
        ..*expect
    };
    let verdict = verified(bytes, &expect, Marked);
    assert_eq!(
        verdict.is_ok(),
        before.is_ok(),
        "{before:?}, then {verdict:?}"
    );
    let wrong = Expectation {
        digest: Some([0; 32]),
        ..expect
    };
    assert_eq!(
        verified(bytes, &wrong, Marked),
        Err(VerifyError::DigestMismatch)
    );
}
