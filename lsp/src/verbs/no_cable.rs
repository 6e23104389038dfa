//! Where there is no host board, there is no device on this machine that a cable could reach.

use super::{Failure, Teller};
use crate::protocol::{Outcome, Plan, PlanVerb, VerbParams};
use otaru_lsp_build::Job;
use std::path::Path;

/// There are no plans.
#[derive(Debug)]
pub(crate) enum CablePlan {}

impl CablePlan {
    pub(crate) fn verb(&self) -> PlanVerb {
        match *self {}
    }

    pub(crate) fn device(&self) -> &str {
        match *self {}
    }

    pub(crate) fn version(&self) -> String {
        match *self {}
    }

    pub(crate) fn to_protocol(&self) -> Plan {
        match *self {}
    }
}

pub(super) async fn plan(
    _folder: &Path,
    _params: VerbParams,
    _job: &Job,
    _teller: &Teller<'_>,
) -> Result<Outcome, Failure> {
    Err(Failure {
        code: "no-host-board".to_owned(),
        message: "the host board does not run on this system".to_owned(),
        hint: Some("use Linux or macOS, or a real board".to_owned()),
        is_stop: false,
    })
}

pub(super) async fn run(plan: CablePlan, _job: &Job) -> Result<Outcome, Failure> {
    match plan {}
}
