//! What comes before an image goes to the manager: a label that is free there, and a key that is
//! known there. The command line and the language server go this way together.

use crate::builds::{BuildNumberError, BuildNumbers};
use crate::event::{Job, JobEvent};
use crate::explain::{ErrorClass, Explain};
use crate::image::{BuildError, BuildOptions, BuiltImage, build};
use crate::manager::{ManagerClient, ManagerError, VersionInfo};
use crate::project::OpenProject;

/// How often a build number that another machine has used is replaced before we give up.
const NUMBERS_TRIED_MAX: u32 = 3;

/// Why there is no image that could be handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The manager says no, or nothing.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// There is no image.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The build number cannot be raised.
    #[error(transparent)]
    Number(#[from] BuildNumberError),
    /// The label that the user chose belongs to another image.
    #[error("version {label} exists already and has another content")]
    LabelTaken {
        /// The label.
        label: String,
    },
    /// Every number that was tried belonged to another image.
    #[error("no free build number was found")]
    NoFreeNumber,
}

impl Explain for HandoverError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manager(error) => error.code(),
            Self::Build(error) => error.code(),
            Self::Number(error) => error.code(),
            Self::LabelTaken { .. } | Self::NoFreeNumber => "version-exists",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Manager(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::Number(error) => error.hint(),
            Self::LabelTaken { .. } => {
                Some("a version is never replaced; choose another label".to_owned())
            }
            Self::NoFreeNumber => {
                Some("give the image a label of your own: `--label my-label`".to_owned())
            }
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Manager(error) => error.class(),
            Self::Build(error) => error.class(),
            Self::Number(error) => error.class(),
            Self::LabelTaken { .. } | Self::NoFreeNumber => ErrorClass::Failed,
        }
    }
}

/// Builds an image whose label is free in the manager, or belongs to this very image there.
///
/// Build numbers are counted on each machine; where two have counted to the same one, the later
/// image takes the next that is free, and [`JobEvent::NumberTaken`] tells it. Whoever cannot
/// upload learns it before the compiler runs.
///
/// # Errors
/// [`HandoverError`]; a label that the user chose is never replaced by another one.
pub async fn free_image(
    project: &OpenProject,
    client: &ManagerClient,
    options: &BuildOptions,
    job: &Job,
) -> Result<BuiltImage, HandoverError> {
    unless_stopped(job, client.workspace()).await?;
    for _ in 0..NUMBERS_TRIED_MAX {
        let image = build(project, options, job).await?;
        let versions = unless_stopped(job, client.versions(&project.settings.firmware)).await?;
        if !is_taken(&image, &versions) {
            return Ok(image);
        }
        if !image.automatic {
            return Err(HandoverError::LabelTaken { label: image.label });
        }
        let highest = highest_number(&versions).unwrap_or(image.build);
        job.tell(JobEvent::NumberTaken { label: image.label });
        BuildNumbers::in_folder(&project.state_dir()).raise_to(highest, &image.content)?;
    }
    Err(HandoverError::NoFreeNumber)
}

/// A question to the manager that ends when the work is asked to stop.
async fn unless_stopped<T>(
    job: &Job,
    answer: impl Future<Output = Result<T, ManagerError>>,
) -> Result<T, ManagerError> {
    tokio::select! {
        answer = answer => answer,
        () = job.cancelled() => Err(ManagerError::Cancelled),
    }
}

/// Whether the label belongs to another image.
fn is_taken(image: &BuiltImage, versions: &[VersionInfo]) -> bool {
    versions.iter().any(|known| {
        known.version == image.label && !known.digest.eq_ignore_ascii_case(&image.digest)
    })
}

/// The highest build number among the labels. Labels that end otherwise were chosen by people.
fn highest_number(versions: &[VersionInfo]) -> Option<u32> {
    versions
        .iter()
        .filter_map(|known| known.version.rsplit_once('+')?.1.parse().ok())
        .max()
}

/// Whether the manager accepts what the image's key has signed.
///
/// # Errors
/// [`ManagerError`]
pub async fn knows_key(client: &ManagerClient, image: &BuiltImage) -> Result<bool, ManagerError> {
    let ring = client.keys().await?;
    Ok(ring
        .iter()
        .any(|key| key.public_key.eq_ignore_ascii_case(&image.key)))
}

/// What the image's key is called on screens: its kind and its first eight digits.
pub fn key_in_words(image: &BuiltImage) -> String {
    let kind = if image.development_key {
        "development key"
    } else {
        "key"
    };
    format!("{kind} {:.8}", image.key)
}

/// Sees to it that the manager knows the key that signed, and says whether it had to be
/// registered. `agree` is asked only then; how it asks its user is the caller's business.
///
/// # Errors
/// That of `agree`, after which nothing is registered, and [`ManagerError`].
pub async fn register_key<E: From<ManagerError>>(
    client: &ManagerClient,
    project: &str,
    image: &BuiltImage,
    agree: impl FnOnce() -> Result<(), E>,
) -> Result<bool, E> {
    if knows_key(client, image).await? {
        return Ok(false);
    }
    agree()?;
    client
        .add_key(project, &image.key, image.development_key)
        .await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    // A16: a version identifier cannot be reused. Against a real manager: tests/handover.rs.
    use super::*;
    use crate::image::Provenance;
    use std::path::PathBuf;

    fn image(label: &str, digest: &str) -> BuiltImage {
        BuiltImage {
            path: PathBuf::from("lamp.img"),
            label: label.to_owned(),
            version: "1.2.3".to_owned(),
            build: 1,
            automatic: true,
            digest: digest.to_owned(),
            size: 1,
            board: "host".to_owned(),
            security_counter: 0,
            revoke: 0,
            key: "0123456789abcdef".to_owned(),
            development_key: true,
            encryption: None,
            content: String::new(),
            parts: Vec::new(),
            provenance: Provenance::default(),
            executable: None,
        }
    }

    fn versions(known: &[(&str, &str)]) -> Vec<VersionInfo> {
        let version = |(label, digest): &(&str, &str)| {
            let text = serde_json::json!({ "id": "ver-1", "version": label, "digest": digest });
            serde_json::from_value(text).unwrap()
        };
        known.iter().map(version).collect()
    }

    #[test]
    fn a_label_is_taken_by_another_image_only() {
        let ours = image("1.2.3+1", "abcd");
        assert!(!is_taken(&ours, &versions(&[])));
        assert!(!is_taken(&ours, &versions(&[("1.2.3+1", "ABCD")])));
        assert!(!is_taken(&ours, &versions(&[("1.2.3+2", "ef01")])));
        let known = [("1.2.3+2", "abcd"), ("1.2.3+1", "ef01")];
        assert!(is_taken(&ours, &versions(&known)));
    }

    #[test]
    fn only_labels_that_end_in_a_number_are_counted() {
        let known = [
            ("1.2.3+9", ""),
            ("1.0.0+12", ""),
            ("party", ""),
            ("party+99x", ""),
            ("a+b+10", ""),
            ("1.2.3+4294967296", ""),
        ];
        assert_eq!(highest_number(&versions(&known)), Some(12));
        assert_eq!(highest_number(&versions(&[("party", "")])), None);
    }

    #[test]
    fn a_key_is_shown_by_its_kind_and_first_digits() {
        let mut ours = image("1.2.3+1", "abcd");
        assert_eq!(key_in_words(&ours), "development key 01234567");
        ours.development_key = false;
        assert_eq!(key_in_words(&ours), "key 01234567");
    }
}
