//! A4: bytes of any kind lead to an error, never to a panic, and to a bounded number of reads.

use otaru_image::{TLVS_MAX, VerifyError, inspect, verify};
use proptest::prelude::*;

use crate::forge::{Counting, Forge, device, digest_of, len_u32, signing_key, trusted};

/// Runs both entry points over a slot and checks the bounds of their work.
fn survive(slot: &[u8], slot_len: u32, announced: Option<u32>, buf_len: usize) {
    let mut source = Counting::new(slot, slot_len);
    let inspected = inspect(&mut source, slot_len);
    assert!(
        source.reads <= 3 + 2 * u32::from(TLVS_MAX),
        "{} reads",
        source.reads
    );

    let keys = [trusted(&signing_key())];
    let mut expect = device(&keys);
    expect.len = announced;
    expect.digest = announced.map(|_| digest_of(slot));
    let mut source = Counting::new(slot, slot_len);
    let verdict = verify(&mut source, slot_len, &expect, &mut vec![0; buf_len]);
    assert!(
        source.times_read.iter().all(|&times| times <= 1),
        "a byte was read twice"
    );
    if let Ok(verified) = verdict {
        assert_eq!(inspected.as_ref(), Ok(verified.info()));
        let len = usize::try_from(verified.info().len).unwrap();
        assert_eq!(verified.digest(), digest_of(&slot[..len]));
    }
}

/// A number that is often one of the values at which comparisons go wrong.
fn tricky_u16() -> impl Strategy<Value = u16> {
    prop_oneof![
        0_u16..80,
        any::<u16>(),
        Just(u16::MAX),
        Just(0x8000),
        Just(0x7fff)
    ]
}

fn tricky_u32() -> impl Strategy<Value = u32> {
    prop_oneof![
        0_u32..600,
        any::<u32>(),
        Just(u32::MAX),
        Just(0x8000_0000),
        Just(u32::MAX - 100)
    ]
}

fn tlv_kind() -> impl Strategy<Value = u16> {
    let known = [
        0x01, 0x02, 0x10, 0x11, 0x22, 0x24, 0x25, 0x33, 0x40, 0x50, 0x60, 0x70, 0x74, 0x75, 0xa0,
        0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0x6907, 0x6908,
    ];
    prop_oneof![3 => proptest::sample::select(known.to_vec()), 1 => any::<u16>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn random_bytes(
        slot in proptest::collection::vec(any::<u8>(), 0..2000),
        announced in proptest::option::of(tricky_u32()),
        buf_len in 0_usize..400,
    ) {
        survive(&slot, len_u32(&slot), announced, buf_len);
    }

    #[test]
    fn random_header_fields_before_random_bytes(
        sizes in (tricky_u32(), tricky_u16(), tricky_u16(), tricky_u32()),
        flags in prop_oneof![Just(0_u32), Just(0x100), any::<u32>()],
        rest in proptest::collection::vec(any::<u8>(), 0..1500),
        claimed_slot_len in proptest::option::of(tricky_u32()),
        buf_len in 0_usize..400,
    ) {
        let (load_address, header_len, protected_len, payload_len) = sizes;
        let mut slot = 0x96f3_b83d_u32.to_le_bytes().to_vec();
        slot.extend(load_address.to_le_bytes());
        slot.extend(header_len.to_le_bytes());
        slot.extend(protected_len.to_le_bytes());
        slot.extend(payload_len.to_le_bytes());
        slot.extend(flags.to_le_bytes());
        slot.extend(rest);
        // The source may be shorter than the slot is said to be: then reading fails.
        survive(&slot, claimed_slot_len.unwrap_or(len_u32(&slot)), None, buf_len);
    }

    #[test]
    fn random_tlvs_in_signed_areas(
        protected in proptest::collection::vec(
            (tlv_kind(), proptest::collection::vec(any::<u8>(), 0..70)), 0..40),
        unprotected in proptest::collection::vec(
            (tlv_kind(), proptest::collection::vec(any::<u8>(), 0..70)), 0..4),
        tail in proptest::collection::vec(any::<u8>(), 0..6),
        lens in (proptest::option::weighted(0.2, tricky_u16()),
            proptest::option::weighted(0.2, tricky_u16())),
        keep in any::<bool>(),
        buf_len in 0_usize..400,
    ) {
        let mut forge = Forge::new();
        if keep { forge.protected.extend(protected); } else { forge.protected = protected; }
        forge.unprotected = unprotected;
        forge.protected_tail = tail;
        (forge.protected_len, forge.unprotected_len) = lens;
        let slot = forge.build();
        survive(&slot, len_u32(&slot), Some(len_u32(&slot)), buf_len);
    }

    #[test]
    fn damaged_good_images(
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        buf_len in 0_usize..400,
    ) {
        let good = Forge::new().build();
        let mut slot = good.clone();
        for (position, value) in changes {
            let offset = position.index(slot.len());
            slot[offset] = value;
        }
        survive(&slot, len_u32(&slot), None, buf_len);
        let keys = [trusted(&signing_key())];
        let verdict = crate::forge::check(&slot, &device(&keys));
        prop_assert_eq!(verdict.is_ok(), slot == good);
        let source_failed = matches!(verdict, Err(VerifyError::Read(_)));
        prop_assert!(!source_failed, "read outside the slot");
    }
}
