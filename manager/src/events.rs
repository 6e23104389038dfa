//! What has changed, for those who watch: server-sent events of the public API.
//!
//! Events are hints with content: whoever misses some (a full queue, a restarted manager) is told
//! so with `resync` and reads the state again. Nothing durable depends on them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// Events kept for watchers that reconnect.
const KEPT: usize = 1_024;
/// Events a slow watcher may lag behind.
const QUEUE: usize = 512;

/// One change.
#[derive(Debug)]
pub(crate) struct Event {
    number: u64,
    epoch_ms: i64,
    /// Workspace whose members may see it.
    pub(crate) workspace: String,
    /// `action`, `device` or `version`.
    pub(crate) kind: &'static str,
    /// Device it is about.
    pub(crate) device: Option<String>,
    /// Action it is about.
    pub(crate) action: Option<String>,
    /// JSON of the thing after the change.
    pub(crate) data: String,
}

impl Event {
    /// The `id:` line.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.epoch_ms, self.number)
    }
}

/// What happened since the watcher was here last.
#[derive(Debug)]
pub(crate) enum Missed {
    /// All of it.
    Events(Vec<Arc<Event>>),
    /// Nobody knows any more.
    Unknown,
}

/// Distributes events.
#[derive(Debug)]
pub(crate) struct Events {
    /// Start of this process; tells its numbers from those of an earlier one.
    epoch_ms: i64,
    kept: Mutex<Kept>,
    sender: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug)]
struct Kept {
    next: u64,
    events: VecDeque<Arc<Event>>,
}

impl Events {
    pub(crate) fn new(epoch_ms: i64) -> Self {
        let (sender, _) = broadcast::channel(QUEUE);
        Self {
            epoch_ms,
            kept: Mutex::new(Kept {
                next: 1,
                events: VecDeque::new(),
            }),
            sender,
        }
    }

    pub(crate) fn publish(
        &self,
        workspace: &str,
        kind: &'static str,
        (device, action): (Option<&str>, Option<&str>),
        data: String,
    ) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Arc::new(Event {
            number: kept.next,
            epoch_ms: self.epoch_ms,
            workspace: workspace.to_owned(),
            kind,
            device: device.map(str::to_owned),
            action: action.map(str::to_owned),
            data,
        });
        kept.next += 1;
        if kept.events.len() == KEPT {
            kept.events.pop_front();
        }
        kept.events.push_back(Arc::clone(&event));
        // Sent under the lock, so that a subscriber sees every event exactly once. Without
        // subscribers there is nobody to tell, which is no error.
        drop(self.sender.send(event));
    }

    /// Watches from now on. With the id of the last event seen, also says what was missed.
    pub(crate) fn subscribe(
        &self,
        last_id: Option<&str>,
    ) -> (Missed, broadcast::Receiver<Arc<Event>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        let Some(last_id) = last_id else {
            return (Missed::Events(Vec::new()), receiver);
        };
        let seen = last_id
            .split_once('-')
            .filter(|(epoch, _)| epoch.parse() == Ok(self.epoch_ms))
            .and_then(|(_, number)| number.parse::<u64>().ok())
            .filter(|number| *number < kept.next);
        let oldest = kept.events.front().map_or(kept.next, |event| event.number);
        let missed = match seen {
            Some(seen) if seen + 1 >= oldest => Missed::Events(
                kept.events
                    .iter()
                    .filter(|event| event.number > seen)
                    .cloned()
                    .collect(),
            ),
            Some(_) | None => Missed::Unknown,
        };
        (missed, receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, text: &str) {
        events.publish("wks-1", "action", (None, None), text.to_owned());
    }

    fn missed(events: &Events, last_id: &str) -> Option<Vec<String>> {
        match events.subscribe(Some(last_id)).0 {
            Missed::Events(list) => Some(list.iter().map(|event| event.data.clone()).collect()),
            Missed::Unknown => None,
        }
    }

    #[test]
    fn reconnecting_watcher_gets_what_it_missed_or_is_told() {
        let events = Events::new(77);
        for text in ["a", "b", "c"] {
            publish(&events, text);
        }
        assert_eq!(
            missed(&events, "77-1"),
            Some(vec!["b".to_owned(), "c".to_owned()])
        );
        assert_eq!(missed(&events, "77-3"), Some(Vec::new()));
        for unknown in ["76-1", "77-9", "77", "x-y", ""] {
            assert_eq!(missed(&events, unknown), None, "{unknown}");
        }
        for _ in 0..KEPT {
            publish(&events, "more");
        }
        assert_eq!(missed(&events, "77-1"), None);
    }
}
