//! Debug probes as a process of their own: requests and replies are JSON lines on stdin and stdout, so
//! that neither a USB fault nor the minutes of compiling the probe library reach the editor. The only
//! crate that links probe-rs; it knows chips and bytes, nothing of images or layouts. Of our own
//! crates it knows the control socket of devices on this machine, which are a backend like another.
//!
//! The protocol is described in the README beside this crate's manifest.

#![forbid(unsafe_code)]

mod backend;
mod chip;
mod failure;
#[cfg(feature = "probe-rs")]
mod hardware;
#[cfg(unix)]
mod host;
mod job;
mod lines;
mod progress;
mod protocol;
mod select;
mod server;
mod sim;

use std::io::{self, Write};
use std::process::ExitCode;

use backend::ProbeBackend;
use sim::{Faults, Sim};

const USAGE: &str = "usage: otaru-probe [--backend probe-rs | host[:FOLDER] | sim[:FAULT,...]]
Reads requests as JSON lines from stdin and answers on stdout until stdin ends.
The backend `host` has the devices on this machine, or those in FOLDER.
Faults of the simulated backend: no-probe, two-probes, permission, locked, silent, unplug=BYTES,
flip=BYTES, stall=BYTES, slow=MILLISECONDS.";

/// Which backend the command line asks for.
enum Choice {
    /// Real probes.
    #[cfg(feature = "probe-rs")]
    ProbeRs,
    /// Devices on this machine.
    #[cfg(unix)]
    Host(std::path::PathBuf),
    /// A target in memory.
    Sim(Faults),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = choice(&arguments).and_then(|choice| {
        server::serve(&mut io::stdin().lock(), io::stdout(), make(choice))
            .map_err(|error| format!("cannot read requests: {error}"))
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // If stderr is gone too, the exit code is all that is left.
            drop(writeln!(io::stderr(), "otaru-probe: {message}"));
            ExitCode::from(2)
        }
    }
}

fn choice(arguments: &[String]) -> Result<Choice, String> {
    let name = match arguments {
        [] => "probe-rs",
        [flag, name] if flag == "--backend" => name,
        _ => return Err(USAGE.to_owned()),
    };
    match name.split_once(':').unwrap_or((name, "")) {
        #[cfg(feature = "probe-rs")]
        ("probe-rs", "") => Ok(Choice::ProbeRs),
        #[cfg(not(feature = "probe-rs"))]
        ("probe-rs", "") => Err("built without probe-rs; use --backend sim".to_owned()),
        #[cfg(unix)]
        ("host", "") => otaru_board_host::control::devices_root()
            .map(Choice::Host)
            .ok_or_else(|| "there is no home folder that could hold devices".to_owned()),
        #[cfg(unix)]
        ("host", folder) => Ok(Choice::Host(folder.into())),
        ("sim", faults) => Faults::parse(faults)
            .map(Choice::Sim)
            .map_err(|why| format!("{why}\n{USAGE}")),
        _ => Err(USAGE.to_owned()),
    }
}

/// Makes a backend, in the thread that will use it.
type Make = Box<dyn FnOnce() -> Box<dyn ProbeBackend> + Send>;

fn make(choice: Choice) -> Make {
    match choice {
        #[cfg(unix)]
        Choice::Host(root) => Box::new(move || Box::new(host::Host::new(root))),
        Choice::Sim(faults) => Box::new(move || Box::new(Sim::new(faults))),
        #[cfg(feature = "probe-rs")]
        Choice::ProbeRs => Box::new(|| Box::new(hardware::ProbeRs::new())),
    }
}
