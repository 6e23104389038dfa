//! The tables of `board.toml`. To add a key, add one entry.

use super::manifest::MODES;
use super::{BOARD_FILE_NAME, KeyDoc, KeyKind, Schema, TableDoc, Unit, Word};

/// An area that exists in every mode.
const fn area(name: &'static str, doc: &'static str) -> TableDoc {
    TableDoc {
        name,
        doc,
        keys: AREA,
        group: None,
        is_list: false,
    }
}

/// An area of one mode.
const fn mode_area(name: &'static str, mode: &'static str, doc: &'static str) -> TableDoc {
    TableDoc {
        group: Some(mode),
        ..area(name, doc)
    }
}

/// What may stand in `board.toml`.
pub const BOARD_SCHEMA: Schema = Schema {
    file: BOARD_FILE_NAME,
    tables: &[
        TableDoc {
            name: "board",
            doc: "What the board is, and what is built for it.",
            keys: BOARD,
            group: None,
            is_list: false,
        },
        TableDoc {
            name: "flash",
            doc: "Properties of the flash as a whole.",
            keys: FLASH,
            group: None,
            is_list: false,
        },
        area(
            "areas.device_block",
            "Written when a board is flashed by cable: areas, install mode, board id, key table.",
        ),
        area(
            "areas.identity",
            "Written by provisioning: device id, token, manager URL. Two copies, so that \
             provisioning survives a power cut.",
        ),
        area(
            "areas.record",
            "The power-fail-safe journal of the update state, in two halves.",
        ),
        area(
            "areas.execution",
            "The execution slot: the flash area from which the firmware runs.",
        ),
        mode_area(
            "modes.standby.storage_0",
            "modes.standby",
            "The first of two areas for images, at least as long as the execution slot.",
        ),
        mode_area(
            "modes.standby.storage_1",
            "modes.standby",
            "The second of two areas for images, at least as long as the execution slot.",
        ),
        mode_area(
            "modes.swap.secondary",
            "modes.swap",
            "The second slot, one chunk longer than the execution slot: that chunk is the hole \
             through which the two images are exchanged.",
        ),
        TableDoc {
            name: "defaults",
            doc: "Values that a manifest or a deployment may override.",
            keys: DEFAULTS,
            group: None,
            is_list: false,
        },
    ],
};

const BOARD: &[KeyDoc] = &[
    KeyDoc::required(
        "name",
        KeyKind::Text,
        "\"my-board\"",
        "The name of the directory under `boards/`, and what manifests write.",
    ),
    KeyDoc::required(
        "vendor",
        KeyKind::Text,
        "\"My Company\"",
        "Who makes the board.",
    ),
    KeyDoc::required(
        "description",
        KeyKind::Text,
        "\"one line about the board\"",
        "One line about the board.",
    ),
    KeyDoc::required(
        "vid",
        KeyKind::Text,
        "\"example.com\"",
        "The name from which the vendor UUID of every image is made, as `imgtool sign --vid …` \
         makes it; for example a domain you own.",
    ),
    KeyDoc::required(
        "cid",
        KeyKind::Text,
        "\"my-board\"",
        "The name from which the class UUID of every image is made, as `imgtool sign --cid …` \
         makes it; one for each kind of board.",
    ),
    KeyDoc::required(
        "target",
        KeyKind::Target,
        "\"thumbv7em-none-eabihf\"",
        "What the compiler builds for: the machine that builds, or a rustc target triple.",
    ),
    KeyDoc::required(
        "image",
        KeyKind::OneOf {
            what: "an image kind",
            words: &[
                Word {
                    name: "elf",
                    doc: "The payload is the whole stripped executable.",
                },
                Word {
                    name: "flat",
                    doc: "The payload is the bytes of the loadable sections, as they stand in \
                          flash.",
                },
            ],
        },
        "\"flat\"",
        "What the payload of an image is: the whole stripped executable, or the bytes of its \
         loadable sections.",
    ),
];

const FLASH: &[KeyDoc] = &[
    KeyDoc::required(
        "len",
        KeyKind::number(1, u32::MAX, Unit::Bytes),
        "0x10_0000",
        "The length of the flash.",
    ),
    KeyDoc::required(
        "write_unit",
        KeyKind::number(1, 512, Unit::Bytes),
        "4",
        "Bytes that are programmed together.",
    ),
    KeyDoc::required(
        "erased",
        KeyKind::ByteOf(&[0x00, 0xFF]),
        "0xFF",
        "The value of an erased byte.",
    ),
    KeyDoc::optional(
        "overwrite",
        KeyKind::Flag,
        "`false`",
        "true",
        "`true` if a unit that is not erased may still be programmed to all bits inverse (zeros on \
         most flash). With it the record survives any number of cuts, see \
         `docs/formats/install-protocol.md`.",
    ),
    KeyDoc::optional(
        "address",
        KeyKind::number(0, u32::MAX, Unit::Bytes),
        "0",
        "0x1000_0000",
        "The address at which the first byte of the flash is mapped for execution, for which a \
         `flat` image is linked.",
    ),
    KeyDoc::required(
        "chunk_len",
        KeyKind::number(1, 1 << 20, Unit::Bytes),
        "0x1000",
        "Bytes that an install copies at a time: a multiple of every sector involved.",
    ),
];

const AREA: &[KeyDoc] = &[
    KeyDoc::required(
        "offset",
        KeyKind::number(0, u32::MAX, Unit::Bytes),
        "0x0",
        "Where the area begins in the flash.",
    ),
    KeyDoc::required(
        "len",
        KeyKind::number(1, u32::MAX, Unit::Bytes),
        "0x1000",
        "How long the area is.",
    ),
    KeyDoc::required(
        "sector",
        KeyKind::number(1, 1 << 24, Unit::Bytes),
        "0x1000",
        "Bytes that are erased together. The area begins and ends on such a boundary.",
    ),
];

const DEFAULTS: &[KeyDoc] = &[
    KeyDoc::required(
        "mode",
        MODES,
        "\"standby\"",
        "How the bootloader installs, unless the manifest says otherwise.",
    ),
    KeyDoc::required(
        "trials",
        KeyKind::number(1, 16, Unit::Count),
        "1",
        "Starts of a new firmware before it has to have confirmed itself.",
    ),
    KeyDoc::required(
        "deadline_s",
        KeyKind::number(1, 65_535, Unit::Seconds),
        "300",
        "How long the new firmware has to reach the manager.",
    ),
    KeyDoc::required(
        "watchdog_ms",
        KeyKind::number(0, 600_000, Unit::Milliseconds),
        "8000",
        "How long a firmware may hang before the watchdog resets it; 0 leaves it off.",
    ),
];
