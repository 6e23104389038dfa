//! C6: any deployment is understood as a plain reading of the whole document would understand it.

use otaru_ddi::{Deployment, DeploymentError, DeploymentReader, Handling, MaintenanceWindow};
use proptest::prelude::*;
use serde_json::Value;

const SHA256: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const DIGEST: [u8; 32] = [0x11; 32];
const HASHES: &[&str] = &["\"1111111111111111111111111111111111111111111111111111111111111111\""];

fn read(document: &str, piece: usize) -> Result<Deployment, DeploymentError> {
    let mut reader = DeploymentReader::new();
    for piece in document.as_bytes().chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}

/// A document whose objects may repeat a key.
#[derive(Debug, Clone)]
enum Json {
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl core::fmt::Display for Json {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (key, member)) in members.iter().enumerate() {
                    write!(f, "{}\"{key}\":{member}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Mostly one of `usual`, sometimes a value of another type.
fn text(usual: &'static [&'static str]) -> BoxedStrategy<Json> {
    let odd = &[
        "null",
        "true",
        "7",
        "\"x\"",
        "[]",
        "{}",
        "[7]",
        "{\"href\":\"/x\"}",
        "1e3",
    ];
    prop_oneof![
        60 => prop::sample::select(usual),
        1 => prop::sample::select(&odd[..]),
    ]
    .prop_map(|text| Json::Text(text.to_owned()))
    .boxed()
}

/// Mostly every member once; sometimes without one, or in another order, or with one twice.
fn object(members: Vec<(&'static str, BoxedStrategy<Json>)>) -> BoxedStrategy<Json> {
    let extra = prop::sample::select(members.clone())
        .prop_flat_map(|(key, value)| value.prop_map(move |value| (key, value)));
    let all: Vec<_> = members
        .into_iter()
        .map(|(key, value)| {
            prop_oneof![
                1 => Just(None),
                40 => value.prop_map(move |value| Some((key, value))),
            ]
        })
        .collect();
    let all = all.prop_map(|all| all.into_iter().flatten().collect::<Vec<_>>());
    let repeated = (all.clone(), extra).prop_map(|(mut all, extra)| {
        all.push(extra);
        all
    });
    let shape = prop_oneof![6 => all, 2 => repeated];
    prop_oneof![
        60 => shape.prop_shuffle().prop_map(Json::Object),
        1 => text(&["[]", "null"]),
    ]
    .boxed()
}

fn array(element: BoxedStrategy<Json>, max: usize) -> BoxedStrategy<Json> {
    prop_oneof![
        10 => prop::collection::vec(element.clone(), 1..=max).prop_map(Json::Array),
        1 => prop::collection::vec(element, 0..=max).prop_map(Json::Array),
        1 => text(&["{}", "null"]),
    ]
    .boxed()
}

fn link() -> BoxedStrategy<Json> {
    object(vec![(
        "href",
        text(&["\"/a\"", "\"http://m/b\"", "\"https://m/c\""]),
    )])
}

fn documents() -> BoxedStrategy<Json> {
    // Without repeated keys: of a link that comes twice only the last is kept, not what it hid.
    let links = prop::collection::hash_map(
        prop::sample::select(&["download", "download-http", "md5sum"][..]),
        link(),
        1..=3,
    )
    .prop_map(|links| Json::Object(links.into_iter().collect()))
    .boxed();
    let artifact = object(vec![
        ("filename", text(&["\"a.img\"", "\"b.img\"", "\"c.txt\""])),
        ("size", text(&["1", "4096", "4294967295"])),
        (
            "hashes",
            object(vec![("sha256", text(HASHES)), ("md5", text(HASHES))]),
        ),
        ("_links", links),
    ]);
    let entry = object(vec![
        (
            "key",
            text(&["\"otaru.deadline_s\"", "\"otaru.trials\"", "\"k\""]),
        ),
        ("value", text(&["\"1\"", "\"16\"", "9"])),
    ]);
    let chunk = object(vec![
        ("name", text(&["\"fw\"", "\"n\\u20ac\""])),
        ("version", text(&["\"1\"", "\"2.0+1\""])),
        ("encrypted", text(&["false"])),
        ("artifacts", array(artifact, 4)),
        ("metadata", array(entry, 3)),
    ]);
    let handling = &["\"skip\"", "\"attempt\"", "\"forced\""];
    let deployment = object(vec![
        ("download", text(handling)),
        ("update", text(handling)),
        (
            "maintenanceWindow",
            text(&["\"available\"", "\"unavailable\""]),
        ),
        ("chunks", array(chunk, 2)),
    ]);
    object(vec![
        ("id", text(&["\"1\"", "23", "\"18446744073709551615\""])),
        ("deployment", deployment),
        ("actionHistory", text(&["{\"id\":5,\"messages\":[\"m\"]}"])),
    ])
}

/// The deployment as read from the complete document; `None` when it cannot be carried out.
fn model(root: &Value) -> Option<Deployment> {
    let deployment = &root["deployment"];
    let chunk = deployment["chunks"].as_array()?.first()?.as_object()?;
    let of_chunk = |key| chunk.get(key).unwrap_or(&Value::Null);
    if !matches!(of_chunk("encrypted"), Value::Null | Value::Bool(false)) {
        return None;
    }
    let artifact = artifact(of_chunk("artifacts").as_array()?)?;
    let hashes = &artifact["hashes"];
    let sha256 = if hashes.is_null() {
        None
    } else {
        hashes.as_object()?.get("sha256")
    };
    let sha256 = sha256.filter(|value| !value.is_null());
    let metadata = of_chunk("metadata");
    Some(Deployment {
        id: number(&root["id"])?,
        download: handling(&deployment["download"])?,
        update: handling(&deployment["update"])?,
        maintenance_window: match text_or(&deployment["maintenanceWindow"], "none")? {
            "none" => None,
            "available" => Some(MaintenanceWindow::Available),
            "unavailable" => Some(MaintenanceWindow::Unavailable),
            _ => return None,
        },
        name: of_chunk("name")
            .as_str()
            .unwrap_or_default()
            .try_into()
            .ok()?,
        version: text_or(of_chunk("version"), "")?.try_into().ok()?,
        size: artifact["size"].as_u64()?.try_into().ok()?,
        sha256: match sha256 {
            None => None,
            Some(value) => Some((value == SHA256).then_some(DIGEST)?),
        },
        href: href(&artifact["_links"])?.try_into().ok()?,
        deadline_s: setting(metadata, "otaru.deadline_s", 65535)?
            .unwrap_or(300)
            .try_into()
            .ok()?,
        trials: match setting(metadata, "otaru.trials", 16)? {
            Some(value) => Some(value.try_into().ok()?),
            None => None,
        },
    })
}

fn artifact(artifacts: &[Value]) -> Option<&Value> {
    let image = |artifact: &&Value| {
        artifact["filename"]
            .as_str()
            .is_some_and(|name| name == "a.img" || name == "b.img")
    };
    artifacts.iter().find(image).or(match artifacts {
        [only] => Some(only),
        _ => None,
    })
}

fn href(links: &Value) -> Option<&str> {
    let href = |name: &str| links[name].get("href");
    href("download").or(href("download-http"))?.as_str()
}

/// The value of a metadata key, if it is there; `None` if it is not in range. The last one holds,
/// also over a bad one before it.
#[expect(
    clippy::option_option,
    reason = "not there and not good are different here"
)]
fn setting(metadata: &Value, name: &str, max: u64) -> Option<Option<u64>> {
    let mut entries = metadata.as_array().into_iter().flatten();
    let Some(last) = entries.rfind(|entry| entry["key"] == name) else {
        return Some(None);
    };
    let value = number(&last["value"]).filter(|value| (1..=max).contains(value));
    value.map(Some)
}

fn number(value: &Value) -> Option<u64> {
    match value.as_str() {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        Some(_) => None,
        None => value.as_u64(),
    }
}

/// A text, or `absent` if there is none; `None` for another type.
fn text_or<'a>(value: &'a Value, absent: &'a str) -> Option<&'a str> {
    if value.is_null() {
        Some(absent)
    } else {
        value.as_str()
    }
}

fn handling(value: &Value) -> Option<Handling> {
    match text_or(value, "attempt")? {
        "skip" => Some(Handling::Skip),
        "attempt" => Some(Handling::Attempt),
        "forced" => Some(Handling::Forced),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_deployment_is_understood_as_a_plain_reading_understands_it(
        document in documents(),
        piece in 1_usize..40,
    ) {
        let document = document.to_string();
        let root: Value = serde_json::from_str(&document).unwrap();
        let read = read(&document, piece);
        let expected = model(&root);
        prop_assert_eq!(read.as_ref().ok(), expected.as_ref(), "{}: {:?}", document, read);
    }

    #[test]
    fn damaged_deployments_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        piece in 1_usize..40,
    ) {
        let mut document = include_str!("golden/otaru-deployment.json").to_owned().into_bytes();
        for (index, byte) in damage {
            let index = index.index(document.len());
            document[index] = byte;
        }
        let mut reader = DeploymentReader::new();
        let pushed = document.chunks(piece).try_for_each(|piece| reader.push(piece));
        let read = reader.finish();
        match serde_json::from_slice::<Value>(&document) {
            Ok(_) => prop_assert_eq!(pushed, Ok(())),
            // A number beyond a double is grammatical: it is its reader's business.
            Err(error) if error.to_string().starts_with("number out of range") => {}
            Err(error) => {
                prop_assert!(matches!(read, Err(DeploymentError::Json(_))), "{:?}, {}", read, error);
            }
        }
        if let Ok(read) = read {
            prop_assert!(read.size > 0 && read.deadline_s > 0);
            prop_assert!(matches!(
                read.maintenance_window,
                None | Some(MaintenanceWindow::Available | MaintenanceWindow::Unavailable)
            ));
        }
    }
}
