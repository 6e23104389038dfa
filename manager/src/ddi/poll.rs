//! The poll, short and long.

use super::device::DdiDevice;
use super::{DdiError, entity_tag, json_answer, none_match, not_modified};
use crate::app::{App, AppState};
use crate::store::devices::{DeviceRow, Kind};
use crate::store::{self, Conn};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::Response;
use otaru_manager_rollout::Offer;
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time a poll is held. Proxies and address translators drop what is silent for a minute.
const WAIT_S_MAX: u64 = 55;

/// `GET` of the base address. With `Prefer: wait=N` and an `If-None-Match` that still holds, the
/// answer waits until it would be another one.
pub(super) async fn poll(
    State(app): State<AppState>,
    device: DdiDevice,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let seq = device.row.seq;
    let text = poll_text(&app, &device.row, &device.url).await?;
    let tag = entity_tag(&text);
    if !none_match(&headers, &tag) {
        return Ok(json_answer(text, &tag));
    }
    let wait = wanted_wait(&headers);
    if wait.is_zero() {
        return Ok(not_modified(&tag));
    }
    drop(text);
    let deadline = Instant::now() + wait;
    let _held = app.presence.hold(seq);
    loop {
        let bell = app
            .presence
            .bell(seq)
            .ok_or_else(|| DdiError::not_found("device"))?;
        // Listening begins before the state is read, so a change in between is not missed.
        let mut rung = std::pin::pin!(bell.notified());
        rung.as_mut().enable();
        let text = Box::pin(text_now(&app, seq, &device.url)).await?;
        let tag = entity_tag(&text);
        if !none_match(&headers, &tag) {
            return Ok(json_answer(text, &tag));
        }
        if app.is_stopping() {
            return Ok(not_modified(&tag));
        }
        drop(text);
        if tokio::time::timeout_at(deadline, rung).await.is_err() {
            app.presence.touch(seq, app.now_ms(), &device.address);
            return Ok(not_modified(&tag));
        }
    }
}

/// The answer as it would be now, however long ago the device was looked up.
async fn text_now(app: &App, seq: i64, url: &str) -> Result<String, DdiError> {
    let row = {
        let mut conn = app.store.reader().await?;
        store::devices::by_seq(&mut conn, seq).await?
    };
    poll_text(app, &row.ok_or_else(|| DdiError::not_found("device"))?, url).await
}

/// Boxed, so that a poll that is held does not keep the room for queries.
fn poll_text<'a>(
    app: &'a App,
    row: &'a DeviceRow,
    url: &'a str,
) -> Pin<Box<dyn Future<Output = Result<String, DdiError>> + Send + 'a>> {
    Box::pin(async move { Ok(poll_body(app, row, url).await?.to_string()) })
}

async fn poll_body(app: &App, row: &DeviceRow, url: &str) -> Result<Value, DdiError> {
    let mut links = Map::new();
    let mut link = |name: &str, path: &str| {
        links.insert(name.to_owned(), json!({ "href": format!("{url}/{path}") }));
    };
    if row.approved {
        let mut conn = app.store.reader().await?;
        if let Some((offer, ddi_id)) = offered(app, &mut conn, row).await? {
            match offer {
                // Older clients look for a query, which hawkBit always has here.
                Offer::Deployment => {
                    link("deploymentBase", &format!("deploymentBase/{ddi_id}?c=1"));
                }
                Offer::Cancel => link("cancelAction", &format!("cancelAction/{ddi_id}")),
                Offer::Nothing => {}
            }
        }
        if let Some(ddi_id) = row.installed {
            link("installedBase", &format!("installedBase/{ddi_id}"));
        }
    }
    if row.wants_config {
        link("configData", "configData");
    }
    let sleep = sleep_text(app.config.poll_interval);
    Ok(json!({ "config": { "polling": { "sleep": sleep } }, "_links": links }))
}

/// What the device is offered now, and for which attempt.
pub(super) async fn offered(
    app: &App,
    conn: &mut Conn,
    device: &DeviceRow,
) -> sqlx::Result<Option<(Offer, i64)>> {
    let Some(action) = store::actions::current(conn, device.seq).await? else {
        return Ok(None);
    };
    if action.is_foreign && device.kind() == Kind::Otaru {
        return Ok(None);
    }
    Ok(Some((action.state.offer(app.now_ms()), action.ddi_id)))
}

fn wanted_wait(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get_all(HeaderName::from_static("prefer"))
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split([',', ';']))
        .filter_map(|one| one.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().parse::<u64>().ok());
    Duration::from_secs(seconds.unwrap_or(0).min(WAIT_S_MAX))
}

/// `HH:MM:SS`, always 8 characters.
fn sleep_text(interval: Duration) -> String {
    let seconds = interval.as_secs().clamp(1, 24 * 3_600 - 1);
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn wait_is_read_and_limited() {
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("prefer"),
                HeaderValue::from_static(text),
            )]);
            wanted_wait(&headers).as_secs()
        };
        assert_eq!(wait("wait=30"), 30);
        assert_eq!(wait("respond-async, Wait = 7"), 7);
        assert_eq!(wait("wait=4000000000"), WAIT_S_MAX);
        assert_eq!(wait("wait=-1"), 0);
        assert_eq!(wait("waiting"), 0);
    }

    #[test]
    fn sleep_has_eight_characters() {
        assert_eq!(sleep_text(Duration::from_secs(0)), "00:00:01");
        assert_eq!(sleep_text(Duration::from_secs(3_723)), "01:02:03");
        assert_eq!(sleep_text(Duration::from_secs(1_000_000)), "23:59:59");
    }
}
