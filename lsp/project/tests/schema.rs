//! The schema is what the readers know, and what `docs/manifest.md` says.
// C52: one list for the reader, the editor and the reference.

use otaru_lsp_project::{
    BOARD_SCHEMA, Board, KeyDoc, KeyKind, MANIFEST_SCHEMA, Manifest, Problem, Schema, reference,
};
use std::path::PathBuf;

fn problems(schema: &Schema, text: &str) -> Vec<Problem> {
    if schema.file == MANIFEST_SCHEMA.file {
        Manifest::parse(text).problems
    } else {
        Board::parse(text).problems
    }
}

/// A file with every key of the schema, each with its example.
fn everything(schema: &Schema) -> String {
    let mut text = String::new();
    for table in schema.tables {
        text.push_str(&["[", table.name, "]\n"].concat());
        for key in table.keys {
            text.push_str(&[key.name, " = ", key.example, "\n"].concat());
        }
    }
    text
}

fn each_key(check: impl Fn(&Schema, &str, &KeyDoc)) {
    for schema in [&MANIFEST_SCHEMA, &BOARD_SCHEMA] {
        for table in schema.tables {
            for key in table.keys {
                check(schema, table.name, key);
            }
        }
    }
}

#[test]
fn the_example_of_every_key_is_a_value_that_it_takes() {
    each_key(|schema, table, key| {
        let text = format!("[{table}]\n{} = {}\n", key.name, key.example);
        let start = text.find('=').unwrap();
        let of_value: Vec<Problem> = problems(schema, &text)
            .into_iter()
            .filter(|problem| problem.span.start > start)
            // These name something that has to stand elsewhere in the file.
            .filter(|problem| {
                problem.code.as_str() != "value" || !["revoke", "needs"].contains(&key.name)
            })
            .collect();
        assert_eq!(of_value, [], "[{table}] {}", key.name);
    });
}

#[test]
fn a_value_of_another_type_is_refused_for_every_key() {
    each_key(|schema, table, key| {
        let text = format!("[{table}]\n{} = 1979-05-27\n", key.name);
        let codes: Vec<&str> = problems(schema, &text)
            .iter()
            .filter(|problem| problem.span.start > table.len())
            .map(|problem| problem.code.as_str())
            .collect();
        assert_eq!(codes, ["type"], "[{table}] {}", key.name);
    });
}

#[test]
fn only_the_listed_numbers_are_taken() {
    each_key(|schema, table, key| {
        let KeyKind::Choice(numbers) = key.kind else {
            return;
        };
        for number in [0, 127, 128, 129, 192, 256, u32::MAX] {
            let text = format!("[{table}]\n{} = {number}\n", key.name);
            let start = table.len() + 2 + key.name.len();
            let mut found = problems(schema, &text).into_iter();
            let is_refused = found.any(|problem| problem.span.start > start);
            assert_eq!(is_refused, !numbers.contains(&number), "{number}");
        }
    });
}

#[test]
fn numbers_are_refused_one_beyond_their_range() {
    each_key(|schema, table, key| {
        let KeyKind::Number { from, to, .. } = key.kind else {
            return;
        };
        let text = |value: i64| format!("[{table}]\n{} = {value}\n", key.name);
        let start = table.len() + 2 + key.name.len();
        let codes = |value| {
            problems(schema, &text(value))
                .iter()
                .filter(|problem| problem.span.start > start)
                .map(|problem| problem.code.as_str())
                .collect::<Vec<_>>()
        };
        for (value, expected) in [
            (i64::from(from) - 1, vec!["value"]),
            (i64::from(from), vec![]),
            (i64::from(to), vec![]),
            (i64::from(to) + 1, vec!["value"]),
        ] {
            assert_eq!(codes(value), expected, "[{table}] {} = {value}", key.name);
        }
    });
}

#[test]
fn a_required_key_that_is_missing_is_reported_and_its_repair_adds_it() {
    each_key(|schema, table, key| {
        let text = format!("[{table}]\r\n");
        let found = problems(schema, &text);
        let missing = format!("`{}` is missing in `[{table}]`", key.name);
        let problem = found.iter().find(|problem| problem.message == missing);
        assert_eq!(
            problem.is_some(),
            key.is_required(),
            "[{table}] {}",
            key.name
        );
        if let Some(problem) = problem {
            let edit = &problem.repairs[0].edits[0];
            let mut repaired = text.clone();
            repaired.replace_range(edit.span.clone(), &edit.text);
            assert_eq!(
                repaired,
                format!("[{table}]\r\n{} = {}\r\n", key.name, key.example)
            );
        }
    });
}

#[test]
fn a_mistyped_key_is_recognised_in_every_table() {
    each_key(|schema, table, key| {
        let text = format!("[{table}]\n{}x = {}\n", key.name, key.example);
        let found = problems(schema, &text);
        let hint = found
            .iter()
            .find(|problem| problem.code.as_str() == "unknown-key")
            .and_then(|problem| problem.hint.clone());
        let expected = format!("did you mean `{}`?", key.name);
        assert_eq!(hint.as_deref(), Some(expected.as_str()), "[{table}]");
    });
}

#[test]
fn the_names_of_all_tables_are_known() {
    for schema in [&MANIFEST_SCHEMA, &BOARD_SCHEMA] {
        let found = problems(schema, &everything(schema));
        let unknown = found
            .iter()
            .find(|problem| problem.code.as_str() == "unknown-key");
        assert_eq!(unknown, None, "{}", schema.file);
    }
}

/// Puts the reference between the two marks of the page.
fn with_reference(page: &str, schema: &Schema) -> String {
    let begin = format!(
        "<!-- begin: keys of {}, made by `cargo xtask codegen` -->\n",
        schema.file
    );
    let end = format!("<!-- end: keys of {} -->\n", schema.file);
    let (before, rest) = page
        .split_once(&begin)
        .expect("the page has its first mark");
    let (_, after) = rest.split_once(&end).expect("the page has its second mark");
    format!("{before}{begin}\n{}{end}{after}", reference(schema))
}

// `OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp-project --test schema` writes the page.
#[test]
fn the_reference_of_the_keys_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/manifest.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let wanted = with_reference(&with_reference(&page, &MANIFEST_SCHEMA), &BOARD_SCHEMA);
    if std::env::var_os("OTARU_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "docs/manifest.md is stale; `cargo xtask codegen` renews it"
    );
}
