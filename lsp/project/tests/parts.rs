//! Multi-image: what is said about `[[part]]` tables, and what of them a build works with.

use otaru_lsp_project::{Manifest, Settings};

const HEAD: &str = "[project]\nname = \"lamp\"\nboard = \"host\"\n";
const SIGNING: &str = "[signing]\nkey = \"keys/dev.pem\"\n";
const RADIO: &str =
    "[[part]]\nname = \"radio\"\nindex = 1\nfile = \"r.bin\"\nversion = \"2.1.0\"\n";

fn problems(text: &str) -> Vec<String> {
    Manifest::parse(text)
        .problems
        .iter()
        .map(|problem| {
            let at = text.get(problem.span.clone()).expect("inside the text");
            format!("{at} {}: {}", problem.code.as_str(), problem.message)
        })
        .collect()
}

fn settings(text: &str) -> Settings {
    assert_eq!(problems(text), Vec::<String>::new());
    Manifest::parse(text).model.settings().expect("complete")
}

#[test]
fn parts_and_needs_are_read() {
    let text = format!(
        "{HEAD}needs = [\"radio 2.0.7\"]\n{SIGNING}{RADIO}needs = [\"firmware 1.0.0\", \
         \"resources 3.0.0\"]\n[[part]]\nname = \"resources\"\nindex = 3\nfile = \"a/b.bin\"\n\
         version = \"3.0.1\"\n"
    );
    let settings = settings(&text);
    let versions = |needs: &[(u8, otaru_lsp_project::Version)]| {
        let texts = needs
            .iter()
            .map(|(index, version)| (*index, version.to_string()));
        texts.collect::<Vec<_>>()
    };
    assert_eq!(versions(&settings.needs), [(1, "2.0.7".to_owned())]);
    let [radio, resources] = settings.parts.as_slice() else {
        panic!("{:?}", settings.parts);
    };
    assert_eq!((radio.name.as_str(), radio.index), ("radio", 1));
    let needs = [(0, "1.0.0".to_owned()), (3, "3.0.0".to_owned())];
    assert_eq!(versions(&radio.needs), needs);
    assert_eq!((resources.file.as_str(), resources.index), ("a/b.bin", 3));
    assert_eq!(resources.version.to_string(), "3.0.1");
}

#[test]
fn one_part_may_be_a_plain_table() {
    let text = format!("{HEAD}{SIGNING}{}", RADIO.replace("[[part]]", "[part]"));
    assert_eq!(settings(&text).parts.len(), 1);
    assert_eq!(settings(&format!("{HEAD}{SIGNING}")).parts, []);
}

#[test]
fn what_is_wrong_with_parts_has_a_place() {
    let of = |part: &str| problems(&format!("{HEAD}{SIGNING}{part}"));
    assert_eq!(
        of("[[part]]\nindex = 4\nversion = \"1\"\nfiel = \"x\"\n").len(),
        5
    );
    let twice = of(&format!("{RADIO}{RADIO}"));
    assert_eq!(
        twice,
        [
            "\"radio\" conflict: another part is called `radio` already",
            "1 conflict: another part has index 1 already",
        ]
    );
    let firmware = RADIO.replace("\"radio\"", "\"firmware\"");
    assert_eq!(
        of(&firmware),
        ["\"firmware\" value: `firmware` is the image of the project itself"]
    );
    let wrong = of("part = 7\n");
    assert!(
        wrong.iter().any(|problem| problem.contains("unknown key")),
        "{wrong:?}"
    );
    let list = problems(&format!("part = [7]\n{HEAD}{SIGNING}"));
    assert_eq!(
        list,
        ["7 type: `part` holds tables, this is a whole number"]
    );
}

#[test]
fn the_version_of_a_part_is_written_here() {
    let text = |version: &str| format!("{HEAD}{SIGNING}{}", RADIO.replace("2.1.0", version));
    assert_eq!(problems(&text("cargo")).len(), 1);
    let read = Manifest::parse(&text("v2.1"));
    let edit = &read.problems[0].repairs[0].edits[0];
    assert_eq!(edit.text, "\"2.1.0\"");
}

#[test]
fn a_need_that_is_mistyped_keeps_its_version_when_it_is_repaired() {
    let text = format!("{HEAD}needs = [\"rado 2.0.0\"]\n{SIGNING}{RADIO}");
    let read = Manifest::parse(&text);
    assert_eq!(
        read.problems[0].hint.as_deref(),
        Some("did you mean `radio`?")
    );
    let edit = &read.problems[0].repairs[0].edits[0];
    let mut repaired = text.clone();
    repaired.replace_range(edit.span.clone(), &edit.text);
    assert_eq!(settings(&repaired).needs.len(), 1);
}

#[test]
fn keys_that_a_part_lacks_are_added_below_its_own_header() {
    let text = format!("{HEAD}{SIGNING}{RADIO}\n[[part]]\nname = \"map\"\nindex = 2\n");
    let read = Manifest::parse(&text);
    let missing: Vec<_> = read.problems.iter().map(|found| &found.message).collect();
    assert_eq!(
        missing,
        [
            "`file` is missing in `[part]`",
            "`version` is missing in `[part]`"
        ]
    );
    let edit = &read.problems[0].repairs[0].edits[0];
    let mut repaired = text.clone();
    repaired.replace_range(edit.span.clone(), &edit.text);
    assert!(
        repaired
            .ends_with("[[part]]\nfile = \"assets/resources.bin\"\nname = \"map\"\nindex = 2\n"),
        "{repaired}"
    );
}

#[test]
fn needs_that_nothing_meets_are_reported() {
    let of = |needs: &str| {
        let text = format!("{HEAD}needs = [{needs}]\n{SIGNING}{RADIO}");
        assert!(Manifest::parse(&text).model.settings().is_none() || text.contains("radio 2"));
        problems(&text)
    };
    let unknown = of("\"rado 2.0.0\"");
    assert_eq!(unknown, ["\"rado 2.0.0\" value: there is no part `rado`"]);
    assert_eq!(
        of("\"radio 2.2.0\""),
        ["\"radio 2.2.0\" conflict: `radio` has version 2.1.0, which is too old"]
    );
    let twice = of("\"radio 2.1.0\", \"radio 2.0.0\"");
    assert_eq!(
        twice,
        ["\"radio 2.0.0\" value: `radio` stands in `needs` already"]
    );
    let text = format!("{HEAD}needs = [\"radio\"]\n{SIGNING}{RADIO}");
    assert_eq!(
        problems(&text),
        ["\"radio\" value: a name and a version are needed"]
    );
}
