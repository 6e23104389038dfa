//! Where there is no host board, devices are flashed and operated elsewhere.

use super::no_host_board;
use crate::arguments::{Device, Erase, Flash, HostChip, Provision, UndoProvision};
use crate::failure::Failure;
use crate::session::Session;

pub(crate) fn host_chip(_chip: &HostChip) -> Result<(), Failure> {
    Err(no_host_board())
}

/// Only a chip starts a CPU, and there is none here.
pub(crate) fn host_cpu() -> ! {
    std::process::abort()
}

pub(crate) async fn flash(_session: Session<'_>, _flash: &Flash) -> Result<(), Failure> {
    Err(no_host_board())
}

pub(crate) async fn provision(_: Session<'_>, _: &Provision) -> Result<(), Failure> {
    Err(no_host_board())
}

pub(crate) async fn erase(_: Session<'_>, _: &Erase) -> Result<(), Failure> {
    Err(no_host_board())
}

pub(crate) async fn undo_provision(_: Session<'_>, _: &UndoProvision) -> Result<(), Failure> {
    Err(no_host_board())
}

pub(crate) async fn run(_session: Session<'_>, _verb: &Device) -> Result<(), Failure> {
    Err(no_host_board())
}

pub(crate) async fn console(_session: Session<'_>, _name: Option<&str>) -> Result<(), Failure> {
    Err(no_host_board())
}
