//! The model of `Otaru.toml`.

use crate::board::{Board, ImageKind, Mode, read_mode};
use crate::kind::{Kind, read_kind};
use crate::label::Version;
use crate::parts::{Need, Part, PartSettings, check_parts, indexed, read_needs, read_part};
use crate::problem::{Code, Problem, Repair};
use crate::reader::{Parsed, Reader, Span, Spanned, read_document};
use crate::schema::MANIFEST_SCHEMA;
use crate::url::ManagerUrl;

/// The manifest's file name.
pub const MANIFEST_FILE_NAME: &str = "Otaru.toml";
/// Keys that the device block has room for.
const KEY_TABLE_LEN_MAX: usize = 8;

/// Where the version comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSource {
    /// The version of the cargo package.
    Cargo,
    /// Given in the manifest.
    Given(Version),
}

/// Whether a build looks at the layout of the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageLayout {
    /// The linker places everything as it likes.
    #[default]
    Free,
    /// Functions and constants stay where they stood in the last version.
    Stable,
}

impl ImageLayout {
    /// The layout of this word.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "free" => Some(Self::Free),
            "stable" => Some(Self::Stable),
            _ => None,
        }
    }
}

/// `[project]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The bytes of the table's name; the beginning of the file if it is missing.
    pub span: Span,
    /// Name of the product.
    pub name: Option<Spanned<String>>,
    /// Name of the board.
    pub board: Option<Spanned<String>>,
    /// Install mode.
    pub mode: Option<Spanned<Mode>>,
    /// What is built.
    pub kind: Option<Spanned<Kind>>,
    /// Where the version comes from.
    pub version: Option<Spanned<VersionSource>>,
    /// Cargo package.
    pub package: Option<Spanned<String>>,
    /// Binary of the package.
    pub bin: Option<Spanned<String>>,
    /// Cargo features.
    pub features: Vec<Spanned<String>>,
    /// Whether functions and constants stay where they stood.
    pub image_layout: Option<Spanned<ImageLayout>>,
    /// Which of its parts it needs.
    pub needs: Vec<Spanned<Need>>,
}

/// `[signing]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The bytes of the table's name.
    pub span: Span,
    /// Path of the private key, relative to the manifest.
    pub key: Option<Spanned<String>>,
    /// The image's security counter.
    pub security_counter: Option<Spanned<u32>>,
    /// Paths of the keys that devices trust, in their order.
    pub key_table: Vec<Spanned<String>>,
    /// Those of them that the image revokes.
    pub revoke: Vec<Spanned<String>>,
    /// Whether development keys are refused.
    pub release: Option<Spanned<bool>>,
}

/// `[encryption]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    /// The bytes of the table's name.
    pub span: Span,
    /// Path of the devices' key, either half, relative to the manifest.
    pub key: Option<Spanned<String>>,
    /// Bits of the AES key, 128 or 256.
    pub aes: Option<Spanned<u32>>,
}

/// `[manager]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manager {
    /// The bytes of the table's name.
    pub span: Span,
    /// Its address.
    pub url: Option<Spanned<ManagerUrl>>,
    /// Name of the firmware there.
    pub firmware: Option<Spanned<String>>,
    /// The device that an update addresses.
    pub device: Option<Spanned<String>>,
    /// The fleet that an update addresses.
    pub fleet: Option<Spanned<String>>,
}

/// What could be read of an `Otaru.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `[project]`
    pub project: Project,
    /// `[signing]`
    pub signing: Signing,
    /// `[encryption]`
    pub encryption: Encryption,
    /// `[manager]`
    pub manager: Manager,
    /// `[[part]]`, in the order of the file.
    pub parts: Vec<Part>,
}

/// Whom an update addresses when the command does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateTarget {
    /// One device, by name or id.
    Device(String),
    /// One fleet, by name or id.
    Fleet(String),
}

/// How images are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptionSettings {
    /// Path of the devices' key, either half, relative to the manifest.
    pub key: String,
    /// Whether AES-256 is used; else AES-128.
    pub aes_256: bool,
}

/// A manifest that is complete: what the build backend works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the product.
    pub name: String,
    /// The board.
    pub board: &'static Board,
    /// Install mode.
    pub mode: Mode,
    /// What is built.
    pub kind: Kind,
    /// Where the version comes from.
    pub version: VersionSource,
    /// Cargo package, if the manifest names one.
    pub package: Option<String>,
    /// Binary, if the manifest names one.
    pub bin: Option<String>,
    /// Cargo features.
    pub features: Vec<String>,
    /// Whether functions and constants stay where they stood.
    pub image_layout: ImageLayout,
    /// Further images of the same file, in the order of the manifest.
    pub parts: Vec<PartSettings>,
    /// Indices of the parts that the firmware needs, and their lowest versions.
    pub needs: Vec<(u8, Version)>,
    /// Path of the private key, relative to the manifest.
    pub key: String,
    /// The image's security counter.
    pub security_counter: u32,
    /// Paths of the keys that devices trust, in their order; none: only the key that signs.
    pub key_table: Vec<String>,
    /// Those of them that the image revokes.
    pub revoke: Vec<String>,
    /// Whether what is built is for devices in the field, so that development keys are refused.
    pub release: bool,
    /// How images are encrypted, if they are.
    pub encryption: Option<EncryptionSettings>,
    /// The manager's address, if the manifest names one.
    pub manager_url: Option<ManagerUrl>,
    /// Name of the firmware in the manager.
    pub firmware: String,
    /// Whom an update addresses, if the manifest says so.
    pub target: Option<UpdateTarget>,
}

impl Manifest {
    /// The places of all key files that are named: the one that signs, the key table, and the one for
    /// which images are encrypted.
    pub fn key_files(&self) -> impl Iterator<Item = &Spanned<String>> {
        let signing = &self.signing;
        let signer = signing.key.iter();
        signer.chain(&signing.key_table).chain(&self.encryption.key)
    }

    /// Reads an `Otaru.toml`. Whatever could be read is in the model, whatever is wrong in the
    /// problems.
    pub fn parse(text: &str) -> Parsed<Self> {
        read_document(&MANIFEST_SCHEMA, text, |root| {
            let manifest = Self {
                project: root.table("project", read_project),
                signing: root.table("signing", read_signing),
                encryption: read_encryption(root),
                manager: root.table("manager", read_manager),
                parts: root.tables("part", read_part),
            };
            check_parts(root, &manifest.project.needs, &manifest.parts);
            manifest
        })
    }

    /// The complete settings, if everything that a build needs is there.
    ///
    /// `None` only when [`Manifest::parse`] has reported an error.
    pub fn settings(&self) -> Option<Settings> {
        let project = &self.project;
        let name = project.name.as_ref()?.value.clone();
        let board = crate::board(&project.board.as_ref()?.value)?;
        let mode = project
            .mode
            .as_ref()
            .map_or(board.defaults.mode, |mode| mode.value);
        let texts = |values: &[Spanned<String>]| {
            let texts = values.iter().map(|text| text.value.clone());
            texts.collect::<Vec<_>>()
        };
        let text = |value: &Option<Spanned<String>>| value.as_ref().map(|text| text.value.clone());
        let device = text(&self.manager.device).map(UpdateTarget::Device);
        let fleet = text(&self.manager.fleet).map(UpdateTarget::Fleet);
        Some(Settings {
            board,
            mode,
            kind: project
                .kind
                .as_ref()
                .map_or(Kind::Firmware, |kind| kind.value),
            version: project
                .version
                .as_ref()
                .map_or(VersionSource::Cargo, |version| version.value.clone()),
            package: text(&project.package),
            bin: text(&project.bin),
            features: texts(&project.features),
            image_layout: project
                .image_layout
                .as_ref()
                .map_or(ImageLayout::Free, |layout| layout.value),
            parts: self
                .parts
                .iter()
                .map(|part| part.settings(&self.parts))
                .collect::<Option<_>>()?,
            needs: indexed(&project.needs, &self.parts)?,
            key: text(&self.signing.key)?,
            security_counter: self
                .signing
                .security_counter
                .as_ref()
                .map_or(0, |at| at.value),
            key_table: texts(&self.signing.key_table),
            revoke: texts(&self.signing.revoke),
            release: self.signing.release.as_ref().is_some_and(|at| at.value),
            encryption: text(&self.encryption.key).map(|key| EncryptionSettings {
                key,
                aes_256: self
                    .encryption
                    .aes
                    .as_ref()
                    .is_some_and(|at| at.value == 256),
            }),
            manager_url: self.manager.url.as_ref().map(|url| url.value.clone()),
            firmware: text(&self.manager.firmware).unwrap_or_else(|| name.clone()),
            target: device.or(fleet),
            name,
        })
    }
}

fn read_project(table: &mut Reader<'_>) -> Project {
    let board = table.string("board");
    let mode = read_mode(table, "mode");
    if let (Some(name), Some(mode)) = (&board, &mode) {
        check_mode(table, name, mode);
    }
    let version = table.string("version").and_then(|text| {
        if text.value == "cargo" {
            return Some(text.with(VersionSource::Cargo));
        }
        let version = text.value.parse::<Version>().ok()?;
        Some(text.with(VersionSource::Given(version)))
    });
    let image_layout = read_image_layout(table, board.as_ref());
    Project {
        name: table.string("name"),
        board,
        mode,
        kind: read_kind(table, "kind"),
        version,
        package: table.string("package"),
        bin: table.string("bin"),
        features: table.strings("features"),
        image_layout,
        needs: read_needs(table, "needs"),
        span: table.place().span.clone(),
    }
}

/// Reports a layout that the board's images cannot have.
fn read_image_layout(
    table: &mut Reader<'_>,
    board: Option<&Spanned<String>>,
) -> Option<Spanned<ImageLayout>> {
    let text = table.string("image_layout")?;
    let layout = ImageLayout::named(&text.value)?;
    let kind = board
        .and_then(|board| crate::board(&board.value))
        .map(|board| board.image);
    if (layout, kind) == (ImageLayout::Stable, Some(ImageKind::Elf)) {
        table.report(
            Problem::error(
                Code::Conflict,
                text.span.clone(),
                "images of this board are whole executables, whose layout cannot be kept",
            )
            .with_hint("leave `image_layout` out")
            .with_repair(Repair::change(text.span.clone(), "\"free\"")),
        );
    }
    Some(text.with(layout))
}

/// Reports a mode that the board does not have.
fn check_mode(table: &mut Reader<'_>, name: &Spanned<String>, mode: &Spanned<Mode>) {
    let Some(board) = crate::board(&name.value).filter(|board| !board.has_mode(mode.value)) else {
        return;
    };
    let message = format!(
        "the board `{}` cannot install in mode `{}`",
        board.name,
        mode.value.as_str()
    );
    let other = format!("\"{}\"", board.defaults.mode.as_str());
    table.report(
        Problem::error(Code::ModeUnsupported, mode.span.clone(), message)
            .with_repair(Repair::change(mode.span.clone(), &other)),
    );
}

fn read_signing(table: &mut Reader<'_>) -> Signing {
    let key = table.string("key");
    let key_table = table.strings("key_table");
    let revoke = table.strings("revoke");
    check_key_table(table, &key_table);
    check_revoke(table, (&key_table, &revoke), key.as_ref());
    Signing {
        span: table.place().span.clone(),
        key,
        security_counter: table.number("security_counter"),
        key_table,
        revoke,
        release: table.flag("release"),
    }
}

/// A table that is not there encrypts nothing; one that is there names a key.
fn read_encryption(root: &mut Reader<'_>) -> Encryption {
    if !root.has("encryption") {
        return Encryption {
            span: root.place().span.clone(),
            key: None,
            aes: None,
        };
    }
    root.table("encryption", |table| Encryption {
        span: table.place().span.clone(),
        key: table.string("key"),
        aes: table.number("aes"),
    })
}

/// Reports keys for which a device has no place, and those that stand there twice.
fn check_key_table(table: &mut Reader<'_>, keys: &[Spanned<String>]) {
    for (index, key) in keys.iter().enumerate() {
        if index >= KEY_TABLE_LEN_MAX {
            let message = format!("a device holds at most {KEY_TABLE_LEN_MAX} keys");
            table.report(Problem::error(Code::Value, key.span.clone(), message));
            return;
        }
        if keys
            .iter()
            .take(index)
            .any(|other| other.value == key.value)
        {
            let message = format!("`{}` stands in `key_table` already", key.value);
            table.report(Problem::error(Code::Value, key.span.clone(), message));
        }
    }
}

/// Reports keys that devices do not have, and the one that signs.
fn check_revoke(
    table: &mut Reader<'_>,
    (key_table, revoke): (&[Spanned<String>], &[Spanned<String>]),
    signer: Option<&Spanned<String>>,
) {
    let names: Vec<&str> = key_table.iter().map(|key| key.value.as_str()).collect();
    for key in revoke {
        if signer.is_some_and(|signer| signer.value == key.value) {
            let message = format!(
                "`{}` signs the image and cannot be revoked by it",
                key.value
            );
            table.report(
                Problem::error(Code::Conflict, key.span.clone(), message)
                    .with_hint("sign with the key that you move to: `key`"),
            );
        } else if !names.contains(&key.value.as_str()) {
            let message = format!("`{}` is not in `key_table`", key.value);
            let problem = Problem::error(Code::Value, key.span.clone(), message);
            table.report(if names.is_empty() {
                problem.with_hint("list in `key_table` which keys your devices were flashed with")
            } else {
                problem.with_nearest(&key.value, &names, "\"")
            });
        }
    }
}

fn read_manager(table: &mut Reader<'_>) -> Manager {
    let url = table.string("url").and_then(|text| {
        let url = ManagerUrl::parse(&text.value).ok()?;
        Some(text.with(url))
    });
    let device = table.string("device");
    let fleet = table.string("fleet");
    if let (Some(_), Some(fleet)) = (&device, &fleet) {
        table.report(
            Problem::error(
                Code::Conflict,
                fleet.key_span.clone(),
                "`device` and `fleet` exclude each other",
            )
            .with_hint("keep the one that an update should address"),
        );
    }
    Manager {
        url,
        firmware: table.string("firmware"),
        device,
        fleet,
        span: table.place().span.clone(),
    }
}
