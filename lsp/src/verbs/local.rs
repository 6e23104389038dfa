//! Devices on this machine: their console and their buttons.

use crate::protocol::{
    BoardButton, ConsoleLine, ConsoleSource, FlashArea, FlashMap, SlotDetails, SlotField,
};
use otaru_lsp_build::flash_map;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// A device on this machine, by name.
#[derive(Debug, Clone)]
pub(crate) struct LocalDevice {
    /// Its name, which is also that of its folder.
    pub(crate) name: String,
}

fn note(text: impl Into<String>) -> ConsoleLine {
    ConsoleLine {
        source: ConsoleSource::Server,
        text: text.into(),
    }
}

#[cfg(unix)]
mod sockets {
    use super::{
        BoardButton, ConsoleLine, ConsoleSource, FlashMap, LocalDevice, PathBuf, SlotDetails, mpsc,
        note,
    };
    use otaru_board_host::DEVICE_BLOCK_AT;
    use otaru_board_host::control::{Client, ControlError, Moment, device_dir, devices_root};
    use otaru_lsp_build::flash_map::{self, Slot};
    use std::time::Duration;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::UnixStream;

    /// How often a device that does not run is looked for while somebody watches its console.
    const LOOK_AGAIN: Duration = Duration::from_millis(500);
    /// Longest line that is taken as one, in bytes.
    const LINE_LEN_MAX: usize = 16 * 1024;
    /// How long the power stays off after a cut, in milliseconds.
    const OFF_MS: u64 = 500;

    fn folder(device: &LocalDevice) -> Result<PathBuf, String> {
        let root = devices_root().ok_or("there is no home folder that could hold devices")?;
        let dir = device_dir(&root, &device.name).map_err(|error| error.to_string())?;
        if dir.is_dir() {
            Ok(dir)
        } else {
            Err(format!(
                "{} is not a device on this machine; `otaru device list` shows what is",
                device.name
            ))
        }
    }

    /// Talks with a running device on a thread of its own.
    async fn with_client<T: Send + 'static>(
        device: &LocalDevice,
        talk: impl FnOnce(&mut Client) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let dir = folder(device)?;
        let talked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect(&dir).map_err(|error| error.to_string())?;
            talk(&mut client)
        });
        talked.await.map_err(|error| error.to_string())?
    }

    /// Reads what stands where in the flash.
    pub(crate) async fn map(device: &LocalDevice) -> Result<FlashMap, String> {
        let name = device.name.clone();
        with_client(device, move |client| {
            let map = flash_map::map(client, DEVICE_BLOCK_AT).map_err(|error| error.to_string())?;
            Ok(super::to_protocol(name, map))
        })
        .await
    }

    /// Looks at the image in a slot, and judges it as the device would.
    pub(crate) async fn slot(device: &LocalDevice, slot: u8) -> Result<SlotDetails, String> {
        let slot = Slot::from_code(slot).ok_or_else(|| format!("there is no slot {slot}"))?;
        with_client(device, move |client| {
            flash_map::details(client, DEVICE_BLOCK_AT, slot)
                .map(super::details_to_protocol)
                .map_err(|error| error.to_string())
        })
        .await
    }

    /// Presses a button.
    pub(crate) async fn press(device: &LocalDevice, button: BoardButton) -> Result<(), String> {
        with_client(device, move |client| {
            let pressed = match button {
                BoardButton::Reset => client.reset(Moment::default()),
                BoardButton::PowerCut => client.power_cut(Moment {
                    off_ms: Some(OFF_MS),
                    ..Moment::default()
                }),
                BoardButton::Offline => client.set_online(false),
                BoardButton::Online => client.set_online(true),
            };
            pressed.map_err(|error| error.to_string())
        })
        .await
    }

    /// Reads the console of a device, through resets and restarts, until nobody listens.
    pub(crate) async fn console(device: &LocalDevice, lines: mpsc::Sender<ConsoleLine>) {
        let mut told = String::new();
        while !lines.is_closed() {
            let why = match connect(device).await {
                Ok(stream) => {
                    told.clear();
                    follow(stream, &lines).await;
                    format!("{} was switched off; waiting for it", device.name)
                }
                Err(why) => why,
            };
            if why != told {
                if lines.send(note(why.clone())).await.is_err() {
                    return;
                }
                told = why;
            }
            tokio::select! {
                () = lines.closed() => return,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    async fn connect(device: &LocalDevice) -> Result<UnixStream, String> {
        let dir = folder(device)?;
        let opened = tokio::task::spawn_blocking(move || Client::console(&dir)).await;
        let stream = opened
            .map_err(|error| error.to_string())?
            .map_err(|error| match error {
                ControlError::NotRunning { .. } => format!(
                    "{} is switched off; `otaru device run {}` starts it",
                    device.name, device.name
                ),
                error @ (ControlError::Refused(_)
                | ControlError::Io { .. }
                | ControlError::Protocol { .. }) => error.to_string(),
            })?;
        stream
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(stream))
            .map_err(|error| error.to_string())
    }

    /// Passes on lines until the device's process ends. Bytes that are no UTF-8 are replaced, an
    /// endless line is cut.
    async fn follow(mut stream: UnixStream, lines: &mpsc::Sender<ConsoleLine>) {
        let mut kept: Vec<u8> = Vec::new();
        let mut piece = vec![0; 8 * 1024];
        loop {
            let read = tokio::select! {
                () = lines.closed() => return,
                read = stream.read(&mut piece) => read,
            };
            let count = match read {
                Ok(0) | Err(_) => return,
                Ok(count) => count,
            };
            kept.extend(piece.iter().take(count));
            while let Some(line) = cut_line(&mut kept) {
                let text = String::from_utf8_lossy(&line).into_owned();
                let line = ConsoleLine {
                    source: ConsoleSource::of(&text),
                    text,
                };
                if lines.send(line).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Takes the first complete line off, without its end.
    pub(crate) fn cut_line(kept: &mut Vec<u8>) -> Option<Vec<u8>> {
        let end = kept.iter().position(|byte| *byte == b'\n');
        let taken = match end {
            Some(end) => end + 1,
            None if kept.len() > LINE_LEN_MAX => LINE_LEN_MAX,
            None => return None,
        };
        let mut line: Vec<u8> = kept.drain(..taken).collect();
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        Some(line)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn lines_are_cut_at_their_ends() {
            let mut kept = b":: boot\r\nota: online\nhal".to_vec();
            assert_eq!(cut_line(&mut kept).as_deref(), Some(b":: boot".as_slice()));
            assert_eq!(
                cut_line(&mut kept).as_deref(),
                Some(b"ota: online".as_slice())
            );
            assert_eq!(cut_line(&mut kept), None);
            assert_eq!(kept, b"hal");
            let mut endless = vec![b'x'; LINE_LEN_MAX + 1];
            assert_eq!(
                cut_line(&mut endless).map(|line| line.len()),
                Some(LINE_LEN_MAX)
            );
        }
    }
}

fn to_protocol(device: String, map: flash_map::FlashMap) -> FlashMap {
    let record = match &map.record {
        Ok(state) => state.phase().name().to_owned(),
        Err(why) => why.clone(),
    };
    let area = |area: flash_map::MappedArea| FlashArea {
        name: area.kind.name().to_owned(),
        offset: area.offset,
        len: area.len,
        used: area.used,
        slot: area.kind.slot().map(flash_map::Slot::code),
        role: area.role.map(|role| role.name().to_owned()),
        version: area.image.map(|image| image.version),
    };
    FlashMap {
        device,
        len: map.len,
        areas: map.areas.into_iter().map(area).collect(),
        record,
    }
}

fn details_to_protocol(details: flash_map::SlotDetails) -> SlotDetails {
    let field = |(name, value): (&str, String)| SlotField {
        name: name.to_owned(),
        value,
    };
    SlotDetails {
        name: details.slot.name().to_owned(),
        fields: details.fields.into_iter().map(field).collect(),
        digest: details.digest,
        key: details.key.and_then(|key| u8::try_from(key).ok()),
        problem: details.problem,
    }
}

#[cfg(unix)]
pub(crate) use sockets::{console, cut_line, map, press, slot};

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
fn no_devices(device: &LocalDevice) -> String {
    format!("{} cannot run on this operating system", device.name)
}

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn map(device: &LocalDevice) -> Result<FlashMap, String> {
    Err(no_devices(device))
}

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn slot(device: &LocalDevice, _slot: u8) -> Result<SlotDetails, String> {
    Err(no_devices(device))
}

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn press(device: &LocalDevice, _button: BoardButton) -> Result<(), String> {
    Err(no_devices(device))
}

/// Devices on this machine need Unix sockets.
#[cfg(not(unix))]
pub(crate) async fn console(device: &LocalDevice, lines: mpsc::Sender<ConsoleLine>) {
    if lines.send(note(no_devices(device))).await.is_err() {
        tracing::debug!("nobody listens");
    }
}
