//! Where the tables, keys and values of a text stand, told from its lines alone: a file that is
//! being typed has an outline even where it is not TOML yet.

use std::ops::Range;

/// A table's header with the keys below it. The first one of a text has no header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Its path with dots; empty for the lines above the first header.
    pub(crate) path: String,
    /// The bytes of the name between the brackets.
    pub(crate) name: Range<usize>,
    /// The bytes from the header's line to the end of what belongs to it.
    pub(crate) range: Range<usize>,
    /// Its keys, in their order.
    pub(crate) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The table it belongs to, with dots: that of its section, unless the key itself has dots.
    pub(crate) table: String,
    /// The last word of the key.
    pub(crate) name: String,
    /// The bytes of the key.
    pub(crate) key: Range<usize>,
    /// The bytes of the value without comment; empty if nothing is typed yet.
    pub(crate) value: Range<usize>,
}

/// The outline of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// At least one.
    pub(crate) sections: Vec<Section>,
}

impl Outline {
    /// Reads the text once.
    pub(crate) fn new(text: &str) -> Self {
        let mut sections = vec![Section {
            path: String::new(),
            name: 0..0,
            range: 0..0,
            entries: Vec::new(),
        }];
        let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        while at < text.len() {
            let line = at..line_end(text, at);
            let content = text.get(line.clone()).unwrap_or_default();
            let start = line.start + (content.len() - content.trim_start().len());
            let content = content.trim();
            let mut end = line.end;
            if content.starts_with('[') {
                let name = header_name(text, start, line.end);
                let path = path_of(text.get(name.clone()).unwrap_or_default());
                sections.push(Section {
                    path,
                    name,
                    range: start..line.end,
                    entries: Vec::new(),
                });
            } else if !content.starts_with('#')
                && let Some(section) = sections.last_mut()
                && let Some(entry) = entry_at(text, &section.path, start..line.end)
            {
                end = line_end(text, entry.value.end);
                section.range.end = end;
                section.entries.push(entry);
            }
            at = end + 1;
        }
        Self { sections }
    }

    /// All keys with their values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sections.iter().flat_map(|section| &section.entries)
    }

    /// The key of this name in a table.
    pub(crate) fn entry(&self, table: &str, name: &str) -> Option<&Entry> {
        self.entries()
            .find(|entry| entry.table == table && entry.name == name)
    }

    /// The section of this path.
    pub(crate) fn section(&self, path: &str) -> Option<&Section> {
        self.sections
            .iter()
            .skip(1)
            .find(|section| section.path == path)
    }

    /// The section that a place belongs to.
    pub(crate) fn section_at(&self, offset: usize) -> &Section {
        let after = self
            .sections
            .iter()
            .skip(1)
            .take_while(|section| section.range.start <= offset)
            .count();
        &self.sections[after]
    }
}

/// The strings in a value, with their quotes; what they say stands between.
pub(crate) fn strings(text: &str, value: &Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<(usize, char)> = None;
    let mut is_escaped = false;
    for (at, character) in text.get(value.clone()).unwrap_or_default().char_indices() {
        let at = value.start + at;
        match open {
            None if matches!(character, '"' | '\'') => open = Some((at, character)),
            Some((start, quote)) if character == quote && !is_escaped => {
                found.push(start..at + 1);
                open = None;
            }
            None | Some(_) => {}
        }
        is_escaped =
            open.is_some_and(|(_, quote)| quote == '"') && character == '\\' && !is_escaped;
    }
    // The last one may still be open.
    found.extend(open.map(|(start, _)| start..value.end));
    found
}

/// What a string in the text says, without its quotes. Escapes stay as they are: no name of ours
/// needs them.
pub(crate) fn unquoted(written: &str) -> &str {
    let written = written.trim();
    let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else {
        return written;
    };
    let inside = written.get(1..).unwrap_or_default();
    inside.strip_suffix(quote).unwrap_or(inside)
}

/// A whole number in any of TOML's notations.
pub(crate) fn number(written: &str) -> Option<u32> {
    let plain = written.trim().replace('_', "");
    let radix = |prefix: &str, radix| {
        plain
            .strip_prefix(prefix)
            .and_then(|digits| u32::from_str_radix(digits, radix).ok())
    };
    radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0b", 2))
        .or_else(|| plain.parse().ok())
}

/// The end of the line around an offset. A lone `\r` ends a line for editors, too.
fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    rest.find(['\n', '\r']).map_or(text.len(), |at| offset + at)
}

/// The bytes of the name in a header that begins at an offset.
fn header_name(text: &str, start: usize, end: usize) -> Range<usize> {
    let line = text.get(start..end).unwrap_or_default();
    let first = line.find(|c| c != '[').unwrap_or(line.len());
    let last = line.find([']', '#']).unwrap_or(line.len()).max(first);
    let inside = line.get(first..last).unwrap_or_default();
    let first = first + (inside.len() - inside.trim_start().len());
    start + first..start + first + inside.trim().len()
}

/// A path as its words joined with dots, without spaces and quotes.
fn path_of(written: &str) -> String {
    let words: Vec<&str> = written
        .split('.')
        .map(|word| word.trim().trim_matches(['"', '\'']))
        .collect();
    words.join(".")
}

fn entry_at(text: &str, section: &str, line: Range<usize>) -> Option<Entry> {
    let content = text.get(line.clone())?;
    let equals = content.find('=')?;
    let key = content.get(..equals)?.trim_end();
    let rest = content.get(equals + 1..)?;
    let start = line.start + equals + 1 + (rest.len() - rest.trim_start().len());
    let path = path_of(key);
    let (above, name) = path.rsplit_once('.').unwrap_or(("", &path));
    let table = [section, above]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".");
    Some(Entry {
        table,
        name: name.to_owned(),
        key: line.start..line.start + key.len(),
        value: start..value_end(text, start),
    })
}

/// Where the value that begins at an offset ends. A list may go on over lines, until it is closed
/// or something stands there that can only be a table or a key.
fn value_end(text: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut end = start;
    let mut at = start;
    loop {
        let line = line_end(text, at);
        let content = text.get(at..line).unwrap_or_default();
        if at > start && begins_something_else(content) {
            return end;
        }
        let (used, left) = value_in(content, depth);
        if used > 0 {
            end = at + used;
        }
        depth = left;
        if depth == 0 || line >= text.len() {
            return end;
        }
        at = line + 1;
    }
}

/// How many bytes of a line belong to the value, and how many lists are open at its end.
fn value_in(line: &str, mut depth: usize) -> (usize, usize) {
    let mut quote = None;
    let mut is_escaped = false;
    let mut used = 0;
    for (at, character) in line.char_indices() {
        match quote {
            None if character == '#' => break,
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None if character == '[' => depth += 1,
            None if character == ']' => depth = depth.saturating_sub(1),
            Some(open) if character == open && !is_escaped => quote = None,
            None | Some(_) => {}
        }
        is_escaped = quote == Some('"') && character == '\\' && !is_escaped;
        if !character.is_whitespace() {
            used = at + character.len_utf8();
        }
    }
    (used, depth)
}

/// Whether a line inside an open list shows that its closing bracket was forgotten.
fn begins_something_else(line: &str) -> bool {
    let line = line.trim_start();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if let Some(header) = line.strip_prefix('[') {
        return header.starts_with(|c: char| c.is_ascii_alphabetic());
    }
    line.starts_with(|c: char| c.is_ascii_alphabetic())
        && line
            .trim_start_matches(is_word)
            .trim_start()
            .starts_with('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Vec<String> {
        Outline::new(text)
            .entries()
            .map(|entry| {
                let value = text.get(entry.value.clone()).expect("inside the text");
                format!("[{}] {} = {value}", entry.table, entry.name)
            })
            .collect()
    }

    #[test]
    fn keys_are_found_with_their_tables_and_values() {
        for (text, expected) in [
            (
                "a = 1 # no\n[x]\r\nb = \"#\" # c\r\n",
                vec!["[] a = 1", "[x] b = \"#\""],
            ),
            (
                "[ areas . record ]\nlen=0x1",
                vec!["[areas.record] len = 0x1"],
            ),
            ("x.y.z = 1", vec!["[x.y] z = 1"]),
            ("a =\nb = ", vec!["[] a = ", "[] b = "]),
            (
                "a = [\n  \"x\", # one\n  \"y\",\n]\nb = 1",
                vec!["[] a = [\n  \"x\", # one\n  \"y\",\n]", "[] b = 1"],
            ),
            ("a = [\"x\",\nb = 1", vec!["[] a = [\"x\",", "[] b = 1"]),
            ("a = [\n[x]\nb = 1", vec!["[] a = [", "[x] b = 1"]),
            ("a = \"\\\"#\" # c", vec!["[] a = \"\\\"#\""]),
            ("\u{feff}a = 1", vec!["[] a = 1"]),
            ("a = 1\rb = 2", vec!["[] a = 1", "[] b = 2"]),
        ] {
            assert_eq!(outline(text), expected, "{text:?}");
        }
    }

    #[test]
    fn strings_of_a_list_are_found_also_the_one_that_is_typed() {
        let text = "[\"a\", 'b\\', \"c\\\"d\", \"e";
        let found: Vec<&str> = strings(text, &(0..text.len()))
            .into_iter()
            .map(|range| unquoted(&text[range]))
            .collect();
        assert_eq!(found, ["a", "b\\", "c\\\"d", "e"]);
    }
}
