//! Versions and labels.
//!
//! A *version* is Cargo's `MAJOR.MINOR.PATCH[-PRE]`, within the ranges of the image header. A
//! *label* is what people read: the version and an automatic build number, `1.1.0+7`, or free text.

use std::fmt;

/// Longest label in bytes: the size of the image's label field.
pub const LABEL_LEN_MAX: usize = 32;

/// What the device says when it runs an image that was flashed by cable.
const FACTORY: &str = "Factory";
/// What the device puts before the label of an unconfirmed image.
const TRIAL_PREFIX: &str = "testing-";

/// A label of an image: 1 to 32 bytes, no spaces, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

/// Why a text cannot be a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelError {
    /// Nothing was given.
    Empty,
    /// It has this many bytes, more than [`LABEL_LEN_MAX`].
    TooLong(usize),
    /// It contains a space, a control character or a character that is not ASCII.
    Character(char),
    /// It is, or begins with, a word that the device itself says.
    Reserved,
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a version needs at least one character"),
            Self::TooLong(len) => {
                write!(
                    f,
                    "the version has {len} bytes, at most {LABEL_LEN_MAX} fit"
                )
            }
            Self::Character(bad) => {
                write!(
                    f,
                    "{bad:?} cannot stand in a version: use letters, digits and punctuation"
                )
            }
            Self::Reserved => {
                write!(
                    f,
                    "`{FACTORY}` and `{TRIAL_PREFIX}…` are what devices say themselves"
                )
            }
        }
    }
}

impl std::error::Error for LabelError {}

impl Label {
    /// Takes free text.
    ///
    /// # Errors
    /// [`LabelError`] says what the text must not be.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Err(LabelError::Empty);
        }
        if text.len() > LABEL_LEN_MAX {
            return Err(LabelError::TooLong(text.len()));
        }
        // A slash would change the meaning of addresses, a space that of report lines.
        if let Some(bad) = text
            .chars()
            .find(|c| !c.is_ascii_graphic() || matches!(c, '/' | '\\'))
        {
            return Err(LabelError::Character(bad));
        }
        if text == FACTORY || text.starts_with(TRIAL_PREFIX) {
            return Err(LabelError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The label of build number `build` of a version.
    ///
    /// # Errors
    /// [`LabelError::TooLong`] if the version's pre-release part is too long.
    pub fn of(version: &Version, build: u32) -> Result<Self, LabelError> {
        Self::new(&format!("{version}+{build}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version whose numbers fit the image header.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    /// 0 to 255.
    pub major: u8,
    /// 0 to 255.
    pub minor: u8,
    /// 0 to 65535.
    pub patch: u16,
    /// The part behind the dash, without it.
    pub pre: Option<String>,
}

/// Why a text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionError {
    /// Not three numbers.
    Shape,
    /// A number that does not fit the image header.
    Range,
    /// It carries a build part; build numbers are counted automatically.
    Build,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "a version has three numbers: MAJOR.MINOR.PATCH",
            Self::Range => {
                "the image format holds versions up to 255.255.65535; this one does not fit"
            }
            Self::Build => "the part after `+` is counted automatically and cannot be given here",
        })
    }
}

impl std::error::Error for VersionError {}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        if text.contains('+') {
            return Err(VersionError::Build);
        }
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre)),
            None => (text, None),
        };
        let mut parts = numbers.split('.');
        let (Some(major), Some(minor), Some(patch), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(VersionError::Shape);
        };
        if let Some(pre) = pre
            && (pre.is_empty()
                || !pre
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
        {
            return Err(VersionError::Shape);
        }
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
            pre: pre.map(str::to_owned),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        self.pre.as_ref().map_or(Ok(()), |pre| write!(f, "-{pre}"))
    }
}

/// One number of a version: digits only, no leading zero.
fn number<N: std::str::FromStr>(text: &str) -> Result<N, VersionError> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || !plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(VersionError::Shape);
    }
    text.parse().or(Err(VersionError::Range))
}

#[cfg(test)]
mod tests {
    // A37: a default version is proposed and can be overridden with free text.
    use super::*;

    #[test]
    fn versions_are_read_within_the_ranges_of_the_image_header() {
        for (text, expected) in [
            ("1.1.0", Ok("1.1.0")),
            ("255.255.65535", Ok("255.255.65535")),
            ("0.0.0", Ok("0.0.0")),
            ("1.2.3-rc.1", Ok("1.2.3-rc.1")),
            ("256.0.0", Err(VersionError::Range)),
            ("0.0.65536", Err(VersionError::Range)),
            ("0.0.99999999999999999999", Err(VersionError::Range)),
            ("1.1", Err(VersionError::Shape)),
            ("1.1.0.0", Err(VersionError::Shape)),
            ("v1.1.0", Err(VersionError::Shape)),
            ("01.1.0", Err(VersionError::Shape)),
            ("1.1.0-", Err(VersionError::Shape)),
            ("1.-1.0", Err(VersionError::Shape)),
            ("", Err(VersionError::Shape)),
            ("1.1.0+7", Err(VersionError::Build)),
        ] {
            let read: Result<Version, _> = text.parse();
            assert_eq!(
                read.map(|v| v.to_string()),
                expected.map(str::to_owned),
                "{text:?}"
            );
        }
    }

    #[test]
    fn labels_refuse_what_a_report_line_could_not_carry() {
        assert_eq!(Label::new("summer-party").unwrap().as_str(), "summer-party");
        assert_eq!(Label::new(""), Err(LabelError::Empty));
        assert_eq!(Label::new("a b"), Err(LabelError::Character(' ')));
        assert_eq!(Label::new("a\nb"), Err(LabelError::Character('\n')));
        assert_eq!(Label::new("../x"), Err(LabelError::Character('/')));
        assert_eq!(Label::new("Factory"), Err(LabelError::Reserved));
        assert_eq!(Label::new("testing-1"), Err(LabelError::Reserved));
        assert_eq!(Label::new(&"x".repeat(33)), Err(LabelError::TooLong(33)));
        assert!(Label::new(&"x".repeat(32)).is_ok());
    }

    #[test]
    fn a_build_number_follows_the_version() {
        let version: Version = "1.1.0".parse().unwrap();
        assert_eq!(Label::of(&version, 7).unwrap().as_str(), "1.1.0+7");
        let long: Version = format!("1.1.0-{}", "x".repeat(30)).parse().unwrap();
        assert_eq!(Label::of(&long, 7), Err(LabelError::TooLong(38)));
    }
}
