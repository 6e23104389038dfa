//! Rule: what a page links to exists.

use std::collections::BTreeSet;

use super::{Finding, Text};

/// Every relative link of a Markdown page that leads nowhere.
pub(super) fn check(texts: &[Text], files: &BTreeSet<String>) -> Vec<Finding> {
    let pages = texts.iter().filter(|text| {
        std::path::Path::new(&text.path)
            .extension()
            .is_some_and(|ending| ending == "md")
    });
    pages.flat_map(|page| check_page(page, files)).collect()
}

fn check_page(page: &Text, files: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (index, line) in page.content.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or("");
            if target.is_empty() || target.contains(':') {
                continue;
            }
            let path = resolve(&page.path, target);
            let folder = format!("{path}/");
            if !files.contains(&path) && !files.iter().any(|file| file.starts_with(&folder)) {
                let what = format!("`{target}` does not exist");
                let advice = "correct the link, or commit what it leads to";
                findings.push(Finding::new(&page.path, index + 1, what, advice));
            }
        }
    }
    findings
}

/// A link as a path from the root of the project.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    fn lines(content: &str) -> Vec<usize> {
        let page = text("docs/a.md", content);
        let files = ["docs/a.md", "docs/formats/b.md", "README.md"].map(str::to_owned);
        let findings = check(&[page], &files.into_iter().collect());
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn links_that_lead_nowhere_are_reported() {
        assert_eq!(lines("ok\n[x](formats/c.md)"), [2]);
        assert_eq!(lines("[x](../README.txt) [y](formats/b.md)"), [1]);
    }

    #[test]
    fn files_folders_addresses_anchors_and_code_are_left_alone() {
        let content = "[a](formats/b.md#x) [b](../README.md) [c](formats/) [d](https://e.org)\n\
                       [e](#here)\n```\n[f](none.md)\n```\n";
        assert!(lines(content).is_empty());
    }
}
