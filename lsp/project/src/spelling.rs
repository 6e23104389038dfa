//! Finds the name that was probably meant.

/// Longest word that is compared; longer ones are not typing mistakes of our short names.
const WORD_LEN_MAX: usize = 64;

/// The candidate nearest to `written`, if it is near enough to be a typing mistake.
///
/// Near enough is one edit for every three characters, at least one; swapping two neighbours
/// counts as one edit.
pub fn nearest<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    if written.is_empty() || written.len() > WORD_LEN_MAX {
        return None;
    }
    candidates
        .iter()
        .map(|candidate| {
            let plain = candidate.to_ascii_lowercase().replace('-', "_");
            (distance(&written, &plain), *candidate)
        })
        .filter(|(edits, candidate)| {
            *edits <= (candidate.chars().count() / 3).max(1) && *edits < candidate.chars().count()
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (last[j - 1] + usize::from(!same))
                .min(last[j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row[j] = best;
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_find_the_word_that_was_meant() {
        let names = ["name", "board", "mode", "version", "security_counter"];
        for (written, expected) in [
            ("baord", Some("board")),
            ("Board", Some("board")),
            ("nam", Some("name")),
            ("verison", Some("version")),
            ("security-counter", Some("security_counter")),
            ("moed", Some("mode")),
            ("modus", None),
            ("colour", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, &names), expected, "{written:?}");
        }
    }

    #[test]
    fn a_very_long_word_is_not_compared() {
        assert_eq!(nearest(&"n".repeat(100_000), &["name"]), None);
    }
}
