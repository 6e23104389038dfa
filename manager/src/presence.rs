//! Which devices are here, and how a held poll is woken.
//!
//! A poll is held without any database connection: it waits for its device's [`Notify`]. When a
//! device was last heard of is kept here and written to the database in batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A device that polls with `Prefer: wait` is back within this time, even over an install's reset.
const BACK_WITHIN_MS: i64 = 15_000;

#[derive(Debug)]
struct Seen {
    at_ms: i64,
    address: String,
    /// Polls held now.
    held: u32,
    /// The last poll was a long one.
    long: bool,
    /// Not yet in the database.
    dirty: bool,
    /// What was last published.
    online: bool,
    bell: Arc<Notify>,
}

/// What the database has to learn.
#[derive(Debug)]
pub(crate) struct LastSeen {
    pub(crate) device: i64,
    pub(crate) at_ms: i64,
    pub(crate) address: String,
}

/// Presence of all devices that were heard of since the manager started.
#[derive(Debug)]
pub(crate) struct Presence {
    seen: Mutex<HashMap<i64, Seen>>,
    /// A device without long poll counts as online for this long after a message.
    poll_pause_ms: i64,
}

impl Presence {
    pub(crate) fn new(poll_pause_ms: i64) -> Self {
        Self {
            seen: Mutex::new(HashMap::new()),
            poll_pause_ms,
        }
    }

    /// Notes a message of a device. True if it was not online before.
    pub(crate) fn touch(&self, device: i64, at_ms: i64, address: &str) -> bool {
        let mut seen = self.lock();
        let entry = seen.entry(device).or_insert_with(|| Seen {
            at_ms,
            address: String::new(),
            held: 0,
            long: false,
            dirty: true,
            online: false,
            bell: Arc::new(Notify::new()),
        });
        entry.at_ms = at_ms;
        entry.dirty = true;
        if entry.address != address {
            address.clone_into(&mut entry.address);
        }
        !std::mem::replace(&mut entry.online, true)
    }

    /// The bell that rings when the device's poll answer may have changed.
    pub(crate) fn bell(&self, device: i64) -> Option<Arc<Notify>> {
        self.lock().get(&device).map(|seen| Arc::clone(&seen.bell))
    }

    /// Marks a poll as held until the guard is dropped, however that comes about.
    pub(crate) fn hold(self: &Arc<Self>, device: i64) -> Held {
        if let Some(seen) = self.lock().get_mut(&device) {
            seen.held += 1;
            seen.long = true;
        }
        Held {
            presence: Arc::clone(self),
            device,
        }
    }

    /// Wakes the polls of a device.
    pub(crate) fn ring(&self, device: i64) {
        if let Some(seen) = self.lock().get(&device) {
            seen.bell.notify_waiters();
        }
    }

    /// Wakes every poll; the manager is about to stop.
    pub(crate) fn ring_all(&self) {
        let bells: Vec<_> = {
            let seen = self.lock();
            let mut bells: Vec<_> = seen
                .iter()
                .map(|(device, seen)| (*device, Arc::clone(&seen.bell)))
                .collect();
            bells.sort_unstable_by_key(|(device, _)| *device);
            bells
        };
        for (_, bell) in bells {
            bell.notify_waiters();
        }
    }

    /// Whether the device is online, and when it was last heard of by this process.
    pub(crate) fn of(&self, device: i64, now_ms: i64) -> (bool, Option<i64>) {
        self.lock().get(&device).map_or((false, None), |seen| {
            (self.is_online(seen, now_ms), Some(seen.at_ms))
        })
    }

    /// Takes what the database has not heard yet.
    pub(crate) fn take_dirty(&self) -> Vec<LastSeen> {
        let mut batch: Vec<_> = self
            .lock()
            .iter_mut()
            .filter(|(_, seen)| seen.dirty)
            .map(|(device, seen)| {
                seen.dirty = false;
                LastSeen {
                    device: *device,
                    at_ms: seen.at_ms,
                    address: seen.address.clone(),
                }
            })
            .collect();
        batch.sort_unstable_by_key(|last| last.device);
        batch
    }

    /// Devices that have gone since the last call.
    pub(crate) fn take_gone(&self, now_ms: i64) -> Vec<i64> {
        let mut gone: Vec<_> = self
            .lock()
            .iter_mut()
            .filter(|(_, seen)| seen.online && !self.is_online(seen, now_ms))
            .map(|(device, seen)| {
                seen.online = false;
                *device
            })
            .collect();
        gone.sort_unstable();
        gone
    }

    /// Forgets a device that was deleted, and ends its held polls.
    pub(crate) fn forget(&self, device: i64) {
        if let Some(seen) = self.lock().remove(&device) {
            seen.bell.notify_waiters();
        }
    }

    fn is_online(&self, seen: &Seen, now_ms: i64) -> bool {
        let patience_ms = if seen.long {
            BACK_WITHIN_MS
        } else {
            self.poll_pause_ms + BACK_WITHIN_MS
        };
        seen.held > 0 || now_ms.saturating_sub(seen.at_ms) <= patience_ms
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A poll that is being held.
#[derive(Debug)]
pub(crate) struct Held {
    presence: Arc<Presence>,
    device: i64,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(seen) = self.presence.lock().get_mut(&self.device) {
            seen.held = seen.held.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_poll_keeps_a_device_online_and_its_end_lets_it_go() {
        let presence = Arc::new(Presence::new(60_000));
        assert!(presence.touch(1, 0, "127.0.0.1"));
        assert!(!presence.touch(1, 0, "127.0.0.1"));
        let held = presence.hold(1);
        assert!(presence.of(1, 1_000_000).0);
        drop(held);
        assert!(!presence.of(1, 1_000_000).0);
        assert_eq!(presence.take_gone(1_000_000), [1]);
        assert!(presence.take_gone(1_000_000).is_empty());
        assert!(presence.touch(1, 1_000_000, "127.0.0.1"));
    }

    #[test]
    fn last_seen_is_handed_over_once() {
        let presence = Presence::new(0);
        presence.touch(2, 5, "a");
        presence.touch(1, 6, "b");
        let batch: Vec<_> = presence
            .take_dirty()
            .iter()
            .map(|last| last.device)
            .collect();
        assert_eq!(batch, [1, 2]);
        assert!(presence.take_dirty().is_empty());
    }
}
