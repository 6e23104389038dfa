//! The tables of `Otaru.toml`. To add a key, add one entry.

use super::{KeyDoc, KeyKind, Schema, TableDoc, Unit, Word};
use crate::manifest::MANIFEST_FILE_NAME;
use crate::parts::PARTS_MAX;

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

/// What a project builds.
const KINDS: KeyKind = KeyKind::OneOf {
    what: "a kind of project",
    words: &[
        Word {
            name: "firmware",
            doc: "What the CPU of the board executes.",
        },
        Word {
            name: "bytecode",
            doc: "A WebAssembly module that the VM of a firmware runs, see `docs/bytecode.md`.",
        },
    ],
};

/// The image layouts.
const LAYOUTS: KeyKind = KeyKind::OneOf {
    what: "an image layout",
    words: &[
        Word {
            name: "free",
            doc: "The linker places everything as it likes.",
        },
        Word {
            name: "stable",
            doc: "Functions and constants stay where they stood in the last version.",
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
            is_list: false,
        },
        TableDoc {
            name: "signing",
            doc: "How images are signed. Devices refuse every image that their key table does not \
                  know.",
            keys: SIGNING,
            group: None,
            is_list: false,
        },
        TableDoc {
            name: "encryption",
            doc: "Encrypts the firmware on its way to the device. Without this table images are \
                  sent in plain text, signed.",
            keys: ENCRYPTION,
            group: Some("encryption"),
            is_list: false,
        },
        TableDoc {
            name: "manager",
            doc: "Where versions are uploaded, and whom an update addresses.",
            keys: MANAGER,
            group: None,
            is_list: false,
        },
        TableDoc {
            name: "part",
            doc: "A further image in the same file, up to three: for a radio, or resources. It is \
                  signed like the firmware and installed with it, all or none.",
            keys: PART,
            group: Some("part"),
            is_list: true,
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
        "kind",
        KINDS,
        "`\"firmware\"`",
        "\"firmware\"",
        "What is built: `firmware` for the CPU of the board, or `bytecode`, a WebAssembly module \
         that the VM of a firmware runs.",
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
    KeyDoc::optional(
        "image_layout",
        LAYOUTS,
        "`\"free\"`",
        "\"stable\"",
        "`stable`: functions and constants stay where they stood in the last version, so that a \
         small change changes few chunks. Boards with flat images only; when it pays stands in \
         `docs/stable-layout.md`.",
    ),
    KeyDoc::optional(
        "needs",
        KeyKind::Texts,
        "nothing",
        "[\"radio 2.1.0\"]",
        "Parts that the firmware needs, with their lowest versions, each `\"NAME \
         MAJOR.MINOR.PATCH\"`.",
    ),
];

const SIGNING: &[KeyDoc] = &[
    KeyDoc::required(
        "key",
        KeyKind::KeyFile,
        "\"keys/dev.pem\"",
        "The private key (Ed25519 or P-256, PKCS#8 PEM) that signs. `otaru keys new` makes one. Keep it out \
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
         public halves (PEM, or 64 hex digits of Ed25519, 66 of P-256), at most eight. Devices know \
         a key by its position, so the order never changes.",
    ),
    KeyDoc::optional(
        "revoke",
        KeyKind::KeyFiles,
        "nothing",
        "[\"keys/old.pub\"]",
        "Keys of `key_table` that devices give up for good when they confirm this image. Sign with \
         the key that you move to.",
    ),
    KeyDoc::optional(
        "release",
        KeyKind::Flag,
        "`false`",
        "true",
        "`true`: what is built is for devices in the field. A key that was made for development is \
         then refused, as `--release` does for one command.",
    ),
];

const ENCRYPTION: &[KeyDoc] = &[
    KeyDoc::required(
        "key",
        KeyKind::KeyFile,
        "\"keys/device.pem\"",
        "The X25519 key of the devices: private (PEM), or public half (PEM, or 64 hex digits). \
         `otaru keys new --encryption` makes one. The public half encrypts; to flash by cable the \
         private half is needed, which is written into the device.",
    ),
    KeyDoc::optional(
        "aes",
        KeyKind::Choice(&[128, 256]),
        "128",
        "256",
        "Bits of the AES key with which the firmware is encrypted.",
    ),
];

const PART: &[KeyDoc] = &[
    KeyDoc::required(
        "name",
        KeyKind::Text,
        "\"resources\"",
        "What it is called in this file. `firmware` is the project itself.",
    ),
    KeyDoc::required(
        "index",
        KeyKind::number(1, PARTS_MAX, Unit::Count),
        "1",
        "Which image of the device it is, another one for each part. The firmware is image 0.",
    ),
    KeyDoc::required(
        "file",
        KeyKind::File,
        "\"assets/resources.bin\"",
        "The payload: any file.",
    ),
    KeyDoc::required(
        "version",
        KeyKind::PlainVersion,
        "\"1.0.0\"",
        "The version of the part, up to 255.255.65535.",
    ),
    KeyDoc::optional(
        "needs",
        KeyKind::Texts,
        "nothing",
        "[\"firmware 1.2.0\"]",
        "Other parts or `firmware`, with their lowest versions, each `\"NAME \
         MAJOR.MINOR.PATCH\"`.",
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
