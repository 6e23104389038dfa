//! Server-sent events.

use super::request::Params;
use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::events::{Event, Missed};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use utoipa::IntoParams;

#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only events about this device (its id).
    device: Option<String>,
    /// Only events about this action.
    action: Option<String>,
}

/// Watches the workspace: `action` (an action without attempts), `device`, `version`, each with
/// the thing as JSON, and `resync` when events were missed and the state has to be read again.
#[utoipa::path(get, path = "/events", tag = "events",
    params(Filter, ("last-event-id" = Option<String>, Header, description = "go on behind this one")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
pub(super) async fn events(
    State(app): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    let last_id = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let (missed, receiver) = app.events.subscribe(last_id);
    let first = match missed {
        Missed::Events(events) => events.into_iter().map(Item::Event).collect(),
        Missed::Unknown => vec![Item::Resync],
    };
    let stopping = app.stopping.subscribe();
    let workspace = caller.workspace;
    let items = stream::iter(first)
        .chain(follow(receiver, stopping))
        .filter_map(move |item| {
            let shown = item.show(&workspace, &filter);
            async move { shown.map(Ok::<_, Infallible>) }
        });
    Ok(Sse::new(items).keep_alive(KeepAlive::default()))
}

enum Item {
    Event(Arc<Event>),
    Resync,
}

impl Item {
    fn show(self, workspace: &str, filter: &Filter) -> Option<sse::Event> {
        let event = match self {
            Self::Resync => return Some(sse::Event::default().event("resync").data("{}")),
            Self::Event(event) => event,
        };
        let matches =
            |wanted: &Option<String>, actual: &Option<String>| wanted.is_none() || wanted == actual;
        let shown = event.workspace == workspace
            && matches(&filter.device, &event.device)
            && matches(&filter.action, &event.action);
        shown.then(|| {
            sse::Event::default()
                .event(event.kind)
                .id(event.id())
                .data(event.data.as_str())
        })
    }
}

fn follow(
    receiver: Receiver<Arc<Event>>,
    stopping: watch::Receiver<bool>,
) -> impl Stream<Item = Item> {
    stream::unfold(
        (receiver, stopping),
        |(mut receiver, mut stopping)| async move {
            let received = tokio::select! {
                received = receiver.recv() => received,
                _ = stopping.wait_for(|stopping| *stopping) => return None,
            };
            let item = match received {
                Ok(event) => Item::Event(event),
                Err(RecvError::Lagged(_)) => Item::Resync,
                Err(RecvError::Closed) => return None,
            };
            Some((item, (receiver, stopping)))
        },
    )
}
