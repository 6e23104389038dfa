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
    /// The text that would repair the span, if replacing it is enough.
    pub replacement: Option<String>,
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
            replacement: None,
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

    /// The same problem with the name that was probably meant, if one is near.
    #[must_use]
    pub(crate) fn with_nearest(self, written: &str, names: &[&str]) -> Self {
        match crate::spelling::nearest(written, names) {
            Some(name) => {
                let mut problem = self.with_hint(format!("did you mean `{name}`?"));
                problem.replacement = Some(name.to_owned());
                problem
            }
            None if names.is_empty() => self,
            None => {
                let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                self.with_hint(format!("known here: {}", list.join(", ")))
            }
        }
    }
}
