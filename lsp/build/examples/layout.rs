//! Measures how many chunks of an image change with the source, with and without a stable layout.
//!
//! `cargo xtask bench layout` runs it and sets what it reads: `OTARU_SOURCE`, the folder of this
//! repository, and `OTARU_FIRMWARE_RUSTC`, a compiler for bare metal.

use otaru_lsp_build::image::{BuildOptions, build};
use otaru_lsp_build::keys::{Algorithm, ProjectKey};
use otaru_lsp_build::layout::LOCK_FILE_NAME;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{Job, JobEvent};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Unit of copying on the nRF52840, in bytes.
const CHUNK_LEN: usize = 4096;
/// Milliseconds to erase a page of its flash and to program it again, as `docs/power-fail.md` models
/// an install in mode `standby`.
const CHUNK_MS: usize = 85 + 42;

/// A change of the source: `(file, old text, new text)` each.
struct Change {
    name: &'static str,
    edits: &'static [(&'static str, &'static str, &'static str)],
}

/// A new function, before the one that it is put in front of.
const LEVEL: &str = "/// Follows the daylight slowly, and leaves some light at night.
#[inline(never)]
fn level(before: u32) -> u32 {
    let wanted = board::daylight() / 4;
    let level = (before.wrapping_mul(7).wrapping_add(wanted)) / 8;
    if level < 8 { 8 } else { level }
}

async fn work";

/// Changes of `boards/nrf52840/sample`.
const SAMPLE: &[Change] = &[
    Change {
        name: "version only",
        edits: &[("Cargo.toml", "version = \"1.0.0\"", "version = \"1.0.1\"")],
    },
    Change {
        name: "a text and a number",
        edits: &[
            ("src/main.rs", "Counter:          ", "Seconds counted:  "),
            ("src/main.rs", "STEP: u32 = 1", "STEP: u32 = 2"),
        ],
    },
    Change {
        name: "a function added, its caller changed, no text",
        edits: &[
            ("src/main.rs", "async fn work", LEVEL),
            (
                "src/main.rs",
                "board::light(board::daylight() / 4);",
                "board::light(level(count.get()));",
            ),
        ],
    },
    Change {
        name: "a function added, its caller prints one more line",
        edits: &[
            ("src/main.rs", "async fn work", LEVEL),
            (
                "src/main.rs",
                "    loop {\n        let online",
                "    let mut shown = 0;\n    loop {\n        let online",
            ),
            (
                "src/main.rs",
                "        board::light(board::daylight() / 4);",
                "        shown = level(shown);\n        board::light(shown);\n        \
                 println!(chip, \"Light:            {shown}\");",
            ),
        ],
    },
    Change {
        name: "a feature of a dependency: P-256 signatures",
        edits: &[(
            "Cargo.toml",
            "core/image\", default-features = false",
            "core/image\", default-features = false, features = [\"p256\"]",
        )],
    },
];

/// The same kinds of change of `examples/counter`, an executable of this machine.
const COUNTER: &[Change] = &[
    Change {
        name: "a text and a number",
        edits: &[
            ("src/main.rs", "Counter:          ", "Seconds counted:  "),
            ("src/main.rs", "STEP: u32 = 1", "STEP: u32 = 2"),
        ],
    },
    Change {
        name: "a function added, its caller changed",
        edits: &[
            (
                "src/main.rs",
                "fn main()",
                "/// Counts faster while nobody is online.\n#[inline(never)]\n\
                 fn step(online: bool) -> u32 {\n    if online { STEP } else { STEP + 1 }\n}\n\n\
                 fn main()",
            ),
            (
                "src/main.rs",
                "wrapping_add(STEP)",
                "wrapping_add(step(status.online()))",
            ),
        ],
    },
    Change {
        name: "a feature of a dependency: encrypted images",
        edits: &[(
            "Cargo.toml",
            "features = [\"firmware\"] }",
            "features = [\"firmware\"] }\n\
             otaru-image = { workspace = true, features = [\"encryption\", \"p256\"] }",
        )],
    },
];

/// How a program is built.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    lto: &'static str,
    layout: &'static str,
}

const WAYS: &[Way] = &[
    Way {
        name: "LTO, free",
        lto: "fat",
        layout: "free",
    },
    Way {
        name: "LTO, stable",
        lto: "fat",
        layout: "stable",
    },
    Way {
        name: "no LTO, free",
        lto: "off",
        layout: "free",
    },
    Way {
        name: "no LTO, stable",
        lto: "off",
        layout: "stable",
    },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let source = PathBuf::from(std::env::var_os("OTARU_SOURCE").ok_or("OTARU_SOURCE is not set")?);
    let target_dir = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| source.join("target"), PathBuf::from)
        .join("layout");
    let mut rows = Vec::new();
    for way in WAYS {
        let options = BuildOptions {
            target_dir: Some(target_dir.join(way.name.replace([',', ' '], "-"))),
            compiler: std::env::var_os("OTARU_FIRMWARE_RUSTC").map(PathBuf::from),
            ..BuildOptions::default()
        };
        note(way.name)?;
        rows.extend(
            Program::sample(&source, *way)?
                .measure(&source, &options)
                .await?,
        );
    }
    let options = BuildOptions {
        target_dir: Some(target_dir.join("host")),
        ..BuildOptions::default()
    };
    note("host")?;
    rows.extend(
        Program::counter(&source)?
            .measure(&source, &options)
            .await?,
    );
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| program | way | change | image, bytes | differ | d | install, s |\n\
         | --- | --- | --- | --: | --: | --: | --: |"
    )?;
    for row in rows {
        writeln!(out, "{row}")?;
    }
    Ok(())
}

/// A program as it is before any change.
struct Program {
    name: &'static str,
    way: &'static str,
    changes: &'static [Change],
    /// Its files by their path, as text.
    files: BTreeMap<PathBuf, String>,
}

impl Program {
    /// The bare-metal sample, built in one of the ways.
    fn sample(source: &Path, way: Way) -> Outcome<Self> {
        let mut files = files(&source.join("boards/nrf52840/sample"))?;
        replace(
            &mut files,
            "Cargo.toml",
            "\"fat\"",
            &format!("\"{}\"", way.lto),
        )?;
        replace(
            &mut files,
            "Otaru.toml",
            "\"free\"",
            &format!("\"{}\"", way.layout),
        )?;
        let here = "path = \"../../../";
        let there = format!("path = \"{}/", source.display());
        replace(&mut files, "Cargo.toml", here, &there)?;
        Ok(Self {
            name: "nRF52840",
            way: way.name,
            changes: SAMPLE,
            files,
        })
    }

    /// The example of the host board: the same dependencies, without the other members.
    fn counter(source: &Path) -> Outcome<Self> {
        let mut files = files(&source.join("examples/counter"))?;
        let manifest = std::fs::read_to_string(source.join("Cargo.toml"))?;
        let shared = manifest
            .split_once("[workspace.package]")
            .and_then(|(_, rest)| rest.split_once("[workspace.lints.rust]"))
            .ok_or("Cargo.toml has no part that all members share")?
            .0
            .replace("path = \"", &format!("path = \"{}/", source.display()));
        replace(&mut files, "Cargo.toml", "[lints]\nworkspace = true\n", "")?;
        if let Some(own) = files.get_mut(Path::new("Cargo.toml")) {
            own.push_str("\n[workspace]\n[workspace.package]");
            own.push_str(&shared);
        }
        Ok(Self {
            name: "counter (host)",
            way: "free",
            changes: COUNTER,
            files,
        })
    }

    /// Builds it as it is, then with each change alone, and compares.
    async fn measure(mut self, source: &Path, options: &BuildOptions) -> Outcome<Vec<String>> {
        let lock = std::fs::read_to_string(source.join("Cargo.lock"))?;
        self.files.insert("Cargo.lock".into(), lock);
        let folder = tempfile::tempdir()?;
        let root = folder.path();
        ProjectKey::create(&root.join("keys/dev.pem"), Algorithm::Ed25519, true)?;
        let first = image(root, &self.files, options).await?;
        let (name, way) = (self.name, self.way);
        let mut rows = vec![format!("| {name} | {way} | – | {} | | | |", first.len())];
        let lock = std::fs::read(root.join(LOCK_FILE_NAME)).ok();
        for change in self.changes {
            let mut files = self.files.clone();
            for (file, old, new) in change.edits {
                replace(&mut files, file, old, new)?;
            }
            if let Some(lock) = &lock {
                std::fs::write(root.join(LOCK_FILE_NAME), lock)?;
            }
            let changed = image(root, &files, options).await?;
            let (differ, all) = differing(&first, &changed);
            let install = differ * CHUNK_MS;
            rows.push(format!(
                "| {name} | {way} | {} | {} | {differ} of {all} | {} % | {}.{:02} |",
                change.name,
                changed.len(),
                differ * 100 / all.max(1),
                install / 1000,
                install % 1000 / 10
            ));
        }
        Ok(rows)
    }
}

/// Writes the files and builds an image of them.
async fn image(
    root: &Path,
    files: &BTreeMap<PathBuf, String>,
    options: &BuildOptions,
) -> Outcome<Vec<u8>> {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        // Cargo looks at the time of a file, so one that stays the same is not written.
        if std::fs::read_to_string(&path).ok().as_ref() != Some(text) {
            std::fs::write(path, text)?;
        }
    }
    let (job, mut events) = Job::new();
    let built = build(&OpenProject::open(root)?, options, &job).await?;
    drop(job);
    while let Some(event) = events.recv().await {
        if let JobEvent::Line(line) | JobEvent::Warning(line) = event
            && line.contains("image layout")
        {
            note(&line)?;
        }
    }
    Ok(std::fs::read(built.path)?)
}

fn note(line: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stderr(), "    {line}")?)
}

/// Chunks of `new` that `old` does not hold at the same place, and all chunks of `new`.
fn differing(old: &[u8], new: &[u8]) -> (usize, usize) {
    let chunks = new.chunks(CHUNK_LEN).enumerate();
    let differ = chunks.filter(|(index, chunk)| {
        let old = old.get(index * CHUNK_LEN..).unwrap_or_default();
        old.get(..chunk.len()) != Some(*chunk)
    });
    (differ.count(), new.len().div_ceil(CHUNK_LEN))
}

/// The files of a folder by their path below it.
fn files(folder: &Path) -> Outcome<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next)? {
            let entry = entry?;
            let path = entry.path();
            let built = ["target", ".otaru", "keys", "Cargo.lock"]
                .iter()
                .any(|name| entry.file_name() == *name);
            if built {
                continue;
            }
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else {
                let text = std::fs::read_to_string(&path)?;
                found.insert(path.strip_prefix(folder)?.to_owned(), text);
            }
        }
    }
    Ok(found)
}

/// Replaces a text that must be there.
fn replace(files: &mut BTreeMap<PathBuf, String>, file: &str, old: &str, new: &str) -> Outcome<()> {
    let text = files.get_mut(Path::new(file)).ok_or(file)?;
    if !text.contains(old) {
        return Err(format!("{file} does not contain `{old}`").into());
    }
    *text = text.replace(old, new);
    Ok(())
}
