//! The model of `Otaru.toml`.

use crate::board::{Board, Mode, read_mode};
use crate::label::Version;
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
    /// Where the version comes from.
    pub version: Option<Spanned<VersionSource>>,
    /// Cargo package.
    pub package: Option<Spanned<String>>,
    /// Binary of the package.
    pub bin: Option<Spanned<String>>,
    /// Cargo features.
    pub features: Vec<Spanned<String>>,
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
    /// `[manager]`
    pub manager: Manager,
}

/// Whom an update addresses when the command does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateTarget {
    /// One device, by name or id.
    Device(String),
    /// One fleet, by name or id.
    Fleet(String),
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
    /// Where the version comes from.
    pub version: VersionSource,
    /// Cargo package, if the manifest names one.
    pub package: Option<String>,
    /// Binary, if the manifest names one.
    pub bin: Option<String>,
    /// Cargo features.
    pub features: Vec<String>,
    /// Path of the private key, relative to the manifest.
    pub key: String,
    /// The image's security counter.
    pub security_counter: u32,
    /// Paths of the keys that devices trust, in their order; none: only the key that signs.
    pub key_table: Vec<String>,
    /// Those of them that the image revokes.
    pub revoke: Vec<String>,
    /// The manager's address, if the manifest names one.
    pub manager_url: Option<ManagerUrl>,
    /// Name of the firmware in the manager.
    pub firmware: String,
    /// Whom an update addresses, if the manifest says so.
    pub target: Option<UpdateTarget>,
}

impl Manifest {
    /// Reads an `Otaru.toml`. Whatever could be read is in the model, whatever is wrong in the
    /// problems.
    pub fn parse(text: &str) -> Parsed<Self> {
        read_document(&MANIFEST_SCHEMA, text, |root| Self {
            project: root.table("project", read_project),
            signing: root.table("signing", read_signing),
            manager: root.table("manager", read_manager),
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
            version: project
                .version
                .as_ref()
                .map_or(VersionSource::Cargo, |version| version.value.clone()),
            package: text(&project.package),
            bin: text(&project.bin),
            features: texts(&project.features),
            key: text(&self.signing.key)?,
            security_counter: self
                .signing
                .security_counter
                .as_ref()
                .map_or(0, |at| at.value),
            key_table: texts(&self.signing.key_table),
            revoke: texts(&self.signing.revoke),
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
    Project {
        name: table.string("name"),
        board,
        mode,
        version,
        package: table.string("package"),
        bin: table.string("bin"),
        features: table.strings("features"),
        span: table.place().span.clone(),
    }
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
    }
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
