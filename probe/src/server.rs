//! The two threads of the process: one reads requests, so that a cancellation is heard at any time;
//! one works, because every call into a probe blocks.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Map, json};

use crate::backend::ProbeBackend;
use crate::failure::{Code, Failure};
use crate::job;
use crate::lines::{self, Line};
use crate::progress::Progress;
use crate::protocol::{self, CancelRequest, LINE_MAX, Op, Replies};

/// Most requests under way, the running one included.
const REQUESTS_MAX: usize = 16;
/// How long the end of input waits for the running request to stop and to release the probe. A call
/// that hangs in USB ends with the process.
const RELEASE: Duration = Duration::from_secs(30);

/// What both threads know.
struct Shared<W: Write> {
    replies: Replies<W>,
    /// Requests under way, each with the flag that cancels it.
    requests: Mutex<BTreeMap<u64, Arc<AtomicBool>>>,
}

/// A request on its way to the working thread.
struct Task {
    id: u64,
    op: Op,
    cancel: Arc<AtomicBool>,
}

impl<W: Write> Shared<W> {
    fn requests(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<AtomicBool>>> {
        // Nothing that holds the lock can leave the map half-changed.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, id: u64) -> Result<Arc<AtomicBool>, Failure> {
        let mut requests = self.requests();
        if requests.contains_key(&id) {
            let message = format!("request {id} is still under way");
            let hint = "give each request its own id";
            return Err(Failure::new(Code::DuplicateId, message, hint));
        }
        if requests.len() >= REQUESTS_MAX {
            let message = format!("{REQUESTS_MAX} requests are under way");
            return Err(Failure::new(Code::Busy, message, "wait for a reply first"));
        }
        let cancel = Arc::new(AtomicBool::new(false));
        requests.insert(id, Arc::clone(&cancel));
        Ok(cancel)
    }

    fn cancel(&self, request: u64) -> bool {
        let found = self.requests().get(&request).cloned();
        found.is_some_and(|cancel| {
            cancel.store(true, Ordering::Relaxed);
            true
        })
    }

    fn cancel_all(&self) {
        for cancel in self.requests().values() {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

/// Answers requests until `input` ends or nobody reads `output`. `backend` is made in the working
/// thread.
///
/// # Errors
/// `input` cannot be read, or the working thread cannot be started.
pub(crate) fn serve<W: Write + Send + 'static>(
    input: &mut impl BufRead,
    output: W,
    backend: impl FnOnce() -> Box<dyn ProbeBackend> + Send + 'static,
) -> io::Result<()> {
    let shared = Arc::new(Shared {
        replies: Replies::new(output),
        requests: Mutex::new(BTreeMap::new()),
    });
    let (send, tasks) = mpsc::channel();
    // Never carries anything: its sender goes away when the working thread ends.
    let (alive, ended) = mpsc::channel::<()>();
    let worker = Arc::clone(&shared);
    let handle = thread::Builder::new()
        .name("probe".to_owned())
        .spawn(move || {
            work(&worker, &tasks, backend().as_mut());
            drop(alive);
        })?;
    let read = listen(input, &shared, &send);
    drop(send);
    shared.cancel_all();
    if ended.recv_timeout(RELEASE) == Err(mpsc::RecvTimeoutError::Disconnected) {
        // A panic of the thread has been reported on stderr; there is nobody left to tell.
        drop(handle.join());
    }
    read
}

fn listen<W: Write>(
    input: &mut impl BufRead,
    shared: &Shared<W>,
    tasks: &mpsc::Sender<Task>,
) -> io::Result<()> {
    loop {
        let (id, result) = match lines::read(input, LINE_MAX)? {
            Line::End => return Ok(()),
            Line::TooLong => {
                let message = format!("a line of more than {LINE_MAX} bytes");
                let hint = "send segments as files, not as bytes";
                (None, Err(Failure::new(Code::LineTooLong, message, hint)))
            }
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            Line::Whole(line) => protocol::parse(&line),
        };
        let answered = match (id, result) {
            (id, Ok(Op::Cancel(CancelRequest { request }))) => {
                let found = shared.cancel(request);
                let mut fields = Map::new();
                fields.insert("found".to_owned(), json!(found));
                shared.replies.answer(id, Ok(fields))
            }
            (Some(id), Ok(op)) => match shared.register(id) {
                Ok(cancel) => {
                    if tasks.send(Task { id, op, cancel }).is_err() {
                        return Ok(());
                    }
                    Ok(())
                }
                Err(failure) => shared.replies.answer(Some(id), Err(failure)),
            },
            (None, Ok(_)) => Ok(()),
            (id, Err(failure)) => shared.replies.answer(id, Err(failure)),
        };
        if answered.is_err() {
            // Nobody reads replies any more: the same as the end of input.
            return Ok(());
        }
    }
}

fn work<W: Write>(
    shared: &Shared<W>,
    tasks: &mpsc::Receiver<Task>,
    backend: &mut dyn ProbeBackend,
) {
    for Task { id, op, cancel } in tasks {
        let mut progress = Progress::new(&cancel, |phase, done, total| {
            shared.replies.progress(id, phase, done, total).is_ok()
        });
        // A driver that panics must not take the other requests along.
        let result = catch_unwind(AssertUnwindSafe(|| job::run(backend, op, &mut progress)))
            .unwrap_or_else(|panic| Err(internal(panic.as_ref())));
        // Before the reply: who has read it may use the id again.
        shared.requests().remove(&id);
        if shared.replies.answer(Some(id), result).is_err() {
            return;
        }
    }
}

fn internal(panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Failure::new(
        Code::Internal,
        format!("the probe library gave up: {text}"),
        "unplug the probe and plug it in again; if it happens again, report it with this message",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Link, ProbeInfo};
    use crate::chip::Chip;
    use serde_json::Value;

    /// A driver with a defect.
    struct Broken;

    impl ProbeBackend for Broken {
        fn probes(&mut self) -> Result<Vec<ProbeInfo>, Failure> {
            Ok(Vec::new())
        }

        fn chip(&mut self, name: &str) -> Result<Chip, Failure> {
            panic!("a defect met {name}")
        }

        fn attach(&mut self, _: &ProbeInfo, _: &Chip) -> Result<Box<dyn Link + '_>, Failure> {
            unreachable!("no test attaches")
        }
    }

    #[test]
    fn a_driver_that_panics_fails_one_request_only() {
        let (input, mut requests) = io::pipe().unwrap();
        let (replies, output) = io::pipe().unwrap();
        let server = thread::spawn(move || {
            serve(&mut io::BufReader::new(input), output, || Box::new(Broken))
        });
        let mut replies = io::BufReader::new(replies).lines();
        let mut ask = |line: &[u8]| -> Value {
            requests.write_all(line).unwrap();
            serde_json::from_str(&replies.next().unwrap().unwrap()).unwrap()
        };
        let reply = ask(b"{\"id\":1,\"op\":\"chip\",\"chip\":\"x\"}\n");
        assert_eq!(reply["error"]["code"], "internal");
        let message = reply["error"]["message"].as_str().unwrap();
        assert!(message.contains("a defect met x"), "{message}");
        let reply = ask(b"{\"id\":1,\"op\":\"list\"}\n");
        assert_eq!(reply["ok"], true);
        drop(requests);
        server.join().unwrap().unwrap();
    }

    #[test]
    fn nobody_reading_replies_ends_the_process() {
        let (input, mut requests) = io::pipe().unwrap();
        let (replies, output) = io::pipe().unwrap();
        let server = thread::spawn(move || {
            serve(&mut io::BufReader::new(input), output, || Box::new(Broken))
        });
        drop(replies);
        // The input stays open: a refused line is answered by the reading thread itself.
        requests.write_all(b"nonsense\n").unwrap();
        server.join().unwrap().unwrap();
        drop(requests);
    }
}
