//! C6: a malformed deployment is refused with the field at fault.

use otaru_ddi::{
    Deployment, DeploymentError, DeploymentReader, Field, HREF_LEN_MAX, Handling, Reason,
    TRIALS_MAX,
};

const SHA256: &str = "a03b221c6c6eae7122ca51695d456d5222e524889136394944b2f9763b483615";

fn read(document: &str, piece: usize) -> Result<Deployment, DeploymentError> {
    let mut reader = DeploymentReader::new();
    for piece in document.as_bytes().chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}

/// A good deployment with one text in it replaced.
fn replaced(from: &str, to: &str) -> String {
    let document = format!(
        r#"{{"id":"8","deployment":{{"download":"forced","update":"attempt","maintenanceWindow":"available","chunks":[{{"name":"fw","version":"2.0","encrypted":false,"artifacts":[{{"filename":"fw.img","size":4096,"hashes":{{"sha256":"{SHA256}"}},"_links":{{"download":{{"href":"http://m/fw"}}}}}}],"metadata":[{{"key":"otaru.deadline_s","value":"60"}},{{"key":"otaru.trials","value":"2"}}]}}]}}}}"#
    );
    assert!(document.contains(from), "nothing to replace: {from}");
    document.replacen(from, to, 1)
}

fn good(from: &str, to: &str) -> Deployment {
    let document = replaced(from, to);
    read(&document, 7).unwrap_or_else(|error| panic!("{error} in {document}"))
}

fn check(from: &str, to: &str, error: DeploymentError) {
    let document = replaced(from, to);
    assert_eq!(read(&document, 7), Err(error), "{document}");
}

#[test]
fn a_missing_or_mistyped_field_is_named() {
    let required = [
        (r#""id":"8""#, "id", Field::Id),
        (r#""chunks":["#, "chunks", Field::Chunks),
        (r#""size":4096"#, "size", Field::Size),
        (r#""href":"http://m/fw""#, "href", Field::Href),
    ];
    for (from, key, field) in required {
        let missing = from.replace(key, "nothing");
        check(from, &missing, DeploymentError::Malformed(field));
    }
    let typed = [
        ("\"8\"", Field::Id),
        ("\"forced\"", Field::Download),
        ("\"attempt\"", Field::Update),
        ("\"available\"", Field::MaintenanceWindow),
        ("\"2.0\"", Field::Version),
        ("4096", Field::Size),
        ("\"http://m/fw\"", Field::Href),
        ("\"60\"", Field::DeadlineS),
        ("\"2\"", Field::Trials),
    ];
    for (from, field) in typed {
        for wrong in ["true", "-1", "[]", "{}", "[\"x\"]", "{\"href\":\"x\"}"] {
            check(from, wrong, DeploymentError::Malformed(field));
        }
    }
    check(
        SHA256,
        &SHA256[1..],
        DeploymentError::Malformed(Field::Sha256),
    );
    check(
        "\"a03b",
        "\"g03b",
        DeploymentError::Malformed(Field::Sha256),
    );
}

#[test]
fn numbers_outside_their_range_are_refused() {
    check("4096", "0", DeploymentError::Malformed(Field::Size));
    check("4096", "4096.0", DeploymentError::Malformed(Field::Size));
    check("4096", "\"4096\"", DeploymentError::Malformed(Field::Size));
    check("4096", "4294967296", DeploymentError::TooLong(Field::Size));
    check(
        "4096",
        "99999999999999999999",
        DeploymentError::TooLong(Field::Size),
    );
    assert_eq!(good("4096", "4294967295").size, u32::MAX);
    for value in ["\"0\"", "\"65536\"", "\"\"", "\"6 0\"", "null"] {
        check(
            "\"60\"",
            value,
            DeploymentError::Malformed(Field::DeadlineS),
        );
    }
    assert_eq!(good("\"60\"", "65535").deadline_s, u16::MAX);
    for value in ["\"0\"", "\"17\"", "\"999999999999999999999999\""] {
        check("\"2\"", value, DeploymentError::Malformed(Field::Trials));
    }
    assert_eq!(good("\"2\"", "\"16\"").trials, Some(TRIALS_MAX));
    check(
        "\"8\"",
        "\"99999999999999999999\"",
        DeploymentError::TooLong(Field::Id),
    );
    assert_eq!(good("\"8\"", "18446744073709551615").id, u64::MAX);
}

#[test]
fn defaults_hold_where_the_server_says_nothing() {
    let bare = good(
        r#""download":"forced","update":"attempt","maintenanceWindow":"available","#,
        "",
    );
    assert_eq!(
        (bare.download, bare.update),
        (Handling::Attempt, Handling::Attempt)
    );
    assert_eq!(bare.maintenance_window, None);
    let unknown = good("otaru.deadline_s", "otaru.other");
    assert_eq!((unknown.deadline_s, unknown.trials), (300, Some(2)));
    assert_eq!(good("metadata", "nothing").trials, None);
    assert_eq!(good(r#""name":"fw","version":"2.0","#, "").version, "");
}

#[test]
fn long_texts_are_refused_where_they_matter_and_shortened_where_not() {
    let version = "v".repeat(65);
    check("2.0", &version, DeploymentError::TooLong(Field::Version));
    assert_eq!(good("2.0", &version[1..]).version, version[1..]);
    let href = "h".repeat(HREF_LEN_MAX + 1);
    check("http://m/fw", &href, DeploymentError::TooLong(Field::Href));
    assert_eq!(good("http://m/fw", &href[1..]).href, href[1..]);
    assert_eq!(
        good("\"fw\"", &format!("\"{}\"", "€".repeat(99))).name,
        *"€".repeat(42)
    );
    assert_eq!(
        good("\"fw\"", &format!("\"{}\"", "€".repeat(9999))).name,
        *"€".repeat(42)
    );
    assert_eq!(good("\"fw\"", "17").name, "");
}

#[test]
fn the_image_is_chosen_among_the_artifacts_of_the_first_chunk() {
    let artifact = |name: &str, size: u32| {
        format!(
            r#"{{"_links":{{"download":{{"href":"/{name}"}}}},"hashes":{{"sha256":"{SHA256}"}},"size":{size},"filename":"{name}"}}"#
        )
    };
    let choose = |artifacts: &[String]| {
        let artifacts = artifacts.join(",");
        read(
            &format!(r#"{{"id":8,"deployment":{{"chunks":[{{"artifacts":[{artifacts}]}},{{"artifacts":[{}]}}]}}}}"#, artifact("z.img", 9)),
            3,
        )
        .map(|deployment| (deployment.size, deployment.href.as_str().to_owned()))
    };
    let [text, first, second, bare] = [
        artifact("a.txt", 1),
        artifact("b.img", 2),
        artifact("c.img", 3),
        "{}".to_owned(),
    ];
    let chosen = Ok((2, "/b.img".to_owned()));
    assert_eq!(
        choose(&[text.clone(), first.clone(), second.clone()]),
        chosen
    );
    assert_eq!(choose(&[first.clone(), text.clone()]), chosen);
    assert_eq!(
        choose(&[bare.clone(), text.clone(), first, bare.clone()]),
        chosen
    );
    assert_eq!(
        choose(core::slice::from_ref(&text)),
        Ok((1, "/a.txt".to_owned()))
    );
    assert_eq!(
        choose(&[text.clone(), text.clone()]),
        Err(DeploymentError::NoArtifact)
    );
    assert_eq!(choose(&[]), Err(DeploymentError::NoArtifact));
    assert_eq!(
        choose(&[bare]),
        Err(DeploymentError::Malformed(Field::Href))
    );
    check(
        r#""chunks":["#,
        r#""chunks":[],"x":["#,
        DeploymentError::NoArtifact,
    );
    check(
        r#""chunks":["#,
        r#""chunks":[null,"#,
        DeploymentError::NoArtifact,
    );
    check(
        r#""chunks":["#,
        r#""chunks":["x","#,
        DeploymentError::Malformed(Field::Chunks),
    );
    check("artifacts", "nothing", DeploymentError::NoArtifact);
    check(
        r#""artifacts":["#,
        r#""artifacts":7,"x":["#,
        DeploymentError::Malformed(Field::Artifacts),
    );
}

#[test]
fn what_a_device_cannot_do_is_unsupported() {
    check(
        "\"encrypted\":false",
        "\"encrypted\":true",
        DeploymentError::Unsupported(Field::Encrypted),
    );
}

#[test]
fn each_error_has_its_reason() {
    let check = |error: DeploymentError, reason| assert_eq!(error.reason(), reason, "{error}");
    check(
        DeploymentError::Malformed(Field::Id),
        Reason::MalformedDeployment,
    );
    check(
        DeploymentError::TooLong(Field::Href),
        Reason::MalformedDeployment,
    );
    check(DeploymentError::TooLong(Field::Size), Reason::SizeMismatch);
    check(DeploymentError::NoArtifact, Reason::NoArtifact);
    check(
        DeploymentError::Unsupported(Field::Encrypted),
        Reason::Unsupported,
    );
}
