//! Target `identity`: arbitrary bytes as identity area, then provisioning with faults.
//!
//! Bytes: options, the planned fault, an identity to store, then the area itself.
//!
//! What has to hold: what was stored is what a load finds; else the former identity is in force, or
//! the new one whole if the flash said that it failed; and the number of flash operations has a limit.

use otaru_flash::{Area, IDENTITY_LEN_MAX, Identity, IdentityStore, TokenKind, crc32};

use crate::input::Input;
use crate::layouts;
use crate::ram::{Fault, RamFlash};

/// Erase, program, and at most two reads for each of five looks at a half.
const OPERATIONS_MAX: u64 = 24;

/// An identity that owns its text, to compare it after the buffer was used for another.
type Owned = (String, String, TokenKind, String, Vec<u8>);

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let layout = layouts::choose(options & 3);
    let fault = Fault {
        after: u32::from(options >> 2 & 3),
        count: u32::from(options >> 4 & 1),
        half: options & 32 != 0,
    };
    let lens = input.array::<4>().map(usize::from);
    let texts = lens.map(|len| input.bytes(len));
    let [device_id, token, ddi_url, ca] = texts;
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or("x");
    let identity = Identity {
        device_id: text(device_id),
        token: text(token),
        token_kind: if options & 64 == 0 {
            TokenKind::Target
        } else {
            TokenKind::Gateway
        },
        ddi_url: text(ddi_url),
        ca,
    };

    let mut flash = RamFlash::new(&layout);
    flash.allow(&[layout.identity]);
    for half in layout.identity.halves() {
        fill(&mut flash, &half, &mut input, options & 128 != 0);
    }
    let store = IdentityStore::new(&layout);
    let before = load(&store, &mut flash);
    flash.plan(fault);
    flash.limit(OPERATIONS_MAX);
    let stored = store.store(&mut flash, &identity, &mut [0; IDENTITY_LEN_MAX]);
    let after = load(&store, &mut flash);
    if stored.is_ok() {
        assert_eq!(after, Some(owned(&identity)), "stored, but not found");
    } else {
        // A program that failed may have done its work.
        let new = flash.has_failed() && after == Some(owned(&identity));
        assert!(new || after == before, "before {before:?}, after {after:?}");
    }
}

/// Fills a half with a length and that many bytes; with `repaired` they get a header that fits and
/// the right CRC.
fn fill(flash: &mut RamFlash, half: &Area, input: &mut Input<'_>, repaired: bool) {
    let len = usize::from(input.u8());
    let bytes = input.bytes(len);
    flash.change(half, |target| {
        target[..bytes.len()].copy_from_slice(bytes);
        if let (true, Some(end)) = (
            repaired,
            bytes.len().checked_sub(4).filter(|end| *end >= 12),
        ) {
            target[..6].copy_from_slice(b"OTID\x01\x00");
            target[6] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
            target[7] = 0;
            let crc = crc32(&target[..end]).to_le_bytes();
            target[end..end + 4].copy_from_slice(&crc);
        }
    });
}

fn load(store: &IdentityStore, flash: &mut RamFlash) -> Option<Owned> {
    flash.limit(OPERATIONS_MAX);
    let mut buf = [0; IDENTITY_LEN_MAX];
    store.load(flash, &mut buf).as_ref().map(owned)
}

fn owned(identity: &Identity<'_>) -> Owned {
    (
        identity.device_id.to_owned(),
        identity.token.to_owned(),
        identity.token_kind,
        identity.ddi_url.to_owned(),
        identity.ca.to_owned(),
    )
}
