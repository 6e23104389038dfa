//! What a device says about itself.

use super::device::DdiDevice;
use super::{DdiError, done};
use crate::app::AppState;
use crate::engine::{self, Effects, Note};
use crate::error::ApiError;
use crate::store;
use crate::store::devices::{DeviceRow, Kind};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use otaru_manager_rollout::Event;
use serde_json::{Map, Value};

/// Longest key, in characters.
const KEY_LEN_MAX: usize = 128;
/// Longest value, in characters.
const VALUE_LEN_MAX: usize = 128;
/// Attributes of one device.
const ATTRIBUTES_MAX: usize = 100;

/// `PUT …/configData`, modes `merge` (the default), `replace` and `remove`.
pub(super) async fn put(
    State(app): State<AppState>,
    device: DdiDevice,
    body: Bytes,
) -> Result<Response, DdiError> {
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| ApiError::bad_request("malformed-config-data", error.to_string()))?;
    let mut effects = Effects::default();
    let mut tx = app.store.begin().await?;
    let mut row = store::devices::by_seq(&mut tx, device.row.seq)
        .await?
        .ok_or_else(|| DdiError::not_found("device"))?;
    let attributes = merged(&row.attributes, &body)?;
    row.wants_config = false;
    describe(&mut row, &attributes);
    row.attributes = Value::Object(attributes).to_string();
    store::devices::update_facts(&mut tx, &row).await?;
    if row.kind() == Kind::Otaru {
        // An Otaru device is never offered a foreign artifact, so such an action has no future.
        for mut action in store::actions::open_of_device(&mut tx, row.seq).await? {
            if action.is_foreign {
                let text = Some("an Otaru device installs signed images only");
                let event = (
                    Event::Unsuitable,
                    Note {
                        text,
                        ..Note::default()
                    },
                );
                let applied =
                    engine::apply(&app, &mut tx, &mut action, event, &mut effects).await?;
                debug_assert!(applied.is_ok(), "an open action can always end");
            }
        }
    }
    tx.commit().await?;
    effects.device_changed(row.seq);
    effects.run(&app).await;
    Ok(done())
}

/// The attributes after this request.
fn merged(stored: &str, body: &Value) -> Result<Map<String, Value>, ApiError> {
    let malformed = |what: String| ApiError::bad_request("malformed-config-data", what);
    let mode = body.get("mode").and_then(Value::as_str).unwrap_or("merge");
    let data = body
        .get("data")
        .and_then(Value::as_object)
        .ok_or_else(|| malformed("there is no object `data`".to_owned()))?;
    let mut attributes = match mode {
        "replace" => Map::new(),
        "merge" | "remove" => serde_json::from_str(stored).unwrap_or_default(),
        other => return Err(malformed(format!("`{other}` is not a mode"))),
    };
    for (key, value) in data {
        if mode == "remove" {
            attributes.remove(key);
            continue;
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(malformed(format!("the value of `{key}` is not a text")));
            }
        };
        if key.is_empty()
            || key.chars().count() > KEY_LEN_MAX
            || text.chars().count() > VALUE_LEN_MAX
        {
            return Err(malformed(format!(
                "key or value of an attribute is too long: {key:.40}"
            )));
        }
        attributes.insert(key.clone(), Value::String(text));
    }
    if attributes.len() > ATTRIBUTES_MAX {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-attributes",
            format!("a device has at most {ATTRIBUTES_MAX} attributes"),
        ));
    }
    Ok(attributes)
}

/// Takes over what the manager knows a meaning for.
fn describe(row: &mut DeviceRow, attributes: &Map<String, Value>) {
    let text = |key: &str| {
        let value = attributes.get(key).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let otaru = attributes.keys().any(|key| key.starts_with("otaru."));
    let kind = if otaru { Kind::Otaru } else { Kind::Foreign };
    kind.name().clone_into(&mut row.kind);
    row.version = text("otaru.version");
    row.digest = text("otaru.digest").map(|digest| digest.to_ascii_lowercase());
    row.board = text("otaru.board");
    row.boot_version = text("otaru.boot");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn modes_merge_replace_and_remove() {
        let stored = r#"{"a":"1","b":"2"}"#;
        let after = |body: Value| Value::Object(merged(stored, &body).expect("it is well-formed"));
        assert_eq!(after(json!({"data":{"b":3}})), json!({"a":"1","b":"3"}));
        assert_eq!(
            after(json!({"mode":"replace","data":{"c":"x"}})),
            json!({"c":"x"})
        );
        assert_eq!(
            after(json!({"mode":"remove","data":{"a":""}})),
            json!({"b":"2"})
        );
    }

    #[test]
    fn quotas_hold() {
        let many: Map<_, _> = (0..101).map(|n| (n.to_string(), json!("x"))).collect();
        let status = |body: Value| {
            merged("{}", &body)
                .expect_err("it is refused")
                .status
                .as_u16()
        };
        assert_eq!(status(json!({ "data": many })), 429);
        assert_eq!(status(json!({"data":{"k": "x".repeat(129)}})), 400);
        assert_eq!(status(json!({"data":{"k": []}})), 400);
        assert_eq!(status(json!({"mode":"burn","data":{}})), 400);
    }
}
