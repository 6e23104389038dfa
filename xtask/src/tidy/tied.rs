//! Rule: a page that describes a source file is read again when the file changes.
//!
//! A format that is stored or sent is described by a page in `docs/formats/`. A page can tie itself
//! to the source it describes with a comment:
//!
//! ```text
//! <!-- tied to core/ddi/src/codes.rs at 0123456789abcdef -->
//! ```
//!
//! The number stands for the content of the file. When the file changes, this rule asks to compare
//! the two, and says which number makes it content again.

use super::{Finding, Text};
use crate::cache::short_hash;

const START: &str = "<!-- tied to ";

/// Every page whose source has changed or is gone.
pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let pages = texts.iter().filter(|text| text.path.starts_with("docs/"));
    pages.flat_map(|page| check_page(page, texts)).collect()
}

fn check_page(page: &Text, texts: &[Text]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in page.content.lines().enumerate() {
        let Some(rest) = line.strip_prefix(START) else {
            continue;
        };
        let tie = rest
            .strip_suffix(" -->")
            .and_then(|rest| rest.split_once(" at "));
        let (what, advice) = match tie {
            None => {
                let advice = format!("write it as `{START}PATH at NUMBER -->`");
                ("the tie to a source file cannot be read".to_owned(), advice)
            }
            Some((path, number)) => match texts.iter().find(|text| text.path == path) {
                None => (
                    format!("`{path}` is gone"),
                    "tie the page to where it went".to_owned(),
                ),
                Some(source) => {
                    let now = short_hash([source.content.as_bytes()]);
                    if now == number {
                        continue;
                    }
                    let advice =
                        format!("compare the two, correct the page, then write `at {now}`");
                    (
                        format!("`{path}` has changed since this page was compared with it"),
                        advice,
                    )
                }
            },
        };
        findings.push(Finding::new(&page.path, index + 1, what, advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn check_tie(tie: &str, source: &str) -> Vec<Finding> {
        let page = text("docs/formats/a.md", &format!("# A\n{tie}\n"));
        check(&[page, text("core/a.rs", source)])
    }

    #[test]
    fn a_page_is_stale_until_it_has_the_number_that_is_asked_for() {
        let stale = check_tie("<!-- tied to core/a.rs at 0000000000000000 -->", "one");
        assert_eq!((stale.len(), stale[0].line), (1, 2));
        let number = stale[0]
            .advice
            .rsplit("at ")
            .next()
            .unwrap()
            .trim_end_matches('`');
        let tie = format!("<!-- tied to core/a.rs at {number} -->");
        assert!(check_tie(&tie, "one").is_empty());
        assert_eq!(check_tie(&tie, "two").len(), 1);
    }

    #[test]
    fn a_tie_to_nothing_is_reported() {
        assert!(
            check_tie("<!-- tied to core/b.rs at 0 -->", "one")[0]
                .what
                .contains("is gone")
        );
        assert!(
            check_tie("<!-- tied to core/a.rs -->", "one")[0]
                .what
                .contains("cannot be read")
        );
    }
}
