//! The world of the demo: a manager, a device, a project, all in one temporary folder.

use super::summary::FlashWork;
use crate::commands::device::console_bytes;
use crate::commands::manager::open_failure;
use crate::failure::{Exit, Failure};
use crate::session::{Session, open_project};
use otaru_board_host::control::Client;
use otaru_lsp_build::keys::{Algorithm, ProjectKey};
use otaru_lsp_build::local::Local;
use otaru_lsp_build::manager::ManagerClient;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::template::{cargo_toml, checkout};
use otaru_lsp_project::ManagerUrl;
use otaru_manager::{Config, Manager, OpenError};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The device, the firmware and the project are called so.
const NAME: &str = "counter";
const MAIN_RS: &str = include_str!("../../../../examples/counter/src/main.rs");
/// How often the manager is asked whether the device is there.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Everything that runs.
pub(super) struct Stage {
    folder: TempDir,
    manager: Arc<Manager>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), OpenError>>,
    /// Speaks with the manager.
    pub(super) client: ManagerClient,
    /// The device.
    pub(super) device: Local,
    _switch: Switch,
}

/// Switches the device off when the demo ends, however it ends.
struct Switch(PathBuf);

impl Drop for Switch {
    fn drop(&mut self) {
        // A device that does not answer is off already.
        if let Ok(mut client) = Client::connect(&self.0) {
            client.shutdown().unwrap_or_default();
        }
    }
}

impl Stage {
    /// Starts the manager and writes the project.
    pub(super) async fn set(session: Session<'_>) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("otaru-demo-")
            .tempdir()
            .map_err(|error| Failure::io("no temporary folder can be made", &error))?;
        let mut config = Config::new(folder.path().join("manager"));
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let open = |error: OpenError| open_failure(&error);
        let manager = Arc::new(Manager::open(config).await.map_err(open)?);
        let listener = manager.bind().await.map_err(open)?;
        let address = listener
            .local_addr()
            .map_err(|error| Failure::io("the listener has no address", &error))?;
        let api_key = manager.bootstrap_api_key("demo").await.map_err(open)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn({
            let manager = Arc::clone(&manager);
            // Either end of the channel going away means the same.
            async move {
                manager
                    .serve(listener, async { stopped.await.unwrap_or_default() })
                    .await
            }
        });
        let url = manager.url(address);
        let parsed = ManagerUrl::parse(&url)
            .map_err(|error| Failure::new(Exit::Failed, "manager-url", error.to_string()))?;
        let client = ManagerClient::new(parsed, Some(&api_key))?;
        let device = Local {
            name: NAME.to_owned(),
            dir: folder.path().join("device"),
        };
        let stage = Self {
            _switch: Switch(device.dir.clone()),
            folder,
            manager,
            address,
            stop,
            serving,
            client,
            device,
        };
        stage.write_project(&url)?;
        session
            .output
            .object("stage", json!({ "manager": url, "folder": stage.folder() }));
        session.output.text(&format!("manager   {url}"));
        session
            .output
            .text(&format!("folder    {}", stage.folder().display()));
        stage.register_key().await?;
        Ok(stage)
    }

    fn write_project(&self, url: &str) -> Result<(), Failure> {
        let root = self.project_folder();
        let manifest = format!(
            "[project]\nname = \"{NAME}\"\nboard = \"host\"\n\n[signing]\nkey = \"keys/dev.pem\"\n\n\
             [manager]\nurl = \"{url}\"\ndevice = \"{NAME}\"\n"
        );
        let write = || {
            std::fs::create_dir_all(root.join("src"))?;
            std::fs::write(root.join("Cargo.toml"), cargo_toml(NAME))?;
            std::fs::write(root.join("Otaru.toml"), manifest)?;
            std::fs::write(root.join("src/main.rs"), MAIN_RS)?;
            // The same versions of everything as in the checkout.
            if let Some(lock) = checkout().map(|root| root.join("Cargo.lock"))
                && lock.is_file()
            {
                std::fs::copy(lock, root.join("Cargo.lock"))?;
            }
            Ok(())
        };
        write().map_err(|error| Failure::io("the project cannot be written", &error))?;
        ProjectKey::create(&root.join("keys/dev.pem"), Algorithm::Ed25519, true)?;
        Ok(())
    }

    async fn register_key(&self) -> Result<(), Failure> {
        let key = ProjectKey::load(&self.project_folder().join("keys/dev.pem"))?;
        self.client
            .add_key(NAME, &key.signing.public().to_hex(), true)
            .await?;
        Ok(())
    }

    /// The temporary folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The manager's address.
    pub(super) fn url(&self) -> &str {
        self.client.url().as_str()
    }

    /// A link that lets a person into the web app, once.
    pub(super) async fn admin_link(&self) -> Result<String, Failure> {
        let token = self
            .manager
            .new_admin_token()
            .await
            .map_err(|error| open_failure(&error))?;
        Ok(self.manager.admin_link(self.address, &token))
    }

    fn project_folder(&self) -> PathBuf {
        self.folder().join(NAME)
    }

    /// The project as it stands now.
    pub(super) fn project(&self, session: Session<'_>) -> Result<OpenProject, Failure> {
        open_project(session.output, &self.project_folder())
    }

    /// Changes the project as a developer would: the version, and the source.
    pub(super) fn edit(&self, change: super::edit::Change) -> Result<(), Failure> {
        let root = self.project_folder();
        for (name, change) in [
            ("Cargo.toml", change.cargo_toml),
            ("src/main.rs", change.main_rs),
        ] {
            let path = root.join(name);
            let failed =
                |error| Failure::io(format!("{} cannot be edited", path.display()), &error);
            let before = std::fs::read_to_string(&path).map_err(failed)?;
            let after = change(&before).ok_or_else(|| {
                let message = format!("{name} of the example is not what the demo knows");
                Failure::new(Exit::Failed, "demo-edit", message)
            })?;
            std::fs::write(&path, after).map_err(failed)?;
        }
        Ok(())
    }

    /// Shows what the device prints, from now on, beside everything else.
    pub(super) fn show_console(&self, session: Session<'_>) -> Result<JoinHandle<()>, Failure> {
        let mut pieces = console_bytes(&self.device)?;
        let output = session.output.clone();
        Ok(tokio::spawn(async move {
            let mut pending = Vec::new();
            while let Some(piece) = pieces.recv().await {
                pending.extend_from_slice(&piece);
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    let text = String::from_utf8_lossy(&line);
                    output.object("console", json!({ "text": text.trim_end() }));
                    output.text(&format!("  │ {}", text.trim_end()));
                }
            }
        }))
    }

    /// Waits until the manager sees the device.
    pub(super) async fn online(&self, patience: Duration) -> Result<(), Failure> {
        let seen = async {
            loop {
                let devices = self.client.devices().await?;
                if devices
                    .iter()
                    .any(|device| device.online && device.version.is_some())
                {
                    return Ok::<(), Failure>(());
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        tokio::time::timeout(patience, seen)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(Failure::new(
                    Exit::Failed,
                    "demo-failed",
                    "the device does not come online",
                ))
            })
    }

    /// What was done to the execution slot since the device was started.
    pub(super) async fn flash_work(&self) -> Result<FlashWork, Failure> {
        let status = self.device.ask(Client::status).await?;
        let area = status
            .flash
            .areas
            .into_iter()
            .find(|area| area.name == "execution");
        Ok(area.map_or_else(FlashWork::default, |area| FlashWork {
            erases: area.total.erases,
            bytes: area.total.bytes,
        }))
    }

    /// Ends everything. The folder goes too, unless it is to be kept.
    pub(super) async fn strike(self, keep: bool) -> Result<(), Failure> {
        if self.device.is_running() {
            self.device.ask(Client::shutdown).await?;
            self.device.stopped().await?;
        }
        // Sending fails only if the manager has ended by itself.
        self.stop.send(()).unwrap_or_default();
        if let Ok(served) = self.serving.await {
            served.map_err(|error| open_failure(&error))?;
        }
        if keep {
            let _kept = self.folder.keep();
        }
        Ok(())
    }
}
