//! What an image is made of, and how much of its slot it takes.

use crate::elf::{self, ElfError, Section};
use crate::explain::Explain;
use crate::image::BuiltImage;
use crate::project::OpenProject;
use otaru_image::ImageHeader;
use otaru_lsp_project::{ImageKind, Kind};
use serde::Serialize;
use std::path::PathBuf;

/// The sizes of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizeReport {
    /// Label of the version.
    pub version: String,
    /// Longest image that the board can install in the project's mode, in bytes.
    pub slot_len: u32,
    /// Length of the image file, in bytes.
    pub image_len: u64,
    /// The pieces of the file, in its order: name and bytes.
    pub pieces: Vec<(&'static str, u64)>,
    /// The sections of the executable that take flash or memory, the largest first.
    pub sections: Vec<Section>,
}

impl SizeReport {
    /// Percent of the slot that is used, rounded up.
    pub fn percent(&self) -> u64 {
        let slot = u64::from(self.slot_len).max(1);
        self.image_len.saturating_mul(100).div_ceil(slot)
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        format!(
            "{} takes {} of {} bytes of its slot ({} %)",
            self.version,
            self.image_len,
            self.slot_len,
            self.percent()
        )
    }
}

/// Why sizes are not known.
#[derive(Debug, thiserror::Error)]
pub enum SizeError {
    /// A file of the build cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The image is none.
    #[error("the file that was built is no image")]
    Image,
    /// The executable is none.
    #[error(transparent)]
    Elf(#[from] ElfError),
}

impl Explain for SizeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "io",
            Self::Image => "not-an-image",
            Self::Elf(_) => "elf",
        }
    }

    fn hint(&self) -> Option<String> {
        Some("clean the project and build it again: `otaru clean`, `otaru size`".to_owned())
    }
}

/// Measures an image that was just built.
///
/// # Errors
/// [`SizeError`]
pub fn measure(project: &OpenProject, image: &BuiltImage) -> Result<SizeReport, SizeError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| SizeError::Read {
            path: path.clone(),
            source,
        })
    };
    let settings = &project.settings;
    let bytes = read(&image.path)?;
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let head = bytes.first_chunk().ok_or(SizeError::Image)?;
    let header = ImageHeader::parse(head, len).map_err(|_reason| SizeError::Image)?;
    let (head, payload) = (u64::from(header.header_len), u64::from(header.payload_len));
    let parts: u64 = image.parts.iter().map(|part| part.size).sum();
    let tail = image.size.saturating_sub(head + payload + parts);
    let mut pieces = vec![
        ("header", head),
        ("payload", payload),
        ("signature and properties", tail),
    ];
    if parts > 0 {
        pieces.push(("further parts", parts));
    }
    // Bytecode has no sections that would say anything.
    let is_native = settings.kind == Kind::Firmware;
    let sections = match &image.executable {
        Some(path) if is_native => elf::sections(&read(path)?)?,
        Some(_) | None => Vec::new(),
    };
    let keep = |section: &Section| settings.board.image == ImageKind::Elf || section.address != 0;
    Ok(SizeReport {
        version: image.label.clone(),
        slot_len: settings.board.image_len_max(settings.mode),
        image_len: image.size,
        pieces,
        sections: sections.into_iter().filter(keep).collect(),
    })
}
