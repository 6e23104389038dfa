//! Devices on this machine: `flash`, `provision`, `device …`, `console`.

mod buttons;
mod cable;
mod list;
mod local;

pub(crate) use cable::{erase, flash, flash_image, provision, provision_device, undo_provision};
pub(crate) use local::{host_chip, host_cpu};

use crate::arguments::Device;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_board_host::control::Client;
use otaru_lsp_build::local::{Local, LocalError, Shape};
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
    let device = named(&session.device_name(name)?)?;
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
        None => Shape::of_project(&session.project()?),
    };
    device.start(&shape, true).await?;
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
    let device = named(&session.device_name(name)?)?;
    show_console(session, &device, false).await
}

/// Shows the console until the device is switched off or the user has seen enough.
async fn show_console(
    session: Session<'_>,
    device: &Local,
    stop_afterwards: bool,
) -> Result<(), Failure> {
    let mut bytes = console_bytes(device)?;
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
        device.ask(Client::shutdown).await?;
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

/// What the device has printed and prints, until it is switched off.
pub(crate) fn console_bytes(device: &Local) -> Result<mpsc::Receiver<Vec<u8>>, Failure> {
    let stream = Client::console(&device.dir).map_err(LocalError::Control)?;
    Ok(pieces(stream))
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

/// The device of this name, whether it exists or not. A name that none can have is a wrong command
/// line.
fn named(name: &str) -> Result<Local, Failure> {
    Local::named(name).map_err(|error| {
        if let LocalError::Name(why) = &error {
            return Failure::new(Exit::Usage, "device-name", why.to_string());
        }
        error.into()
    })
}
