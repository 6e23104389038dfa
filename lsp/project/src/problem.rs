//! What can be wrong with a file, as data.

use crate::reader::Span;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing can be built until this is repaired.
    Error,
    /// It works, but not the way its author probably wants.
    Warning,
}

/// The kind of a problem. The names are stable: editors key quick fixes on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not TOML.
    Syntax,
    /// A key or table that does not exist.
    UnknownKey,
    /// A value of the wrong type.
    Type,
    /// A value that is not one of those allowed.
    Value,
    /// A key without which nothing can be done.
    MissingRequired,
    /// Two keys that exclude each other.
    Conflict,
    /// A board that is not known.
    BoardUnknown,
    /// An install mode that the board does not have.
    ModeUnsupported,
    /// A version that is not `MAJOR.MINOR.PATCH` within the image format's ranges.
    VersionNotSemver,
    /// A token, password or key written into a file that ends up in version control.
    SecretInline,
    /// A manager address that cannot be used.
    ManagerUrl,
    /// A manager on another machine without TLS.
    ManagerUrlPlaintext,
    /// Two flash areas share bytes.
    AreaOverlap,
    /// A flash area ends beyond the flash.
    AreaOutsideFlash,
    /// A flash area or the chunk does not fit the erase sectors.
    AreaUnaligned,
    /// A flash area is too small for what it has to hold.
    AreaTooSmall,
    /// Two areas that take the same images differ in length.
    AreaSizeUnequal,
    /// A flash area stands where the bootloader does.
    AreaOverBootloader,
    /// A compiler target that is none of those known.
    TargetUnknown,
}

impl Code {
    /// The stable name, as editors and `--json` show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::UnknownKey => "unknown-key",
            Self::Type => "type",
            Self::Value => "value",
            Self::MissingRequired => "missing-required",
            Self::Conflict => "conflict",
            Self::BoardUnknown => "board-unknown",
            Self::ModeUnsupported => "mode-unsupported",
            Self::VersionNotSemver => "version-not-semver",
            Self::SecretInline => "secret-inline",
            Self::ManagerUrl => "manager-url",
            Self::ManagerUrlPlaintext => "manager-url-plaintext",
            Self::AreaOverlap => "area-overlap",
            Self::AreaOutsideFlash => "area-outside-flash",
            Self::AreaUnaligned => "area-unaligned",
            Self::AreaTooSmall => "area-too-small",
            Self::AreaSizeUnequal => "area-size-unequal",
            Self::AreaOverBootloader => "area-over-bootloader",
            Self::TargetUnknown => "target-unknown",
        }
    }
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Bytes of the text it is about; empty at a place where something is missing.
    pub span: Span,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it, if there is one good answer.
    pub hint: Option<String>,
    /// Edits that would repair it, the best first.
    pub repairs: Vec<Repair>,
    /// Another place that has to do with it, and what is there.
    pub related: Option<(Span, String)>,
}

/// Edits that together repair a problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// What it does, for a menu.
    pub title: String,
    /// What is replaced by what. No two of them overlap.
    pub edits: Vec<Edit>,
}

/// A replacement of some bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes; empty for an insertion.
    pub span: Span,
    /// What is written there.
    pub text: String,
}

impl Repair {
    /// A repair of one edit.
    pub fn new(title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            title: title.into(),
            edits: vec![Edit { span, text }],
        }
    }

    /// A repair that writes something else at a place.
    pub(crate) fn change(span: Span, text: &str) -> Self {
        Self::new(format!("Change to `{text}`"), span, text)
    }
}

impl Problem {
    /// An error.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            hint: None,
            repairs: Vec::new(),
            related: None,
        }
    }

    /// A warning.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem with one more way to repair it.
    #[must_use]
    pub(crate) fn with_repair(mut self, repair: Repair) -> Self {
        self.repairs.push(repair);
        self
    }

    /// The same problem with another way to repair it, if there is one.
    #[must_use]
    pub(crate) fn with_repairs(mut self, repairs: impl IntoIterator<Item = Repair>) -> Self {
        self.repairs.extend(repairs);
        self
    }

    /// The same problem with the name that was probably meant, if one is near. `quote` stands
    /// around the names in the text, if they are values.
    #[must_use]
    pub(crate) fn with_nearest(self, written: &str, names: &[&str], quote: &str) -> Self {
        match crate::spelling::nearest(written, names) {
            Some(name) => {
                let repair = Repair::new(
                    format!("Change to `{name}`"),
                    self.span.clone(),
                    format!("{quote}{name}{quote}"),
                );
                self.with_hint(format!("did you mean `{name}`?"))
                    .with_repair(repair)
            }
            None if names.is_empty() => self,
            None => {
                let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                self.with_hint(format!("known here: {}", list.join(", ")))
            }
        }
    }
}
