//! What should happen: from the fault and the record at the moment of the fault. The table is that
//! of `docs/formats/install-protocol.md`, sections 2 and 6.

use crate::{Fault, Look};
use otaru_flash::Mode;
use otaru_record::{Backup, Cause, Phase, State};

/// How it should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What ran goes on, and no update is ended by it.
    Unchanged,
    /// What ran goes on or comes back, and the update has ended with one of these.
    Ended(&'static [Cause]),
    /// The new image is installed whole and started.
    Installed,
    /// The old image or the new one, whole.
    Either,
    /// What ran comes back from the backup.
    Restored,
    /// Nothing is started, because nothing good is left.
    Recovery,
}

/// What should happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The same for people.
    pub words: &'static str,
    /// What it is judged by.
    pub ending: Ending,
}

/// Every way in which a firmware gives itself up or is withdrawn.
const GIVEN_UP: &[Cause] = &[
    Cause::Unhealthy,
    Cause::ConfirmDeadline,
    Cause::Withdrawn,
    Cause::TrialReset,
    Cause::TrialCrash,
    Cause::TrialWatchdog,
    Cause::InstallFailed,
];

const fn expected(words: &'static str, ending: Ending) -> Expected {
    Expected { words, ending }
}

/// What should happen when this fault strikes a device that is like this.
///
/// # Errors
/// Why the fault makes no sense now, for people.
pub fn expect(fault: Fault, at: &Look) -> Result<Expected, String> {
    let state = at
        .state()
        .map_err(|why| format!("the FOTA record cannot be read ({why}): flash the device again"))?;
    match fault {
        Fault::Reset | Fault::PowerCut => Ok(of_restart(state)),
        Fault::CutNextWrite => Ok(of_torn_write(state)),
        Fault::RandomCuts => Ok(expected(
            "However often and wherever the power goes, the device starts again, and what it runs in \
             the end is the old image or the new one, whole.",
            Ending::Either,
        )),
        Fault::CorruptRunning => of_damage(state, at),
        Fault::CorruptUpdate => Ok(expected(
            "The device notices the damage before it installs anything, and fetches the image anew or \
             ends the update. The damaged image never runs.",
            Ending::Either,
        )),
        Fault::Offline if state.phase() == Phase::Idle => Ok(expected(
            "The firmware goes on without a reset. When the network is back, so is the connection.",
            Ending::Unchanged,
        )),
        Fault::Offline => Ok(expected(
            "The firmware goes on. When the network is back, so is the connection, and the update goes \
             on where it stood.",
            Ending::Either,
        )),
        Fault::FillFlash => of_full_flash(state, at),
        Fault::WornFlash => Ok(expected(
            "The next update ends with storage-failed before anything is installed. The firmware \
             that runs goes on.",
            Ending::Ended(&[Cause::StorageFailed]),
        )),
        Fault::HangNew => Ok(expected(
            "The watchdog ends the new firmware on trial, the bootloader brings the old one back, and \
             the reason is trial-watchdog.",
            Ending::Ended(&[Cause::TrialWatchdog]),
        )),
        Fault::CrashNew => Ok(expected(
            "The bootloader brings the old firmware back, and the reason is trial-crash.",
            Ending::Ended(&[Cause::TrialCrash]),
        )),
    }
}

/// A reset or a cut between two flash operations.
fn of_restart(state: &State) -> Expected {
    match state.phase() {
        Phase::Idle => expected(
            "The device starts again and runs what it ran.",
            Ending::Unchanged,
        ),
        Phase::Receiving => expected(
            "The update ends with the reason interrupted; what ran goes on. A retry goes on where the \
             download stood.",
            Ending::Ended(&[Cause::Interrupted]),
        ),
        Phase::Parked => expected(
            "The device starts what it ran; the verified image waits on, and is installed when the \
             application permits it.",
            Ending::Either,
        ),
        Phase::Requested | Phase::Installing | Phase::Installed => expected(
            "The bootloader goes on with the install where it stood, and starts the new firmware on \
             trial.",
            Ending::Installed,
        ),
        Phase::Trial if state.trials_used() < state.trials_allowed() => expected(
            "The new firmware has another start on trial.",
            Ending::Either,
        ),
        Phase::Trial => expected(
            "The bootloader brings the old firmware back; the reason is trial-reset.",
            Ending::Ended(&[Cause::TrialReset]),
        ),
        Phase::Refused => expected(
            "The bootloader brings the old firmware back.",
            Ending::Ended(GIVEN_UP),
        ),
        Phase::Reverting if state.heals() => expected(
            "The bootloader goes on restoring the image from its backup.",
            Ending::Restored,
        ),
        Phase::Reverting => expected(
            "The bootloader goes on bringing the old firmware back.",
            Ending::Ended(GIVEN_UP),
        ),
    }
}

/// A cut within a flash operation: of an entry of the record, either verdict is right.
fn of_torn_write(state: &State) -> Expected {
    if state.phase() == Phase::Idle {
        expected(
            "A write that is cut in half changes nothing that counts: what runs in the end is the old \
             image or, after an update, the new one, whole.",
            Ending::Either,
        )
    } else {
        expected(
            "The step that was cut is repeated. What runs in the end is the old image or the new one, \
             whole.",
            Ending::Either,
        )
    }
}

fn of_damage(state: &State, at: &Look) -> Result<Expected, String> {
    if state.phase() != Phase::Idle {
        return Err(format!(
            "an update is under way ({}): damage the running image before or after it",
            state.phase().name()
        ));
    }
    let good = state.backup() != Backup::None
        && (state.backup_image() == state.current() || at.layout.mode == Mode::Swap);
    Ok(if good {
        expected(
            "The bootloader notices the damage at the start, restores the image from its backup, and \
             starts it.",
            Ending::Restored,
        )
    } else {
        expected(
            "The bootloader notices the damage. There is no backup yet, so it starts nothing and \
             waits in recovery for an image by cable.",
            Ending::Recovery,
        )
    })
}

fn of_full_flash(state: &State, at: &Look) -> Result<Expected, String> {
    if state.phase() != Phase::Idle {
        return Err(format!(
            "an update is under way ({}): storage is not free",
            state.phase().name()
        ));
    }
    if at.layout.mode == Mode::Swap && state.backup() != Backup::None {
        return Err("the only storage slot holds the backup: nothing is free".to_owned());
    }
    Ok(expected(
        "The device starts again and runs what it ran. The next update erases what it needs.",
        Ending::Unchanged,
    ))
}

#[cfg(test)]
#[path = "expect_tests.rs"]
pub(crate) mod tests;
