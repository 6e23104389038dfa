//! C52: everything that is said about the files in `cases/`, also while they are being typed. The
//! places that are asked about are marked `<|>`; what is expected stands beside each case.
//!
//! `OTARU_WRITE_EXPECTED=1 cargo test -p otaru-lsp-ide --test cases` writes what is said now.

use otaru_lsp_ide::position::{LineIndex, Position, Span, apply_edit};
use otaru_lsp_ide::{Analysis, BuiltImage, Facts, FileKind, Fix, KeyFile, Known};
use std::path::{Path, PathBuf};

const MARK: &str = "<|>";

struct Case {
    name: String,
    kind: FileKind,
    text: String,
    marks: Vec<usize>,
    facts: Facts,
    expected: PathBuf,
}

/// What is known of the world in the cases whose name says so.
fn some_facts() -> Facts {
    Facts {
        key_file: KeyFile::Tracked,
        encryption_key: KeyFile::Missing,
        development_keys: vec!["keys/dev.pem".to_owned(), "keys/device.pem".to_owned()],
        key_paths: vec!["keys/dev.pem".to_owned(), "keys/next.pub".to_owned()],
        built: Some(BuiltImage {
            label: "1.1.0+7".to_owned(),
            len: 4_100_000,
        }),
        device_runs: Some("1.2.0+3".to_owned()),
        devices: vec![Known {
            name: "lamp-1".to_owned(),
            detail: "online, runs 1.2.0+3".to_owned(),
        }],
        fleets: vec!["hall".to_owned()],
        manager_problem: Some("connection refused".to_owned()),
    }
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of the cases")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 8, "the cases are gone");
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Case {
    let name = path.file_stem().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let written = std::fs::read_to_string(path).expect("a case");
    let (mut text, mut marks) = (String::new(), Vec::new());
    for (index, piece) in written.split(MARK).enumerate() {
        if index > 0 {
            marks.push(text.len());
        }
        text.push_str(piece);
    }
    Case {
        kind: if name.starts_with("board") {
            FileKind::Board
        } else {
            FileKind::Manifest
        },
        facts: if name.contains("facts") {
            some_facts()
        } else {
            Facts::default()
        },
        expected: path.with_extension("expected"),
        name,
        text,
        marks,
    }
}

fn place(at: Position) -> String {
    format!("{}:{}", at.line + 1, at.character + 1)
}

fn range(span: Span) -> String {
    format!("{}-{}", place(span.start), place(span.end))
}

fn everywhere() -> Span {
    let end = Position {
        line: u32::MAX,
        character: 0,
    };
    Span {
        start: Position::default(),
        end,
    }
}

fn say_problems(case: &Case, analysis: &Analysis, said: &mut Vec<String>) {
    for found in analysis.diagnostics(&case.facts) {
        said.push(format!(
            "{} {:?} {}: {}",
            range(found.span),
            found.severity,
            found.code,
            found.message
        ));
        if let Some((span, what)) = &found.related {
            said.push(format!("    see {}: {what}", range(*span)));
        }
        for fix in &found.fixes {
            let edits: Vec<String> = fix
                .edits
                .iter()
                .map(|edit| format!("{} {:?}", range(edit.span), edit.text))
                .collect();
            said.push(format!("    fix: {} | {}", fix.title, edits.join(", ")));
        }
    }
}

fn say_places(case: &Case, analysis: &Analysis, said: &mut Vec<String>) {
    let index = LineIndex::new(&case.text);
    for mark in &case.marks {
        let at = index.position(&case.text, *mark);
        said.push(format!("\nat {}", place(at)));
        if let Some(hover) = analysis.hover(&case.facts, at) {
            let text = hover.markdown.replace('\n', "\n    ");
            said.push(format!("  hover {}\n    {text}", range(hover.span)));
        }
        for found in analysis.completions(&case.facts, at) {
            said.push(format!(
                "  {:?} {}: {} {:?}, {}",
                found.kind,
                found.label,
                range(found.span),
                found.text,
                found.detail
            ));
        }
        if let Some(name) = analysis.name_at(at) {
            let places: Vec<String> = analysis.places(&name).into_iter().map(range).collect();
            let places = places.join(" ");
            said.push(format!("  {:?} `{}`: {places}", name.kind, name.text));
        }
        let span = Span { start: at, end: at };
        for action in analysis.actions(&case.facts, span) {
            if action.repairs.is_none() {
                said.push(format!("  rewrite: {}", action.fix.title));
            }
        }
    }
}

fn say_shape(case: &Case, analysis: &Analysis, said: &mut Vec<String>) {
    said.push("\nshape".to_owned());
    for lens in analysis.lenses() {
        said.push(format!("  lens {}: {}", place(lens.span.start), lens.title));
    }
    for hint in analysis.hints(&case.facts, everywhere()) {
        said.push(format!("  hint {}: {}", place(hint.at), hint.text));
    }
    for symbol in analysis.symbols() {
        let keys: Vec<&str> = symbol
            .children
            .iter()
            .map(|key| key.name.as_str())
            .collect();
        let keys = keys.join(", ");
        said.push(format!(
            "  symbol {} {}: {keys}",
            range(symbol.span),
            symbol.name
        ));
    }
    for fold in analysis.folds() {
        said.push(format!(
            "  fold {}-{}",
            fold.first_line + 1,
            fold.last_line + 1
        ));
    }
    for link in analysis.links() {
        said.push(format!("  link {}: {:?}", range(link.span), link.target));
    }
}

#[test]
fn every_case_is_answered_as_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let analysis = Analysis::new(case.kind, case.text.clone());
        let mut said = Vec::new();
        say_problems(&case, &analysis, &mut said);
        say_places(&case, &analysis, &mut said);
        say_shape(&case, &analysis, &mut said);
        let said = said.join("\n") + "\n";
        if std::env::var_os("OTARU_WRITE_EXPECTED").is_some() {
            std::fs::write(&case.expected, &said).unwrap();
        }
        let expected = std::fs::read_to_string(&case.expected).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{}:\n{said}", case.name));
        }
    }
    assert!(
        wrong.is_empty(),
        "other answers than expected\n{}",
        wrong.join("\n")
    );
}

/// The text with the edits of a fix.
fn fixed(text: &str, fix: &Fix) -> String {
    let mut edits = fix.edits.clone();
    edits.sort_by_key(|edit| edit.span.start);
    let mut text = text.to_owned();
    for edit in edits.iter().rev() {
        apply_edit(&mut text, Some(edit.span), &edit.text);
    }
    text
}

#[test]
fn every_fix_takes_its_problem_away() {
    let mut count = 0;
    for case in cases() {
        let analysis = Analysis::new(case.kind, case.text.clone());
        for found in analysis.diagnostics(&case.facts) {
            for fix in &found.fixes {
                let repaired = Analysis::new(case.kind, fixed(&case.text, fix));
                let left = repaired.diagnostics(&case.facts);
                let same = left
                    .iter()
                    .find(|left| left.message == found.message && left.span == found.span);
                assert_eq!(same, None, "{}: {}", case.name, fix.title);
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} fixes");
}

// A file that is typed is every prefix of itself once; with CRLF nothing may be different but lines.
#[test]
fn every_prefix_of_every_case_is_answered_and_crlf_changes_no_problem() {
    for case in cases() {
        let codes = |text: &str| -> Vec<(&str, Position)> {
            let found = Analysis::new(case.kind, text.to_owned()).diagnostics(&case.facts);
            found
                .into_iter()
                .map(|found| (found.code, found.span.start))
                .collect()
        };
        let crlf = case.text.replace('\n', "\r\n");
        let plain = codes(&case.text);
        let plain: Vec<_> = plain.iter().filter(|(code, _)| *code != "syntax").collect();
        let other = codes(&crlf);
        let other: Vec<_> = other.iter().filter(|(code, _)| *code != "syntax").collect();
        assert_eq!(plain, other, "{}", case.name);
        for (end, _) in crlf.char_indices().step_by(7) {
            let analysis = Analysis::new(case.kind, crlf[..end].to_owned());
            let at = LineIndex::new(analysis.text()).position(analysis.text(), end);
            assert!(analysis.completions(&case.facts, at).len() < 50);
            let hover = analysis.hover(&case.facts, at);
            assert!(hover.is_none_or(|hover| hover.span.start <= at));
            assert!(analysis.symbols().len() < 50);
            assert!(analysis.folds().len() < 50);
            assert!(analysis.hints(&case.facts, everywhere()).len() < 50);
        }
    }
}

#[test]
fn a_half_typed_file_keeps_what_the_last_good_one_said() {
    let good = "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"k.pem\"\n";
    let first = Analysis::new(FileKind::Manifest, good.to_owned());
    assert!(!first.is_stale());
    let typed = first.next(good.replace("board = \"host\"", "board = \nmo"));
    assert!(typed.is_stale() && !typed.is_usable());
    let board = |analysis: &Analysis| {
        let manifest = analysis.manifest().unwrap();
        manifest
            .project
            .board
            .as_ref()
            .map(|board| board.value.clone())
    };
    assert_eq!(board(&typed).as_deref(), Some("host"));
    // Also over several broken states, until the text can be read again.
    let typed = typed.next(good.replace("board = \"host\"", "board = \"ho"));
    assert_eq!(board(&typed).as_deref(), Some("host"));
    let done = typed.next(good.replace("host", "other"));
    assert!(!done.is_stale());
    assert_eq!(board(&done).as_deref(), Some("other"));
    // What stands there is not called missing because the parser lost it.
    let codes: Vec<&str> = first
        .next("[project]\nname = \nboard = \"host\"\nmo\n[signing]\nkey = \"k.pem\"\n".to_owned())
        .diagnostics(&Facts::default())
        .iter()
        .map(|found| found.code)
        .collect();
    assert!(
        codes.contains(&"syntax") && !codes.contains(&"missing-required"),
        "{codes:?}"
    );
}

#[test]
fn names_are_changed_everywhere_or_not_at_all() {
    let text = "[project]\nboard = \"host\"\n[signing]\nkey = \"a.pem\"\nkey_table = [\"a.pem\", 'b.pub']\n";
    let analysis = Analysis::new(FileKind::Manifest, text.to_owned());
    let key = Position {
        line: 3,
        character: 9,
    };
    let name = analysis.name_at(key).unwrap();
    let fix = Fix {
        title: String::new(),
        edits: analysis.rename(&name, "c.pem").unwrap(),
    };
    assert_eq!(fixed(text, &fix), text.replace("a.pem", "c.pem"));
    assert!(analysis.rename(&name, "").is_err());
    assert!(analysis.rename(&name, "c\".pem").is_err());
    let board = "[modes.swap.secondary]\noffset = 0\n[defaults]\nmode = \"swap\"\n";
    let analysis = Analysis::new(FileKind::Board, board.to_owned());
    let at = |line, character| Position { line, character };
    let mode = analysis.name_at(at(0, 8)).unwrap();
    assert_eq!(analysis.places(&mode).len(), 2);
    assert!(analysis.rename(&mode, "other").is_err());
    assert!(
        analysis
            .rename(&analysis.name_at(at(0, 14)).unwrap(), "x")
            .is_err()
    );
}

// Notes on hostile files: whatever somebody opens, the answers stay few and nothing falls over.
#[test]
fn hostile_files_are_answered_with_little() {
    let longest = otaru_lsp_project::FILE_LEN_MAX;
    let many_keys: Vec<String> = (0..2_250).map(|n| format!("k{n} = {n}\n")).collect();
    let many_parts: Vec<String> = (0..1_250)
        .map(|n| format!("[[part]]\nname = \"p{n}\"\nneeds = [\"q{n} 1.0.0\"]\n"))
        .collect();
    for (text, is_read) in [
        ("a = ".to_owned() + &"[".repeat(50_000), true),
        ("x = [\n".repeat(2_500), true),
        ("\"x\",\n".repeat(2_500), true),
        ("[project]\nx1 = 1\n".repeat(1_250), true),
        (many_keys.concat(), true),
        (many_parts.concat(), true),
        ("[areas.record]\noffset = 1\n".repeat(750), true),
        ("# 😀\r".repeat(5_000), true),
        ("\u{0}\u{1}=[[[\"\"\"".repeat(500), true),
        ("name = \"".to_owned() + &"😀".repeat(15_000), true),
        (" ".repeat(longest + 1), false),
        ("[project]\n".repeat(longest / 10 + 1), false),
    ] {
        let start: String = text.chars().take(20).collect();
        for kind in [FileKind::Manifest, FileKind::Board] {
            let analysis = Analysis::new(kind, text.clone());
            let facts = some_facts();
            let found = analysis.diagnostics(&facts);
            assert!(!found.is_empty() && found.len() <= 200, "{start:?}");
            if !is_read {
                assert!(analysis.symbols().is_empty(), "{start:?}");
            }
            let lines = LineIndex::new(&text).line_count();
            for line in [0, 1, lines / 2, lines.saturating_sub(1), lines + 7] {
                let at = Position { line, character: 5 };
                assert!(analysis.completions(&facts, at).len() < 50, "{start:?}");
                let (hover, name) = (analysis.hover(&facts, at), analysis.name_at(at));
                assert!(hover.is_none_or(|hover| hover.markdown.len() < 4_000));
                assert!(name.is_none_or(|name| name.text.len() <= text.len()));
            }
        }
    }
}
