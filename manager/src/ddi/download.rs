//! Artifacts.

use super::device::DdiDevice;
use super::range::{Wanted, wanted};
use super::{DdiError, deployment, none_match, not_modified, set_tag, tagged};
use crate::app::AppState;
use crate::store;
use crate::store::catalog::VersionRow;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, Deserialize)]
pub(super) struct ModulePath {
    module: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct FilePath {
    module: i64,
    file: String,
}

/// `GET …/softwaremodules/{module}/artifacts`.
pub(super) async fn list(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<ModulePath>,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let version = version_for(&app, &device, path.module).await?;
    Ok(tagged(
        &json!([deployment::artifact(&device.url, &version)]),
        &headers,
    ))
}

/// `GET` and `HEAD …/softwaremodules/{module}/artifacts/{file}`, and `{file}.MD5SUM`.
pub(super) async fn file(
    State(app): State<AppState>,
    device: DdiDevice,
    Path(path): Path<FilePath>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, DdiError> {
    let version = version_for(&app, &device, path.module).await?;
    if path.file == version.file_name {
        return content(&app, &version, &method, &headers).await;
    }
    if path.file.strip_suffix(".MD5SUM") == Some(version.file_name.as_str()) {
        return Ok(md5sum(&version));
    }
    Err(DdiError::not_found("artifact for this device"))
}

async fn content(
    app: &AppState,
    version: &VersionRow,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, DdiError> {
    let tag = format!("\"{}\"", version.sha256);
    let len = u64::try_from(version.size).unwrap_or(0);
    if let Some(expected) = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok())
        && expected != "*"
        && expected.split(',').all(|one| one.trim() != tag)
    {
        return Err(DdiError::new(
            StatusCode::PRECONDITION_FAILED,
            "content-differs",
            "the artifact has other content",
        ));
    }
    if none_match(headers, &tag) {
        return Ok(not_modified(&tag));
    }
    let (status, range) = match wanted(headers, &tag, len) {
        Wanted::Whole => (StatusCode::OK, 0..len),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Unsatisfiable => {
            let mut response = DdiError::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range-not-satisfiable",
                "the artifact has no such bytes",
            )
            .into_response();
            set(
                &mut response,
                header::CONTENT_RANGE,
                &format!("bytes */{len}"),
            );
            return Ok(response);
        }
    };
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        let stream = app.blobs.read(&version.sha256, len, range.clone()).await;
        Body::from_stream(stream.map_err(crate::error::ApiError::internal)?)
    };
    let mut response = (status, body).into_response();
    set_tag(&mut response, &tag);
    set(
        &mut response,
        header::CONTENT_LENGTH,
        &(range.end - range.start).to_string(),
    );
    set(
        &mut response,
        header::CONTENT_TYPE,
        "application/octet-stream",
    );
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let disposition = format!("attachment; filename=\"{}\"", version.file_name);
    set(&mut response, header::CONTENT_DISPOSITION, &disposition);
    if status == StatusCode::PARTIAL_CONTENT {
        let content_range = format!("bytes {}-{}/{len}", range.start, range.end - 1);
        set(&mut response, header::CONTENT_RANGE, &content_range);
    }
    Ok(response)
}

fn md5sum(version: &VersionRow) -> Response {
    let text = format!("{}  {}", version.md5, version.file_name);
    let mut response = text.into_response();
    let disposition = format!("attachment; filename=\"{}.MD5SUM\"", version.file_name);
    set(&mut response, header::CONTENT_DISPOSITION, &disposition);
    response
}

/// The version behind a module number, if the device may fetch it: never another device's.
async fn version_for(
    app: &AppState,
    device: &DdiDevice,
    module: i64,
) -> Result<VersionRow, DdiError> {
    let nothing = || DdiError::not_found("artifact for this device");
    let mut conn = app.store.reader().await?;
    if !device.row.approved || !store::catalog::may_fetch(&mut conn, device.row.seq, module).await?
    {
        return Err(nothing());
    }
    store::catalog::version_by_seq(&mut conn, module)
        .await?
        .ok_or_else(nothing)
}

/// Sets a header whose value is made of characters that headers may have.
fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
