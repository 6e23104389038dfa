//! What the compiler says, reduced to what people and editors need.

use cargo_metadata::diagnostic::DiagnosticLevel;
use std::path::{Path, PathBuf};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It does not compile.
    Error,
    /// It compiles.
    Warning,
}

/// One message of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// The compiler's code for it, such as `E0308`.
    pub code: Option<String>,
    /// What is wrong, in one line.
    pub message: String,
    /// The file, if it is about one.
    pub file: Option<PathBuf>,
    /// First line and column, last line and column, all from 1.
    pub range: [u32; 4],
    /// The compiler's own rendering, without colours.
    pub rendered: Option<String>,
}

impl Diagnostic {
    /// `src/main.rs:3:5: mismatched types`
    pub fn place_and_message(&self) -> String {
        match &self.file {
            Some(file) => {
                format!(
                    "{}:{}:{}: {}",
                    file.display(),
                    self.range[0],
                    self.range[1],
                    self.message
                )
            }
            None => self.message.clone(),
        }
    }
}

/// Real folders and what our flags make the compiler call them, so that people see the real ones.
pub(super) struct Names<'p> {
    pub(super) workspace_root: &'p Path,
    pub(super) renamed: Vec<(String, PathBuf)>,
}

impl Names<'_> {
    fn file(&self, name: &str) -> PathBuf {
        for (called, folder) in &self.renamed {
            if let Ok(rest) = Path::new(name).strip_prefix(called) {
                return folder.join(rest);
            }
        }
        self.workspace_root.join(name)
    }

    fn text(&self, text: &str) -> String {
        self.renamed
            .iter()
            .fold(text.to_owned(), |text, (called, folder)| {
                text.replace(&format!("{called}/"), &format!("{}/", folder.display()))
            })
    }
}

/// Takes a compiler message; `None` for notes and for summaries ("aborting due to …").
pub(super) fn read(
    message: &cargo_metadata::CompilerMessage,
    names: &Names<'_>,
) -> Option<Diagnostic> {
    let found = &message.message;
    let level = if found.level == DiagnosticLevel::Warning {
        Level::Warning
    } else if matches!(found.level, DiagnosticLevel::Error | DiagnosticLevel::Ice) {
        Level::Error
    } else {
        return None;
    };
    let span = found
        .spans
        .iter()
        .find(|span| span.is_primary)
        .or(found.spans.first());
    let summary = span.is_none()
        && found.code.is_none()
        && (found.message.starts_with("aborting due to") || found.message.contains(" emitted"));
    if summary {
        return None;
    }
    Some(Diagnostic {
        level,
        code: found.code.as_ref().map(|code| code.code.clone()),
        message: found.message.lines().next().unwrap_or("").to_owned(),
        file: span.map(|span| names.file(&span.file_name)),
        range: span.map_or([1; 4], |span| {
            [
                span.line_start,
                span.column_start,
                span.line_end,
                span.column_end,
            ]
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        }),
        rendered: found.rendered.as_deref().map(|text| names.text(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_the_folders_of_their_own_machine() {
        let names = Names {
            workspace_root: Path::new("/home/me/lamp"),
            renamed: vec![(
                "/source/driver".to_owned(),
                PathBuf::from("/home/me/driver"),
            )],
        };
        assert_eq!(
            names.file("src/main.rs"),
            Path::new("/home/me/lamp/src/main.rs")
        );
        assert_eq!(
            names.file("/source/driver/src/lib.rs"),
            Path::new("/home/me/driver/src/lib.rs")
        );
        assert_eq!(
            names.file("/source/driver2/x.rs"),
            Path::new("/source/driver2/x.rs")
        );
        assert_eq!(
            names.text("--> /source/driver/a.rs:1"),
            "--> /home/me/driver/a.rs:1"
        );
    }
}
