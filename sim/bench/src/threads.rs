//! The same work over many items, on every core, with results as they come.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Calls `work` for every index below `count`, and `each` with the results in the order in which they
/// are ready, until `each` says that it is enough.
pub(crate) fn run<T: Send>(
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(usize, T) -> bool,
) {
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads {
            let sender = sender.clone();
            let (next, work) = (&next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || sender.send((index, work(index))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (index, result) in receiver {
            if !each(index, result) {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_item_is_done_once() {
        let mut done = vec![0; 100];
        super::run(
            100,
            |index| index * 2,
            |index, result| {
                assert_eq!(result, index * 2);
                done[index] += 1;
                true
            },
        );
        assert!(done.iter().all(|&count| count == 1));
    }

    #[test]
    fn it_ends_when_enough_is_known() {
        let mut results = 0;
        super::run(
            usize::MAX,
            |index| index,
            |_, _| {
                results += 1;
                results < 10
            },
        );
        assert_eq!(results, 10);
    }
}
