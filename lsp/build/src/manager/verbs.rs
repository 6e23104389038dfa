//! One method per verb of the API.

use super::http::{ManagerClient, ManagerError, segment};
use super::types::{
    Action, CreatedDevice, Deployment, Device, Firmware, Fleet, RingKey, Setup, VersionInfo,
    Workspace,
};
use super::update::{Target, UpdateRequest};
use crate::keys::Algorithm;
use otaru_image::PublicKey;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

/// Devices that are asked for at once.
const PAGE_LEN: usize = 500;
/// Most devices that are read; a target that needs more is a fleet.
const DEVICES_MAX: usize = 100_000;

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl ManagerClient {
    /// Exchanges the one-time admin token of a new manager for an API key.
    ///
    /// # Errors
    /// [`ManagerError`]; a used token is refused.
    pub async fn setup(&self, token: &str) -> Result<Setup, ManagerError> {
        self.post("/setup", &json!({ "token": token })).await
    }

    /// The workspace that the API key belongs to.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn workspace(&self) -> Result<Workspace, ManagerError> {
        self.get("/workspace").await
    }

    /// All devices.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn devices(&self) -> Result<Vec<Device>, ManagerError> {
        let mut devices: Vec<Device> = Vec::new();
        loop {
            let path = format!("/devices?offset={}&limit={PAGE_LEN}", devices.len());
            let page: Vec<Device> = self.list(&path).await?;
            let last = page.len() < PAGE_LEN;
            devices.extend(page);
            if last || devices.len() >= DEVICES_MAX {
                return Ok(devices);
            }
        }
    }

    /// A new token for a device; the old one stops working.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn new_device_token(&self, id: &str) -> Result<String, ManagerError> {
        let path = format!("/devices/{}/token", segment(id));
        let token: Token = self.post(&path, &json!({})).await?;
        Ok(token.token)
    }

    /// Deletes a device with its history; its token stops working. One that is not known there is
    /// gone already.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn delete_device(&self, id: &str) -> Result<(), ManagerError> {
        let path = format!("/devices/{}", segment(id));
        match self.send(self.request(Method::DELETE, &path)).await {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// All fleets.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn fleets(&self) -> Result<Vec<Fleet>, ManagerError> {
        self.list("/fleets").await
    }

    /// Makes a device known to the manager. Its token is in the answer, this once.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn create_device(
        &self,
        name: &str,
        fleet: Option<&str>,
    ) -> Result<CreatedDevice, ManagerError> {
        let mut body = json!({ "name": name });
        if let Some(fleet) = fleet {
            body["fleet"] = json!(fleet);
        }
        self.post("/devices", &body).await
    }

    /// The DDI base address of a device that the manager knows already.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn ddi_url(&self, device: &Device) -> Result<String, ManagerError> {
        let tenant = self.workspace().await?.id;
        let controller = device.controller_id.as_deref().unwrap_or(&device.id);
        let (tenant, controller) = (segment(&tenant), segment(controller));
        Ok(format!(
            "{}/{tenant}/controller/v1/{controller}",
            self.url()
        ))
    }

    /// The ring of public signing keys.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn keys(&self) -> Result<Vec<RingKey>, ManagerError> {
        self.list("/keys").await
    }

    /// Adds a public key (64 hex digits of Ed25519, 66 of P-256) to the ring.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn add_key(
        &self,
        name: &str,
        public_key: &str,
        development: bool,
    ) -> Result<RingKey, ManagerError> {
        // What is no key the manager refuses, with its reason.
        let key = PublicKey::parse(public_key).ok();
        let algorithm = key.map_or(Algorithm::default(), |key| Algorithm::of(&key));
        let algorithm = algorithm.as_str();
        let body = json!({
            "name": name,
            "algorithm": algorithm,
            "public_key": public_key,
            "development": development,
        });
        self.post("/keys", &body).await
    }

    /// The firmware of this name or id, made if it is not there.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn ensure_firmware(&self, name: &str) -> Result<Firmware, ManagerError> {
        match self.get(&format!("/firmwares/{}", segment(name))).await {
            Err(error) if error.is_not_found() => {
                self.post("/firmwares", &json!({ "name": name })).await
            }
            other => other,
        }
    }

    /// The versions of a firmware, newest first; none if the firmware is not there.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn versions(&self, firmware: &str) -> Result<Vec<VersionInfo>, ManagerError> {
        match self
            .list(&format!("/firmwares/{}/versions", segment(firmware)))
            .await
        {
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            other => other,
        }
    }

    /// Starts an update to this version, of this target.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn deploy(
        &self,
        request: &UpdateRequest,
        version: &str,
        target: &Target,
    ) -> Result<Deployment, ManagerError> {
        let target = match target {
            Target::Devices(ids) => json!({ "devices": ids }),
            Target::Fleets(ids) => json!({ "fleets": ids }),
        };
        let firmware = &request.firmware;
        let mut body = json!({ "firmware": firmware, "version": version, "target": target });
        if let Some(deadline) = request.deadline_s {
            body["deadline_s"] = json!(deadline);
        }
        if let Some(trials) = request.trials {
            body["trials"] = json!(trials);
        }
        self.post("/deployments", &body).await
    }

    /// An action with its attempts.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn action(&self, id: &str) -> Result<Action, ManagerError> {
        self.get(&format!("/actions/{}", segment(id))).await
    }

    /// The actions of a device that are under way.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn active_actions(&self, device: &str) -> Result<Vec<Action>, ManagerError> {
        self.list(&format!("/actions?device={}&active=true", segment(device)))
            .await
    }

    /// Asks for an end of an action.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn cancel_action(&self, id: &str) -> Result<(), ManagerError> {
        let path = format!("/actions/{}/cancel", segment(id));
        self.send(self.request(Method::POST, &path)).await.map(drop)
    }

    /// Tries a failed action again.
    ///
    /// # Errors
    /// [`ManagerError`]
    pub async fn retry_action(&self, id: &str) -> Result<(), ManagerError> {
        let path = format!("/actions/{}/retry", segment(id));
        self.send(self.request(Method::POST, &path)).await.map(drop)
    }
}
