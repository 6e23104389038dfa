//! What every command needs: the project, the manager, the device that is meant.

use crate::arguments::Arguments;
use crate::failure::{Exit, Failure, FileProblems};
use crate::output::Output;
use otaru_lsp_build::credentials::api_key;
use otaru_lsp_build::manager::ManagerClient;
use otaru_lsp_build::project::{OpenProject, ProjectError};
use otaru_lsp_build::target::plain_name;
use otaru_lsp_project::{ManagerUrl, UpdateTarget};
use std::path::{Path, PathBuf};

/// One run of the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'s> {
    /// The command line.
    pub(crate) arguments: &'s Arguments,
    /// Where it is shown.
    pub(crate) output: &'s Output,
}

impl Session<'_> {
    /// The folder in which projects are looked for.
    pub(crate) fn folder(&self) -> PathBuf {
        self.arguments
            .project
            .clone()
            .unwrap_or_else(|| PathBuf::from("."))
    }

    /// The project. Its manifest's problems are shown with their lines.
    pub(crate) fn project(&self) -> Result<OpenProject, Failure> {
        open_project(self.output, &self.folder())
    }

    /// The project, for devices in the field if its manifest or the command says so.
    pub(crate) fn project_for(&self, release: bool) -> Result<OpenProject, Failure> {
        let mut project = self.project()?;
        project.settings.release |= release;
        Ok(project)
    }

    /// The manager's address: from the command line, the environment or the manifest.
    pub(crate) fn manager_url(&self, project: Option<&OpenProject>) -> Result<ManagerUrl, Failure> {
        if let Some(text) = &self.arguments.manager {
            return parse_url(text);
        }
        project
            .and_then(|project| project.settings.manager_url.clone())
            .ok_or_else(|| {
                Failure::new(Exit::Project, "manager-missing", "no manager is named").hint(
                    "add `url = \"http://127.0.0.1:8480\"` to [manager] in Otaru.toml, or give \
                 `--manager`",
                )
            })
    }

    /// A client for that manager, with the key that is known for it.
    pub(crate) fn client(&self, project: Option<&OpenProject>) -> Result<ManagerClient, Failure> {
        let url = self.manager_url(project)?;
        let key = api_key(&url)?;
        Ok(ManagerClient::new(url, key.as_deref())?)
    }

    /// The device on this machine that is meant: the one given, else the project's.
    pub(crate) fn device_name(&self, given: Option<&str>) -> Result<String, Failure> {
        match given {
            Some(name) => Ok(name.to_owned()),
            None => Ok(default_device(&self.project()?)),
        }
    }
}

/// Opens a project and shows what is wrong with its manifest.
pub(crate) fn open_project(output: &Output, folder: &Path) -> Result<OpenProject, Failure> {
    match OpenProject::open(folder) {
        Ok(project) => {
            if !project.warnings.is_empty() {
                output.problems(&FileProblems {
                    path: project.manifest_path(),
                    text: project.text.clone(),
                    problems: project.warnings.clone(),
                });
            }
            Ok(project)
        }
        Err(error) => {
            let mut failure = Failure::of(&error);
            if let ProjectError::Invalid {
                path,
                text,
                problems,
            } = error
            {
                failure.problems = Some(Box::new(FileProblems {
                    path,
                    text,
                    problems,
                }));
            }
            Err(failure)
        }
    }
}

/// An address as a person types it.
pub(crate) fn parse_url(text: &str) -> Result<ManagerUrl, Failure> {
    ManagerUrl::parse(text).map_err(|error| {
        Failure::new(
            Exit::Usage,
            "manager-url",
            format!("`{text}` is no manager: {error}"),
        )
        .hint("for example http://127.0.0.1:8480")
    })
}

/// The device on this machine that a project means when nobody says: the one in the manifest, else
/// one that is called like the project. An id in the manifest names a device in the manager only.
pub(crate) fn default_device(project: &OpenProject) -> String {
    match &project.settings.target {
        Some(UpdateTarget::Device(name)) if !name.starts_with("dev-") => name.clone(),
        _ => plain_name(&project.settings.name),
    }
}
