//! What an image needs of other images on the same device: TLV 0x40, `imgtool --dependencies`.

use crate::header::Version;

/// Most dependencies an image may have.
pub const DEPENDENCIES_MAX: usize = 4;
/// Bytes of the TLV.
pub(crate) const DEPENDENCY_LEN: u8 = 12;

/// Another image must be present in this version or a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dependency {
    /// Which image of the device; the first one is 0.
    pub image: u8,
    /// The oldest version that will do. All four numbers count, the build number included.
    pub version: Version,
}

impl Dependency {
    /// The TLV's bytes.
    #[cfg(feature = "std")]
    pub(crate) fn to_bytes(self) -> [u8; DEPENDENCY_LEN as usize] {
        let [r0, r1] = self.version.revision.to_le_bytes();
        let [b0, b1, b2, b3] = self.version.build.to_le_bytes();
        let (major, minor) = (self.version.major, self.version.minor);
        [self.image, 0, 0, 0, major, minor, r0, r1, b0, b1, b2, b3]
    }

    /// Reads the TLV; nothing if bytes are set that must be zero, such as the slot that some
    /// bootloaders keep there.
    pub(crate) fn parse(bytes: &[u8; DEPENDENCY_LEN as usize]) -> Option<Self> {
        let [i0, i1, i2, i3, version @ ..] = *bytes;
        let image = u8::try_from(u32::from_le_bytes([i0, i1, i2, i3])).ok()?;
        let version = Version::from_le_bytes(version);
        Some(Self { image, version })
    }
}

/// The dependencies of an image, in the order in which they stand there, at most
/// [`DEPENDENCIES_MAX`], no image twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependencies {
    count: u8,
    list: [Dependency; DEPENDENCIES_MAX],
}

impl Default for Dependencies {
    fn default() -> Self {
        Self::NONE
    }
}

/// Why a dependency cannot be added.
pub(crate) enum AddError {
    Duplicate,
    TooMany,
}

impl Dependencies {
    pub(crate) const NONE: Self = Self {
        count: 0,
        list: [Dependency {
            image: 0,
            version: Version {
                major: 0,
                minor: 0,
                revision: 0,
                build: 0,
            },
        }; DEPENDENCIES_MAX],
    };

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Dependency> {
        self.list.iter().take(usize::from(self.count))
    }

    pub(crate) fn add(&mut self, new: Dependency) -> Result<(), AddError> {
        if self.iter().any(|known| known.image == new.image) {
            return Err(AddError::Duplicate);
        }
        let free = self.list.get_mut(usize::from(self.count));
        *free.ok_or(AddError::TooMany)? = new;
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}

/// An image that is on the device, confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Present {
    /// Which image of the device; the first one is 0.
    pub image: u8,
    /// Its version.
    pub version: Version,
}
