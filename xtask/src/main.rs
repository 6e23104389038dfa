//! Project automation, called as `cargo xtask <command>`.
//!
//! Everything that a contributor or the continuous integration has to do to this repository is a
//! command here, in Rust, so that it behaves the same on every machine; there are no shell scripts.
//! It never contains product logic and no crate depends on it.

mod bench;
mod cache;
mod ci;
mod codegen;
mod firmware;
mod fuzz;
mod process;
mod report;
mod setup;
mod sim;
mod size;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

const HELP: &str = "\
Project automation of Otaru.

Usage: cargo xtask <command>

  test [--quick] [FILTER]       set up, then run every test of the project
                                --quick: only what needs nothing but cargo
                                FILTER: only the Rust tests whose name contains it
  ci                            formatting, lints with warnings denied, then `test`
  tidy [--quick]                the house rules that no compiler checks
                                --quick: without compiling what generates files
  codegen [--check]             write the files that are generated from the code
  setup [--check] [WHAT…]       install what the tests need, once; WHAT is any of:
                                python swupdate firmware extension web editor neovim
                                --check: only say what is missing
  bench path                    how fast and how large the programs are, beside their limits
  bench layout                  how much of an image changes with its source; builds for minutes
  fuzz [TARGET] [--seconds N]   run the fuzz targets, each for a minute unless told otherwise
                                --input FILE: run one input, for example a finding
                                --keep: add what fuzzing collected to the committed inputs
                                --bounded: as in `ci`, short and always the same
  firmware check [CRATE…]       build every device crate alone, for bare-metal targets
  firmware build BOARD          build the bootloader of a board and say where it is
  size [--all] [--accept]       how large the bootloader is, against docs/size.md, and that no
                                panic can be reached; --all: every feature on every target;
                                --accept: write the figures there
  sim [OPTION…]                 power cuts: random seeds, every cut, your own geometry, the
                                comparison with embassy-boot, the report; alone: its help

Everything that is installed or built outside the target folder stands in the user's cache
folder, under `otaru`.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            report::line(HELP);
            Ok(())
        }
        ["test", rest @ ..] => test::run(rest),
        ["ci"] => ci::run(),
        ["tidy", rest @ ..] => tidy::run(rest),
        ["bench", rest @ ..] => bench::run(rest),
        ["codegen", rest @ ..] => codegen::run(rest),
        ["setup", rest @ ..] => setup::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["firmware", "check", crates @ ..] => firmware::check(crates),
        ["firmware", "build", board] => firmware::build_board(board),
        ["size", rest @ ..] => size::run(rest),
        ["sim", rest @ ..] => sim::run(rest),
        [other, ..] => Err(anyhow::anyhow!(
            "there is no command `{other}` with these arguments; `cargo xtask help` lists all commands"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}
