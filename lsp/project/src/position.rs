//! Byte offsets to lines and columns.

/// A place in a text, counted from zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 0.
    pub line: u32,
    /// Column in UTF-16 units, from 0: what editors count.
    pub utf16: u32,
    /// Column in characters, from 0: what people count.
    pub chars: u32,
}

/// Knows where each line of a text begins. Lines end with `\n` or `\r\n`.
#[derive(Debug, Clone)]
pub struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    /// Reads the text once.
    pub fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, byte)| *byte == b'\n')
                    .map(|(at, _)| at + 1),
            )
            .collect();
        Self { text, starts }
    }

    /// The place of a byte offset. An offset beyond the end is the end; one inside a character is
    /// the character's beginning.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let before = &self.text[self.starts[line]..offset];
        let before = before.strip_suffix('\r').unwrap_or(before);
        Position {
            line: clamp(line),
            utf16: clamp(before.encode_utf16().count()),
            chars: clamp(before.chars().count()),
        }
    }

    /// The byte offset of a line and a UTF-16 column; columns beyond the line are its end.
    pub fn offset(&self, line: u32, utf16: u32) -> usize {
        let Some(start) = usize::try_from(line)
            .ok()
            .and_then(|line| self.starts.get(line))
        else {
            return self.text.len();
        };
        let mut units = 0;
        for (at, character) in self.text[*start..].char_indices() {
            if units >= utf16 || character == '\n' || character == '\r' {
                return start + at;
            }
            units += if character.len_utf16() == 2 { 2 } else { 1 };
        }
        self.text.len()
    }

    /// The text of a line without its ending.
    pub fn line(&self, line: u32) -> &'t str {
        let Some(start) = usize::try_from(line)
            .ok()
            .and_then(|line| self.starts.get(line))
        else {
            return "";
        };
        self.text[*start..].lines().next().unwrap_or("")
    }
}

fn clamp(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_emoji_and_crlf_the_way_editors_do() {
        let text = "a\r\n# 😀 x\r\nname";
        let index = LineIndex::new(text);
        let x = text.find('x').unwrap();
        assert_eq!(
            index.position(x),
            Position {
                line: 1,
                utf16: 5,
                chars: 4
            }
        );
        assert_eq!(index.offset(1, 5), x);
        assert_eq!(
            index.position(text.len()),
            Position {
                line: 2,
                utf16: 4,
                chars: 4
            }
        );
        assert_eq!(index.line(1), "# 😀 x");
        assert_eq!(index.line(9), "");
    }

    #[test]
    fn offsets_outside_the_text_are_its_end() {
        let index = LineIndex::new("ab");
        assert_eq!(
            index.position(99),
            Position {
                line: 0,
                utf16: 2,
                chars: 2
            }
        );
        assert_eq!(index.offset(0, 99), 2);
        assert_eq!(index.offset(9, 0), 2);
    }

    #[test]
    fn an_offset_inside_a_character_is_its_beginning() {
        let index = LineIndex::new("ä");
        assert_eq!(
            index.position(1),
            Position {
                line: 0,
                utf16: 0,
                chars: 0
            }
        );
    }
}
