//! Messages that wait for the bytecode: few, and counted when there are more.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use otaru_abi::limits::{PAYLOAD_LEN_MAX, QUEUE_LEN_MAX, TOPIC_LEN_MAX};

/// Why a message does not reach the bytecode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// Topic or payload is longer than its limit.
    TooLong,
    /// As many wait as may.
    Full,
}

struct Message {
    topic: Box<[u8]>,
    payload: Box<[u8]>,
}

#[derive(Default)]
pub(crate) struct Queue {
    messages: VecDeque<Message>,
    dropped: u32,
}

impl Queue {
    pub(crate) fn push(&mut self, topic: &[u8], payload: &[u8]) -> Result<(), Undelivered> {
        let fits = |bytes: &[u8], max: u32| u32::try_from(bytes.len()).is_ok_and(|len| len <= max);
        let refused = if !fits(topic, TOPIC_LEN_MAX) || !fits(payload, PAYLOAD_LEN_MAX) {
            Some(Undelivered::TooLong)
        } else if self.messages.len() >= QUEUE_LEN_MAX {
            Some(Undelivered::Full)
        } else {
            None
        };
        if let Some(why) = refused {
            self.dropped = self.dropped.saturating_add(1);
            return Err(why);
        }
        self.messages.push_back(Message {
            topic: topic.into(),
            payload: payload.into(),
        });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Copies the oldest message to the beginning of `to` and removes it. Returns the lengths of topic
    /// and payload, or `None` and keeps it if it does not fit.
    pub(crate) fn take(&mut self, to: &mut [u8]) -> Option<(usize, usize)> {
        let message = self.messages.front()?;
        let (topic_len, payload_len) = (message.topic.len(), message.payload.len());
        let room = to.get_mut(..topic_len.checked_add(payload_len)?)?;
        let (topic, payload) = room.split_at_mut_checked(topic_len)?;
        topic.copy_from_slice(&message.topic);
        payload.copy_from_slice(&message.payload);
        self.messages.pop_front();
        Some((topic_len, payload_len))
    }
}
