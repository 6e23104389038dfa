//! Rust source as tokens with line numbers: enough to tell names, strings and comments apart.
//! It is no parser; on source that does not compile its answers do not matter.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Text,
    Comment,
    Sign,
}

/// A token and the line it starts on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

/// All tokens. The text of a string is what stands between its quotes.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        chars: source.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

/// The tokens without the items that are compiled for tests only.
pub(super) fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        kept.push(token);
        let end = kept.len();
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        let is_test = end >= attribute.len()
            && kept[end - attribute.len()..]
                .iter()
                .map(|t| t.text.as_str())
                .eq(attribute);
        if !is_test {
            continue;
        }
        kept.truncate(end - attribute.len());
        let mut depth = 0_usize;
        for token in rest.by_ref() {
            match (token.kind, token.text.as_str()) {
                (Kind::Sign, "{") => depth += 1,
                (Kind::Sign, "}") if depth <= 1 => break,
                (Kind::Sign, "}") => depth -= 1,
                (Kind::Sign, ";") if depth == 0 => break,
                _ => {}
            }
        }
    }
    kept
}

/// Names that other crates can see: items and fields behind a bare `pub`, and variants of public
/// enums.
pub(super) fn public_names(tokens: &[Token]) -> Vec<Token> {
    let code: Vec<&Token> = tokens
        .iter()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let text = |at: usize| code.get(at).map_or("", |token| token.text.as_str());
    let mut names = Vec::new();
    for at in 0..code.len() {
        if text(at) != "pub" || text(at + 1) == "(" {
            continue;
        }
        let mut next = at + 1;
        let qualifiers = ["unsafe", "async", "extern", "const", "C", "mut"];
        while qualifiers.contains(&text(next)) {
            next += 1;
        }
        let items = [
            "fn", "struct", "enum", "union", "trait", "mod", "type", "static",
        ];
        let item = items.contains(&text(next));
        let name = if item { next + 1 } else { next };
        if text(name) == "use" || code.get(name).is_none_or(|token| token.kind != Kind::Word) {
            continue;
        }
        names.push(code[name].clone());
        if text(next) == "enum" {
            names.extend(variants(&code[name..]));
        }
    }
    names
}

/// Names at the first level of the braces that follow, each behind `{` or `,` or an attribute.
fn variants(code: &[&Token]) -> Vec<Token> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut expected = false;
    for token in code {
        match token.text.as_str() {
            "{" | "(" | "[" if token.kind == Kind::Sign => {
                depth += 1;
                expected = expected || depth == 1;
            }
            "}" | ")" | "]" if token.kind == Kind::Sign => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    break;
                }
            }
            "," if depth == 1 => expected = true,
            _ if token.kind == Kind::Word && depth == 1 && expected => {
                names.push((*token).clone());
                expected = false;
            }
            _ => {}
        }
    }
    names
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek(0)?;
        self.at += 1;
        if char == '\n' {
            self.line += 1;
        }
        Some(char)
    }

    fn take_while(&mut self, text: &mut String, keep: impl Fn(char) -> bool) {
        while let Some(char) = self.peek(0).filter(|char| keep(*char)) {
            text.push(char);
            self.bump();
        }
    }

    fn next_token(&mut self) -> Option<Token> {
        self.take_while(&mut String::new(), char::is_whitespace);
        let line = self.line;
        let first = self.peek(0)?;
        let (kind, text) = match first {
            '/' if self.peek(1) == Some('/') => (Kind::Comment, self.line_comment()),
            '/' if self.peek(1) == Some('*') => (Kind::Comment, self.block_comment()),
            '"' => (Kind::Text, self.string()),
            '\'' => (Kind::Sign, self.char_or_lifetime()),
            _ if first.is_alphanumeric() || first == '_' => self.word_or_raw_string(),
            _ => (Kind::Sign, self.bump()?.to_string()),
        };
        Some(Token { kind, text, line })
    }

    fn line_comment(&mut self) -> String {
        let mut text = String::new();
        self.take_while(&mut text, |char| char != '\n');
        text
    }

    fn block_comment(&mut self) -> String {
        let mut text = String::new();
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return text,
                _ => {
                    text.extend(self.bump());
                    continue;
                }
            }
            text.extend(self.bump());
            text.extend(self.bump());
            if depth == 0 {
                return text;
            }
        }
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        self.bump();
        while let Some(char) = self.bump() {
            match char {
                '"' => break,
                '\\' => {
                    text.push(char);
                    text.extend(self.bump());
                }
                _ => text.push(char),
            }
        }
        text
    }

    fn char_or_lifetime(&mut self) -> String {
        self.bump();
        if self.peek(0) == Some('\\') {
            self.bump();
            self.bump();
            // An escape such as \u{1f600} goes on to the closing quote.
            while self.bump().is_some_and(|char| char != '\'') {}
        } else if self.peek(1) == Some('\'') {
            self.bump();
            self.bump();
        }
        "'".to_owned()
    }

    fn word_or_raw_string(&mut self) -> (Kind, String) {
        let mut word = String::new();
        self.take_while(&mut word, |char| char.is_alphanumeric() || char == '_');
        let raw = matches!(word.as_str(), "r" | "br" | "cr");
        if raw && matches!(self.peek(0), Some('"' | '#')) {
            let mut hashes = String::new();
            self.take_while(&mut hashes, |char| char == '#');
            if self.peek(0) == Some('"') {
                return (Kind::Text, self.raw_string(hashes.len()));
            }
            // `r#name` is a name.
            word.clear();
            self.take_while(&mut word, |char| char.is_alphanumeric() || char == '_');
        } else if matches!(word.as_str(), "b" | "c") && self.peek(0) == Some('"') {
            return (Kind::Text, self.string());
        }
        (Kind::Word, word)
    }

    fn raw_string(&mut self, hashes: usize) -> String {
        let mut text = String::new();
        self.bump();
        while let Some(char) = self.bump() {
            if char == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                for _ in 0..hashes {
                    self.bump();
                }
                break;
            }
            text.push(char);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, source: &str) -> Vec<String> {
        tokens(source)
            .into_iter()
            .filter(|t| t.kind == kind)
            .map(|t| t.text)
            .collect()
    }

    fn names(source: &str) -> Vec<String> {
        public_names(&tokens(source))
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn strings_and_comments_are_told_apart() {
        let source = r###"let a = "x // \" y"; // "no" /*
            let b = r##"raw "# string"##; /* a /* nested */ "no" */ let c = b"bytes"; '"' "###;
        assert_eq!(
            of(Kind::Text, source),
            [r#"x // \" y"#, r##"raw "# string"##, "bytes"]
        );
        assert_eq!(of(Kind::Comment, source).len(), 2);
    }

    #[test]
    fn lifetimes_and_characters_do_not_start_strings() {
        let source = "fn f<'a>(x: &'a str) { let q = '\\''; let u = '\\u{22}'; g(\"s\") }";
        assert_eq!(of(Kind::Text, source), ["s"]);
    }

    #[test]
    fn lines_are_counted_through_strings() {
        let found = tokens("\"a\nb\"\nname");
        assert_eq!(found.last().unwrap().line, 3);
    }

    #[test]
    fn public_names_are_items_fields_and_variants() {
        let source = "pub struct S { pub field: u8, private: u8 }
            pub(crate) fn hidden() {} pub async unsafe fn seen() {} pub const LIMIT: u8 = 1;
            pub use other::Thing; pub enum E { #[doc = \"x\"] One, Two(u8, u8), Three { inner: u8 } }";
        assert_eq!(
            names(source),
            ["S", "field", "seen", "LIMIT", "E", "One", "Two", "Three"]
        );
    }

    #[test]
    fn test_modules_are_left_out() {
        let source = "fn a() {} #[cfg(test)] mod tests { fn b() { if x {} } } fn c() {}
            #[cfg(test)] mod more; fn d() {}";
        let kept = without_tests(tokens(source));
        let words: Vec<&str> = kept.iter().map(|t| t.text.as_str()).collect();
        assert!(words.contains(&"c") && words.contains(&"d"), "{words:?}");
        assert!(
            !words.contains(&"b") && !words.contains(&"more"),
            "{words:?}"
        );
    }
}
