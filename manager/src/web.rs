//! The web app: server-rendered pages on top of the public API.

use crate::app::AppState;
use axum::Router;

/// The routes of the web app.
pub(crate) fn router(_app: AppState) -> Router<AppState> {
    Router::new()
}
