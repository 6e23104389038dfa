//! Every table and key of the manifest with its meaning: the one list that the reader, hover,
//! completion and `docs/manifest.md` agree on.

use crate::ImageLayout;
use crate::parts::PARTS_MAX;

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Free text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of a board that [`crate::board`] knows.
    Board,
    /// A path, relative to the manifest.
    Path,
    /// A manager's address.
    Url,
    /// A whole number within a range.
    Number(u32, u32),
    /// One of these numbers.
    Choice(&'static [u32]),
    /// A list of strings.
    List,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDoc {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: KeyKind,
    /// Whether nothing can be built without it.
    pub required: bool,
    /// What holds when it is not there, in words.
    pub default: Option<&'static str>,
    /// What it means, one or two sentences.
    pub doc: &'static str,
}

/// One table with its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableDoc {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys in the order in which people write them.
    pub keys: &'static [KeyDoc],
}

/// The tables of `Otaru.toml`.
pub const MANIFEST_KEYS: &[TableDoc] = &[
    TableDoc {
        name: "project",
        doc: "What is built, and for which board.",
        keys: &[
            KeyDoc {
                name: "name",
                kind: KeyKind::Text,
                required: true,
                default: None,
                doc: "Name of the product. Also the name of the firmware in the manager, unless \
                      `[manager] firmware` says otherwise.",
            },
            KeyDoc {
                name: "board",
                kind: KeyKind::Board,
                required: true,
                default: None,
                doc: "The kind of device that the firmware runs on.",
            },
            KeyDoc {
                name: "mode",
                kind: KeyKind::OneOf(&["standby", "swap"]),
                required: false,
                default: Some("the board's default"),
                doc: "How the bootloader installs: `standby` copies from one of two storage \
                      slots, `swap` exchanges two slots. It takes effect when a device is flashed \
                      by cable.",
            },
            KeyDoc {
                name: "kind",
                kind: KeyKind::OneOf(&["firmware", "bytecode"]),
                required: false,
                default: Some("\"firmware\""),
                doc: "What is built: `firmware` for the CPU of the board, or `bytecode`, a \
                      WebAssembly module that the VM of a firmware runs.",
            },
            KeyDoc {
                name: "version",
                kind: KeyKind::Text,
                required: false,
                default: Some("\"cargo\""),
                doc: "`\"cargo\"` takes the version of the cargo package; otherwise \
                      MAJOR.MINOR.PATCH. A build number is counted up automatically when the \
                      content changed: `1.1.0+7`.",
            },
            KeyDoc {
                name: "package",
                kind: KeyKind::Text,
                required: false,
                default: Some("the package beside this file"),
                doc: "The cargo package to build, in a workspace with several.",
            },
            KeyDoc {
                name: "bin",
                kind: KeyKind::Text,
                required: false,
                default: Some("the only binary of the package"),
                doc: "The binary to build, in a package with several.",
            },
            KeyDoc {
                name: "features",
                kind: KeyKind::List,
                required: false,
                default: Some("none"),
                doc: "Cargo features to build with.",
            },
            KeyDoc {
                name: "image_layout",
                kind: KeyKind::OneOf(ImageLayout::WORDS),
                required: false,
                default: Some("\"free\""),
                doc: "`stable`: functions and constants stay where they stood in the last version, \
                      so that a small change changes few chunks. Boards with flat images only; \
                      when it pays stands in docs/stable-layout.md.",
            },
            KeyDoc {
                name: "needs",
                kind: KeyKind::List,
                required: false,
                default: Some("none"),
                doc: "Parts that the firmware needs, with their lowest versions: `\"radio 2.1.0\"`.",
            },
        ],
    },
    TableDoc {
        name: "signing",
        doc: "How images are signed. Devices refuse every image that their key table does not know.",
        keys: &[
            KeyDoc {
                name: "key",
                kind: KeyKind::Path,
                required: true,
                default: None,
                doc: "The private key (Ed25519 or P-256, PKCS#8 PEM) that signs. `otaru keys new` \
                      makes one. Keep it out of version control.",
            },
            KeyDoc {
                name: "security_counter",
                kind: KeyKind::Number(0, u32::MAX),
                required: false,
                default: Some("0"),
                doc: "Raise it when a fix must never be undone: a device that has confirmed an \
                      image refuses every image with a lower number.",
            },
            KeyDoc {
                name: "key_table",
                kind: KeyKind::List,
                required: false,
                default: Some("the key that signs"),
                doc: "Files of the keys that a device trusts when it is flashed by cable, private or \
                      public halves, at most eight. Devices know a key by its position, so the \
                      order never changes.",
            },
            KeyDoc {
                name: "revoke",
                kind: KeyKind::List,
                required: false,
                default: Some("none"),
                doc: "Keys of `key_table` that devices give up for good when they confirm this \
                      image. Sign with the key that you move to.",
            },
        ],
    },
    TableDoc {
        name: "encryption",
        doc: "Encrypts the firmware on its way to the device. Without this table images are sent in \
              plain text, signed.",
        keys: &[
            KeyDoc {
                name: "key",
                kind: KeyKind::Path,
                required: true,
                default: None,
                doc: "The X25519 key of the devices (PEM). `otaru keys new --encryption` makes one. \
                      The public half encrypts; to flash by cable the private half is needed, which \
                      is written into the device.",
            },
            KeyDoc {
                name: "aes",
                kind: KeyKind::Choice(&[128, 256]),
                required: false,
                default: Some("128"),
                doc: "Bits of the AES key with which the firmware is encrypted.",
            },
        ],
    },
    TableDoc {
        name: "manager",
        doc: "Where versions are uploaded, and whom an update addresses.",
        keys: &[
            KeyDoc {
                name: "url",
                kind: KeyKind::Url,
                required: false,
                default: Some("OTARU_MANAGER"),
                doc: "Address of the device manager. Its API key is not written here: `otaru \
                      login` stores it in your own configuration.",
            },
            KeyDoc {
                name: "firmware",
                kind: KeyKind::Text,
                required: false,
                default: Some("the project's name"),
                doc: "Name of the firmware in the manager.",
            },
            KeyDoc {
                name: "device",
                kind: KeyKind::Text,
                required: false,
                default: None,
                doc: "The device (name or `dev-…`) that an update addresses, unless the command \
                      names another.",
            },
            KeyDoc {
                name: "fleet",
                kind: KeyKind::Text,
                required: false,
                default: None,
                doc: "The fleet (name or `flt-…`) that an update addresses. Not together with \
                      `device`.",
            },
        ],
    },
    TableDoc {
        name: "part",
        doc: "A further image in the same file, `[[part]]`: for a radio, or resources. It is signed \
              like the firmware and installed with it, all or none.",
        keys: &[
            KeyDoc {
                name: "name",
                kind: KeyKind::Text,
                required: true,
                default: None,
                doc: "What it is called in this file.",
            },
            KeyDoc {
                name: "index",
                kind: KeyKind::Number(1, PARTS_MAX),
                required: true,
                default: None,
                doc: "Which image of the device it is. The firmware is image 0.",
            },
            KeyDoc {
                name: "file",
                kind: KeyKind::Path,
                required: true,
                default: None,
                doc: "The payload: any file.",
            },
            KeyDoc {
                name: "version",
                kind: KeyKind::Text,
                required: true,
                default: None,
                doc: "MAJOR.MINOR.PATCH of the part.",
            },
            KeyDoc {
                name: "needs",
                kind: KeyKind::List,
                required: false,
                default: Some("none"),
                doc: "Other parts or `firmware`, with their lowest versions: `\"firmware 1.2.0\"`.",
            },
        ],
    },
];

/// The table of this name.
pub fn manifest_table(name: &str) -> Option<&'static TableDoc> {
    MANIFEST_KEYS.iter().find(|table| table.name == name)
}
