//! Which device speaks, and whether it may.

use super::DdiError;
use crate::app::{App, AppState};
use crate::error::ApiError;
use crate::origin::{Base, client_address};
use crate::store::devices::{DeviceRow, NewDevice};
use crate::{secret, store};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

/// Longest controller id, in bytes.
const CONTROLLER_ID_LEN_MAX: usize = 128;
/// Devices that a gateway token may bring into a workspace without anybody approving them.
const UNAPPROVED_MAX: i64 = 10_000;

/// A device that has proved who it is.
#[derive(Debug)]
pub(super) struct DdiDevice {
    pub(super) row: DeviceRow,
    /// Absolute URL of its base address, without a final slash.
    pub(super) url: String,
    pub(super) address: String,
}

enum Token<'a> {
    Target(&'a str),
    Gateway(&'a str),
}

impl FromRequestParts<AppState> for DdiDevice {
    type Rejection = DdiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, DdiError> {
        // Boxed, so that a poll that is held for a minute does not keep the room for this.
        Box::pin(Self::identify(parts, app)).await
    }
}

impl DdiDevice {
    async fn identify(parts: &mut Parts, app: &AppState) -> Result<Self, DdiError> {
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|rejection| ApiError::bad_request("malformed-path", rejection.body_text()))?;
        let param = |name: &str| {
            params
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (tenant, controller) = param("tenant")
            .zip(param("device"))
            .ok_or_else(|| DdiError::not_found("address"))?;
        let row = authenticate(app, parts, tenant, controller).await?;
        let Base(base) = Base::from_request_parts(parts, app).await?;
        let address = client_address(parts, &app.config.trusted_proxies)
            .0
            .to_string();
        let url = format!("{base}/{tenant}/controller/v1/{}", encode(controller));
        let device = Self { row, url, address };
        device.touch(app).await?;
        Ok(device)
    }

    /// Notes that the device was heard of. Its very first time is stored at once, because FOTA to
    /// a device that never connected is refused.
    async fn touch(&self, app: &App) -> Result<(), ApiError> {
        let now_ms = app.now_ms();
        let came = app.presence.touch(self.row.seq, now_ms, &self.address);
        if self.row.first_seen.is_none() {
            let mut tx = app.store.begin().await?;
            store::devices::touch(&mut tx, self.row.seq, now_ms, &self.address).await?;
            tx.commit().await?;
        }
        if came {
            let mut effects = crate::engine::Effects::default();
            effects.device_changed(self.row.seq);
            effects.run(app).await;
        }
        Ok(())
    }
}

/// All failures look the same, so that nobody learns which devices exist.
async fn authenticate(
    app: &App,
    parts: &Parts,
    tenant: &str,
    controller: &str,
) -> Result<DeviceRow, DdiError> {
    let refused = || {
        DdiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this device token is not known here",
        )
    };
    let token = token(parts).ok_or_else(refused)?;
    let tenant = (!tenant.eq_ignore_ascii_case("default")).then(|| tenant.to_ascii_lowercase());
    let mut conn = app.store.reader().await?;
    let device = store::devices::of_tenant(&mut conn, tenant.as_deref(), controller).await?;
    match token {
        Token::Target(token) => {
            // Without such a device the same work is done for a hash that nothing has.
            let stored = device.as_ref().and_then(|device| device.token_hash.clone());
            let good = secret::matches(token, &stored.unwrap_or_else(|| vec![0; 32]));
            device.filter(|_| good).ok_or_else(refused)
        }
        Token::Gateway(token) => {
            let workspace = match tenant {
                None => store::access::first_workspace(&mut conn).await?,
                Some(tenant) => store::access::workspace(&mut conn, &tenant).await?,
            };
            drop(conn);
            let workspace = workspace.ok_or_else(refused)?;
            let stored = workspace.gateway_token_hash.unwrap_or_else(|| vec![0; 32]);
            if !secret::matches(token, &stored) {
                return Err(refused());
            }
            match device {
                Some(device) => Ok(device),
                None => register(app, &workspace.id, controller).await,
            }
        }
    }
}

/// A device that the gateway speaks for joins the default fleet, unapproved.
async fn register(app: &App, workspace: &str, controller: &str) -> Result<DeviceRow, DdiError> {
    let plain = controller.chars().all(|c| !c.is_control() && c != '/');
    if controller.is_empty() || controller.len() > CONTROLLER_ID_LEN_MAX || !plain {
        return Err(ApiError::bad_request("malformed-id", "this device id cannot be used").into());
    }
    let mut tx = app.store.begin().await?;
    if store::devices::count_unapproved(&mut tx, workspace).await? >= UNAPPROVED_MAX {
        return Err(DdiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-unapproved",
            "too many devices wait for approval",
        ));
    }
    let fleet = store::fleets::default(&mut tx, workspace)
        .await?
        .ok_or_else(|| ApiError::internal("a workspace without a fleet"))?;
    let id = secret::new_id("dev");
    let device = NewDevice {
        id: &id,
        workspace,
        fleet: &fleet,
        controller_id: controller,
        name: controller,
        token_hash: None,
        approved: false,
        now_ms: app.now_ms(),
    };
    store::devices::insert(&mut tx, &device).await?;
    let row = store::devices::by_controller(&mut tx, workspace, controller)
        .await?
        .ok_or_else(|| ApiError::internal("a device vanished while it was registered"))?;
    tx.commit().await?;
    tracing::info!(
        device = row.id,
        controller,
        "a new device waits for approval"
    );
    Ok(row)
}

fn token(parts: &Parts) -> Option<Token<'_>> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("targettoken") {
        Some(Token::Target(token))
    } else if scheme.eq_ignore_ascii_case("gatewaytoken") {
        Some(Token::Gateway(token))
    } else {
        None
    }
}

/// Percent-encodes a path segment.
pub(crate) fn encode(segment: &str) -> String {
    use std::fmt::Write as _;
    segment
        .bytes()
        .fold(String::with_capacity(segment.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~+:@".contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
            }
            text
        })
}
