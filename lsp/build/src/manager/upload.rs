//! Brings an image to the manager: in pieces, going on where a broken connection left off.

use super::http::{ManagerClient, ManagerError, segment};
use super::types::VersionInfo;
use crate::event::{Job, JobEvent, Phase};
use crate::explain::{ErrorClass, Explain};
use crate::handover::knows_key;
use crate::image::BuiltImage;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes that are sent at once.
const PIECE_LEN: usize = 256 * 1024;
/// How often a broken connection is taken up again without any progress in between.
const TRIES_MAX: u32 = 6;
/// Pause before the second try; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The result of an upload.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// The version in the manager.
    pub version: VersionInfo,
    /// Whether the same image was there before.
    pub already_there: bool,
}

/// Why an image did not get there.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The manager says no, or nothing.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The label belongs to another image there.
    #[error("version {label} exists already and has another content")]
    VersionTaken {
        /// The label.
        label: String,
    },
    /// The manager does not know the key that signed.
    #[error("the manager does not know the key {short} that signed this image")]
    KeyUnknown {
        /// First digits of the public key.
        short: String,
    },
    /// The image file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The image file is not the one that was built.
    #[error("{} was changed while it was uploaded", .0.display())]
    Changed(PathBuf),
}

impl Explain for UploadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manager(error) => error.code(),
            Self::VersionTaken { .. } => "version-exists",
            Self::KeyUnknown { .. } => "key-unknown",
            Self::File { .. } => "storage",
            Self::Changed(_) => "image-changed",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Manager(error) => error.hint(),
            Self::VersionTaken { .. } => {
                Some("give it another label: `--label my-label`".to_owned())
            }
            Self::KeyUnknown { .. } => Some("register it: `otaru keys register`".to_owned()),
            Self::File { .. } => None,
            Self::Changed(_) => Some("build again: `otaru build`".to_owned()),
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Manager(error) => error.class(),
            Self::VersionTaken { .. }
            | Self::KeyUnknown { .. }
            | Self::File { .. }
            | Self::Changed(_) => ErrorClass::Failed,
        }
    }
}

#[derive(Deserialize)]
struct Upload {
    id: String,
    offset: u64,
}

#[derive(Deserialize)]
struct Complete {
    version: VersionInfo,
}

/// Uploads an image as a version of a firmware, which is made if it is not there.
///
/// # Errors
/// [`UploadError`]; an upload that was broken off is taken up again by the next call.
pub async fn upload(
    client: &ManagerClient,
    firmware: &str,
    image: &BuiltImage,
    job: &Job,
) -> Result<Uploaded, UploadError> {
    job.begin(Phase::Upload);
    let uploaded = tokio::select! {
        uploaded = run(client, firmware, image, job) => uploaded?,
        () = job.cancelled() => return Err(ManagerError::Cancelled.into()),
    };
    let what = if uploaded.already_there {
        "was there already"
    } else {
        "uploaded"
    };
    job.finish(
        Phase::Upload,
        format!("version {} of {firmware} {what}", image.label),
    );
    Ok(uploaded)
}

async fn run(
    client: &ManagerClient,
    firmware: &str,
    image: &BuiltImage,
    job: &Job,
) -> Result<Uploaded, UploadError> {
    client.ensure_firmware(firmware).await?;
    // Known before the first byte: the same question as at the end, at a hundredth of the price.
    if !knows_key(client, image).await? {
        return Err(UploadError::KeyUnknown {
            short: image.key.chars().take(8).collect(),
        });
    }
    let body = serde_json::json!({
        "version": image.label,
        "size": image.size,
        "sha256": image.digest,
        "file_name": format!("{}.img", image.label),
    });
    let path = format!("/firmwares/{}/uploads", segment(firmware));
    match client.post::<Upload>(&path, &body).await {
        Ok(started) => {
            let version = send_pieces(client, started, image, job).await?;
            Ok(Uploaded {
                version,
                already_there: false,
            })
        }
        Err(error) if error.is("version-exists") => {
            let version = existing(client, firmware, image).await?;
            Ok(Uploaded {
                version,
                already_there: true,
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// The version of this label, if it is this image.
async fn existing(
    client: &ManagerClient,
    firmware: &str,
    image: &BuiltImage,
) -> Result<VersionInfo, UploadError> {
    client
        .versions(firmware)
        .await?
        .into_iter()
        .find(|version| {
            version.version == image.label && version.digest.eq_ignore_ascii_case(&image.digest)
        })
        .ok_or_else(|| UploadError::VersionTaken {
            label: image.label.clone(),
        })
}

/// Sends what the manager does not have yet.
async fn send_pieces(
    client: &ManagerClient,
    started: Upload,
    image: &BuiltImage,
    job: &Job,
) -> Result<VersionInfo, UploadError> {
    let unreadable = |source| UploadError::File {
        path: image.path.clone(),
        source,
    };
    let mut file = tokio::fs::File::open(&image.path)
        .await
        .map_err(unreadable)?;
    let mut offset = started.offset;
    let mut tries = 0;
    loop {
        if offset > image.size {
            return Err(client
                .malformed("it has more than the whole image".to_owned())
                .into());
        }
        job.progress(Phase::Upload, offset, Some(image.size));
        let mut piece = Vec::with_capacity(PIECE_LEN);
        file.seek(std::io::SeekFrom::Start(offset))
            .await
            .map_err(unreadable)?;
        let wanted = (image.size - offset).min(u64::try_from(PIECE_LEN).unwrap_or(u64::MAX));
        (&mut file)
            .take(wanted)
            .read_to_end(&mut piece)
            .await
            .map_err(unreadable)?;
        if u64::try_from(piece.len()).ok() != Some(wanted) {
            return Err(UploadError::Changed(image.path.clone()));
        }
        match send_piece(client, &started.id, offset, piece).await {
            Ok(Sent::Complete(version)) => return Ok(*version),
            Ok(Sent::More(next)) => {
                tries = if next > offset { 0 } else { tries + 1 };
                offset = next;
            }
            Err(error) if is_passing(&error) => {
                tries += 1;
                if tries >= TRIES_MAX {
                    return Err(error.into());
                }
                job.tell(JobEvent::Line(
                    "the connection broke, going on in a moment".to_owned(),
                ));
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(tries - 1)).await;
                if let Some(known) = resume_offset(client, &started.id).await? {
                    offset = known;
                }
            }
            Err(error) if error.is("digest-mismatch") => {
                return Err(UploadError::Changed(image.path.clone()));
            }
            Err(error) => return Err(error.into()),
        }
        if tries >= TRIES_MAX {
            return Err(client
                .malformed("the upload does not advance".to_owned())
                .into());
        }
    }
}

enum Sent {
    More(u64),
    Complete(Box<VersionInfo>),
}

async fn send_piece(
    client: &ManagerClient,
    id: &str,
    offset: u64,
    piece: Vec<u8>,
) -> Result<Sent, ManagerError> {
    let request = client
        .request(Method::PATCH, &format!("/uploads/{}", segment(id)))
        .header("Upload-Offset", offset)
        .header(reqwest::header::CONTENT_TYPE, "application/octet-stream")
        .body(piece);
    let response = client.send(request).await?;
    if response.status() == StatusCode::CREATED {
        let complete: Complete = client.json(response).await?;
        return Ok(Sent::Complete(Box::new(complete.version)));
    }
    let upload: Upload = client.json(response).await?;
    Ok(Sent::More(upload.offset))
}

/// Where to go on, or nothing if the manager still does not answer.
async fn resume_offset(client: &ManagerClient, id: &str) -> Result<Option<u64>, ManagerError> {
    match client
        .get::<Upload>(&format!("/uploads/{}", segment(id)))
        .await
    {
        Ok(upload) => Ok(Some(upload.offset)),
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether trying again may help.
fn is_passing(error: &ManagerError) -> bool {
    error.is("offset-mismatch")
        || matches!(error, ManagerError::Unreachable { .. })
        || matches!(
            error,
            ManagerError::Answer {
                status: 502..=504,
                ..
            }
        )
}
