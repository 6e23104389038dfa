//! What is said about a manifest, and what of a broken one can still be read.
// Issue 2, section 5: diagnostics for Otaru.toml (syntax, unknown and missing keys, board).

use otaru_lsp_project::{
    FILE_LEN_MAX, ImageLayout, LineIndex, Manifest, Mode, Parsed, UpdateTarget, VersionSource,
};

const COMPLETE: &str = r#"
[project]
name = "lamp"
board = "host"
mode = "swap"
version = "2.0.1"
package = "lamp-fw"
bin = "lamp"
features = ["quiet"]

[signing]
key = "keys/dev.pem"
security_counter = 3

[manager]
url = "https://fota.example/"
firmware = "lamp-firmware"
device = "lamp-1"
"#;

/// One line per problem: place of the span, code, message, hint.
fn describe<M>(text: &str, parsed: &Parsed<M>) -> Vec<String> {
    let index = LineIndex::new(text);
    parsed
        .problems
        .iter()
        .map(|problem| {
            let at = index.position(problem.span.start);
            let hint = problem
                .hint
                .as_ref()
                .map_or(String::new(), |hint| format!(" | {hint}"));
            format!(
                "{}:{} {:?} {}: {}{hint}",
                at.line + 1,
                at.chars + 1,
                text.get(problem.span.clone())
                    .expect("spans lie inside the text"),
                problem.code.as_str(),
                problem.message,
            )
        })
        .collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(
        describe(text, &Manifest::parse(text)),
        expected,
        "in\n{text}"
    );
}

/// A complete manifest with one line replaced.
fn with(line: &str, replacement: &str) -> String {
    assert!(
        COMPLETE.contains(line),
        "{line:?} is part of the complete manifest"
    );
    COMPLETE.replace(line, replacement)
}

#[test]
fn a_complete_manifest_has_no_problems_and_all_settings() {
    let read = Manifest::parse(COMPLETE);
    assert_eq!(describe(COMPLETE, &read), Vec::<String>::new());
    let settings = read.model.settings().unwrap();
    assert_eq!(settings.name, "lamp");
    assert_eq!(settings.board.name, "host");
    assert_eq!(settings.mode, Mode::Swap);
    assert_eq!(
        settings.version,
        VersionSource::Given("2.0.1".parse().unwrap())
    );
    assert_eq!(settings.package.as_deref(), Some("lamp-fw"));
    assert_eq!(settings.bin.as_deref(), Some("lamp"));
    assert_eq!(settings.features, ["quiet"]);
    assert_eq!(settings.key, "keys/dev.pem");
    assert_eq!(settings.security_counter, 3);
    assert!(settings.key_table.is_empty() && settings.revoke.is_empty());
    assert_eq!(
        settings.manager_url.unwrap().as_str(),
        "https://fota.example"
    );
    assert_eq!(settings.firmware, "lamp-firmware");
    assert_eq!(
        settings.target,
        Some(UpdateTarget::Device("lamp-1".to_owned()))
    );
}

#[test]
fn the_shortest_manifest_takes_the_defaults() {
    let text = "[project]\nname='lamp'\nboard='host'\n[signing]\nkey='k.pem'";
    check(text, &[]);
    let settings = Manifest::parse(text).model.settings().unwrap();
    assert_eq!(settings.mode, Mode::Standby);
    assert_eq!(settings.version, VersionSource::Cargo);
    assert_eq!(settings.firmware, "lamp");
    assert_eq!(settings.target, None);
    assert_eq!(settings.manager_url, None);
}

#[test]
fn an_empty_file_names_what_is_missing() {
    check(
        "",
        &[
            "1:1 \"\" missing-required: `name` is missing in `[project]` | add `name = \"my-product\"`",
            "1:1 \"\" missing-required: `board` is missing in `[project]` | add `board = \"host\"`",
            "1:1 \"\" missing-required: `key` is missing in `[signing]` | add `key = \"keys/dev.pem\"`; `otaru keys new` makes one",
        ],
    );
}

#[test]
fn typing_mistakes_are_answered_with_the_word_that_was_meant() {
    for (line, replacement, expected) in [
        (
            "board = \"host\"",
            "board = \"hosd\"",
            "4:9 \"\\\"hosd\\\"\" board-unknown: there is no board `hosd` | did you mean `host`?",
        ),
        (
            "mode = \"swap\"",
            "mode = \"swop\"",
            "5:8 \"\\\"swop\\\"\" value: `swop` is not an install mode | did you mean `swap`?",
        ),
        (
            "bin = \"lamp\"",
            "bni = \"lamp\"",
            "8:1 \"bni\" unknown-key: unknown key `bni` in `[project]` | did you mean `bin`?",
        ),
        (
            "[manager]",
            "[manger]",
            "15:2 \"manger\" unknown-key: unknown table `manger` | did you mean `manager`?",
        ),
        (
            "firmware = \"lamp-firmware\"",
            "colour = 1",
            "17:1 \"colour\" unknown-key: unknown key `colour` in `[manager]` | known here: `url`, `firmware`, `device`, `fleet`",
        ),
    ] {
        check(&with(line, replacement), &[expected]);
    }
}

#[test]
fn values_that_cannot_work_are_refused_with_their_reason() {
    for (line, replacement, expected) in [
        (
            "version = \"2.0.1\"",
            "version = \"2.0\"",
            "6:11 \"\\\"2.0\\\"\" version-not-semver: a version has three numbers: MAJOR.MINOR.PATCH | `version = \"cargo\"` takes the version of Cargo.toml",
        ),
        (
            "name = \"lamp\"",
            "name = 7",
            "3:8 \"7\" type: `name` must be a string, this is a whole number",
        ),
        (
            "name = \"lamp\"",
            "name = \"\"",
            "3:8 \"\\\"\\\"\" value: `name` is empty",
        ),
        (
            "features = [\"quiet\"]",
            "features = \"quiet\"",
            "9:12 \"\\\"quiet\\\"\" type: `features` must be a list of strings, this is a string",
        ),
        (
            "features = [\"quiet\"]",
            "features = [1]",
            "9:13 \"1\" type: `features` holds strings, this is a whole number",
        ),
        (
            "security_counter = 3",
            "security_counter = -1",
            "13:20 \"-1\" value: `security_counter` must be from 0 to 4294967295",
        ),
        (
            "security_counter = 3",
            "security_counter = 4294967296",
            "13:20 \"4294967296\" value: `security_counter` must be from 0 to 4294967295",
        ),
        (
            "url = \"https://fota.example/\"",
            "url = \"fota.example\"",
            "16:7 \"\\\"fota.example\\\"\" manager-url: an address begins with `http://` or `https://`",
        ),
        (
            "url = \"https://fota.example/\"",
            "url = \"http://fota.example\"",
            "16:7 \"\\\"http://fota.example\\\"\" manager-url-plaintext: commands and tokens would cross the network unencrypted | use an `https://` address for a manager on another machine",
        ),
        (
            "firmware = \"lamp-firmware\"",
            "fleet = \"all lamps\"",
            "17:1 \"fleet\" conflict: `device` and `fleet` exclude each other | keep the one that an update should address",
        ),
        (
            "firmware = \"lamp-firmware\"",
            "api_key = \"abc\"",
            "17:11 \"\\\"abc\\\"\" secret-inline: `api_key` looks like a secret, and this file goes into version control | remove it, and store it with `otaru login` or in OTARU_API_KEY",
        ),
    ] {
        check(&with(line, replacement), &[expected]);
    }
}

#[test]
fn a_table_that_is_not_a_table_is_a_type_problem() {
    check(
        "project = 1\n[signing]\nkey='k'",
        &[
            "1:1 \"project\" missing-required: `name` is missing in `[project]` | add `name = \"my-product\"`",
            "1:1 \"project\" missing-required: `board` is missing in `[project]` | add `board = \"host\"`",
            "1:11 \"1\" type: `project` must be a table, this is a whole number",
        ],
    );
}

#[test]
fn half_typed_lines_keep_everything_else_readable() {
    // A value not typed yet, then a key not typed yet.
    let text = "[project]\nname = \nboard = \"host\"\nmo\n[signing]\nkey = \"k.pem\"\n";
    let read = Manifest::parse(text);
    assert!(
        read.problems
            .iter()
            .any(|problem| problem.code.as_str() == "syntax")
    );
    assert_eq!(read.model.project.board.unwrap().value, "host");
    assert_eq!(read.model.project.name, None);
    assert!(
        !describe(text, &Manifest::parse(text))
            .iter()
            .any(|line| line.contains("`name` is empty"))
    );
}

#[test]
fn spans_are_right_behind_emoji_and_with_crlf() {
    let text = "# 😀 ünï\r\n[project]\r\nname = \"lämp 😀\" # 😀\r\nbaord = \"host\"\r\nboard = \"host\"\r\n[signing]\r\nkey = \"k\"\r\n";
    check(
        text,
        &["4:1 \"baord\" unknown-key: unknown key `baord` in `[project]` | did you mean `board`?"],
    );
    let name = Manifest::parse(text).model.project.name.unwrap();
    assert_eq!(name.value, "lämp 😀");
    assert_eq!(&text[name.span], "\"lämp 😀\"");
    assert_eq!(&text[name.key_span], "name");
}

#[test]
fn the_span_of_a_table_is_its_name() {
    let project = Manifest::parse(COMPLETE).model.project;
    assert_eq!(&COMPLETE[project.span], "project");
}

#[test]
fn every_prefix_of_a_manifest_is_read_without_a_panic() {
    let text = COMPLETE.replace("lamp-fw", "lämp-😀");
    for end in 0..=text.len() {
        if text.is_char_boundary(end) {
            let read = Manifest::parse(&text[..end]);
            let settings = read.model.settings();
            assert!(
                settings.is_some() || !read.is_usable(),
                "silent gap in prefix {end}"
            );
            drop(describe(&text[..end], &read));
        }
    }
}

#[test]
fn hostile_files_end_in_bounded_problems() {
    let deep = "a = ".to_owned() + &"[".repeat(200_000);
    let keys = "x".repeat(50_000) + " = 1";
    let garbage = "\u{0}\u{1}=[[[\"\"\"".repeat(500);
    for text in [deep.as_str(), keys.as_str(), garbage.as_str()] {
        let read = Manifest::parse(text);
        assert!(!read.is_usable());
        assert!(
            read.problems.len() < 100,
            "{} problems",
            read.problems.len()
        );
    }
    let long = " ".repeat(FILE_LEN_MAX + 1);
    assert!(
        Manifest::parse(&long).problems[0]
            .message
            .contains("at most 262144 are read")
    );
}

#[test]
fn the_example_of_the_documentation_is_sound() {
    let page = include_str!("../../../docs/manifest.md");
    let example = page
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    check(example, &[]);
}

/// The complete manifest with these lines behind the security counter, in lines 14 and following.
fn with_keys(lines: &str) -> String {
    with(
        "security_counter = 3",
        &format!("security_counter = 3\n{lines}"),
    )
}

#[test]
fn keys_to_revoke_are_keys_of_the_table_and_not_the_one_that_signs() {
    let table = "key_table = [\"keys/old.pub\", \"keys/dev.pem\"]";
    let check_revoke = |revoke: &str, expected: &str| {
        let text = with_keys(&format!("{table}\nrevoke = [\"{revoke}\"]"));
        check(&text, &[expected]);
    };
    check_revoke(
        "keys/odl.pub",
        "15:11 \"\\\"keys/odl.pub\\\"\" value: `keys/odl.pub` is not in `key_table` | did you mean `keys/old.pub`?",
    );
    check_revoke(
        "keys/dev.pem",
        "15:11 \"\\\"keys/dev.pem\\\"\" conflict: `keys/dev.pem` signs the image and cannot be revoked by it | sign with the key that you move to: `key`",
    );
    check(
        &with_keys("revoke = [\"keys/old.pub\"]"),
        &[
            "14:11 \"\\\"keys/old.pub\\\"\" value: `keys/old.pub` is not in `key_table` | list in `key_table` which keys your devices were flashed with",
        ],
    );
    let good = with_keys(&format!("{table}\nrevoke = [\"keys/old.pub\"]"));
    check(&good, &[]);
    let settings = Manifest::parse(&good).model.settings().unwrap();
    assert_eq!(settings.key_table, ["keys/old.pub", "keys/dev.pem"]);
    assert_eq!(settings.revoke, ["keys/old.pub"]);
}

#[test]
fn a_key_table_has_eight_places_and_names_each_key_once() {
    let names = |count: u8| {
        let names: Vec<String> = (0..count).map(|n| format!("\"k{n}\"")).collect();
        with_keys(&format!("key_table = [{}]", names.join(", ")))
    };
    check(&names(8), &[]);
    check(
        &names(10),
        &["14:62 \"\\\"k8\\\"\" value: a device holds at most 8 keys"],
    );
    check(
        &with_keys("key_table = [\"a\", \"a\"]"),
        &["14:19 \"\\\"a\\\"\" value: `a` stands in `key_table` already"],
    );
}

#[test]
fn an_image_layout_is_read_and_refused_where_it_cannot_be_kept() {
    // A build option that keeps the layout of an image stable between versions.
    let text = |board: &str, layout: &str| {
        format!(
            "[project]\nname = \"lamp\"\nboard = \"{board}\"\nimage_layout = \"{layout}\"\n\
             [signing]\nkey = \"k\"\n"
        )
    };
    let read = Manifest::parse(&text("nrf52840", "stable"));
    let settings = read.model.settings().expect("complete");
    assert_eq!(settings.image_layout, ImageLayout::Stable);
    let read = Manifest::parse(&text("host", "free"));
    let settings = read.model.settings().expect("complete");
    assert_eq!(settings.image_layout, ImageLayout::Free);
    check(
        &text("host", "stable"),
        &[
            "4:16 \"\\\"stable\\\"\" conflict: images of this board are whole executables, whose \
             layout cannot be kept | leave `image_layout` out",
        ],
    );
    check(
        &text("nrf52840", "stabel"),
        &[
            "4:16 \"\\\"stabel\\\"\" value: `stabel` is not an image layout | did you mean \
             `stable`?",
        ],
    );
}

#[test]
fn images_are_encrypted_if_the_manifest_names_a_key() {
    let text = |lines: &str| with_keys(&format!("[encryption]\n{lines}"));
    let settings = |lines: &str| {
        check(&text(lines), &[]);
        let model = Manifest::parse(&text(lines)).model;
        let encryption = model.settings().unwrap().encryption;
        encryption.map(|settings| (settings.key, settings.aes_256))
    };
    let key = "key = \"keys/device.pem\"";
    let expected = |long| Some(("keys/device.pem".to_owned(), long));
    assert_eq!(settings(key), expected(false));
    assert_eq!(settings(&format!("{key}\naes = 128")), expected(false));
    assert_eq!(settings(&format!("{key}\naes = 256")), expected(true));
    check(
        &text(&format!("{key}\naes = 192")),
        &["16:7 \"192\" value: `aes` must be 128 or 256"],
    );
    check(
        &text("aes = 256"),
        &[
            "14:2 \"encryption\" missing-required: `key` is missing in `[encryption]` | add `key = \"keys/device.pem\"`; `otaru keys new --encryption` makes one",
        ],
    );
    let plain = Manifest::parse(&with_keys("")).model.settings().unwrap();
    assert_eq!(plain.encryption, None);
}
