//! C6: replies of hawkBit, goosebit and Otaru's manager are understood however they are split;
//! malformed ones are refused with the field at fault.

use otaru_ddi::json::{self, Fault};
use otaru_ddi::{
    ActionLink, CancelAction, CancelError, CancelReader, Deployment, DeploymentError,
    DeploymentReader, Handling, MaintenanceWindow, PollError, PollLink, PollReader, PollReply,
};

/// Reads a document whole, in every split into two, and byte by byte: all must agree.
fn in_all_splits<T: PartialEq + core::fmt::Debug>(
    document: &str,
    read: impl Fn(&[&[u8]]) -> T,
) -> T {
    let bytes = document.as_bytes();
    let whole = read(&[bytes]);
    for middle in 0..=bytes.len() {
        let (before, after) = bytes.split_at(middle);
        assert_eq!(read(&[before, after]), whole, "split at {middle}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single), whole, "byte by byte");
    whole
}

fn poll(document: &str) -> Result<PollReply, PollError> {
    in_all_splits(document, |pieces| {
        let mut reader = PollReader::new();
        pieces.iter().try_for_each(|piece| reader.push(piece))?;
        reader.finish()
    })
}

fn deployment(document: &str) -> Result<Deployment, DeploymentError> {
    in_all_splits(document, |pieces| {
        let mut reader = DeploymentReader::new();
        pieces.iter().try_for_each(|piece| reader.push(piece))?;
        reader.finish()
    })
}

fn cancel(document: &str) -> Result<CancelAction, CancelError> {
    in_all_splits(document, |pieces| {
        let mut reader = CancelReader::new();
        pieces.iter().try_for_each(|piece| reader.push(piece))?;
        reader.finish()
    })
}

#[test]
fn polls_of_three_servers_are_understood() {
    let hawkbit = poll(include_str!("golden/hawkbit-poll.json")).unwrap();
    assert_eq!(hawkbit.sleep_s, Some(300));
    let link = hawkbit.deployment.unwrap();
    assert_eq!(link.action, 5);
    assert_eq!(
        link.href,
        "https://hawkbit.example/DEFAULT/controller/v1/dev-7/deploymentBase/5?c=-2127183556"
    );
    assert_eq!(
        link.base(),
        "https://hawkbit.example/DEFAULT/controller/v1/dev-7/deploymentBase/5"
    );
    assert_eq!(
        hawkbit.config_data.unwrap(),
        "https://hawkbit.example/DEFAULT/controller/v1/dev-7/configData"
    );
    assert_eq!(hawkbit.cancel, None);

    let hawkbit = poll(include_str!("golden/hawkbit-poll-cancel.json")).unwrap();
    assert_eq!(hawkbit.sleep_s, Some(12 * 3600));
    assert_eq!(hawkbit.cancel.map(|link| link.action), Some(11));
    assert_eq!((hawkbit.deployment, hawkbit.config_data), (None, None));

    let goosebit = poll(include_str!("golden/goosebit-poll.json")).unwrap();
    assert_eq!(goosebit.deployment.map(|link| link.action), Some(3));
    let goosebit = poll(include_str!("golden/goosebit-poll-registration.json")).unwrap();
    assert_eq!((goosebit.sleep_s, goosebit.deployment), (Some(10), None));
    assert!(goosebit.config_data.is_some());

    let otaru = poll(include_str!("golden/otaru-poll.json")).unwrap();
    assert_eq!(otaru.sleep_s, Some(30));
    assert_eq!(otaru.deployment.map(|link| link.action), Some(42));
    assert!(otaru.config_data.is_some());
}

#[test]
fn a_sleep_of_another_form_leaves_the_interval_to_the_device() {
    let check = |sleep: &str, expected: Option<u32>| {
        let document = format!(r#"{{"config":{{"polling":{{"sleep":{sleep}}}}}}}"#);
        assert_eq!(poll(&document).unwrap().sleep_s, expected, "{sleep}");
    };
    check("\"00:00:00\"", Some(0));
    check("\"23:59:59\"", Some(86399));
    check("\"00:60:00\"", None);
    check("\"00:00:61\"", None);
    check("\"0:05:00\"", None);
    check("\"00:05:00 \"", None);
    check("\"+1:05:00\"", None);
    check("300", None);
    check("null", None);
    check("{\"sleep\":\"00:05:00\"}", None);
    check("[\"00:05:00\"]", None);
    check("\"00:05:00\",\"sleep\":true", None);
}

#[test]
fn a_poll_without_work_is_fine() {
    let nothing = PollReply {
        sleep_s: None,
        deployment: None,
        cancel: None,
        config_data: None,
    };
    for document in [
        "{}",
        r#"{"_links":null}"#,
        r#"{"_links":{}}"#,
        r#"{"_links":{"installedBase":{"href":7},"confirmationBase":[],"cancelAction":null}}"#,
        r#"{"x":{"_links":{"configData":5}}}"#,
        r#"{"_links":{"configData":{"href":"/old"}},"_links":{}}"#,
    ] {
        assert_eq!(poll(document).as_ref(), Ok(&nothing), "{document}");
    }
}

#[test]
fn malformed_polls_name_the_link_at_fault() {
    let check = |document: &str, error| assert_eq!(poll(document), Err(error), "{document}");
    check("[]", PollError::NotAPoll);
    check("null", PollError::NotAPoll);
    check("\"_links\"", PollError::NotAPoll);
    check(
        r#"{"_links":[{"configData":{"href":"/"}}]}"#,
        PollError::NotAPoll,
    );
    check(r#"{"_links":"x"}"#, PollError::NotAPoll);
    let with = |link: &str| format!(r#"{{"_links":{{{link}}}}}"#);
    for value in [
        "5",
        "\"/deploymentBase/5\"",
        "[]",
        "{}",
        r#"{"href":null}"#,
        r#"{"href":5}"#,
        r#"{"href":"/deploymentBase/5","href":{}}"#,
    ] {
        let document = with(&format!(r#""deploymentBase":{value}"#));
        check(&document, PollError::Malformed(PollLink::Deployment));
    }
    for href in [
        "",
        "/",
        "deploymentBase/5",
        "/x/5",
        "/deploymentBase/",
        "/deploymentBase/-1",
        "/deploymentBase/5/",
        "/deploymentBase/5x",
        "/deploymentBase/18446744073709551616",
        "/cancelAction/5",
        "http://m/?/deploymentBase/5",
    ] {
        let document = with(&format!(r#""deploymentBase":{{"href":"{href}"}}"#));
        check(&document, PollError::Malformed(PollLink::Deployment));
    }
    check(
        &with(r#""cancelAction":{"href":"/x"}"#),
        PollError::Malformed(PollLink::Cancel),
    );
    check(
        &with(r#""configData":{"href":[]}"#),
        PollError::Malformed(PollLink::ConfigData),
    );
    check(
        "<!doctype html>",
        PollError::Json(json::Error {
            fault: Fault::Syntax,
            offset: 0,
        }),
    );
    check(
        r#"{"_links":{"#,
        PollError::Json(json::Error {
            fault: Fault::Incomplete,
            offset: 11,
        }),
    );
}

#[test]
fn a_link_may_have_256_bytes_and_not_one_more() {
    let tail = "/deploymentBase/7";
    let fits = format!("/{}{tail}", "x".repeat(255 - tail.len()));
    let document = |href: &str| format!(r#"{{"_links":{{"deploymentBase":{{"href":"{href}"}}}}}}"#);
    let expected = ActionLink {
        action: 7,
        href: fits.as_str().try_into().unwrap(),
    };
    assert_eq!(poll(&document(&fits)).unwrap().deployment, Some(expected));
    let largest = document("/deploymentBase/18446744073709551615");
    assert_eq!(poll(&largest).unwrap().deployment.unwrap().action, u64::MAX);
    let error = PollError::TooLong(PollLink::Deployment);
    assert_eq!(poll(&document(&format!("/{fits}"))), Err(error));
}

#[test]
fn deployments_of_hawkbit_and_of_the_manager_are_understood() {
    let hawkbit = deployment(include_str!("golden/hawkbit-deployment.json")).unwrap();
    assert_eq!(hawkbit.id, 8);
    assert_eq!(
        (hawkbit.download, hawkbit.update),
        (Handling::Forced, Handling::Skip)
    );
    assert_eq!(
        hawkbit.maintenance_window,
        Some(MaintenanceWindow::Unavailable)
    );
    assert_eq!(
        (hawkbit.name.as_str(), hawkbit.version.as_str()),
        ("fw", "2.0.0")
    );
    assert_eq!(hawkbit.size, 262_144);
    let sha256 = hawkbit.sha256.unwrap();
    assert_eq!(sha256[..3], [0xA0, 0x3B, 0x22]);
    assert_eq!(sha256[31], 0x15);
    assert_eq!(
        hawkbit.href,
        "https://hawkbit.example/DEFAULT/controller/v1/dev-7/softwaremodules/17/artifacts/fw.img"
    );
    assert_eq!((hawkbit.deadline_s, hawkbit.trials), (90, None));

    let otaru = deployment(include_str!("golden/otaru-deployment.json")).unwrap();
    assert_eq!(otaru.id, 42);
    assert_eq!(
        (otaru.download, otaru.update),
        (Handling::Forced, Handling::Forced)
    );
    assert_eq!(otaru.maintenance_window, None);
    assert_eq!(otaru.version, "1.1.0+7");
    assert!(
        otaru.href.starts_with("http://127.0.0.1:8080/"),
        "{}",
        otaru.href
    );
    assert_eq!((otaru.deadline_s, otaru.trials), (120, None));
}

#[test]
fn goosebit_announces_no_hash_that_a_device_checks() {
    let goosebit = deployment(include_str!("golden/goosebit-deployment.json")).unwrap();
    assert_eq!(
        (goosebit.id, goosebit.size, goosebit.sha256),
        (3, 65536, None)
    );
}

#[test]
fn a_device_without_tls_takes_the_http_link() {
    let mut reader = DeploymentReader::preferring_http();
    reader
        .push(include_bytes!("golden/hawkbit-deployment.json"))
        .unwrap();
    let href = reader.finish().unwrap().href;
    assert!(href.starts_with("http://hawkbit.example/"), "{href}");
}

#[test]
fn cancels_are_understood() {
    for (document, id) in [
        (include_str!("golden/hawkbit-cancel.json"), 11),
        (include_str!("golden/otaru-cancel.json"), 42),
    ] {
        assert_eq!(
            cancel(document),
            Ok(CancelAction {
                id: Some(id),
                stop_id: id
            })
        );
    }
    let bare = r#"{"id":{},"cancelAction":{"stopId":12}}"#;
    assert_eq!(
        cancel(bare),
        Ok(CancelAction {
            id: None,
            stop_id: 12
        })
    );
    for document in [
        "{}",
        "[]",
        r#"{"cancelAction":5}"#,
        r#"{"cancelAction":{"stopId":"1x"}}"#,
        r#"{"cancelAction":{"stopId":["1"]}}"#,
        r#"{"stopId":"1"}"#,
        r#"{"cancelAction":{"stopId":"1"},"cancelAction":{}}"#,
        r#"{"cancelAction":{"stopId":"99999999999999999999999999999999999999"}}"#,
    ] {
        assert_eq!(cancel(document), Err(CancelError::Malformed), "{document}");
    }
}

#[test]
fn a_torn_reply_is_told_from_a_malformed_one() {
    let document = include_str!("golden/otaru-deployment.json").trim_end();
    for len in 0..document.len() {
        let mut reader = DeploymentReader::new();
        reader.push(&document.as_bytes()[..len]).unwrap();
        let offset = u32::try_from(len).unwrap();
        let error = json::Error {
            fault: Fault::Incomplete,
            offset,
        };
        assert_eq!(reader.finish(), Err(DeploymentError::Json(error)));
    }
}

#[test]
fn readers_are_small() {
    let sizes = [
        ("PollReader", size_of::<PollReader>()),
        ("PollReply", size_of::<PollReply>()),
        ("DeploymentReader", size_of::<DeploymentReader>()),
        ("Deployment", size_of::<Deployment>()),
        ("CancelReader", size_of::<CancelReader>()),
    ];
    for (name, size) in sizes {
        println!("{name}: {size} bytes of RAM");
        assert!(size <= 2048, "{name}: {size} bytes");
    }
}
