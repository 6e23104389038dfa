//! The tables of `Otaru.toml`. To add a key, add one entry.

use super::{KeyDoc, KeyKind, Schema, TableDoc, Unit, Word};
use crate::manifest::MANIFEST_FILE_NAME;

/// The install modes, with what they do.
pub(super) const MODES: KeyKind = KeyKind::OneOf {
    what: "an install mode",
    words: &[
        Word {
            name: "standby",
            doc: "The new image is downloaded into one of two storage slots and copied from there.",
        },
        Word {
            name: "swap",
            doc: "The new image is downloaded into the secondary slot, and the two are exchanged.",
        },
    ],
};

/// What may stand in `Otaru.toml`.
pub const MANIFEST_SCHEMA: Schema = Schema {
    file: MANIFEST_FILE_NAME,
    tables: &[
        TableDoc {
            name: "project",
            doc: "What is built, and for which board.",
            keys: PROJECT,
            group: None,
        },
        TableDoc {
            name: "signing",
            doc: "How images are signed. Devices refuse every image that their key table does not \
                  know.",
            keys: SIGNING,
            group: None,
        },
        TableDoc {
            name: "manager",
            doc: "Where versions are uploaded, and whom an update addresses.",
            keys: MANAGER,
            group: None,
        },
    ],
};

const PROJECT: &[KeyDoc] = &[
    KeyDoc::required(
        "name",
        KeyKind::Text,
        "\"my-product\"",
        "Name of the product. Also the name of the firmware in the manager, unless `[manager] \
         firmware` says otherwise.",
    ),
    KeyDoc::required(
        "board",
        KeyKind::Board,
        "\"host\"",
        "The kind of device that the firmware runs on.",
    ),
    KeyDoc::optional(
        "mode",
        MODES,
        "the board's default",
        "\"standby\"",
        "How the bootloader installs: `standby` copies from one of two storage slots, `swap` \
         exchanges two slots. It takes effect when a device is flashed by cable.",
    ),
    KeyDoc::optional(
        "version",
        KeyKind::Version,
        "`\"cargo\"`",
        "\"cargo\"",
        "`\"cargo\"` takes the version of the cargo package; otherwise MAJOR.MINOR.PATCH, up to \
         255.255.65535. A build number is counted up automatically when the content changed: \
         `1.1.0+7`.",
    ),
    KeyDoc::optional(
        "package",
        KeyKind::Text,
        "the package beside this file",
        "\"my-firmware\"",
        "The cargo package to build, in a workspace with several.",
    ),
    KeyDoc::optional(
        "bin",
        KeyKind::Text,
        "the only binary of the package",
        "\"my-firmware\"",
        "The binary to build, in a package with several.",
    ),
    KeyDoc::optional(
        "features",
        KeyKind::Texts,
        "none",
        "[\"my-feature\"]",
        "Cargo features to build with.",
    ),
];

const SIGNING: &[KeyDoc] = &[
    KeyDoc::required(
        "key",
        KeyKind::KeyFile,
        "\"keys/dev.pem\"",
        "The Ed25519 private key (PKCS#8 PEM) that signs. `otaru keys new` makes one. Keep it out \
         of version control.",
    ),
    KeyDoc::optional(
        "security_counter",
        KeyKind::number(0, u32::MAX, Unit::Count),
        "0",
        "0",
        "Raise it when a fix must never be undone: a device that has confirmed an image refuses \
         every image with a lower number.",
    ),
    KeyDoc::optional(
        "key_table",
        KeyKind::KeyFiles,
        "only `key`",
        "[\"keys/dev.pem\", \"keys/next.pub\"]",
        "Files of the keys that a device trusts when it is flashed by cable, private (`.pem`) or \
         public halves (PEM, or 64 hex digits), at most eight. Devices know a key by its position, \
         so the order never changes.",
    ),
    KeyDoc::optional(
        "revoke",
        KeyKind::KeyFiles,
        "nothing",
        "[\"keys/old.pub\"]",
        "Keys of `key_table` that devices give up for good when they confirm this image. Sign with \
         the key that you move to.",
    ),
];

const MANAGER: &[KeyDoc] = &[
    KeyDoc::optional(
        "url",
        KeyKind::Url,
        "`OTARU_MANAGER`, else only local verbs work",
        "\"http://127.0.0.1:8480\"",
        "Address of the device manager. Its API key is not written here: `otaru login` stores it \
         in your own configuration.",
    ),
    KeyDoc::optional(
        "firmware",
        KeyKind::Text,
        "the project's name",
        "\"my-product\"",
        "Name of the firmware in the manager.",
    ),
    KeyDoc::optional(
        "device",
        KeyKind::Device,
        "the command must name one",
        "\"my-device\"",
        "The device that an update addresses, unless the command names another.",
    ),
    KeyDoc::optional(
        "fleet",
        KeyKind::Fleet,
        "the command must name one",
        "\"my-fleet\"",
        "The fleet that an update addresses. Not together with `device`.",
    ),
];
