//! A device on this machine plays its parts: the chip's process and the CPU's.

use crate::arguments::{HostChip, QemuCpu};
use crate::failure::{Exit, Failure};
use otaru_board_host::chip::{self, ChipConfig, CpuKind, CpuProgram};
use otaru_lsp_build::local::Shape;
use otaru_lsp_project::{Mode, board};
use std::ffi::OsString;
use std::path::PathBuf;

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
