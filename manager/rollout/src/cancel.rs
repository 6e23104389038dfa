//! Cancel, and what a newer deployment does to an older one.
//!
//! Before the install a device can stop, so the cancel is offered to it. Later the install runs
//! through; the manager then offers nothing, and the firmware on trial, which sees a valid poll
//! answer without its action, goes back by itself. Clients that know no trial are always asked.

use crate::step::Stepped;
use crate::{Cancel, CancelAnswer, Cause, Plan, Proof, Refusal, Status};

pub(crate) fn requested(
    next: &mut Stepped,
    plan: &Plan,
    cause: Cause,
    now_ms: i64,
) -> Result<(), Refusal> {
    let from = next.action.status;
    match from {
        Status::Pending => {
            next.end(Status::Canceled, Some(cause));
            return Ok(());
        }
        Status::Canceling => return Err(Refusal::AlreadyCanceling),
        Status::Downloading
        | Status::Verifying
        | Status::Parked
        | Status::Installing
        | Status::Trial => {}
        Status::Succeeded
        | Status::Failed
        | Status::Reverted
        | Status::Canceled
        | Status::TimedOut => return Err(Refusal::Ended),
    }
    let withhold = from.is_from_install_on() && plan.proof == Proof::Required;
    next.action.cancel = if withhold {
        Cancel::Withheld { from }
    } else {
        Cancel::Offered { from }
    };
    next.action.cause = Some(cause);
    next.enter(Status::Canceling, plan, now_ms);
    next.commands.push(crate::Command::WakeDevice);
    Ok(())
}

/// The newest deployment wins, but a running install is never disturbed.
pub(crate) fn superseded(next: &mut Stepped, plan: &Plan, now_ms: i64) -> Result<(), Refusal> {
    let status = next.action.status;
    if status.is_terminal() {
        return Err(Refusal::Ended);
    }
    if status == Status::Pending || status.is_before_install() {
        return requested(next, plan, Cause::Superseded, now_ms);
    }
    Ok(())
}

pub(crate) fn answered(
    next: &mut Stepped,
    plan: &Plan,
    answer: CancelAnswer,
    now_ms: i64,
) -> Result<(), Refusal> {
    if next.action.status != Status::Canceling {
        return Err(Refusal::NotCanceling);
    }
    match answer {
        CancelAnswer::Accepted => next.end(Status::Canceled, next.action.cause),
        CancelAnswer::Note => next.record(next.action.cause),
        CancelAnswer::Rejected => {
            if let Cancel::Offered { from } = next.action.cancel {
                if plan.proof == Proof::Required {
                    next.action.cancel = Cancel::Withheld { from };
                    next.record(next.action.cause);
                } else {
                    next.action.cancel = Cancel::No;
                    next.action.cause = None;
                    next.enter(from, plan, now_ms);
                }
                next.commands.push(crate::Command::WakeDevice);
            } else {
                next.record(next.action.cause);
            }
        }
    }
    Ok(())
}

/// The device went on before the cancel reached it: from the install on only withholding helps.
pub(crate) fn reported_while_canceling(next: &mut Stepped, plan: &Plan, reported: Status) {
    if let Cancel::Offered { from } = next.action.cancel
        && reported.is_from_install_on()
        && plan.proof == Proof::Required
    {
        next.action.cancel = Cancel::Withheld { from };
        next.commands.push(crate::Command::WakeDevice);
    }
}
