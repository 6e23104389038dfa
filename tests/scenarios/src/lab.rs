//! A manager in its own process, a signing key, and images.

use crate::{Api, Device};
use otaru_flash::Layout;
use otaru_image::{BoardIds, ImageBuilder, Label, SigningKey, Version, board_uuids};
use otaru_lsp_build::device::layout_of;
use otaru_lsp_project::{Board, Mode};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// How long a scenario waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Bytes by which two images differ.
const DIFFERING_LEN: usize = 0x4_0000;

/// The program `otaru`, built beside these tests.
///
/// # Panics
/// If it was not built.
pub fn otaru() -> PathBuf {
    let beside = |path: &Path| {
        let mut folder = path.parent()?;
        if folder.ends_with("deps") {
            folder = folder.parent()?;
        }
        Some(folder.join("otaru"))
    };
    let named = std::env::var_os("OTARU_BIN").map(PathBuf::from);
    let here = std::env::current_exe().ok();
    let found = named.or_else(|| here.as_deref().and_then(beside));
    let path = found.expect("this test has a path");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p otaru` first",
        path.display()
    );
    path
}

/// The host board.
///
/// # Panics
/// If its board.toml is broken.
pub fn board() -> &'static Board {
    otaru_lsp_project::board("host").expect("the host board is built in")
}

pub(crate) fn layout(mode: Mode) -> Layout {
    layout_of::<()>(board(), mode).expect("the host board's layout is good")
}

/// The test firmware without its symbols, as `otaru build` would pack it.
fn firmware() -> &'static [u8] {
    static STRIPPED: OnceLock<Vec<u8>> = OnceLock::new();
    STRIPPED.get_or_init(|| {
        let built = otaru().with_file_name("scenario-firmware");
        assert!(built.exists(), "{} is missing", built.display());
        let dir = TempDir::new().expect("a temporary folder");
        let stripped = dir.path().join("firmware");
        let status = std::process::Command::new("strip")
            .arg("-s")
            .arg("-o")
            .arg(&stripped)
            .arg(&built)
            .status()
            .expect("strip comes with the C compiler");
        assert!(status.success(), "strip failed");
        std::fs::read(stripped).expect("the stripped firmware")
    })
}

/// An image of the test firmware for the host board; the label says what it does wrong.
///
/// # Panics
/// If the label is too long.
pub fn image_of(label: &str, counter: u32, key: &SigningKey) -> Vec<u8> {
    builder(label, counter, board_uuids(&board().vid, &board().cid))
        .sign(key)
        .expect("the image can be signed")
}

/// The same image before it is signed, for scenarios that change it.
///
/// # Panics
/// If the label is too long.
pub fn builder(label: &str, counter: u32, ids: BoardIds) -> ImageBuilder {
    ImageBuilder::new(
        payload(label),
        Version {
            major: 1,
            minor: 0,
            revision: 0,
            build: counter,
        },
    )
    .label(Label::new(label).expect("a short label"))
    .security_counter(counter)
    .board(ids)
}

/// What such an image executes.
pub fn payload(label: &str) -> Vec<u8> {
    // Behind the program stands a part that differs from label to label, so that an install has
    // chunks to copy; the system's loader does not look at it.
    let mut payload = firmware().to_vec();
    let mut noise = label.bytes().fold(1_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    for _ in 0..DIFFERING_LEN {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        payload.push(noise.to_be_bytes()[0]);
    }
    payload
}

/// A manager with an empty folder, one firmware in it and a registered key.
#[derive(Debug)]
pub struct Lab {
    manager: Option<Child>,
    address: String,
    /// The API with an admin's key.
    pub api: Api,
    /// The key that signs.
    pub key: SigningKey,
    /// Where everything is.
    pub dir: TempDir,
}

impl Lab {
    /// Starts a manager.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn new() -> Self {
        let dir = TempDir::new().expect("a temporary folder");
        let (manager, url, link) = serve(dir.path(), "127.0.0.1:0").await;
        let link = link.expect("the first start prints an admin link");
        let token = link
            .split("token=")
            .nth(1)
            .expect("a token in the link")
            .to_owned();
        let api = Api::set_up(&url, &token).await;
        let key = SigningKey::from_seed([42; 32]);
        let public = key.public().to_hex();
        let ring = json!({
            "name": "scenarios", "algorithm": "ed25519", "public_key": public, "development": true,
        });
        api.post("/keys", ring)
            .await
            .expect("the key can be registered");
        let firmware = json!({ "name": "scenario", "description": "" });
        api.post("/firmwares", firmware)
            .await
            .expect("the firmware can be made");
        let address = url.trim_start_matches("http://").to_owned();
        Self {
            manager: Some(manager),
            address,
            api,
            key,
            dir,
        }
    }

    /// Kills the manager as a power failure would, and starts it again in the same folder.
    ///
    /// # Panics
    /// If it does not start again.
    pub async fn crash_manager(&mut self) {
        self.stop_manager().await;
        self.start_manager().await;
    }

    /// Kills the manager.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn stop_manager(&mut self) {
        if let Some(mut manager) = self.manager.take() {
            manager.kill().await.expect("the manager can be killed");
        }
    }

    /// Starts the manager at its former address.
    pub async fn start_manager(&mut self) {
        let (manager, _, _) = serve(self.dir.path(), &self.address).await;
        self.manager = Some(manager);
    }

    /// The manager's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// An image of the test firmware.
    pub fn image(&self, label: &str, counter: u32) -> Vec<u8> {
        image_of(label, counter, &self.key)
    }

    /// Uploads an image under its label.
    ///
    /// # Panics
    /// If the manager refuses it.
    pub async fn upload(&self, label: &str, image: &[u8]) {
        let uploaded = self.api.upload("scenario", label, image).await;
        uploaded.expect("the manager takes the image");
    }

    /// A flashed, provisioned, running device that the manager has seen.
    ///
    /// # Panics
    /// If it does not get there.
    pub async fn device(&self, name: &str, mode: Mode, image: &[u8]) -> Device {
        let created = self.api.post("/devices", json!({ "name": name })).await;
        let created = created.expect("the device can be made");
        let text = |field: &str| created[field].as_str().expect("a text").to_owned();
        let mut device = Device::start(&self.dir.path().join(name), mode);
        device.flash(image, &self.key);
        device.provision(&text("id"), &text("token"), &text("ddi_url"));
        device.console().wait_for("ota: online");
        device
    }

    /// Starts an update of one device and returns the action's id.
    ///
    /// # Panics
    /// If the manager refuses.
    pub async fn deploy(&self, device: &Device, label: &str, deadline_s: u32) -> String {
        let request = json!({
            "firmware": "scenario", "version": label, "deadline_s": deadline_s,
            "target": { "devices": [device.id] },
        });
        self.deploy_as(request).await
    }

    /// Starts an update of one device as the request says, and returns the action's id.
    ///
    /// # Panics
    /// If the manager refuses.
    pub async fn deploy_as(&self, request: Value) -> String {
        let deployment = self
            .api
            .post("/deployments", request)
            .await
            .expect("the update starts");
        deployment["actions"][0]["id"]
            .as_str()
            .expect("an action")
            .to_owned()
    }

    /// Makes and uploads an image, starts the update and waits for its end.
    pub async fn update(&self, device: &Device, label: &str, counter: u32) -> Value {
        let image = self.image(label, counter);
        self.update_to(device, label, &image, 60).await
    }

    /// Uploads this image, starts the update and waits for its end.
    pub async fn update_to(
        &self,
        device: &Device,
        label: &str,
        image: &[u8],
        deadline_s: u32,
    ) -> Value {
        self.upload(label, image).await;
        let action = self.deploy(device, label, deadline_s).await;
        self.api.action_end(&action).await
    }
}

/// How an action ended.
///
/// # Panics
/// If it ended in another way.
pub fn check(action: &Value, status: &str, reason: &Value) {
    assert_eq!(
        (&action["status"], &action["reason"]),
        (&json!(status), reason),
        "{action:#}"
    );
}

async fn serve(dir: &Path, listen: &str) -> (Child, String, Option<String>) {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("manager.log"))
        .expect("the log can be made");
    let mut manager = Command::new(otaru())
        .args(["--json", "manager", "serve", "--listen", listen, "--data"])
        .arg(dir.join("manager"))
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("otaru starts");
    let stdout = manager.stdout.take().expect("stdout is a pipe");
    let line = tokio::time::timeout(PATIENCE, BufReader::new(stdout).lines().next_line()).await;
    let log = || std::fs::read_to_string(dir.join("manager.log")).unwrap_or_default();
    let line = match line {
        Ok(Ok(Some(line))) => line,
        other => panic!("the manager did not start ({other:?}): {}", log()),
    };
    let ready: Value = serde_json::from_str(&line).expect("one JSON object a line");
    let text = |field: &str| ready[field].as_str().map(str::to_owned);
    (
        manager,
        text("url").expect("the manager's address"),
        text("admin_link"),
    )
}
