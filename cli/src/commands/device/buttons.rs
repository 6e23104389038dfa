//! Buttons and faults of a device on this machine.

use super::named;
use crate::arguments::{Device, FlashArea, Moment as Wanted};
use crate::confirm::confirm;
use crate::failure::{Exit, Failure};
use crate::session::Session;
use otaru_board_host::control::{Client, Moment};
use serde_json::json;

/// Presses the button that was asked for.
pub(crate) async fn run(session: Session<'_>, verb: &Device) -> Result<(), Failure> {
    match verb {
        Device::Reset { name, moment } => {
            let moment = at(*moment);
            press(
                session,
                name.as_deref(),
                Did("reset", "reset"),
                move |client| client.reset(moment),
            )
            .await
        }
        Device::Recovery { name } => recovery(session, name.as_deref()).await,
        Device::PowerCut {
            name,
            moment,
            off_ms,
            torn,
        } => {
            let moment = Moment {
                off_ms: Some(*off_ms),
                torn: *torn,
                ..at(*moment)
            };
            press(
                session,
                name.as_deref(),
                Did("power-cut", "power cut"),
                move |client| client.power_cut(moment),
            )
            .await
        }
        Device::Offline { name } => {
            press(
                session,
                name.as_deref(),
                Did("offline", "network taken away"),
                |client| client.set_online(false),
            )
            .await
        }
        Device::Online { name } => {
            press(
                session,
                name.as_deref(),
                Did("online", "network is back"),
                |client| client.set_online(true),
            )
            .await
        }
        Device::Stop { name } => {
            press(
                session,
                name.as_deref(),
                Did("stop", "switched off"),
                Client::shutdown,
            )
            .await
        }
        Device::Corrupt { name, area, at } => corrupt(session, name.as_deref(), *area, *at).await,
        // These two press no button; the caller takes them.
        Device::Run { .. } | Device::List => Ok(()),
    }
}

/// What was done: for programs and for people.
struct Did(&'static str, &'static str);

fn at(wanted: Wanted) -> Moment {
    Moment {
        at_operation: wanted.at_operation,
        after_ms: wanted.after_ms,
        ..Moment::default()
    }
}

async fn press(
    session: Session<'_>,
    name: Option<&str>,
    did: Did,
    button: impl FnOnce(&mut Client) -> Result<(), otaru_board_host::control::ControlError>
    + Send
    + 'static,
) -> Result<(), Failure> {
    let local = named(&session.device_name(name)?)?;
    local.ask(button).await?;
    session.output.result(
        "device",
        &format!("{}: {}", local.name, did.1),
        json!({ "name": local.name, "did": did.0 }),
    );
    Ok(())
}

/// Resets the device with the recovery button held, and says where its console is.
async fn recovery(session: Session<'_>, name: Option<&str>) -> Result<(), Failure> {
    let local = named(&session.device_name(name)?)?;
    let status = local
        .ask(|client| {
            client.hold_recovery()?;
            client.reset(Moment::default())?;
            client.status()
        })
        .await?;
    let console = status.pty.unwrap_or_default();
    session.output.result(
        "device",
        &format!("{}: in recovery, its console is {console}", local.name),
        json!({ "name": local.name, "did": "recovery", "console": console }),
    );
    Ok(())
}

/// Flips one bit.
async fn corrupt(
    session: Session<'_>,
    name: Option<&str>,
    area: Option<FlashArea>,
    at: u32,
) -> Result<(), Failure> {
    let local = named(&session.device_name(name)?)?;
    let file = local.file()?.ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "device-unknown",
            format!("there is no device {}", local.name),
        )
        .hint("`otaru device list` shows what there is")
    })?;
    let names: &[&str] = match area {
        Some(FlashArea::Storage0) => &["storage 0"],
        Some(FlashArea::Storage1) => &["storage 1"],
        Some(FlashArea::Execution) => &["execution"],
        Some(FlashArea::Record) => &["record"],
        None => &["storage 1", "storage 0"],
    };
    let found = names
        .iter()
        .find_map(|name| file.geometry.areas.iter().find(|area| area.name == *name));
    let found = found.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "area-unknown",
            format!("{} has no such area", local.name),
        )
        .hint("in mode swap there is only one storage slot: `--area storage-0`")
    })?;
    if at >= found.len {
        let message = format!(
            "{} has {:#x} bytes, {at:#x} lies beyond",
            found.name, found.len
        );
        return Err(Failure::new(Exit::Usage, "area-bounds", message));
    }
    confirm(
        session.output,
        session.arguments.yes,
        &format!("Flip a bit of {} in {} at {at:#x}?", local.name, found.name),
    )?;
    let offset = found.offset.saturating_add(at);
    local.ask(move |client| client.corrupt(offset, 1)).await?;
    session.output.result(
        "device",
        &format!("{}: flipped a bit of {} at {at:#x}", local.name, found.name),
        json!({ "name": local.name, "did": "corrupt", "area": found.name, "at": at }),
    );
    Ok(())
}
