//! Keeps the layout of an image stable from version to version, so that a small change of the source
//! is a small change of the image: an install copies only the chunks that differ.
//!
//! A build links twice. The first link finds out which functions and constants there are and how
//! long they are (`map`, `piece`). Then everything is given the place that it had in the last
//! version, as the lock file beside the manifest says (`lock`, `plan`). The second link puts it
//! there (`script`). The lock file is written last, when the linker's map shows that it was obeyed.
//!
//! What it costs and what it brings is measured in `docs/stable-layout.md`.

mod lock;
mod map;
mod piece;
mod plan;
mod script;

use crate::cargo::{self, CompileError, CompileRequest, Compiled, Placement};
use crate::event::{Job, JobEvent, Phase};
use crate::explain::{ErrorClass, Explain};
use map::Map;
use piece::{Memory, Piece, pieces};
use plan::{Layout, Plan, plan};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The lock file's name; it stands beside the manifest.
pub const LOCK_FILE_NAME: &str = "layout.lock";
/// What stays where the project's script puts it may grow by this many bytes and a quarter of itself.
const FIXED_SPARE: u64 = 256;
/// The planned section begins on such an address.
const START_ALIGN: u64 = 256;

/// Why an image cannot be given a stable layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Storage {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The lock file is damaged.
    #[error("{}:{line}: not a line of an image layout", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The executable cannot be read.
    #[error("the linker's output is not a usable ELF file: {0}")]
    Malformed(String),
    /// The linker's map is of no use.
    #[error("the linker's map names no function that can be placed")]
    Map,
    /// The linker has put something elsewhere.
    #[error("the linker did not place {section} at {address:#x}")]
    Misplaced {
        /// The section of the object file.
        section: String,
        /// Where it belongs.
        address: u64,
    },
}

impl Explain for LayoutError {
    fn code(&self) -> &'static str {
        match self {
            Self::Compile(error) => error.code(),
            Self::Storage { .. } => "storage",
            Self::Lock { .. } => "layout-lock",
            Self::Malformed(_) => "elf-unusable",
            Self::Map | Self::Misplaced { .. } => "layout-linker",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Compile(error) => error.hint(),
            Self::Lock { .. } => Some(
                "take the file of the last release out of version control; without it everything \
                 is placed anew"
                    .to_owned(),
            ),
            Self::Map | Self::Misplaced { .. } => Some(
                "`image_layout = \"stable\"` needs the linker rust-lld and a linker script with \
                 `.text` and `.rodata` in a region FLASH"
                    .to_owned(),
            ),
            Self::Storage { .. } | Self::Malformed(_) => None,
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Compile(error) => error.class(),
            Self::Lock { .. } => ErrorClass::Project,
            Self::Storage { .. } | Self::Malformed(_) | Self::Map | Self::Misplaced { .. } => {
                ErrorClass::Failed
            }
        }
    }
}

/// Compiles with the release profile and places everything where it stood in the last version.
///
/// # Errors
/// [`LayoutError`]; the lock file then stays as it was.
pub(crate) async fn compile(
    root: &Path,
    mut request: CompileRequest,
    job: &Job,
) -> Result<Compiled, LayoutError> {
    job.begin(Phase::Compile);
    let files = Files::of(root, &request.package.bin);
    request.placement = Some(Placement {
        script: files.script.clone(),
        map: files.map.clone(),
    });
    let locked = read_if_there(&files.lock)?;
    let old = match &locked {
        Some(text) => Some(lock::read(text).map_err(|damaged| LayoutError::Lock {
            path: files.lock.clone(),
            line: damaged.line,
        })?),
        None => None,
    };
    // Taken away first: what an interrupted build leaves behind is not the executable of this lock.
    let done = read_if_there(&files.done)?;
    remove(&files.done)?;
    write(&files.script, script::EMPTY)?;
    let mut found = cargo::run(&request, job).await?;
    if found.fresh {
        if let (Some(done), Some(locked)) = (&done, &locked)
            && done == locked
        {
            write(&files.done, done)?;
            cargo::finished(&request, &found, job);
            return Ok(found);
        }
        forget(&found.executable, &request)?;
        found = cargo::run(&request, job).await?;
    }
    let (map, pieces) = survey(&found, &files, &request)?;
    let plan = planned(&map, &pieces, old, job);
    write(&files.script, &script::script(&plan, &map.movable))?;
    forget(&found.executable, &request)?;
    let placed = cargo::run(&request, job).await?;
    check(&plan, &map, &files)?;
    let text = lock::write(&plan.layout);
    if locked.as_deref() != Some(&text) {
        write(&files.lock, &text)?;
    }
    write(&files.done, &text)?;
    cargo::finished(&request, &placed, job);
    Ok(placed)
}

/// The files that a layout needs.
struct Files {
    lock: PathBuf,
    script: PathBuf,
    map: PathBuf,
    /// The lock file that the executable in the target directory belongs to.
    done: PathBuf,
}

impl Files {
    fn of(root: &Path, bin: &str) -> Self {
        let folder = cargo::target_dir(root).join("layout").join(bin);
        Self {
            lock: root.join(LOCK_FILE_NAME),
            script: folder.join("layout.x"),
            map: folder.join("link.map"),
            done: folder.join("done.lock"),
        }
    }
}

/// What there is to be placed.
fn survey(
    found: &Compiled,
    files: &Files,
    request: &CompileRequest,
) -> Result<(Map, Vec<Piece>), LayoutError> {
    let map = map::read(&read(&files.map)?, script::SECTION);
    if map.movable.is_empty() {
        return Err(LayoutError::Map);
    }
    let elf = std::fs::read(&found.executable).map_err(storage(&found.executable))?;
    let memory = Memory::of(&elf).map_err(|error| LayoutError::Malformed(error.to_string()))?;
    let pieces = pieces(&map, &memory, &crate_name(&request.package.bin));
    Ok((map, pieces))
}

/// A plan from the old layout, or a new one if there is none or what stands before it has outgrown
/// its room.
fn planned(map: &Map, pieces: &[Piece], old: Option<Layout>, job: &Job) -> Plan {
    let fixed_end = map.text_at + map.fixed_len;
    let had_one = old.is_some();
    let old = old.filter(|old| old.start >= fixed_end);
    if had_one && old.is_none() {
        job.tell(JobEvent::Warning(format!(
            "everything in the image is placed anew: what stands before {LOCK_FILE_NAME}'s first \
             address has grown over it"
        )));
    }
    let start = (fixed_end + map.fixed_len / 4 + FIXED_SPARE).next_multiple_of(START_ALIGN);
    let plan = plan(pieces, old.as_ref(), start);
    let changes = plan.changes;
    job.tell(JobEvent::Line(format!(
        "image layout: {} kept, {} moved, {} added, {} gone, {} bytes free",
        changes.kept, changes.moved, changes.added, changes.gone, changes.free
    )));
    plan
}

/// Reads in the second link's map whether everything stands where it belongs.
fn check(plan: &Plan, planned: &Map, files: &Files) -> Result<(), LayoutError> {
    let placed = map::read(&read(&files.map)?, script::SECTION);
    let entry = |entry: &map::Entry| {
        let key = (entry.file.clone(), entry.section.clone());
        (key, (entry.address, entry.len))
    };
    let mut placed: std::collections::BTreeMap<_, _> = placed.movable.iter().map(entry).collect();
    for (place, piece) in plan.layout.places.iter().zip(&plan.pieces) {
        let Some(entry) = planned.movable.get(*piece) else {
            continue;
        };
        let key = (entry.file.clone(), entry.section.clone());
        if placed.remove(&key) != Some((place.address, entry.len)) {
            return Err(LayoutError::Misplaced {
                section: entry.section.clone(),
                address: place.address,
            });
        }
    }
    Ok(())
}

/// Makes cargo link once more: it does not look at the script, but misses the executable.
fn forget(executable: &Path, request: &CompileRequest) -> Result<(), LayoutError> {
    let folder = executable.parent().unwrap_or(Path::new(".")).join("deps");
    let prefix = format!("{}-", crate_name(&request.package.bin));
    let entries = std::fs::read_dir(&folder).map_err(storage(&folder))?;
    for entry in entries {
        let path = entry.map_err(storage(&folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_executable = name
            .strip_prefix(&prefix)
            .is_some_and(|hash| hash.chars().all(|c| c.is_ascii_hexdigit()));
        if is_executable {
            remove(&path)?;
        }
    }
    Ok(())
}

fn crate_name(bin: &str) -> String {
    bin.replace('-', "_")
}

fn storage(path: &Path) -> impl FnOnce(std::io::Error) -> LayoutError + '_ {
    |source| LayoutError::Storage {
        path: path.to_owned(),
        source,
    }
}

fn read(path: &Path) -> Result<String, LayoutError> {
    std::fs::read_to_string(path).map_err(storage(path))
}

fn read_if_there(path: &Path) -> Result<Option<String>, LayoutError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(storage(path)(error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), LayoutError> {
    crate::image::write_atomically(path, text.as_bytes()).map_err(storage(path))
}

fn remove(path: &Path) -> Result<(), LayoutError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(storage(path)(error)),
    }
}
