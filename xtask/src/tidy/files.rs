//! Rules about files: how long, what they are called, and that every module says what it is.

use super::rust_source::{self, Kind};
use super::{Finding, Text};

/// Past this a file does more than one thing.
const LINES_MAX: usize = 800;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &[
    concat!("uti", "ls"),
    concat!("uti", "l"),
    "common",
    "misc",
    "helpers",
];

/// Checks one file.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    [too_long(text), bad_name(text), no_module_doc(text)]
        .into_iter()
        .flatten()
        .collect()
}

fn too_long(text: &Text) -> Option<Finding> {
    let source = [
        "rs", "ts", "mts", "js", "mjs", "py", "html", "css", "sql", "toml",
    ];
    let (name, ending) = text.path.rsplit_once('.')?;
    let generated = ["min", "gen", "generated"].contains(&name.rsplit('.').next().unwrap_or(name));
    let lines = text.content.lines().count();
    (source.contains(&ending) && !generated && lines > LINES_MAX).then(|| {
        let what = format!("the file has {lines} lines, more than {LINES_MAX}");
        Finding::new(&text.path, lines, what, "split it by responsibility")
    })
}

fn bad_name(text: &Text) -> Option<Finding> {
    let advice = "name it after what it is responsible for";
    if text.path.ends_with("/mod.rs") {
        let advice = "name the file after its module: `foo.rs` beside the folder `foo/`";
        return Some(Finding::new(
            &text.path,
            1,
            "a module file has no name of its own",
            advice,
        ));
    }
    let stems = text
        .path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    let found = stems.into_iter().find(|stem| EMPTY_NAMES.contains(stem))?;
    Some(Finding::new(
        &text.path,
        1,
        format!("`{found}` says nothing about its content"),
        advice,
    ))
}

/// Every module outside tests begins with `//!`.
fn no_module_doc(text: &Text) -> Option<Finding> {
    let path = text.path.as_str();
    let is_rust = std::path::Path::new(path)
        .extension()
        .is_some_and(|ending| ending == "rs");
    let in_crate = path.starts_with("src/") || path.contains("/src/");
    let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
    if !is_rust || !in_crate || is_test {
        return None;
    }
    // Attributes of the whole file may stand before its documentation.
    let tokens = rust_source::tokens(&text.content);
    let mut rest = tokens.iter().peekable();
    while let Some(token) = rest.peek() {
        match (token.kind, token.text.as_str()) {
            (Kind::Comment, comment) if comment.starts_with("//!") => return None,
            (Kind::Comment, comment) if comment.starts_with("///") => break,
            (Kind::Sign, "#") => {
                rest.next();
                if rest.next_if(|t| t.text == "!").is_none() {
                    break;
                }
                skip_brackets(&mut rest);
            }
            (Kind::Comment, _) => drop(rest.next()),
            (Kind::Word | Kind::Text | Kind::Sign, _) => break,
        }
    }
    let advice = "begin it with `//!`: what it owns and what it never does";
    Some(Finding::new(
        path,
        1,
        "the module has no documentation",
        advice,
    ))
}

fn skip_brackets<'a>(rest: &mut impl Iterator<Item = &'a rust_source::Token>) {
    let mut depth = 0_usize;
    for token in rest {
        match token.text.as_str() {
            "[" => depth += 1,
            "]" if depth <= 1 => return,
            "]" => depth -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn findings(path: &str, content: &str) -> usize {
        check(&text(path, content)).len()
    }

    #[test]
    fn a_long_file_is_reported_at_its_length() {
        let long = format!("//! Doc.\n{}", "x\n".repeat(LINES_MAX));
        assert_eq!(check(&text("a/src/b.rs", &long))[0].line, LINES_MAX + 1);
        assert_eq!(
            findings(
                "a/src/b.rs",
                &format!("//! Doc.\n{}", "x\n".repeat(LINES_MAX - 1))
            ),
            0
        );
        assert_eq!(findings("a/package-lock.json", &long), 0);
    }

    #[test]
    fn names_that_say_nothing_are_reported() {
        assert_eq!(findings("a/src/mod.rs", "//! Doc."), 1);
        assert_eq!(findings("a/src/common.rs", "//! Doc."), 1);
        assert_eq!(findings("a/misc/b.txt", ""), 1);
        assert_eq!(findings("a/src/commonplace.rs", "//! Doc."), 0);
    }

    #[test]
    fn a_module_without_documentation_is_reported() {
        assert_eq!(findings("a/src/b.rs", "use x;\n"), 1);
        assert_eq!(findings("a/src/b.rs", "/// Of the item.\nfn a() {}\n"), 1);
        assert_eq!(
            findings(
                "a/src/b.rs",
                "// A comment.\n#![no_std]\n#![cfg(a[0])]\n//! Doc.\n"
            ),
            0
        );
        assert_eq!(findings("a/src/b.rs", "//! Doc.\n#![no_std]\n"), 0);
        assert_eq!(findings("a/tests/b.rs", "use x;\n"), 0);
    }
}
