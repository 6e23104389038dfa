//! One module per verb.

mod build;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod device;
#[cfg(not(unix))]
#[path = "commands/no_device.rs"]
mod device;
mod doctor;
mod fota;
mod keys;
#[cfg(unix)]
mod lab;
mod link;
mod login;
mod manager;
mod new;

use crate::arguments::{Arguments, Command};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::session::Session;

/// Does what the command line says.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    // The processes of a host device need no runtime, and must not have its threads.
    if let Command::HostChip(chip) = &arguments.command {
        return device::host_chip(chip);
    }
    if let Command::HostCpu = &arguments.command {
        device::host_cpu();
    }
    if let Command::Lsp = &arguments.command {
        return language_server();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::io("the program cannot start its threads", &error))?;
    let session = Session { arguments, output };
    let result = runtime.block_on(dispatch(session));
    // A read of a console or a terminal may still block a thread; nothing waits for it.
    runtime.shutdown_background();
    result
}

async fn dispatch(session: Session<'_>) -> Result<(), Failure> {
    match &session.arguments.command {
        Command::New(new) => new::run(session, new),
        Command::Keys(keys) => keys::run(session, keys).await,
        Command::Build(build) => build::build(session, build).await,
        Command::Clean => build::clean(session),
        Command::Size => build::size(session).await,
        Command::Link(link) => link::run(session, link).await,
        Command::Upload(build) => build::upload(session, build).await,
        Command::Fota(fota) => fota::run(session, fota).await,
        Command::Flash(flash) => device::flash(session, flash).await,
        Command::Erase(erase) => device::erase(session, erase).await,
        Command::UndoProvision(undo) => device::undo_provision(session, undo).await,
        Command::Provision(provision) => device::provision(session, provision).await,
        Command::Device(device) => device::run(session, device).await,
        #[cfg(unix)]
        Command::Lab(lab) => lab::run(session, lab).await,
        #[cfg(not(unix))]
        Command::Lab(_) => Err(no_host_board()),
        Command::Console(console) => device::console(session, console.name.as_deref()).await,
        Command::Manager(manager) => manager::run(session, manager).await,
        Command::Login(login) => login::run(session, login).await,
        Command::Doctor => doctor::run(session).await,
        #[cfg(unix)]
        Command::Demo(demo) => demo::run(session, demo).await,
        #[cfg(not(unix))]
        Command::Demo(_) => Err(no_host_board()),
        // Taken before there was a runtime.
        Command::HostChip(_) | Command::HostCpu | Command::Lsp => Ok(()),
    }
}

/// `otaru lsp`. It has its own runtime, and standard output belongs to the client.
fn language_server() -> Result<(), Failure> {
    let ended = otaru_lsp::serve_stdio()
        .map_err(|error| Failure::io("the language server cannot start", &error))?;
    if ended == std::process::ExitCode::SUCCESS {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Failed,
        "lsp-exit",
        "the client went away without shutting down",
    ))
}

/// The host board is made of Unix processes, sockets and signals.
#[cfg_attr(
    unix,
    expect(dead_code, reason = "only said where there is no host board")
)]
fn no_host_board() -> Failure {
    Failure::new(
        Exit::Failed,
        "no-host-board",
        "the host board does not run on this system",
    )
    .hint("use Linux or macOS, or a real board")
}
