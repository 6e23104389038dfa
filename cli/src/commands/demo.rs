//! `demo`: a whole update and a failing one, on this machine.

use crate::arguments::Demo;
use crate::failure::Failure;
use crate::session::Session;

pub(crate) async fn run(_session: Session<'_>, _demo: &Demo) -> Result<(), Failure> {
    Ok(())
}
