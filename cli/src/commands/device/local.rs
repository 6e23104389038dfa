//! A device on this machine: its folder, its chip process, its control socket.

use super::{control_failure, pieces};
use crate::arguments::{HostChip, QemuCpu};
use crate::commands::new::checkout;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use otaru_board_host::chip::{self, ChipConfig, CpuKind, CpuProgram, Geometry};
use otaru_board_host::control::{Client, ControlError, DeviceFile, device_dir, devices_root};
use otaru_lsp_build::device::layout_of;
use otaru_lsp_build::emulator;
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_project::{Board, Mode, board};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a chip may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is asked meanwhile.
const START_POLL: Duration = Duration::from_millis(20);
/// What the emulator of a device boots.
const BOOTLOADER: &str = "bootloader.bin";
/// What the chip process itself had to say.
const CHIP_LOG: &str = "chip.log";

/// A device on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    /// Its name, which is its folder's.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) dir: PathBuf,
}

/// What decides the areas of a device's flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The board.
    pub(crate) board: &'static Board,
    /// The install mode.
    pub(crate) mode: Mode,
}

impl Shape {
    /// That of a project.
    pub(crate) const fn of_project(project: &OpenProject) -> Self {
        Self {
            board: project.settings.board,
            mode: project.settings.mode,
        }
    }

    /// The flash that this needs.
    pub(crate) fn geometry(&self) -> Result<Geometry, Failure> {
        let layout = layout_of::<Infallible>(self.board, self.mode)?;
        Ok(Geometry::of_layout(&layout))
    }
}

impl Local {
    /// The device of this name, whether it exists or not.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let root = devices_root().ok_or_else(|| {
            Failure::new(
                Exit::Failed,
                "no-home",
                "there is no home folder that could hold devices",
            )
            .hint("set HOME or XDG_DATA_HOME")
        })?;
        let dir = device_dir(&root, name)
            .map_err(|error| Failure::new(Exit::Usage, "device-name", error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            dir,
        })
    }

    /// Whether its chip answers.
    pub(crate) fn is_running(&self) -> bool {
        Client::connect(&self.dir).is_ok()
    }

    /// The file that makes its folder a device.
    pub(crate) fn file(&self) -> Result<Option<DeviceFile>, Failure> {
        DeviceFile::load(&self.dir)
            .map_err(|error| Failure::io(format!("{} cannot be read", self.name), &error))
    }

    /// The shape that it was made with; `None` if there is no such device yet.
    pub(crate) fn stored_shape(&self) -> Result<Option<Shape>, Failure> {
        let Some(file) = self.file()? else {
            return Ok(None);
        };
        let unknown = || {
            let message = format!(
                "{} is a `{}`, which is not known here",
                self.name, file.board
            );
            Failure::new(Exit::Failed, "board-unknown", message)
        };
        let board = board(&file.board).ok_or_else(unknown)?;
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
    pub(crate) async fn start(
        &self,
        output: &Output,
        shape: &Shape,
        power: bool,
    ) -> Result<(), Failure> {
        let failed = |error: &std::io::Error| Failure::io("the device cannot be started", error);
        std::fs::create_dir_all(&self.dir).map_err(|error| failed(&error))?;
        let log = std::fs::File::create(self.dir.join(CHIP_LOG)).map_err(|error| failed(&error))?;
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command
            .arg("host-chip")
            .arg("--dir")
            .arg(&self.dir)
            .args(["--board", &shape.board.name, "--mode", shape.mode.as_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|error| failed(&error))?)
            .stderr(log)
            // Control-C at the terminal is for us, not for the device.
            .process_group(0);
        if power {
            command.arg("--power");
        }
        if emulator::is_emulated(shape.board) {
            command.args(self.emulated(output, shape.board).await?);
        }
        let mut chip = command.spawn().map_err(|error| failed(&error))?;
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
        Err(Failure::new(
            Exit::Failed,
            "device-start",
            format!("{} does not start: {last}", self.name),
        ))
    }

    /// What the chip needs to know to have an emulator for its CPU.
    async fn emulated(&self, output: &Output, board: &Board) -> Result<[OsString; 4], Failure> {
        let qemu = emulator::qemu()?;
        output.note(&format!("building the bootloader of {}", board.name));
        let bytes = emulator::bootloader(board, checkout().as_deref()).await?;
        let path = self.dir.join(BOOTLOADER);
        std::fs::write(&path, bytes).map_err(|error| {
            Failure::io(format!("{} cannot be written", path.display()), &error)
        })?;
        Ok([
            "--qemu".into(),
            qemu.into(),
            "--bootloader".into(),
            path.into(),
        ])
    }

    /// Waits until its chip is gone.
    pub(crate) async fn stopped(&self) -> Result<(), Failure> {
        let gone = async {
            while self.is_running() {
                tokio::time::sleep(START_POLL).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, gone)
            .await
            .map_err(|_elapsed| {
                Failure::new(
                    Exit::Failed,
                    "device-stop",
                    format!("{} does not stop", self.name),
                )
            })
    }

    /// Talks to the chip on a thread of its own.
    pub(crate) async fn with_client<T, E>(
        &self,
        talk: impl FnOnce(&mut Client) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: Into<TalkError> + Send + 'static,
    {
        let dir = self.dir.clone();
        let talked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect(&dir).map_err(|error| control_failure(&error))?;
            talk(&mut client).map_err(|error| error.into().0)
        });
        match talked.await {
            Ok(result) => result,
            Err(error) => Err(Failure::new(Exit::Failed, "device-lost", error.to_string())),
        }
    }

    /// What the device has printed and prints, until it is switched off.
    pub(crate) fn console(&self) -> Result<mpsc::Receiver<Vec<u8>>, Failure> {
        let stream = Client::console(&self.dir).map_err(|error| control_failure(&error))?;
        Ok(pieces(stream))
    }
}

/// What can go wrong while talking, already in words for people.
pub(crate) struct TalkError(pub(crate) Failure);

impl From<ControlError> for TalkError {
    fn from(error: ControlError) -> Self {
        Self(control_failure(&error))
    }
}

impl From<Failure> for TalkError {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// `otaru host-chip`: the chip of a device, until it is shut down.
pub(crate) fn host_chip(arguments: &HostChip) -> Result<(), Failure> {
    let unknown = |what: &str, name: &str| {
        Failure::new(
            Exit::Usage,
            "host-chip",
            format!("there is no {what} `{name}`"),
        )
    };
    let board = board(&arguments.board).ok_or_else(|| unknown("board", &arguments.board))?;
    let mode = Mode::named(&arguments.mode).ok_or_else(|| unknown("mode", &arguments.mode))?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::io("this program does not find itself", &error))?;
    let (args, kind) = cpu(arguments)?;
    let config = ChipConfig {
        dir: arguments.dir.clone(),
        board: board.name.clone(),
        geometry: Some(Shape { board, mode }.geometry()?),
        cpu: CpuProgram {
            program,
            args,
            kind,
        },
        pty: true,
        power: arguments.power,
        seed: None,
    };
    chip::run(&config, |_ready| ())
        .map_err(|error| Failure::new(Exit::Failed, "chip", error.to_string()))
}

/// What this program is called with for a CPU, and what it is then.
fn cpu(arguments: &HostChip) -> Result<(Vec<OsString>, CpuKind), Failure> {
    let (Some(qemu), Some(path)) = (&arguments.qemu, &arguments.bootloader) else {
        return Ok((vec!["host-cpu".into()], CpuKind::Process));
    };
    let absolute = |path: &PathBuf| {
        std::path::absolute(path).map_err(|error| Failure::io("there is no current folder", &error))
    };
    let bootloader = std::fs::read(path)
        .map_err(|error| Failure::io(format!("{} cannot be read", path.display()), &error))?;
    let args = vec![
        "qemu-cpu".into(),
        "--qemu".into(),
        qemu.into(),
        "--dir".into(),
        absolute(&arguments.dir)?.into(),
    ];
    Ok((args, CpuKind::Emulator { bootloader }))
}

/// `otaru qemu-cpu`: becomes the emulator.
pub(crate) fn qemu_cpu(arguments: &QemuCpu) -> Failure {
    let error = otaru_board_host::emulator::main(&arguments.qemu, &arguments.dir);
    let what = format!("{} cannot be started", arguments.qemu.display());
    Failure::io(what, &error)
}

/// `otaru host-cpu`: the bootloader, then the image.
pub(crate) fn host_cpu() -> ! {
    otaru_board_host::cpu::main()
}
