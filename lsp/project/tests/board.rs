//! What is said about a board file.
// B7: layout is data; overlap or misalignment is rejected when loaded.

use otaru_lsp_project::{Board, BoardTarget, Code, ImageKind, Mode};

const HOST: &str = include_str!("../../../boards/host/board.toml");

fn codes(text: &str) -> Vec<(Code, String)> {
    let read = Board::parse(text);
    assert_eq!(read.model.is_none(), !read.is_usable());
    read.problems
        .into_iter()
        .map(|problem| (problem.code, problem.message))
        .collect()
}

fn with(line: &str, replacement: &str) -> String {
    assert!(
        HOST.contains(line),
        "{line:?} is part of the host board's file"
    );
    HOST.replacen(line, replacement, 1)
}

#[test]
fn the_host_board_is_read_completely() {
    let board = Board::parse(HOST).model.unwrap();
    assert_eq!(board.target, BoardTarget::Host);
    assert_eq!(board.image, ImageKind::Elf);
    assert_eq!(
        (board.flash.len, board.flash.write_unit, board.flash.erased),
        (16 << 20, 8, 0xFF)
    );
    assert_eq!(board.image_len_max(Mode::Standby), 4 << 20);
    assert_eq!(board.image_len_max(Mode::Swap), 4 << 20);
    let names = |mode| {
        board
            .areas_of(mode)
            .iter()
            .map(|area| area.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(Mode::Standby),
        [
            "device_block",
            "identity",
            "record",
            "execution",
            "storage_0",
            "storage_1"
        ]
    );
    assert_eq!(
        names(Mode::Swap),
        [
            "device_block",
            "identity",
            "record",
            "execution",
            "secondary"
        ]
    );
}

/// A line of the file, what stands there instead, and what is said about it.
const UNSOUND: &[(&str, &str, Code, &str)] = &[
    (
        "offset = 0x50_0000",
        "offset = 0x4f_0000",
        Code::AreaOverlap,
        "storage_0 begins at",
    ),
    (
        "offset = 0x1000",
        "offset = 0x0",
        Code::AreaOverlap,
        "device_block",
    ),
    (
        "len = 0x100_0000",
        "len = 0x80_0000",
        Code::AreaOutsideFlash,
        "beyond the flash",
    ),
    (
        "offset = 0x10_0000",
        "offset = 0x10_0001",
        Code::AreaUnaligned,
        "execution",
    ),
    (
        "chunk_len = 0x1000",
        "chunk_len = 0x800",
        Code::AreaUnaligned,
        "the chunk of 0x800",
    ),
    (
        "len = 0x40_1000",
        "len = 0x40_0000",
        Code::AreaTooSmall,
        "one chunk longer",
    ),
    (
        "len = 0x2_0000",
        "len = 0x1000",
        Code::AreaTooSmall,
        "record has two halves",
    ),
    (
        "erased = 0xFF",
        "erased = 0x7F",
        Code::Value,
        "0x00 or 0xFF",
    ),
    (
        "image = \"elf\"",
        "image = \"efl\"",
        Code::Value,
        "not an image kind",
    ),
    ("trials = 1", "trials = 17", Code::Value, "from 1 to 16"),
    (
        "write_unit = 8",
        "",
        Code::MissingRequired,
        "`write_unit` is missing",
    ),
    (
        "[areas.record]",
        "[areas.rekord]",
        Code::UnknownKey,
        "areas",
    ),
];

#[test]
fn geometry_that_does_not_fit_together_is_refused() {
    for (line, replacement, code, part) in UNSOUND {
        let found = codes(&with(line, replacement));
        assert!(
            found
                .iter()
                .any(|(have, message)| have == code && message.contains(part)),
            "{replacement:?}: {found:?}"
        );
    }
}

#[test]
fn flash_that_is_mapped_elsewhere_says_at_which_address() {
    let board = Board::parse(HOST).model.unwrap();
    assert_eq!(board.flash.address, 0, "unless the file says otherwise");
    let mapped = with(
        "len = 0x100_0000",
        "len = 0x100_0000\naddress = 0x2000_0000",
    );
    let board = Board::parse(&mapped).model.unwrap();
    assert_eq!(board.flash.address, 0x2000_0000);
}

#[test]
fn a_board_needs_at_least_one_mode_and_may_have_only_one() {
    let swap = HOST.find("[modes.swap").unwrap();
    let standby = HOST.find("[modes.standby.storage_0").unwrap();
    let defaults = HOST.find("[defaults]").unwrap();
    let only_swap = format!("{}{}", &HOST[..standby], &HOST[swap..]);
    // The default has to be a mode that is described.
    assert_eq!(codes(&only_swap)[0].0, Code::ModeUnsupported);
    let only_swap = only_swap.replace("mode = \"standby\"", "mode = \"swap\"");
    let board = Board::parse(&only_swap).model.unwrap();
    assert!(!board.has_mode(Mode::Standby) && board.has_mode(Mode::Swap));
    let none = format!("{}{}", &HOST[..standby], &HOST[defaults..]);
    assert!(
        codes(&none)
            .iter()
            .any(|(code, _)| *code == Code::MissingRequired)
    );
}

#[test]
fn the_nrf52840_board_is_sound_in_both_modes() {
    // Not among the boards that projects may choose: it has never run on hardware.
    let read = Board::parse(include_str!("../../../boards/nrf52840/board.toml"));
    assert_eq!(read.problems, []);
    let board = read.model.unwrap();
    assert_eq!(board.image, ImageKind::Flat);
    assert_eq!(
        board.target,
        BoardTarget::Triple("thumbv7em-none-eabihf".to_owned())
    );
    assert_eq!(board.image_len_max(Mode::Standby), 0x5_0000);
    assert_eq!(board.image_len_max(Mode::Swap), 0x5_0000);
}
