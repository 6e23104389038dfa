//! Verbs that concern a project and no device: clean, link, size, doctor, and a new project.

use super::{Failure, News, Teller, options};
use crate::protocol::{NewProjectMade, NewProjectParams, Outcome, ReportEntry, VerbParams};
use otaru_lsp_build::bytecode::{Place, VmVersion};
use otaru_lsp_build::clean;
use otaru_lsp_build::doctor::{self, Health};
use otaru_lsp_build::elf::Section;
use otaru_lsp_build::image::{BuildOptions, build};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::size::{self, SizeReport};
use otaru_lsp_build::template::{self, NewProject};
use otaru_lsp_build::{Explain as _, Job};
use otaru_lsp_project::{Kind, MANIFEST_FILE_NAME};
use std::path::{Path, PathBuf};

/// Most sections that a report lists.
const SECTIONS_MAX: usize = 12;

pub(super) async fn clean(folder: &Path) -> Result<Outcome, Failure> {
    let folder = folder.to_owned();
    let cleaned = tokio::task::spawn_blocking(move || clean::clean(&folder)).await;
    let cleaned = cleaned.map_err(|error| Failure::new("internal", &error, None))??;
    Ok(Outcome::Done {
        message: format!("deleted {} files, {} bytes", cleaned.files, cleaned.bytes),
    })
}

pub(super) async fn link(folder: &Path, params: VerbParams, job: &Job) -> Result<Outcome, Failure> {
    let project = OpenProject::open(folder)?;
    if project.settings.kind != Kind::Bytecode {
        return Err(Failure {
            code: "not-bytecode".to_owned(),
            message: format!("{} is firmware, not bytecode", project.settings.name),
            hint: Some("build it: firmware is linked for its one slot".to_owned()),
            is_stop: false,
        });
    }
    let (bc, vm) = (params.bc.unwrap_or(0), params.vm.unwrap_or(0));
    let wishes = BuildOptions {
        place: Place {
            bytecode_slot: Some(bc),
            vm_slot: Some(vm),
            vm_version: VmVersion::default(),
        },
        ..options(params.version)?
    };
    let image = build(&project, &wishes, job).await?;
    Ok(Outcome::Done {
        message: format!(
            "linked {} for bytecode slot {bc} and VM slot {vm}",
            image.label
        ),
    })
}

pub(super) async fn size(
    folder: &Path,
    job: &Job,
    teller: &Teller<'_>,
) -> Result<Outcome, Failure> {
    let project = OpenProject::open(folder)?;
    let image = build(&project, &options(None)?, job).await?;
    let report = size::measure(&project, &image)?;
    (teller.tell)(News::Report(size_entries(&report)));
    Ok(Outcome::Done {
        message: report.in_words(),
    })
}

fn size_entries(report: &SizeReport) -> Vec<ReportEntry> {
    let info = |name: &str, text: String| ReportEntry {
        name: name.to_owned(),
        state: "info".to_owned(),
        text,
        next: None,
    };
    let pieces = report
        .pieces
        .iter()
        .map(|(name, len)| info(name, format!("{len} bytes")));
    let section = |section: &Section| {
        let place = match (section.stored, section.writable) {
            (true, true) => "flash and memory",
            (true, false) => "flash",
            (false, _) => "memory",
        };
        info(&section.name, format!("{} bytes in {place}", section.len))
    };
    let sections = report.sections.iter().take(SECTIONS_MAX).map(section);
    pieces.chain(sections).collect()
}

pub(super) async fn doctor(folder: &Path, teller: &Teller<'_>) -> Outcome {
    let checks = doctor::examine(folder, None).await;
    let entry = |check: &doctor::Check| {
        let (text, next) = match &check.health {
            Health::Good(text) | Health::Absent(text) => (text, None),
            Health::Bad { what, next } => (what, Some(next.clone())),
        };
        ReportEntry {
            name: check.name.to_owned(),
            state: check.health.state().to_owned(),
            text: text.clone(),
            next: next.filter(|next| !next.is_empty()),
        }
    };
    (teller.tell)(News::Report(checks.iter().map(entry).collect()));
    match doctor::repairs(&checks) {
        0 => Outcome::Done {
            message: "nothing is missing".to_owned(),
        },
        count => Outcome::Failed {
            code: "repairs".to_owned(),
            message: match count {
                1 => "one thing needs repair".to_owned(),
                count => format!("{count} things need repair"),
            },
            hint: checks.iter().find_map(|check| match &check.health {
                Health::Bad { next, .. } if !next.is_empty() => Some(next.clone()),
                Health::Bad { .. } | Health::Good(_) | Health::Absent(_) => None,
            }),
        },
    }
}

/// Makes a project.
///
/// # Errors
/// What is wrong, and what to do, for people.
pub(crate) fn new_project(params: &NewProjectParams) -> Result<NewProjectMade, String> {
    let folder = PathBuf::from(&params.folder);
    if !folder.is_absolute() {
        return Err("a project is made in an absolute folder".to_owned());
    }
    let own = || {
        let name = folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let or =
        |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
    let wish = NewProject {
        name: params.name.clone().unwrap_or_else(own),
        board: or(&params.board, "host"),
        mode: params.mode.clone(),
        kind: or(&params.kind, "firmware"),
    };
    template::make(&folder, &wish).map_err(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })?;
    Ok(NewProjectMade {
        manifest: folder.join(MANIFEST_FILE_NAME).display().to_string(),
        folder: params.folder.clone(),
    })
}
