//! Plans from small lists of pieces.
// Requirement: a build option keeps the layout of an image stable between versions.

use super::*;
use proptest::prelude::*;

fn piece(name: &str, len: u64) -> Piece {
    Piece {
        name: name.to_owned(),
        signature: len,
        len,
        align: 4,
        rank: Rank::LibraryCode,
    }
}

fn addresses(plan: &Plan) -> Vec<(&str, u64)> {
    let places = plan.layout.places.iter();
    places
        .map(|place| (place.name.as_str(), place.address))
        .collect()
}

fn address(plan: &Plan, name: &str) -> u64 {
    let place = plan.layout.places.iter().find(|place| place.name == name);
    place.unwrap().address
}

#[test]
fn a_new_layout_has_libraries_first_and_the_application_last() {
    let rank = |name: &str, rank| Piece {
        rank,
        ..piece(name, 8)
    };
    let pieces = [
        rank("own data", Rank::OwnData),
        rank("own", Rank::OwnCode),
        rank("b", Rank::LibraryCode),
        rank("data", Rank::LibraryData),
        rank("a", Rank::LibraryCode),
    ];
    let plan = plan(&pieces, None, 0x100);
    assert_eq!(
        addresses(&plan),
        [
            ("a", 0x100),
            ("b", 0x108),
            ("data", 0x110),
            ("own", 0x118),
            // 8 bytes, and 9 to grow, up to a multiple of four.
            ("own data", 0x118 + 20),
        ]
    );
    assert_eq!(plan.pieces, [4, 2, 3, 1, 0]);
}

#[test]
fn what_still_fits_stays_and_what_has_outgrown_its_room_goes_to_the_end() {
    let pieces = ["a", "b", "c", "d"].map(|name| piece(name, 160));
    let first = plan(&pieces, None, 0);
    let mut edited = pieces.clone();
    edited[1].len = 168;
    edited[2].len = 200;
    let second = plan(&edited, Some(&first.layout), 0);
    for name in ["a", "b", "d"] {
        assert_eq!(address(&second, name), address(&first, name), "{name}");
    }
    assert_eq!(address(&second, "c"), 4 * 172);
    let changes = second.changes;
    assert_eq!((changes.kept, changes.moved, changes.added), (3, 1, 0));
    assert_eq!((changes.gone, changes.free), (0, 172));
}

#[test]
fn a_hole_is_filled_only_when_much_is_free() {
    let pieces: Vec<Piece> = (0..20).map(|n| piece(&format!("p{n:02}"), 32)).collect();
    let first = plan(&pieces, None, 0);
    let without = |gone: usize| {
        let mut pieces: Vec<Piece> = pieces.iter().skip(gone).cloned().collect();
        pieces.insert(0, piece("new", 16));
        // The first stays, so that what is gone leaves a hole.
        pieces.push(piece("p00", 32));
        pieces.retain(|piece| piece.name != "p01");
        plan(&pieces, Some(&first.layout), 0)
    };
    let end = first.layout.places.last().map(Place::end).unwrap();
    assert_eq!(address(&without(1), "new"), end);
    let much = without(4);
    assert_eq!(address(&much, "new"), address(&first, "p01"));
    assert_eq!(much.changes.gone, 3);
}

#[test]
fn constants_without_names_keep_their_places_when_one_comes_between() {
    let constant = |signature| Piece {
        signature,
        rank: Rank::OwnData,
        ..piece("lamp rodata.Lanon", 16)
    };
    let first = plan(&[10, 11, 12, 13].map(constant), None, 0);
    // One is new, one has changed (a line number), one is gone.
    let second = plan(&[99, 10, 55, 12].map(constant), Some(&first.layout), 0);
    let at: Vec<(u64, u64)> = second
        .layout
        .places
        .iter()
        .map(|place| (place.signature, place.address))
        .collect();
    assert_eq!(at, [(10, 0), (99, 16), (12, 32), (55, 48)]);
}

#[test]
fn an_alignment_that_has_grown_moves_a_piece() {
    let pieces = [piece("a", 4), piece("b", 4)];
    let first = plan(&pieces, None, 0);
    let mut edited = pieces;
    edited[1].align = 16;
    let second = plan(&edited, Some(&first.layout), 0);
    assert_eq!(address(&second, "b") % 16, 0);
    assert_eq!(second.changes.moved, 1);
}

fn some_pieces() -> impl Strategy<Value = Vec<Piece>> {
    let one = (0_u8..30, 1_u64..300, 0_u32..5, 0_u64..4, 0_u8..4).prop_map(
        |(name, len, align, signature, rank)| Piece {
            name: format!("n{name}"),
            signature: signature + 4 * (len + (300 << align)),
            len,
            align: 1 << align,
            rank: match rank {
                0 => Rank::LibraryCode,
                1 => Rank::LibraryData,
                2 => Rank::OwnCode,
                _ => Rank::OwnData,
            },
        },
    );
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn places_never_share_bytes_and_a_second_plan_changes_nothing(
        versions in proptest::collection::vec(some_pieces(), 1..5),
    ) {
        let mut old: Option<Layout> = None;
        for pieces in versions {
            let made = plan(&pieces, old.as_ref(), 0x100);
            let mut end = made.layout.start;
            let mut seen = vec![false; pieces.len()];
            for (place, index) in made.layout.places.iter().zip(&made.pieces) {
                prop_assert!(place.address >= end);
                prop_assert!(place.room >= pieces[*index].len);
                prop_assert_eq!(place.address % pieces[*index].align, 0);
                prop_assert_eq!(&place.name, &pieces[*index].name);
                prop_assert!(!std::mem::replace(&mut seen[*index], true));
                end = place.end();
            }
            prop_assert!(seen.iter().all(|seen| *seen));
            let again = plan(&pieces, Some(&made.layout), 0x100);
            prop_assert_eq!(&again.layout, &made.layout);
            prop_assert_eq!(again.changes.kept, pieces.len());
            old = Some(made.layout);
        }
    }
}
