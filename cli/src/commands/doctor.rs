//! `doctor`: what is missing on this machine or in this project, and how to repair it.

use crate::failure::{Exit, Failure};
use crate::output::Tone;
use crate::session::{Session, parse_url};
use otaru_lsp_build::doctor::{self, Health};
use serde_json::json;

/// `otaru doctor`
pub(crate) async fn run(session: Session<'_>) -> Result<(), Failure> {
    let named = session.arguments.manager.as_deref();
    let manager = named.map(parse_url).transpose()?;
    let checks = doctor::examine(&session.folder(), manager.as_ref()).await;
    let output = session.output;
    for check in &checks {
        let (mark, text, next) = match &check.health {
            Health::Good(text) => (output.paint(Tone::Good, "✓"), text, None),
            Health::Absent(text) => (output.paint(Tone::Quiet, "–"), text, None),
            Health::Bad { what, next } => (
                output.paint(Tone::Bad, "✗"),
                what,
                Some(next).filter(|next| !next.is_empty()),
            ),
        };
        let (name, state) = (check.name, check.health.state());
        output.object(
            "check",
            json!({ "name": name, "state": state, "text": text, "next": next }),
        );
        output.text(&format!("{mark} {name:<10} {text}"));
        if let Some(next) = next {
            output.text(&format!("  {:<10} next: {next}", ""));
        }
    }
    let message = match doctor::repairs(&checks) {
        0 => return Ok(()),
        1 => "one thing needs repair".to_owned(),
        count => format!("{count} things need repair"),
    };
    Err(Failure::new(Exit::Failed, "repairs", message))
}
