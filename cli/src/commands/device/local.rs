//! A device on this machine plays its parts: the chip's process and the CPU's.

use crate::arguments::HostChip;
use crate::failure::{Exit, Failure};
use otaru_board_host::chip::{self, ChipConfig, CpuProgram};
use otaru_lsp_build::local::Shape;
use otaru_lsp_project::{Mode, board};

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
    let config = ChipConfig {
        dir: arguments.dir.clone(),
        board: board.name.clone(),
        geometry: Some(Shape { board, mode }.geometry()?),
        cpu: CpuProgram {
            program,
            args: vec!["host-cpu".into()],
        },
        pty: true,
        power: arguments.power,
        seed: None,
    };
    chip::run(&config, |_ready| ())
        .map_err(|error| Failure::new(Exit::Failed, "chip", error.to_string()))
}

/// `otaru host-cpu`: the bootloader, then the image.
pub(crate) fn host_cpu() -> ! {
    otaru_board_host::cpu::main()
}
