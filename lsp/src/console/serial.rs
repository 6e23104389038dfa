//! A serial port as a source of lines: opened raw, read until it goes, looked for again.

#[cfg(unix)]
mod port {
    use crate::verbs::cut_line;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    use rustix::termios::{
        ControlModes, OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr,
    };
    use std::fs::File;
    use std::io::Read as _;
    use std::path::{Path, PathBuf};
    use tokio::sync::mpsc;

    /// How often a reader looks whether anybody still listens.
    const LOOK: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 200_000_000,
    };

    /// Opens a port: raw, at this speed, without waiting for a carrier.
    fn open(path: &Path, baud: u32) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(path, flags, Mode::empty())?;
        let mut attributes = tcgetattr(&port)?;
        attributes.make_raw();
        attributes.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        attributes.set_speed(baud)?;
        tcsetattr(&port, OptionalActions::Now, &attributes)?;
        // What was received before anybody listened is half a line at best.
        tcflush(&port, QueueSelector::IFlush)?;
        Ok(File::from(port))
    }

    /// Reads a port until it goes or nobody listens, and says why it ended. Blocks.
    pub(crate) fn follow(
        path: &Path,
        baud: u32,
        lines: &mpsc::Sender<String>,
        opened: impl FnOnce(),
    ) -> String {
        let mut port = match open(path, baud) {
            Ok(port) => port,
            Err(error) => return format!("{} cannot be opened: {error}", path.display()),
        };
        opened();
        match read(&mut port, lines) {
            Ok(()) => format!("{} was unplugged", path.display()),
            Err(error) => format!("{} is gone: {error}", path.display()),
        }
    }

    /// Passes lines on until the port has ended or nobody listens.
    fn read(port: &mut File, lines: &mpsc::Sender<String>) -> std::io::Result<()> {
        let mut kept = Vec::new();
        let mut piece = [0; 4096];
        while !lines.is_closed() {
            let mut fds = [PollFd::new(port, PollFlags::IN)];
            poll(&mut fds, Some(&LOOK))?;
            if fds.iter().all(|fd| fd.revents().is_empty()) {
                continue;
            }
            match port.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => kept.extend(piece.iter().take(count)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            while let Some(line) = cut_line(&mut kept) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if lines.blocking_send(text).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The serial ports of this machine.
    pub(crate) fn ports() -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (folder, starts) in [
            ("/dev/serial/by-id", [""].as_slice()),
            ("/dev", ["ttyACM", "ttyUSB", "cu.usb"].as_slice()),
        ] {
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if starts.iter().any(|start| name.starts_with(start)) {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    #[cfg(test)]
    mod tests {
        // C56: over a real pair of terminals
        use super::*;
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use std::io::Write as _;

        fn pair() -> (File, PathBuf) {
            let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
            grantpt(&near).expect("granted");
            unlockpt(&near).expect("unlocked");
            let far = ptsname(&near, Vec::new()).expect("a name");
            let far = far.into_string().expect("text");
            (File::from(near), far.into())
        }

        #[tokio::test]
        async fn lines_come_through_and_an_unplugged_port_is_said_to_be() {
            let (mut near, far) = pair();
            let (send, mut lines) = mpsc::channel(16);
            let (opened, is_open) = tokio::sync::oneshot::channel();
            let path = far.clone();
            let read = tokio::task::spawn_blocking(move || {
                follow(&path, 115_200, &send, || {
                    opened.send(()).expect("the test waits");
                })
            });
            is_open.await.expect("it opens");
            near.write_all(b":: boot\r\nota: online\nhalf")
                .expect("written");
            assert_eq!(lines.recv().await.as_deref(), Some(":: boot"));
            assert_eq!(lines.recv().await.as_deref(), Some("ota: online"));
            near.write_all(b" a line\n").expect("written");
            assert_eq!(lines.recv().await.as_deref(), Some("half a line"));
            drop(near);
            let why = read.await.expect("it ends");
            assert!(why.contains(&far.display().to_string()), "{why}");
        }

        #[test]
        fn a_port_that_is_not_there_is_named() {
            let (send, _lines) = mpsc::channel(1);
            let path = Path::new("/dev/otaru-no-such-port");
            let why = follow(path, 9600, &send, || panic!("it does not open"));
            assert!(
                why.starts_with("/dev/otaru-no-such-port cannot be opened"),
                "{why}"
            );
        }
    }
}

#[cfg(unix)]
pub(crate) use port::{follow, ports};

/// Ports are opened as Unix terminals.
#[cfg(not(unix))]
pub(crate) fn follow(
    path: &std::path::Path,
    _baud: u32,
    _lines: &tokio::sync::mpsc::Sender<String>,
    _opened: impl FnOnce(),
) -> String {
    format!(
        "{} cannot be opened on this operating system",
        path.display()
    )
}

/// Ports are opened as Unix terminals.
#[cfg(not(unix))]
pub(crate) fn ports() -> Vec<std::path::PathBuf> {
    Vec::new()
}
