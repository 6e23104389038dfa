//! A device on this machine: its folder, its chip process, its control socket.

use crate::device::{DeviceError, layout_of};
use crate::explain::Explain;
use crate::project::OpenProject;
use otaru_board_host::chip::Geometry;
use otaru_board_host::control::{
    Client, ControlError, DeviceFile, DeviceNameError, RefusalCode, device_dir, devices_root,
};
use otaru_lsp_project::{Board, Mode, board};
use std::convert::Infallible;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a chip may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is asked meanwhile.
const START_POLL: Duration = Duration::from_millis(20);
/// What the chip process itself had to say.
const CHIP_LOG: &str = "chip.log";
/// The program that is a chip when it is told so.
const PROGRAM: &str = "otaru";

/// A device on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its name, which is its folder's.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
}

/// What decides the areas of a device's flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The board.
    pub board: &'static Board,
    /// The install mode.
    pub mode: Mode,
}

/// Why a device on this machine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// There is nowhere to keep devices.
    #[error("there is no home folder that could hold devices")]
    NoHome,
    /// No folder can have this name.
    #[error(transparent)]
    Name(#[from] DeviceNameError),
    /// There is no such device.
    #[error("{0} is not a device on this machine")]
    Unknown(String),
    /// Its files cannot be used.
    #[error("{name} cannot be read")]
    Files {
        /// The device.
        name: String,
        /// Why.
        source: std::io::Error,
    },
    /// It was made for a board that this program does not know.
    #[error("{name} is a `{board}`, which is not known here")]
    BoardUnknown {
        /// The device.
        name: String,
        /// Its board.
        board: String,
    },
    /// The board's layout cannot work.
    #[error(transparent)]
    Layout(#[from] DeviceError<Infallible>),
    /// Its process cannot be started.
    #[error("the device cannot be started")]
    Spawn(#[source] std::io::Error),
    /// Its process started and does not answer.
    #[error("{name} does not start: {why}")]
    Start {
        /// The device.
        name: String,
        /// Its last words.
        why: String,
    },
    /// Its process does not end.
    #[error("{0} does not stop")]
    Stop(String),
    /// It refused, or the connection broke.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The thread that talked to it failed.
    #[error("lost the device: {0}")]
    Lost(String),
}

impl Explain for LocalError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoHome => "no-home",
            Self::Name(_) => "device-name",
            Self::Unknown(_) => "device-unknown",
            Self::Files { .. } | Self::Spawn(_) => "io",
            Self::BoardUnknown { .. } => "board-unknown",
            Self::Layout(error) => error.code(),
            Self::Start { .. } => "device-start",
            Self::Stop(_) => "device-stop",
            Self::Control(ControlError::NotRunning { .. }) => "device-not-running",
            Self::Control(ControlError::Refused(_)) => "device-refused",
            Self::Control(ControlError::Protocol { .. }) => "device-language",
            Self::Control(ControlError::Io { .. }) | Self::Lost(_) => "device-lost",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoHome => "set HOME or XDG_DATA_HOME",
            Self::Unknown(_) => "`otaru device list` shows what is; `otaru flash` makes one",
            Self::Control(error) => match (error.refusal(), error) {
                (Some(RefusalCode::Off), _) => "switch it on: `otaru device run`",
                (Some(RefusalCode::Busy), _) => "another program is flashing it; wait for its end",
                (None, ControlError::Io { .. }) => "start it again: `otaru device run`",
                (Some(_) | None, _) => return None,
            },
            Self::Layout(error) => return error.hint(),
            Self::Name(_)
            | Self::Files { .. }
            | Self::BoardUnknown { .. }
            | Self::Spawn(_)
            | Self::Start { .. }
            | Self::Stop(_)
            | Self::Lost(_) => return None,
        };
        Some(hint.to_owned())
    }
}

impl Shape {
    /// That of a project.
    pub const fn of_project(project: &OpenProject) -> Self {
        Self {
            board: project.settings.board,
            mode: project.settings.mode,
        }
    }

    /// The flash that this needs.
    ///
    /// # Errors
    /// [`LocalError::Layout`]
    pub fn geometry(&self) -> Result<Geometry, LocalError> {
        let layout = layout_of::<Infallible>(self.board, self.mode)?;
        Ok(Geometry::of_layout(&layout))
    }
}

impl Local {
    /// The device of this name, whether it exists or not.
    ///
    /// # Errors
    /// [`LocalError::NoHome`] or [`LocalError::Name`].
    pub fn named(name: &str) -> Result<Self, LocalError> {
        let root = devices_root().ok_or(LocalError::NoHome)?;
        Ok(Self {
            name: name.to_owned(),
            dir: device_dir(&root, name)?,
        })
    }

    /// Whether its chip answers.
    pub fn is_running(&self) -> bool {
        Client::connect(&self.dir).is_ok()
    }

    /// The file that makes its folder a device.
    ///
    /// # Errors
    /// [`LocalError::Files`]
    pub fn file(&self) -> Result<Option<DeviceFile>, LocalError> {
        DeviceFile::load(&self.dir).map_err(|source| LocalError::Files {
            name: self.name.clone(),
            source,
        })
    }

    /// The shape that it was made with; `None` if there is no such device yet.
    ///
    /// # Errors
    /// [`LocalError`]: its file cannot be read, or its board is not known.
    pub fn stored_shape(&self) -> Result<Option<Shape>, LocalError> {
        let Some(file) = self.file()? else {
            return Ok(None);
        };
        let board = board(&file.board).ok_or_else(|| LocalError::BoardUnknown {
            name: self.name.clone(),
            board: file.board.clone(),
        })?;
        for mode in Mode::ALL {
            let shape = Shape { board, mode };
            if board.has_mode(mode) && shape.geometry()? == file.geometry {
                return Ok(Some(shape));
            }
        }
        Ok(Some(Shape {
            board,
            mode: board.defaults.mode,
        }))
    }

    /// Starts the chip in a process of its own, which outlives this one, and waits until it
    /// answers.
    ///
    /// # Errors
    /// [`LocalError`]
    pub async fn start(&self, shape: &Shape, power: bool) -> Result<(), LocalError> {
        std::fs::create_dir_all(&self.dir).map_err(LocalError::Spawn)?;
        let log = std::fs::File::create(self.dir.join(CHIP_LOG)).map_err(LocalError::Spawn)?;
        let program = std::env::current_exe().map_err(LocalError::Spawn)?;
        let mut command = Command::new(chip_program(program));
        command
            .arg("host-chip")
            .arg("--dir")
            .arg(&self.dir)
            .args(["--board", &shape.board.name, "--mode", shape.mode.as_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(LocalError::Spawn)?)
            .stderr(log)
            // Control-C at the terminal is for us, not for the device.
            .process_group(0);
        if power {
            command.arg("--power");
        }
        let mut chip = command.spawn().map_err(LocalError::Spawn)?;
        let answers = async {
            while !self.is_running() {
                if let Ok(Some(_)) = chip.try_wait() {
                    return false;
                }
                tokio::time::sleep(START_POLL).await;
            }
            true
        };
        if matches!(tokio::time::timeout(START_TIMEOUT, answers).await, Ok(true)) {
            return Ok(());
        }
        let words = std::fs::read_to_string(self.dir.join(CHIP_LOG)).unwrap_or_default();
        let last = words.lines().last().unwrap_or("it ended without a word");
        Err(LocalError::Start {
            name: self.name.clone(),
            why: last.to_owned(),
        })
    }

    /// Waits until its chip is gone.
    ///
    /// # Errors
    /// [`LocalError::Stop`]
    pub async fn stopped(&self) -> Result<(), LocalError> {
        let gone = async {
            while self.is_running() {
                tokio::time::sleep(START_POLL).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, gone)
            .await
            .map_err(|_elapsed| LocalError::Stop(self.name.clone()))
    }

    /// Asks the chip one thing, on a thread of its own.
    ///
    /// # Errors
    /// [`LocalError::Control`]
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Client) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, LocalError> {
        self.with_client(|client| question(client).map_err(LocalError::Control))
            .await
    }

    /// Talks to the chip on a thread of its own.
    ///
    /// # Errors
    /// What `talk` says; [`LocalError`] if the chip does not run.
    pub async fn with_client<T, E>(
        &self,
        talk: impl FnOnce(&mut Client) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<LocalError> + Send + 'static,
    {
        let dir = self.dir.clone();
        let talked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect(&dir).map_err(LocalError::Control)?;
            talk(&mut client)
        });
        match talked.await {
            Ok(result) => result,
            Err(error) => Err(LocalError::Lost(error.to_string()).into()),
        }
    }
}

/// The program that plays the chip: this one if it is the command line, else the command line
/// beside it.
fn chip_program(this: PathBuf) -> PathBuf {
    let is_it = |path: &Path| path.file_stem().is_some_and(|stem| stem == PROGRAM);
    if is_it(&this) {
        return this;
    }
    let beside = this.with_file_name(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
    if beside.is_file() { beside } else { this }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chip_is_the_command_line_wherever_we_are_called_from() {
        let folder = tempfile::tempdir().unwrap();
        let (otaru, lsp) = (folder.path().join("otaru"), folder.path().join("otaru-lsp"));
        assert_eq!(chip_program(lsp.clone()), lsp, "there is nothing else");
        std::fs::write(&otaru, "").unwrap();
        assert_eq!(chip_program(lsp), otaru);
        assert_eq!(chip_program(otaru.clone()), otaru);
    }
}
