//! Devices on this machine: `flash`, `provision`, `device …`, `console`.

mod buttons;
mod cable;
mod list;
mod local;

pub(crate) use cable::{flash, flash_image, provision, provision_device};
pub(crate) use local::{Local, host_chip, host_cpu, qemu_cpu};

use crate::arguments::Device;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_board_host::control::{ControlError, RefusalCode};
use serde_json::json;
use tokio::sync::mpsc;

/// `otaru device`
pub(crate) async fn run(session: Session<'_>, verb: &Device) -> Result<(), Failure> {
    match verb {
        Device::Run { name, detach } => start(session, name.as_deref(), *detach).await,
        Device::List => list::run(session).await,
        Device::Stop { .. }
        | Device::Reset { .. }
        | Device::Recovery { .. }
        | Device::PowerCut { .. }
        | Device::Corrupt { .. }
        | Device::Offline { .. }
        | Device::Online { .. } => buttons::run(session, verb).await,
    }
}

/// `otaru device run`
async fn start(session: Session<'_>, name: Option<&str>, detach: bool) -> Result<(), Failure> {
    let device = Local::named(&session.device_name(name)?)?;
    if device.is_running() {
        session
            .output
            .note(&format!("{} runs already", device.name));
        return if detach {
            Ok(())
        } else {
            show_console(session, &device, false).await
        };
    }
    let shape = match device.stored_shape()? {
        Some(shape) => shape,
        None => local::Shape::of_project(&session.project()?),
    };
    device.start(session.output, &shape, true).await?;
    session
        .output
        .object("device", json!({ "name": device.name, "state": "running" }));
    if detach {
        session.output.text(&format!(
            "{} runs; see it with `otaru console {0}`, stop it with `otaru device stop {0}`",
            device.name
        ));
        return Ok(());
    }
    session
        .output
        .note(&format!("{} runs; Control-C switches it off", device.name));
    show_console(session, &device, true).await
}

/// `otaru console`
pub(crate) async fn console(session: Session<'_>, name: Option<&str>) -> Result<(), Failure> {
    let device = Local::named(&session.device_name(name)?)?;
    show_console(session, &device, false).await
}

/// Shows the console until the device is switched off or the user has seen enough.
async fn show_console(
    session: Session<'_>,
    device: &Local,
    stop_afterwards: bool,
) -> Result<(), Failure> {
    let mut bytes = device.console()?;
    let mut line = Vec::new();
    let stopped = loop {
        tokio::select! {
            piece = bytes.recv() => match piece {
                Some(piece) if session.output.is_json() => {
                    line.extend_from_slice(&piece);
                    show_lines(session, &mut line);
                }
                Some(piece) => session.output.raw(&piece),
                None => break false,
            },
            () = super::manager::stop_signal() => break true,
        }
    };
    if stopped && stop_afterwards {
        device
            .with_client(otaru_board_host::control::Client::shutdown)
            .await?;
    }
    if !stopped || stop_afterwards {
        session
            .output
            .note(&format!("{} is switched off", device.name));
    }
    Ok(())
}

/// Shows the complete lines that have come together, and keeps the rest.
fn show_lines(session: Session<'_>, pending: &mut Vec<u8>) {
    while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = pending.drain(..=end).collect();
        let text = String::from_utf8_lossy(&line);
        session
            .output
            .object("console", json!({ "text": text.trim_end() }));
    }
}

/// The pieces that a blocking reader gives, until it ends.
fn pieces(mut reader: impl std::io::Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(len) => {
                    if sender.blocking_send(buffer[..len].to_vec()).is_err() {
                        break;
                    }
                }
            }
        }
    });
    receiver
}

/// A refused or failed request to a device.
pub(crate) fn control_failure(error: &ControlError) -> Failure {
    let (code, hint) = match error {
        ControlError::NotRunning { .. } => ("device-not-running", None),
        ControlError::Refused(refusal) => {
            let hint = if refusal.code == RefusalCode::Off {
                Some("switch it on: `otaru device run`")
            } else if refusal.code == RefusalCode::Busy {
                Some("another program is flashing it; wait for its end")
            } else {
                None
            };
            ("device-refused", hint)
        }
        ControlError::Io { .. } => ("device-lost", Some("start it again: `otaru device run`")),
        ControlError::Protocol { .. } => ("device-language", None),
    };
    let failure = Failure::new(Exit::Failed, code, error.to_string());
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
