//! The command line of Otaru.
//!
//! Every verb is work of `otaru-lsp-build`; here it is only asked for and shown. What is shown
//! goes through [`output`], the one place that prints. How the program ended is its exit code
//! (`cli/README.md`).

mod arguments;
mod commands;
mod confirm;
mod failure;
mod output;
mod progress;
mod session;

use arguments::Arguments;
use clap::Parser as _;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::usage(&error),
    };
    let output = Output::new(arguments.json);
    match commands::run(&arguments, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit.code())
        }
    }
}
