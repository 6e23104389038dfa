//! Rules about words: one term per thing in public names and in what people read, no leftovers, and
//! nothing that is true on one machine only.

use super::rust_source::{self, Kind};
use super::{Finding, Text};

/// `(word, what to say instead)`. Written in two halves, so that this file keeps its own rule.
const BANNED: &[(&str, &str)] = &[
    (
        concat!("roll", "back"),
        "say `revert` (going back) or `anti-rollback` (refusing old images)",
    ),
    (concat!("ba", "nk"), "say `slot`"),
    (concat!("mark", "-good"), "say `confirm`"),
    (concat!("camp", "aign"), "say `deployment`"),
    (concat!("wa", "ve"), "say `group`"),
    (concat!("ut", "ils"), "name it after what it does"),
];

const ALLOWED_COMPOUND: &str = concat!("anti-roll", "back");
const ALLOW: &str = "tidy: allow, because ";

/// Text that is true on one machine only, or names a place that a mirror may replace.
const LOCAL: &[(&str, &str)] = &[
    (
        concat!("/ro", "ot/"),
        "the path exists on one machine only; derive it",
    ),
    (
        concat!("/wo", "rk/"),
        "the path exists on one machine only; derive it",
    ),
    (
        concat!("registry.npm", "js.org"),
        "lock files must work with any registry; drop the address",
    ),
    (
        concat!("registry.yarn", "pkg.com"),
        "lock files must work with any registry; drop the address",
    ),
    (
        concat!("pypi", ".org/"),
        "the package index is the user's choice; drop the address",
    ),
    (
        concat!("files.python", "hosted.org"),
        "the package index is the user's choice; drop it",
    ),
    (
        concat!("static.crates", ".io"),
        "the registry is the user's choice; drop the address",
    ),
    (
        concat!("index.crates", ".io"),
        "the registry is the user's choice; drop the address",
    ),
];

/// Checks one file.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = lines(text);
    if is(text, &["rs"]) {
        findings.extend(rust(text));
    } else if is_user_interface(text) {
        for (index, line) in text.content.lines().enumerate() {
            let code = line.split("// ").next().unwrap_or(line);
            findings.extend(banned(text, index + 1, code, &split_text(code)));
        }
    }
    findings
}

fn is(text: &Text, endings: &[&str]) -> bool {
    text.path
        .rsplit_once('.')
        .is_some_and(|(_, ending)| endings.contains(&ending))
}

/// Pages, styles and the editor extension: all of their text may be shown.
fn is_user_interface(text: &Text) -> bool {
    let shown = text.path.starts_with("vscode-extension/") && is(text, &["ts", "json", "mjs"]);
    let lock = text.path.ends_with("-lock.json");
    let vendored = text.path.ends_with(".min.js");
    (shown || is(text, &["html", "css", "js"])) && !lock && !vendored
}

/// Leftovers and text that is true on one machine only, anywhere.
fn lines(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        let number = index + 1;
        if line.contains(concat!("FIX", "ME")) {
            let advice = "fix it before it is merged";
            findings.push(Finding::new(&text.path, number, "unfinished work", advice));
        }
        let reminder = concat!("TO", "DO");
        if line.contains(reminder) && !line.contains(concat!("TO", "DO(#")) {
            let advice = format!("do it, or open an issue and write `{reminder}(#number)`");
            findings.push(Finding::new(
                &text.path,
                number,
                "a reminder without an issue",
                advice,
            ));
        }
        for (word, advice) in LOCAL {
            if line.contains(word) && !excused(text, number) {
                findings.push(Finding::new(
                    &text.path,
                    number,
                    format!("`{word}`"),
                    *advice,
                ));
            }
        }
    }
    findings
}

/// Public names and, outside tests and tools, strings.
fn rust(text: &Text) -> Vec<Finding> {
    let is_test = text.path.contains("/tests/") || text.path.ends_with("tests.rs");
    if is_test {
        return Vec::new();
    }
    let tokens = rust_source::without_tests(rust_source::tokens(&text.content));
    let mut findings = Vec::new();
    for name in rust_source::public_names(&tokens) {
        findings.extend(banned(text, name.line, &name.text, &split_name(&name.text)));
    }
    if text.path.starts_with("xtask/") || text.path.starts_with("sim/") {
        return findings;
    }
    for token in tokens.iter().filter(|token| token.kind == Kind::Text) {
        findings.extend(banned(
            text,
            token.line,
            &token.text,
            &split_text(&token.text),
        ));
    }
    findings
}

fn banned(text: &Text, line: usize, shown: &str, words: &[String]) -> Vec<Finding> {
    let found = BANNED
        .iter()
        .filter(|(word, _)| words.iter().any(|seen| seen == word));
    found
        .filter(|_| !excused(text, line))
        .map(|(word, advice)| {
            let shown: String = shown.trim().chars().take(60).collect();
            let what = format!("`{word}` is not our word for it, in `{shown}`");
            Finding::new(&text.path, line, what, *advice)
        })
        .collect()
}

/// The line, or the one above, gives a reason.
fn excused(text: &Text, line: usize) -> bool {
    let mut near = text
        .content
        .lines()
        .skip(line.saturating_sub(2))
        .take(line.min(2));
    near.any(|line| {
        line.split_once(ALLOW)
            .is_some_and(|(_, reason)| reason.trim().len() > 3)
    })
}

/// Words of a name in any case: `anti_rollback_floor`, `AntiRollback`.
fn split_name(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut previous_lower = false;
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && previous_lower) {
            spaced.push('-');
        }
        previous_lower = char.is_lowercase();
        spaced.extend(char.to_lowercase().filter(|char| *char != '_'));
    }
    words(&spaced)
}

/// Words of a text. SQL keywords in capitals are not for people.
fn split_text(text: &str) -> Vec<String> {
    let statement = concat!("ROLL", "BACK");
    words(&text.replace(statement, "").to_lowercase())
}

fn words(lower: &str) -> Vec<String> {
    let lower = lower.replace(ALLOWED_COMPOUND, "");
    let mut words: Vec<String> = lower
        .split(|char: char| !char.is_alphanumeric())
        .map(str::to_owned)
        .collect();
    // Words of two parts are looked for as they stand.
    let hyphenated = concat!("mark", "-good");
    if lower.contains(hyphenated) {
        words.push(hyphenated.to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn findings(path: &str, content: &str) -> Vec<usize> {
        check(&text(path, content))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn banned_words_in_public_names_are_reported() {
        for source in [
            concat!("pub fn roll", "back() {}"),
            concat!("pub struct SlotBa", "nk;"),
            concat!("pub enum E { Fine, Wa", "ve }"),
            concat!("pub struct S { pub camp", "aign_id: u8 }"),
        ] {
            assert_eq!(findings("core/x/src/lib.rs", source), [1], "{source}");
        }
    }

    #[test]
    fn private_names_and_the_allowed_compound_pass() {
        for source in [
            concat!("fn roll", "back() {}"),
            concat!("pub fn anti_roll", "back_floor() {}"),
            concat!("pub struct AntiRoll", "back;"),
            concat!("const A: &str = \"anti-roll", "back counter\";"),
            concat!("const A: &str = \"ROLL", "BACK TO x\";"),
            concat!("// a comment may say ba", "nk"),
            "pub fn microwaved() {}",
        ] {
            assert!(findings("core/x/src/lib.rs", source).is_empty(), "{source}");
        }
    }

    #[test]
    fn banned_words_in_what_people_read_are_reported() {
        let string = concat!("\n  say(\"the camp", "aign ended\");");
        assert_eq!(findings("cli/src/main.rs", string), [2]);
        assert!(findings("cli/tests/a.rs", string).is_empty());
        let page = concat!("<p>ok</p>\n<p>Roll", "back</p>");
        assert_eq!(findings("manager/templates/a.html", page), [2]);
        assert_eq!(
            findings(
                "vscode-extension/package.json",
                concat!("{\"t\":\"ba", "nk\"}")
            ),
            [1]
        );
    }

    #[test]
    fn a_reason_excuses_a_line() {
        let line = concat!(
            "say(\"ba",
            "nk\"); // tidy: allow, because a foreign field is called so"
        );
        assert!(findings("cli/src/main.rs", line).is_empty());
        let bare = concat!("say(\"ba", "nk\"); // tidy: allow, because ");
        assert_eq!(findings("cli/src/main.rs", bare), [1]);
    }

    #[test]
    fn leftovers_and_local_places_are_reported_in_any_file() {
        for content in [
            concat!("FIX", "ME later"),
            concat!("TO", "DO later"),
            concat!("path = \"/ro", "ot/x\""),
            concat!("\"resolved\": \"https://registry.npm", "js.org/x\""),
        ] {
            assert_eq!(
                findings("docs/a.md", &format!("fine\n{content}\n")),
                [2],
                "{content}"
            );
        }
        assert!(findings("docs/a.md", concat!("TO", "DO(#12): later")).is_empty());
    }
}
