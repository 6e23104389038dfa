//! Messages to and from the outside, through the firmware.

use core::time::Duration;

use otaru_abi::{Errno, limits};

use crate::{host, time};

/// Room that suffices for every message.
pub const LEN_MAX: usize = limits::MESSAGE_LEN_MAX as usize;

/// A message that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    /// What it is about; empty if it is no UTF-8.
    pub topic: &'b str,
    /// What it says.
    pub payload: &'b [u8],
}

/// Hands a message to the firmware for sending.
///
/// # Errors
/// `Busy` if none can be taken now, `TooLong`, `Unsupported`.
pub fn publish(topic: &str, payload: &[u8]) -> Result<(), Errno> {
    host::publish(topic, payload)
}

/// Takes the oldest message, and waits for one as long as this, at most an hour; `None` if none came.
///
/// # Errors
/// `TooLong` if it does not fit into `buffer`; it stays.
pub fn receive(buffer: &mut [u8], wait: Duration) -> Result<Option<Message<'_>>, Errno> {
    let wait_ms = time::milliseconds(wait).min(limits::WAIT_MS_MAX.into());
    let wait_ms = u32::try_from(wait_ms).unwrap_or(limits::WAIT_MS_MAX);
    let len = buffer.len().min(LEN_MAX);
    let room = buffer.get_mut(..len).unwrap_or_default();
    let (topic_len, payload_len) = match host::receive(wait_ms, room) {
        Ok(lengths) => lengths,
        Err(Errno::TimedOut) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (topic, rest) = buffer.split_at_checked(topic_len).ok_or(Errno::Invalid)?;
    Ok(Some(Message {
        topic: core::str::from_utf8(topic).unwrap_or_default(),
        payload: rest.get(..payload_len).ok_or(Errno::Invalid)?,
    }))
}
