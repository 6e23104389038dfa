//! From a project to a signed image on disk: compile, pack, number, sign.

mod encryption;
mod parts;
mod provenance;

pub use encryption::Encrypted;
pub use parts::BuiltPart;
pub use provenance::Provenance;

use crate::builds::{BuildNumberError, BuildNumbers};
use crate::bytecode::{self, LinkError, Place};
use crate::cargo::{self, CompileError, CompileRequest, Package};
use crate::elf::{ElfError, flat_payload};
use crate::event::{Job, JobEvent, Phase};
use crate::explain::{ErrorClass, Explain};
use crate::keys::{KeyError, KeyTable, KeyTableError, ProjectKey};
use crate::layout::{self, LayoutError};
use crate::project::OpenProject;
use otaru_image::{HEADER_LEN_DEFAULT, ImageBuilder, board_uuids};
use otaru_lsp_project::{
    BoardTarget, ImageKind, ImageLayout, Kind, LABEL_LEN_MAX, Label, LabelError, Version,
    VersionError, VersionSource,
};
use parts::Payloads;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Wishes of the caller.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// A label instead of the automatic one.
    pub label: Option<Label>,
    /// Cargo's target directory instead of `<project>/target/otaru`.
    pub target_dir: Option<PathBuf>,
    /// A compiler instead of the one that cargo takes.
    pub compiler: Option<PathBuf>,
    /// What bytecode is bound to, besides the ABI; of no meaning for firmware.
    pub place: Place,
}

/// A signed image on disk. The same text stands beside it as `<label>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltImage {
    /// The image file.
    pub path: PathBuf,
    /// The version as people read it.
    pub label: String,
    /// Cargo's version without the build number.
    pub version: String,
    /// The build number.
    pub build: u32,
    /// Whether the label is the automatic one.
    pub automatic: bool,
    /// SHA-256 of the complete file, 64 hex digits.
    pub digest: String,
    /// Length of the file in bytes.
    pub size: u64,
    /// The board it runs on.
    pub board: String,
    /// Security counter.
    pub security_counter: u32,
    /// Keys of the key table that the image revokes, bit = position.
    #[serde(default)]
    pub revoke: u16,
    /// Public half of the key that signed, hex digits: 64 of Ed25519, 66 of P-256.
    pub key: String,
    /// Whether that key was made for development.
    pub development_key: bool,
    /// For whom it is encrypted, if it is.
    #[serde(default)]
    pub encryption: Option<Encrypted>,
    /// SHA-256 of everything that makes two builds different, 64 hex digits.
    pub content: String,
    /// Further images in the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BuiltPart>,
    /// Where it came from.
    pub provenance: Provenance,
    /// The executable that it was made of, in the build that made it.
    #[serde(skip)]
    pub executable: Option<PathBuf>,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It cannot be given a stable layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Devices would refuse the image because of their key table.
    #[error(transparent)]
    KeyTable(#[from] KeyTableError),
    /// There is no build number.
    #[error(transparent)]
    Number(#[from] BuildNumberError),
    /// The executable gives no payload.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The module cannot be bytecode.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Cargo's version cannot be used.
    #[error("the version `{version}` of Cargo.toml cannot be used: {source}")]
    Version {
        /// The version.
        version: String,
        /// Why.
        source: VersionError,
    },
    /// The automatic label cannot be used.
    #[error("no label can be made of version `{version}`: {source}")]
    Label {
        /// The version.
        version: String,
        /// Why.
        source: LabelError,
    },
    /// The image format cannot express it.
    #[error("the image cannot be built: {0}")]
    Format(otaru_image::BuildError),
    /// There is nothing in the file of a part.
    #[error("the file of part `{0}` is empty")]
    PartEmpty(String),
    /// It does not fit into the slot.
    #[error("the image has {len} bytes, the slot of board `{board}` holds {max}")]
    TooLarge {
        /// Length of the image.
        len: u64,
        /// Length of the slot.
        max: u32,
        /// The board.
        board: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Explain for BuildError {
    fn code(&self) -> &'static str {
        match self {
            Self::Compile(error) => error.code(),
            Self::Layout(error) => error.code(),
            Self::Key(error) => error.code(),
            Self::KeyTable(error) => error.code(),
            Self::Number(error) => error.code(),
            Self::Elf(ElfError::OutsideSlot { .. }) => "image-outside-slot",
            Self::Elf(_) => "elf-unusable",
            Self::Link(error) => error.code(),
            Self::Version { .. } => "version-not-semver",
            Self::Label { .. } => "label-unusable",
            Self::Format(_) => "image-format",
            Self::PartEmpty(_) => "part-empty",
            Self::TooLarge { .. } => "image-too-large",
            Self::Storage { .. } => "storage",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Compile(error) => error.hint(),
            Self::Layout(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::KeyTable(error) => error.hint(),
            Self::Number(error) => error.hint(),
            Self::Link(error) => error.hint(),
            Self::Elf(ElfError::OutsideSlot { .. }) => {
                Some("the linker script must place everything inside the slot".to_owned())
            }
            Self::Version { .. } => Some(
                "use MAJOR.MINOR.PATCH in Cargo.toml, or set `version` in Otaru.toml".to_owned(),
            ),
            Self::Label { .. } => Some(format!(
                "shorten the version: labels have at most {LABEL_LEN_MAX} bytes"
            )),
            Self::TooLarge { .. } => Some(
                "leave features out, or build smaller: `opt-level = \"z\"` and `lto = true` in \
                 [profile.release]"
                    .to_owned(),
            ),
            Self::Elf(_) | Self::Format(_) | Self::PartEmpty(_) | Self::Storage { .. } => None,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Compile(error) => error.class(),
            Self::Layout(error) => error.class(),
            Self::Key(error) => error.class(),
            Self::KeyTable(error) => error.class(),
            Self::Version { .. } | Self::Label { .. } | Self::PartEmpty(_) => ErrorClass::Project,
            Self::Link(error) => error.class(),
            Self::Number(_)
            | Self::Elf(_)
            | Self::Format(_)
            | Self::TooLarge { .. }
            | Self::Storage { .. } => ErrorClass::Failed,
        }
    }
}

/// Builds a project's image.
///
/// # Errors
/// [`BuildError`]; no image file is left half-written.
pub async fn build(
    project: &OpenProject,
    options: &BuildOptions,
    job: &Job,
) -> Result<BuiltImage, BuildError> {
    let settings = &project.settings;
    // A missing key must not cost a compilation.
    let key = ProjectKey::load(&project.key_path())?;
    let revoke = KeyTable::of(project, key.signing.public(), key.development)?.revoke();
    // Nor must a missing part.
    let parts = Payloads::read(project)?;
    let encryption = Encrypted::of(project)?;
    let package = Package::find(
        &project.root,
        settings.package.as_deref(),
        settings.bin.as_deref(),
    )
    .await?;
    let version = version_of(&settings.version, &package.version)?;
    let request = CompileRequest {
        features: settings.features.clone(),
        triple: match (settings.kind, &settings.board.target) {
            (Kind::Bytecode, _) => Some(bytecode::TARGET.to_owned()),
            (Kind::Firmware, BoardTarget::Host) => None,
            (Kind::Firmware, BoardTarget::Triple(triple)) => Some(triple.clone()),
        },
        target_dir: options
            .target_dir
            .clone()
            .unwrap_or_else(|| cargo::target_dir(&project.root)),
        package,
        compiler: options.compiler.clone(),
        placement: None,
    };
    let compiled = match settings.image_layout {
        ImageLayout::Free => cargo::compile(&request, job).await?,
        ImageLayout::Stable => layout::compile(&project.root, request, job).await?,
    };
    job.begin(Phase::Pack);
    let provenance = Provenance::of(&project.root).await;
    let executable = compiled.executable.clone();
    let mut image = pack(
        project,
        &key,
        &version,
        &Source {
            options,
            compiled,
            provenance,
            revoke,
            parts,
            encryption,
        },
        job,
    )?;
    image.executable = Some(executable);
    job.finish(
        Phase::Pack,
        format!(
            "image {}, {} bytes, digest {:.12}",
            image.label, image.size, image.digest
        ),
    );
    job.tell(JobEvent::Built(Box::new(image.clone())));
    Ok(image)
}

/// What goes into an image besides the project's settings.
struct Source<'o> {
    options: &'o BuildOptions,
    compiled: cargo::Compiled,
    provenance: Provenance,
    /// Keys that the image revokes.
    revoke: u16,
    parts: Payloads<'o>,
    /// For whom it is encrypted, if it is.
    encryption: Option<Encrypted>,
}

fn version_of(source: &VersionSource, cargo_version: &str) -> Result<Version, BuildError> {
    match source {
        VersionSource::Given(version) => Ok(version.clone()),
        VersionSource::Cargo => cargo_version.parse().map_err(|source| BuildError::Version {
            version: cargo_version.to_owned(),
            source,
        }),
    }
}

fn pack(
    project: &OpenProject,
    key: &ProjectKey,
    version: &Version,
    source: &Source<'_>,
    job: &Job,
) -> Result<BuiltImage, BuildError> {
    let settings = &project.settings;
    let payload = payload(project, &source.compiled.executable)?;
    let content = content(project, key, version, (source, &payload));
    let payload = placed(settings.kind, payload, source.options.place)?;
    let numbers = BuildNumbers::in_folder(&project.state_dir());
    let number = numbers.number_for(&version.to_string(), &content)?;
    if let Some(aside) = &number.set_aside {
        job.tell(JobEvent::Warning(format!(
            "the build numbers were damaged and are counted anew; the old file is {}",
            aside.display()
        )));
    }
    let automatic = source.options.label.is_none();
    let label = match &source.options.label {
        Some(label) => label.clone(),
        None => Label::of(version, number.number).map_err(|source| BuildError::Label {
            version: version.to_string(),
            source,
        })?,
    };
    let folder = cargo::target_dir(&project.root).join("images");
    let name = format!("{label}{}", source.options.place.suffix());
    let mut image = BuiltImage {
        path: folder.join(format!("{name}.img")),
        label: label.to_string(),
        version: version.to_string(),
        build: number.number,
        automatic,
        digest: String::new(),
        size: 0,
        board: settings.board.name.clone(),
        security_counter: settings.security_counter,
        revoke: source.revoke,
        key: key.signing.public().to_hex(),
        development_key: key.development,
        encryption: source.encryption.clone(),
        content,
        parts: Vec::new(),
        provenance: source.provenance.clone(),
        executable: None,
    };
    let about = about_path(&image.path);
    // Encrypted again it would be another file, with a digest that no device and no manager knows.
    if image.encryption.is_some()
        && let Some(kept) = encryption::kept(&image, &about)
    {
        return Ok(kept);
    }
    let (bytes, parts) = signed(project, key, (&label, &image), (payload, &source.parts))?;
    image.parts = parts;
    image.digest = hex(&Sha256::digest(&bytes));
    image.size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    store(&image, &bytes)?;
    Ok(image)
}

/// The image file.
fn signed(
    project: &OpenProject,
    key: &ProjectKey,
    (label, image): (&Label, &BuiltImage),
    (payload, parts): (Vec<u8>, &Payloads<'_>),
) -> Result<(Vec<u8>, Vec<BuiltPart>), BuildError> {
    let settings = &project.settings;
    let version = image
        .version
        .parse::<Version>()
        .map_err(|source| BuildError::Version {
            version: image.version.clone(),
            source,
        })?;
    let mut builder = ImageBuilder::new(
        payload,
        otaru_image::Version {
            major: version.major,
            minor: version.minor,
            revision: version.patch,
            build: image.build,
        },
    )
    .label(image_label(label)?)
    .header_len(header_len(settings.kind))
    .board(board_uuids(&settings.board.vid, &settings.board.cid))
    .security_counter(image.security_counter)
    .revoke(image.revoke);
    if let Some(encrypted) = &image.encryption {
        builder = builder.encrypt(encrypted.recipient()?, encrypted.aes());
    }
    let (builder, parts) = parts.behind(project, key, builder)?;
    let bytes = builder.sign(&key.signing).map_err(BuildError::Format)?;
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let max = settings.board.image_len_max(settings.mode);
    if len > u64::from(max) {
        return Err(BuildError::TooLarge {
            len,
            max,
            board: settings.board.name.clone(),
        });
    }
    Ok((bytes, parts))
}

/// Writes the image and, beside it, what is known about it.
fn store(image: &BuiltImage, bytes: &[u8]) -> Result<(), BuildError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| BuildError::Storage { path, source }
    };
    write_atomically(&image.path, bytes).map_err(failed(&image.path))?;
    let path = about_path(&image.path);
    let about = serde_json::to_vec_pretty(image).map_err(|error| failed(&path)(error.into()))?;
    write_atomically(&path, &about).map_err(failed(&path))
}

/// Where the text about an image stands. A label may contain dots, so the extension is cut off by hand.
fn about_path(image: &Path) -> PathBuf {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".img").unwrap_or(&name);
    image.with_file_name(format!("{stem}.json"))
}

/// The bytes that a device executes.
fn payload(project: &OpenProject, executable: &Path) -> Result<Vec<u8>, BuildError> {
    let board = project.settings.board;
    let elf = std::fs::read(executable).map_err(|source| BuildError::Storage {
        path: executable.to_owned(),
        source,
    })?;
    match (project.settings.kind, board.image) {
        (Kind::Bytecode, _) => Ok(bytecode::link(&elf, Place::default())?.module),
        (Kind::Firmware, ImageKind::Elf) => Ok(elf),
        (Kind::Firmware, ImageKind::Flat) => {
            let slot = board.execution();
            let mapped = u64::from(board.flash.address);
            // The firmware is linked for what follows the image's header.
            let start = mapped + u64::from(slot.offset) + u64::from(HEADER_LEN_DEFAULT);
            let end = mapped + slot.end();
            Ok(flat_payload(&elf, start..end, board.flash.erased)?)
        }
    }
}

/// The payload for its place. All links of one content are one version, so the place does not count
/// as content.
fn placed(kind: Kind, payload: Vec<u8>, place: Place) -> Result<Vec<u8>, BuildError> {
    match kind {
        Kind::Firmware => Ok(payload),
        Kind::Bytecode => Ok(bytecode::link(&payload, place)?.module),
    }
}

fn header_len(kind: Kind) -> u16 {
    match kind {
        Kind::Firmware => HEADER_LEN_DEFAULT,
        Kind::Bytecode => bytecode::HEADER_LEN,
    }
}

/// What makes two builds different: everything in the image except its label and number.
fn content(
    project: &OpenProject,
    key: &ProjectKey,
    version: &Version,
    (source, payload): (&Source<'_>, &[u8]),
) -> String {
    let board = project.settings.board;
    let mut hash = Sha256::new();
    for part in [&version.to_string(), &board.vid, &board.cid] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(project.settings.security_counter.to_le_bytes());
    hash.update(key.signing.public().to_bytes());
    // Most images revoke nothing and are not encrypted; theirs stay what they were.
    if source.revoke != 0 {
        hash.update(source.revoke.to_le_bytes());
    }
    if let Some(encrypted) = &source.encryption {
        hash.update(encrypted.for_key.as_bytes());
        hash.update(encrypted.aes.to_le_bytes());
    }
    hash.update(payload);
    source.parts.count(&mut hash);
    hex(&hash.finalize())
}

fn image_label(label: &Label) -> Result<otaru_image::Label, BuildError> {
    otaru_image::Label::new(label.as_str()).map_err(|_too_long| BuildError::Label {
        version: label.to_string(),
        source: LabelError::TooLong(label.as_str().len()),
    })
}

/// The old file or the new one, never a part of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// SHA-256 in hex digits.
pub fn hex_digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
}
