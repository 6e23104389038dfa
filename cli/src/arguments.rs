//! The command line itself.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Build, version, sign and update firmware over the air.
#[derive(Debug, Parser)]
#[command(
    name = "otaru",
    version,
    propagate_version = true,
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused or stopped by the \
    user, 4 manager does not answer, 5 project needs repair, 6 not logged in, 7 update not \
    successful."
)]
pub(crate) struct Arguments {
    /// Print one JSON object a line instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Folder of the project, instead of the current one
    #[arg(long, short = 'C', global = true, value_name = "FOLDER")]
    pub(crate) project: Option<PathBuf>,
    /// Address of the device manager, instead of the one in Otaru.toml
    #[arg(long, global = true, value_name = "URL", env = "OTARU_MANAGER")]
    pub(crate) manager: Option<String>,
    /// Answer questions with yes
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new project with a development key
    New(New),
    /// Make, list and register keys
    #[command(subcommand)]
    Keys(Keys),
    /// Compile and sign the project's image
    Build(Build),
    /// Delete what builds of the project left behind; keys and build numbers stay
    Clean,
    /// Build, and show how much of the slot is used by what
    Size,
    /// Build bytecode for a slot and a VM
    Link(Link),
    /// Write the project's image to a device by cable
    Flash(Flash),
    /// Erase a device by cable: firmware, FOTA record, identity
    Erase(Erase),
    /// Give a device its identity in the manager
    Provision(Provision),
    /// Take a device's identity away, here and in the manager
    UndoProvision(UndoProvision),
    /// Build, and bring the image to the manager
    Upload(Build),
    /// Build, upload, and update devices over the air
    Fota(Fota),
    /// Run devices on this machine, press their buttons, make them fail
    #[command(subcommand)]
    Device(Device),
    /// Make a device on this machine fail, and see whether it copes
    #[command(args_conflicts_with_subcommands = true)]
    Lab(Lab),
    /// Show what a device on this machine prints, through its resets
    Console(Console),
    /// The device manager
    #[command(subcommand)]
    Manager(Manager),
    /// Store the API key of a manager
    Login(Login),
    /// The language server, on standard input and output
    Lsp,
    /// Show a whole update and a failing one, in a temporary folder
    Demo(Demo),
    /// Look for what is missing on this machine or in this project
    Doctor,
    /// The chip of a host device (started by `otaru device run`)
    #[command(name = "host-chip", hide = true)]
    HostChip(HostChip),
    /// The CPU of a host device (started by its chip)
    #[command(name = "host-cpu", hide = true)]
    HostCpu,
}

/// `new`
#[derive(Debug, Args)]
pub(crate) struct New {
    /// Name of the product; also the folder's
    pub(crate) name: String,
    /// The kind of device
    #[arg(long, default_value = "host")]
    pub(crate) board: String,
    /// How updates are installed: standby or swap
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// What it builds: firmware, or bytecode for a VM
    #[arg(long, default_value = "firmware")]
    pub(crate) kind: String,
    /// Where to make the project, instead of ./NAME
    #[arg(long, value_name = "FOLDER")]
    pub(crate) path: Option<PathBuf>,
}

/// `keys`
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a new key
    New {
        /// File of the private key, instead of the one in Otaru.toml
        path: Option<PathBuf>,
        /// What it signs with
        #[arg(long, value_name = "NAME", default_value = "ed25519", value_parser = ["ed25519", "p256"])]
        algorithm: String,
        /// A key for which images are encrypted (X25519), instead of one that signs
        #[arg(long, conflicts_with = "algorithm")]
        encryption: bool,
        /// Not for development: without the mark that says so
        #[arg(long)]
        release: bool,
    },
    /// List the keys of the project
    List,
    /// Tell the manager the public half of the project's key
    Register {
        /// Its name there
        #[arg(long)]
        name: Option<String>,
    },
}

/// `build`, `upload`
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The version as people read it, instead of the automatic one
    #[arg(long)]
    pub(crate) label: Option<String>,
}

/// `link`
#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The bytecode slot, from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..255))]
    pub(crate) bc: u8,
    /// The slot of the VM that runs it, from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..255))]
    pub(crate) vm: u8,
    /// Lowest version of that VM, instead of any
    #[arg(long, value_name = "VERSION")]
    pub(crate) vm_version: Option<String>,
    /// The image of the VM that goes with it; its version is the lowest one
    #[arg(long, value_name = "IMAGE")]
    pub(crate) with_vm: Option<PathBuf>,
    /// Where to write the image, and the VM's beside it with the ending .vm
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Build nothing: say whether this image may run in these slots
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["file"])]
    pub(crate) check: Option<PathBuf>,
}

/// `flash`
#[derive(Debug, Args)]
pub(crate) struct Flash {
    /// The device on this machine, instead of the project's
    #[arg(long, short = 'd', value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// The version as people read it, instead of the automatic one
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Private half of the encryption key, if Otaru.toml names only the public one
    #[arg(long, value_name = "FILE")]
    pub(crate) decryption_key: Option<PathBuf>,
}

/// `provision`
#[derive(Debug, Args)]
pub(crate) struct Provision {
    /// The device on this machine, instead of the project's
    #[arg(long, short = 'd', value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Its fleet in the manager
    #[arg(long)]
    pub(crate) fleet: Option<String>,
}

/// `erase`
#[derive(Debug, Args)]
pub(crate) struct Erase {
    /// The device on this machine, instead of the project's
    #[arg(long, short = 'd', value_name = "NAME")]
    pub(crate) device: Option<String>,
}

/// `undo-provision`
#[derive(Debug, Args)]
pub(crate) struct UndoProvision {
    /// The device on this machine, instead of the project's
    #[arg(long, short = 'd', value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// Leave the manager alone, which may be gone for good
    #[arg(long)]
    pub(crate) device_only: bool,
}

/// `fota`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Fota {
    /// Follow or cancel an update
    #[command(subcommand)]
    pub(crate) verb: Option<FotaVerb>,
    /// Update this device (name or dev-…); may be given several times
    #[arg(long, short = 'd', value_name = "DEVICE", conflicts_with = "fleet")]
    pub(crate) device: Vec<String>,
    /// Update this fleet (name or flt-…); may be given several times
    #[arg(long, short = 'f', value_name = "FLEET")]
    pub(crate) fleet: Vec<String>,
    /// Install this version, which the manager has; nothing is built
    #[arg(long, value_name = "VERSION", conflicts_with = "label")]
    pub(crate) existing: Option<String>,
    /// The version as people read it, instead of the automatic one
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Seconds the new firmware has to reach the manager
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(crate) deadline: Option<u32>,
    /// How often the new firmware may start before it has confirmed itself, 1 to 16; without it what
    /// the device was flashed with
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) trials: Option<u32>,
    /// Do not wait for the result
    #[arg(long)]
    pub(crate) no_watch: bool,
}

/// `fota watch`, `fota cancel`
#[derive(Debug, Subcommand)]
pub(crate) enum FotaVerb {
    /// Follow a running update to its end
    Watch(Running),
    /// Ask for an end of a running update
    Cancel(Running),
}

/// A running update.
#[derive(Debug, Args)]
pub(crate) struct Running {
    /// The action (act-…), instead of those of the project's device
    pub(crate) action: Vec<String>,
    /// The device whose updates are meant (name or dev-…)
    #[arg(long, short = 'd', value_name = "DEVICE", conflicts_with = "action")]
    pub(crate) device: Option<String>,
}

/// `device`
#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Start a device on this machine
    Run {
        /// The device, instead of the project's
        name: Option<String>,
        /// Return when it runs, instead of showing its console
        #[arg(long)]
        detach: bool,
    },
    /// List the devices of this machine and of the manager
    List,
    /// Switch a device off
    Stop {
        /// The device, instead of the project's
        name: Option<String>,
    },
    /// Press the reset button
    Reset {
        /// The device, instead of the project's
        name: Option<String>,
        /// When
        #[command(flatten)]
        moment: Moment,
    },
    /// Reset it with the recovery button held, so that its console takes an image
    Recovery {
        /// The device, instead of the project's
        name: Option<String>,
    },
    /// Cut the power
    PowerCut {
        /// The device, instead of the project's
        name: Option<String>,
        /// When
        #[command(flatten)]
        moment: Moment,
        /// Milliseconds until the power is back
        #[arg(long, default_value_t = 500, value_name = "MS")]
        off_ms: u64,
        /// The operation that is cut still happens in part
        #[arg(long, requires = "at_operation")]
        torn: bool,
    },
    /// Flip a bit in flash, as wear would
    Corrupt {
        /// The device, instead of the project's
        name: Option<String>,
        /// Where; by default the last storage slot
        #[arg(long, value_enum)]
        area: Option<FlashArea>,
        /// Bytes from the beginning of the area
        #[arg(long, default_value_t = 0x1000)]
        at: u32,
    },
    /// Take the network away
    Offline {
        /// The device, instead of the project's
        name: Option<String>,
    },
    /// Give the network back
    Online {
        /// The device, instead of the project's
        name: Option<String>,
    },
}

/// When a reset or a cut happens; by default now.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Moment {
    /// At the N-th flash operation from now
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) at_operation: Option<u64>,
    /// After this many milliseconds
    #[arg(long, value_name = "MS", conflicts_with = "at_operation")]
    pub(crate) after_ms: Option<u64>,
}

/// Where a bit is flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlashArea {
    /// Storage slot 0; in mode swap the secondary slot
    #[value(name = "storage-0")]
    Storage0,
    /// Storage slot 1
    #[value(name = "storage-1")]
    Storage1,
    /// The slot that the firmware runs from
    Execution,
    /// The FOTA record
    Record,
}

/// `lab`
#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// Do it, instead of listing what can be done
    #[command(subcommand)]
    pub(crate) verb: Option<LabVerb>,
    /// The device on this machine, instead of the project's
    #[arg(long, short = 'd', value_name = "NAME")]
    pub(crate) device: Option<String>,
}

/// `lab run`
#[derive(Debug, Subcommand)]
pub(crate) enum LabVerb {
    /// Make one fault, and judge what the device makes of it
    Run {
        /// Which; `otaru lab` lists them
        fault: String,
        /// The device on this machine, instead of the project's
        #[arg(long, short = 'd', value_name = "NAME")]
        device: Option<String>,
        /// How often the power is cut, for random-cuts
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        times: u32,
        /// Repeat the choices of an earlier run
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
    },
}

/// `console`
#[derive(Debug, Args)]
pub(crate) struct Console {
    /// The device, instead of the project's
    pub(crate) name: Option<String>,
}

/// `manager`
#[derive(Debug, Subcommand)]
pub(crate) enum Manager {
    /// Run the device manager
    Serve(Serve),
}

/// `manager serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Folder of database and images; created if missing
    #[arg(long, default_value = "otaru-manager", env = "OTARU_MANAGER_DATA")]
    pub(crate) data: PathBuf,
    /// Address to listen on; beyond loopback it needs a certificate or --insecure
    #[arg(long, default_value = "127.0.0.1:8480")]
    pub(crate) listen: SocketAddr,
    /// Address under which devices and people reach the manager, if it is another one
    #[arg(long)]
    pub(crate) public_url: Option<String>,
    /// Certificate chain, PEM
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve plain HTTP beyond loopback
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Proxy whose X-Forwarded-* headers are believed; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) trusted_proxy: Vec<IpAddr>,
    /// Print a new one-time admin link
    #[arg(long)]
    pub(crate) new_admin_link: bool,
}

/// `login`
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Address of the manager, or its one-time admin link
    pub(crate) url: Option<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep manager and device running afterwards
    #[arg(long)]
    pub(crate) keep: bool,
}

/// `host-chip`
#[derive(Debug, Args)]
pub(crate) struct HostChip {
    /// The device folder
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Board and mode of a new device
    #[arg(long)]
    pub(crate) board: String,
    /// Install mode that decides the areas of the flash
    #[arg(long)]
    pub(crate) mode: String,
    /// Switched on at once
    #[arg(long)]
    pub(crate) power: bool,
}
