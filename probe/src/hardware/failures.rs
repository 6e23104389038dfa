//! Errors of probe-rs as ours. The library nests errors of its drivers: what a driver says (a cable, an
//! access right) decides before what flashing says, and the whole chain is the message.

use std::error::Error;
use std::io;

use probe_rs::architecture::arm::ArmError;
use probe_rs::flashing::FlashError;
use probe_rs::probe::{DebugProbeError, ProbeCreationError};

use crate::failure::{Code, FLASH_AGAIN, Failure, GET_ACCESS, PLUG_IN, UNLOCK};

/// Links of a chain of errors that are looked at.
const CHAIN_MAX: usize = 16;
/// Longest message, in characters.
const MESSAGE_MAX: usize = 600;

/// Says what `error` means for somebody with a board on the desk. `what` opens the message.
pub(super) fn explain(error: &(dyn Error + 'static), what: &str) -> Failure {
    let chain: Vec<&(dyn Error + 'static)> =
        std::iter::successors(Some(error), |&error| error.source())
            .take(CHAIN_MAX)
            .collect();
    let cause = chain.iter().find_map(|error| cause(*error));
    let flash = || chain.iter().find_map(|error| flash(error.downcast_ref()?));
    let code = cause.or_else(flash).unwrap_or(Code::ProbeFailed);
    let mut parts = vec![what.to_owned()];
    for error in chain {
        let text = error.to_string().trim_end_matches('.').to_owned();
        // Some links only repeat the next one.
        if parts.last() != Some(&text) {
            parts.push(text);
        }
    }
    let message: String = parts.join(": ").chars().take(MESSAGE_MAX).collect();
    Failure::new(code, message, hint(code))
}

/// What the driver or the debug port met.
fn cause(error: &(dyn Error + 'static)) -> Option<Code> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        let kind = error.kind();
        let denied = kind == io::ErrorKind::PermissionDenied;
        let gone = kind == io::ErrorKind::NotConnected;
        return denied
            .then_some(Code::PermissionDenied)
            .or(gone.then_some(Code::ProbeUnplugged));
    }
    if let Some(ProbeCreationError::NotFound) = error.downcast_ref() {
        return Some(Code::ProbeNotFound);
    }
    if let Some(DebugProbeError::TargetNotFound) = error.downcast_ref() {
        return Some(Code::TargetNotFound);
    }
    if let Some(probe_rs::Error::MissingPermissions(_)) = error.downcast_ref() {
        return Some(Code::ChipLocked);
    }
    if let Some(error) = error.downcast_ref::<ArmError>() {
        if let ArmError::MissingPermissions(_) = error {
            return Some(Code::ChipLocked);
        }
        if let ArmError::NoTargetResponse { .. } | ArmError::NoArmTarget = error {
            return Some(Code::TargetNotFound);
        }
    }
    None
}

/// What flashing met, if no cause below it says more.
fn flash(error: &FlashError) -> Option<Code> {
    if let FlashError::NoSuitableNvm { .. }
    | FlashError::AddressNotInRegion { .. }
    | FlashError::NoFlashLoaderAlgorithmAttached { .. } = error
    {
        return Some(Code::AddressOutsideFlash);
    }
    if let FlashError::DataOverlaps { .. } = error {
        return Some(Code::SegmentsOverlap);
    }
    if let FlashError::Verify = error {
        return Some(Code::VerifyMismatch);
    }
    if let FlashError::EraseFailed { .. }
    | FlashError::PageWrite { .. }
    | FlashError::RoutineCallFailed { .. }
    | FlashError::FlashAlgorithmNotLoaded
    | FlashError::UnexpectedCoreStatus { .. } = error
    {
        return Some(Code::FlashFailed);
    }
    None
}

fn hint(code: Code) -> &'static str {
    match code {
        Code::PermissionDenied => GET_ACCESS,
        Code::ProbeUnplugged => PLUG_IN,
        Code::ProbeNotFound => "plug the probe in again; close other programs that use it",
        Code::TargetNotFound => "check power, ground, SWDIO and SWCLK between probe and chip",
        Code::ChipLocked => UNLOCK,
        Code::AddressOutsideFlash => "check chip and layout",
        Code::SegmentsOverlap => "give each address to one segment only",
        Code::VerifyMismatch => FLASH_AGAIN,
        Code::FlashFailed => "flash again; check the chip's name, its supply and write protection",
        Code::BadRequest
        | Code::LineTooLong
        | Code::UnknownOp
        | Code::DuplicateId
        | Code::Busy
        | Code::FileUnreadable
        | Code::FileSize
        | Code::NoProbe
        | Code::SeveralProbes
        | Code::ProbeFailed
        | Code::ChipUnknown
        | Code::ChipAmbiguous
        | Code::Cancelled
        | Code::Internal => "close other programs that use the probe, or plug it in again",
    }
}
