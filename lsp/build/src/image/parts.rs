//! Further images of the same file: reads their payloads, signs them like the firmware.

use super::BuildError;
use crate::keys::ProjectKey;
use crate::project::OpenProject;
use otaru_image::{Dependency, ImageBuilder, Version, board_uuids};
use otaru_lsp_project::PartSettings;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A part of a built image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltPart {
    /// Its name in the manifest.
    pub name: String,
    /// Which image of the device it is, 1 to 3.
    pub index: u8,
    /// Its version.
    pub version: String,
    /// Bytes of the signed part.
    pub size: u64,
    /// SHA-256 of the signed part, 64 hex digits.
    pub digest: String,
}

/// The payloads of a project's parts.
pub(super) struct Payloads<'p> {
    files: Vec<(&'p PartSettings, Vec<u8>)>,
    needs: &'p [(u8, otaru_lsp_project::Version)],
}

impl<'p> Payloads<'p> {
    /// Reads them.
    ///
    /// # Errors
    /// [`BuildError::Storage`] if one cannot be read, [`BuildError::PartEmpty`] if there is nothing
    /// in it, [`BuildError::TooLarge`] if none so long could ever fit.
    pub(super) fn read(project: &'p OpenProject) -> Result<Self, BuildError> {
        let settings = &project.settings;
        let max = settings.board.image_len_max(settings.mode);
        let mut files = Vec::new();
        for part in &settings.parts {
            let path = project.root.join(&part.file);
            let failed = |source| BuildError::Storage {
                path: path.clone(),
                source,
            };
            let len = std::fs::metadata(&path).map_err(failed)?.len();
            if len > u64::from(max) {
                let board = settings.board.name.clone();
                return Err(BuildError::TooLarge { len, max, board });
            }
            let payload = std::fs::read(&path).map_err(failed)?;
            if payload.is_empty() {
                return Err(BuildError::PartEmpty(part.name.clone()));
            }
            files.push((part, payload));
        }
        Ok(Self {
            files,
            needs: &settings.needs,
        })
    }

    /// Counts them in as content of the image; nothing if there are none.
    pub(super) fn count(&self, hash: &mut Sha256) {
        let mut need = |(index, version): &(u8, otaru_lsp_project::Version)| {
            hash.update([*index]);
            hash.update(version.to_string());
        };
        self.needs.iter().for_each(&mut need);
        for (part, _) in &self.files {
            part.needs.iter().for_each(&mut need);
        }
        for (part, payload) in &self.files {
            hash.update([part.index]);
            for bytes in [part.version.to_string().as_bytes(), payload] {
                hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
                hash.update(bytes);
            }
        }
    }

    /// Signs them and puts them behind an image.
    ///
    /// # Errors
    /// [`BuildError`] if the image format cannot express one.
    pub(super) fn behind(
        &self,
        project: &OpenProject,
        key: &ProjectKey,
        image: ImageBuilder,
    ) -> Result<(ImageBuilder, Vec<BuiltPart>), BuildError> {
        let settings = &project.settings;
        let mut image = with_needs(image, self.needs).part_align(settings.board.flash.chunk_len);
        let mut built = Vec::new();
        for (part, payload) in &self.files {
            let version = part.version.to_string();
            let label = otaru_image::Label::new(&version).map_err(|_too_long| {
                let source = otaru_lsp_project::LabelError::TooLong(version.len());
                BuildError::Label {
                    version: version.clone(),
                    source,
                }
            })?;
            let signed = ImageBuilder::new(payload.as_slice(), numbers(&part.version))
                .label(label)
                .board(board_uuids(&settings.board.vid, &settings.board.cid))
                .security_counter(settings.security_counter)
                .index(part.index);
            let signed = with_needs(signed, &part.needs)
                .sign(&key.signing)
                .map_err(BuildError::Format)?;
            built.push(BuiltPart {
                name: part.name.clone(),
                index: part.index,
                version,
                size: u64::try_from(signed.len()).unwrap_or(u64::MAX),
                digest: super::hex(&Sha256::digest(&signed)),
            });
            image = image.part(part.index, signed);
        }
        Ok((image, built))
    }
}

fn with_needs(image: ImageBuilder, needs: &[(u8, otaru_lsp_project::Version)]) -> ImageBuilder {
    needs.iter().fold(image, |image, (index, version)| {
        image.depends_on(Dependency {
            image: *index,
            version: numbers(version),
        })
    })
}

/// The version in the header of a part. Parts have no build number: what is in them is what is in
/// their file.
fn numbers(version: &otaru_lsp_project::Version) -> Version {
    Version {
        major: version.major,
        minor: version.minor,
        revision: version.patch,
        build: 0,
    }
}
