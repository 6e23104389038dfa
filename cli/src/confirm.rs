//! The question before something that cannot be undone.

use crate::failure::{Exit, Failure};
use crate::output::Output;
use std::io::{BufRead as _, IsTerminal as _};

/// Asks, unless `--yes` was given. Whoever cannot be asked has not agreed.
pub(crate) fn confirm(output: &Output, yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if output.is_json() || !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(
            Exit::Refused,
            "not-confirmed",
            "this needs an answer, and nobody can be asked here",
        )
        .hint("look at what would happen, then give `--yes`"));
    }
    output.note(&format!("{question} [y/N]"));
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::io("the answer cannot be read", &error))?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(
            Exit::Refused,
            "refused",
            "nothing was changed",
        ))
    }
}
