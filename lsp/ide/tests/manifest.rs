//! C52: what an editor shows in `Otaru.toml`, also while it is being typed.

use otaru_lsp_ide::position::Position;
use otaru_lsp_ide::{Analysis, CompletionKind, Facts, FileKind, KeyFile, LensVerb, Severity};

const GOOD: &str = "[project]\nname = \"lamp\"\nboard = \"host\"\n\n[signing]\nkey = \"dev.pem\"\n";

/// Splits a text at the mark `|` into the text without it and the place where it stood.
fn marked(text: &str) -> (Analysis, Position) {
    let at = text.find('|').expect("a mark");
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or(before)
        .encode_utf16()
        .count();
    let position = Position {
        line: u32::try_from(line).expect("short"),
        character: u32::try_from(column).expect("short"),
    };
    (
        Analysis::new(FileKind::Manifest, text.replacen('|', "", 1)),
        position,
    )
}

fn labels(text: &str) -> Vec<String> {
    let (analysis, at) = marked(text);
    analysis
        .completions(&Facts::default(), at)
        .into_iter()
        .map(|completion| completion.label)
        .collect()
}

fn codes(text: &str, key_file: KeyFile) -> Vec<&'static str> {
    let analysis = Analysis::new(FileKind::Manifest, text.to_owned());
    analysis
        .diagnostics(&Facts {
            key_file,
            ..Facts::default()
        })
        .iter()
        .map(|found| found.code)
        .collect()
}

#[test]
fn a_good_manifest_has_no_diagnostics() {
    assert_eq!(codes(GOOD, KeyFile::Present), Vec::<&str>::new());
    assert_eq!(codes(GOOD, KeyFile::Unknown), Vec::<&str>::new());
}

#[test]
fn problems_are_found_where_they_are() {
    let text =
        "# 😀\r\n[project]\r\nname = \"lamp\"\r\nbord = \"host\"\r\n[signing]\r\nkey = \"k\"\r\n";
    let analysis = Analysis::new(FileKind::Manifest, text.to_owned());
    let found = analysis.diagnostics(&Facts::default());
    let unknown = found
        .iter()
        .find(|found| found.code == "unknown-key")
        .expect("reported");
    assert_eq!(
        (unknown.span.start.line, unknown.span.start.character),
        (3, 0)
    );
    assert_eq!((unknown.span.end.line, unknown.span.end.character), (3, 4));
    let fix = &unknown.fixes[0].edits[0];
    assert_eq!((fix.text.as_str(), fix.span), ("board", unknown.span));
    assert!(found.iter().any(|found| found.code == "missing-required"));
}

#[test]
fn the_fix_of_a_value_keeps_its_quotes() {
    let analysis = Analysis::new(FileKind::Manifest, GOOD.replace("\"host\"", "'hots'"));
    let found = analysis.diagnostics(&Facts::default());
    assert_eq!(found[0].code, "board-unknown");
    assert_eq!(found[0].fixes[0].edits[0].text, "'host'");
}

// A5: nothing can be signed without the key, and a key that everybody reads signs for everybody.
#[test]
fn the_key_file_is_watched() {
    assert_eq!(codes(GOOD, KeyFile::Missing), ["key-missing"]);
    assert_eq!(codes(GOOD, KeyFile::WorldReadable), ["key-world-readable"]);
    let analysis = Analysis::new(FileKind::Manifest, GOOD.to_owned());
    let missing = &analysis.diagnostics(&Facts {
        key_file: KeyFile::Missing,
        ..Facts::default()
    })[0];
    assert_eq!(missing.severity, Severity::Error);
    assert_eq!(
        missing.span.start,
        Position {
            line: 5,
            character: 6
        }
    );
    assert!(missing.message.contains("`dev.pem`"), "{}", missing.message);
}

// Encrypted images need a key, of which everybody may read the public half only.
#[test]
fn the_file_of_the_encryption_key_is_watched() {
    let text = format!("{GOOD}\n[encryption]\nkey = \"device.pem\"\n");
    let analysis = Analysis::new(FileKind::Manifest, text);
    let found = |encryption_key| {
        let facts = Facts {
            key_file: KeyFile::Present,
            encryption_key,
            ..Facts::default()
        };
        let found = analysis.diagnostics(&facts);
        let found = found.into_iter().map(|found| (found.code, found.message));
        found.collect::<Vec<_>>()
    };
    assert_eq!(found(KeyFile::Present), []);
    assert_eq!(
        found(KeyFile::Missing),
        [(
            "key-missing",
            "there is no key file `device.pem`; `otaru keys new --encryption` makes one".to_owned()
        )]
    );
    assert_eq!(found(KeyFile::WorldReadable)[0].0, "key-world-readable");
    let (code, message) = &found(KeyFile::Tracked)[0];
    assert_eq!(*code, "key-inside-git");
    assert!(message.contains("can decrypt"), "{message}");
}

#[test]
fn the_sizes_of_aes_are_offered_as_numbers() {
    let text = format!("{GOOD}\n[encryption]\nkey = \"device.pem\"\naes = |\n");
    let (analysis, at) = marked(&text);
    let texts: Vec<_> = analysis
        .completions(&Facts::default(), at)
        .into_iter()
        .map(|found| found.text)
        .collect();
    assert_eq!(texts, ["128", "256"]);
}

#[test]
fn a_table_of_a_list_is_offered_again_with_both_brackets() {
    let part = "[[part]]\nname = \"radio\"\n";
    for (header, expected) in [
        ("[|", "[part]]"),
        ("[|]", "[part]"),
        ("[[|", "part]]"),
        ("[[|]", "part]"),
        ("[[|]]", "part"),
    ] {
        let (analysis, at) = marked(&format!("{GOOD}{part}{header}\n"));
        let found = analysis.completions(&Facts::default(), at);
        let part = found.iter().find(|found| found.label == "part");
        assert_eq!(
            part.map(|part| part.text.as_str()),
            Some(expected),
            "{header}"
        );
    }
    let keys = labels(&format!("{GOOD}{part}[[part]]\nindex = 2\n|\n"));
    assert_eq!(keys, ["name", "file", "version", "needs"]);
}

#[test]
fn a_half_typed_file_still_gives_a_model() {
    let analysis = Analysis::new(
        FileKind::Manifest,
        "[project]\nname = \"lamp\"\nboard = \n[sign".to_owned(),
    );
    assert!(!analysis.diagnostics(&Facts::default()).is_empty());
    let name = analysis
        .manifest()
        .expect("a manifest")
        .project
        .name
        .as_ref()
        .expect("read");
    assert_eq!(name.value, "lamp");
    assert!(!analysis.is_usable());
}

#[test]
fn keys_that_are_not_there_yet_are_proposed() {
    let proposed = labels("[project]\nname = \"lamp\"\nbo|\n[signing]\nkey = \"k\"\n");
    assert!(proposed.contains(&"board".to_owned()), "{proposed:?}");
    assert!(!proposed.contains(&"name".to_owned()), "{proposed:?}");
    assert!(!proposed.contains(&"key".to_owned()), "{proposed:?}");
}

#[test]
fn a_key_completion_replaces_the_word() {
    let (analysis, at) = marked("[project]\r\n  bo|x\r\n");
    let board = analysis
        .completions(&Facts::default(), at)
        .into_iter()
        .find(|found| found.label == "board");
    let board = board.expect("proposed");
    assert_eq!(board.kind, CompletionKind::Key);
    assert_eq!(
        board.span.start,
        Position {
            line: 1,
            character: 2
        }
    );
    assert_eq!(
        board.span.end,
        Position {
            line: 1,
            character: 5
        }
    );
}

#[test]
fn boards_modes_and_tables_are_proposed() {
    assert_eq!(
        labels("[project]\nboard = |"),
        ["host", "nrf52840", "qemu-virt"]
    );
    assert_eq!(
        labels("[project]\nboard = \"|\" # here\n"),
        ["host", "nrf52840", "qemu-virt"]
    );
    assert_eq!(labels("[project]\nmode = \"s|\"\n"), ["standby", "swap"]);
    assert_eq!(
        labels("[project]\nname = \"x\"\n[|]\n"),
        ["signing", "encryption", "manager", "part"]
    );
    assert_eq!(labels("[project]\n# bo|\n"), Vec::<String>::new());
    assert_eq!(labels("bo|\n"), Vec::<String>::new());
}

#[test]
fn a_value_completion_writes_the_quotes_once() {
    let (analysis, at) = marked("[project]\nboard = \"ho|\" # a comment\n");
    let host = &analysis.completions(&Facts::default(), at)[0];
    assert_eq!(host.text, "\"host\"");
    assert_eq!(
        host.span.start,
        Position {
            line: 1,
            character: 8
        }
    );
    assert_eq!(
        host.span.end,
        Position {
            line: 1,
            character: 12
        }
    );
}

#[test]
fn hover_explains_tables_keys_and_boards() {
    for (text, expected) in [
        ("[pro|ject]\n", "What is built"),
        ("[signing]\nke|y = \"k\"\n", "Ed25519"),
        (
            "[project]\nboard = \"ho|st\"\n",
            "| execution | 0x00100000 |",
        ),
        ("[manager]\nurl = \"http|://x\"\n", "otaru login"),
    ] {
        let (analysis, at) = marked(text);
        let hover = analysis
            .hover(&Facts::default(), at)
            .unwrap_or_else(|| panic!("no hover in {text:?}"));
        assert!(hover.markdown.contains(expected), "{}", hover.markdown);
    }
    let (analysis, at) = marked("[project]\n# no|thing here\n");
    assert_eq!(analysis.hover(&Facts::default(), at), None);
}

#[test]
fn the_verbs_stand_above_the_project() {
    let lenses = Analysis::new(FileKind::Manifest, format!("# first\n\n{GOOD}")).lenses();
    let verbs: Vec<LensVerb> = lenses.iter().map(|lens| lens.verb).collect();
    assert_eq!(verbs, [LensVerb::Build, LensVerb::Upload, LensVerb::Fota]);
    assert!(lenses.iter().all(|lens| lens.span.start
        == Position {
            line: 2,
            character: 0
        }));
}

#[test]
fn no_text_and_no_place_makes_it_fall_over() {
    let texts = [
        "",
        "=",
        "[",
        "[project",
        "name = \"",
        "\u{feff}[project]",
        "a = [\n1,\n",
        "😀 = 1",
        "\r\r\n",
    ];
    for text in texts {
        let analysis = Analysis::new(FileKind::Manifest, text.to_owned());
        for line in 0..4 {
            for character in 0..12 {
                let at = Position { line, character };
                let (hover, completions) = (
                    analysis.hover(&Facts::default(), at),
                    analysis.completions(&Facts::default(), at),
                );
                assert!(hover.is_none() || !text.is_empty());
                assert!(completions.len() < 50);
            }
        }
        assert_eq!(analysis.lenses().len(), 3);
    }
}
