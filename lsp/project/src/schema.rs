//! What may stand in `Otaru.toml` and in `board.toml`: every table and key with its type, range,
//! default, meaning and an example. The one list that the reader, the editor's answers and
//! `docs/manifest.md` are made from, so that a new key is one entry here and one line in the model
//! that uses it.

mod board;
mod manifest;
mod reference;

pub use board::BOARD_SCHEMA;
pub use manifest::MANIFEST_SCHEMA;
pub use reference::reference;

/// The file name of a board's description.
pub const BOARD_FILE_NAME: &str = "board.toml";

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Just a number.
    Count,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl Unit {
    /// Its name; nothing for a count.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
        }
    }
}

/// One of the words that a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// What it stands for.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Free text that is not empty.
    Text,
    /// One of some words; `what` names them in messages, with its article.
    OneOf {
        /// For example "an install mode".
        what: &'static str,
        /// Which there are.
        words: &'static [Word],
    },
    /// The name of a board that [`crate::board`] knows.
    Board,
    /// What the compiler builds for: `host` or a rustc target triple.
    Target,
    /// `cargo` or `MAJOR.MINOR.PATCH`.
    Version,
    /// `MAJOR.MINOR.PATCH` of something that is no cargo package.
    PlainVersion,
    /// Path of a file of any content, relative to this file.
    File,
    /// Path of a key file, relative to this file.
    KeyFile,
    /// Several such paths.
    KeyFiles,
    /// A manager's address.
    Url,
    /// A device of the manager.
    Device,
    /// A fleet of the manager.
    Fleet,
    /// A list of texts.
    Texts,
    /// True or false.
    Flag,
    /// A whole number, both ends allowed.
    Number {
        /// Smallest.
        from: u32,
        /// Largest.
        to: u32,
        /// What it counts.
        unit: Unit,
    },
    /// One of these bytes.
    ByteOf(&'static [u8]),
    /// One of these numbers.
    Choice(&'static [u32]),
}

/// Whether a key may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing can be done without it.
    Required,
    /// Without it this holds, in words.
    Default(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDoc {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: KeyKind,
    /// Whether it may be left out.
    pub need: Presence,
    /// A value as it would be written, TOML.
    pub example: &'static str,
    /// What it means, one or a few sentences of Markdown.
    pub doc: &'static str,
    /// The release that knows it first.
    pub since: &'static str,
}

impl KeyDoc {
    /// A key that has to be there.
    const fn required(
        name: &'static str,
        kind: KeyKind,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            need: Presence::Required,
            example,
            doc,
            since: "0.1.0",
        }
    }

    /// A key that may be left out; `without` says what holds then.
    const fn optional(
        name: &'static str,
        kind: KeyKind,
        without: &'static str,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            need: Presence::Default(without),
            ..Self::required(name, kind, example, doc)
        }
    }

    /// Whether nothing can be done without it.
    pub const fn is_required(&self) -> bool {
        matches!(self.need, Presence::Required)
    }

    /// What it holds and whether it may be left out, in a few words.
    pub fn expectation(&self) -> String {
        let kind = self.kind.in_words();
        match self.need {
            Presence::Required => format!("{kind}, required"),
            Presence::Default(without) => format!("{kind}; without it: {without}"),
        }
    }
}

impl KeyKind {
    /// A whole number of this unit.
    const fn number(from: u32, to: u32, unit: Unit) -> Self {
        Self::Number { from, to, unit }
    }

    /// What its number counts, if it is a number.
    pub const fn unit(self) -> Option<Unit> {
        if let Self::Number { unit, .. } = self {
            Some(unit)
        } else {
            None
        }
    }

    /// What it is, for people.
    pub fn in_words(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::OneOf { words, .. } => {
                let names: Vec<String> = words
                    .iter()
                    .map(|word| format!("`\"{}\"`", word.name))
                    .collect();
                names.join(" or ")
            }
            Self::Board => "name of a board".to_owned(),
            Self::Target => "`\"host\"` or a rustc target triple".to_owned(),
            Self::Version => "`\"cargo\"` or `\"MAJOR.MINOR.PATCH\"`".to_owned(),
            Self::PlainVersion => "`\"MAJOR.MINOR.PATCH\"`".to_owned(),
            Self::File => "path of a file, relative to this file".to_owned(),
            Self::KeyFile => "path of a key file, relative to this file".to_owned(),
            Self::KeyFiles => "list of paths of key files".to_owned(),
            Self::Url => "`https://…`, or `http://…` on this machine".to_owned(),
            Self::Device => "name of a device or `dev-…`".to_owned(),
            Self::Fleet => "name of a fleet or `flt-…`".to_owned(),
            Self::Texts => "list of texts".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Number { from, to, unit } => {
                let unit = match unit {
                    Unit::Count => "whole number",
                    Unit::Bytes => "bytes",
                    Unit::Seconds => "seconds",
                    Unit::Milliseconds => "milliseconds",
                };
                match (from, to) {
                    (0, u32::MAX) => unit.to_owned(),
                    (from, u32::MAX) => format!("{unit}, at least {from}"),
                    (from, to) => format!("{unit}, {from} to {to}"),
                }
            }
            Self::ByteOf(bytes) => {
                let bytes: Vec<String> =
                    bytes.iter().map(|byte| format!("`{byte:#04X}`")).collect();
                bytes.join(" or ").replace("0X", "0x")
            }
            Self::Choice(numbers) => {
                let numbers: Vec<String> =
                    numbers.iter().map(|number| format!("`{number}`")).collect();
                numbers.join(" or ")
            }
        }
    }
}

/// One table with its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableDoc {
    /// Its path, with dots.
    pub name: &'static str,
    /// What it is about, Markdown.
    pub doc: &'static str,
    /// Its keys in the order in which people write them.
    pub keys: &'static [KeyDoc],
    /// The part of the file that may be left out as a whole, and that this table belongs to.
    pub group: Option<&'static str>,
    /// Whether there may be several, `[[name]]`. A single `[name]` is a list of one.
    pub is_list: bool,
}

impl TableDoc {
    /// The table's header as people write it.
    pub fn header(&self) -> String {
        if self.is_list {
            ["[[", self.name, "]]"].concat()
        } else {
            ["[", self.name, "]"].concat()
        }
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static KeyDoc> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Everything that one kind of file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The file's name.
    pub file: &'static str,
    /// Its tables in the order in which people write them.
    pub tables: &'static [TableDoc],
}

impl Schema {
    /// The table of this path.
    pub fn table(&self, path: &str) -> Option<&'static TableDoc> {
        self.tables.iter().find(|table| table.name == path)
    }

    /// The names that may follow a path: `areas` is followed by `record` and others.
    pub fn below(&self, path: &str) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for table in self.tables {
            let rest = match path {
                "" => Some(table.name),
                path => table
                    .name
                    .strip_prefix(path)
                    .and_then(|rest| rest.strip_prefix('.')),
            };
            let name = rest.and_then(|rest| rest.split('.').next());
            if let Some(name) = name.filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
        names
    }
}
