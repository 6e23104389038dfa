//! Target `smp`: arbitrary bytes, or messages framed for it, on the console of a device in recovery.
//!
//! The first byte chooses the device and whether the rest is framed; see
//! [`otaru_bootloader_recovery::fuzz::run`], which does the work.
//!
//! What has to hold: only record and storage are written, as the flash contract wants it, and the
//! record stays readable and in a phase that recovery may leave.

use otaru_bootloader_recovery::fuzz;

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    let mut memory = vec![0; fuzz::MEMORY_LEN];
    if let Err(violation) = fuzz::run(&mut memory, data) {
        panic!("recovery broke a rule: {violation:?}");
    }
}
