//! Runs two futures on the only thread of the machine.

use crate::monitor;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

/// How long the CPU rests when nobody has anything to do, in milliseconds. No interrupt ends a rest,
/// so this is how late a packet or the end of a wait may be noticed.
const REST_MS: u32 = 1;

/// Whether somebody wants to be asked again at once.
static WOKEN: AtomicBool = AtomicBool::new(false);

const WAKER: RawWakerVTable = RawWakerVTable::new(|_| RAW, wake, wake, |_| ());
const RAW: RawWaker = RawWaker::new(ptr::null(), &WAKER);

fn wake(_nothing: *const ()) {
    WOKEN.store(true, Ordering::Relaxed);
}

/// Runs `firmware` to its end, with `beside` as long as it lasts.
///
/// Both are asked again whenever one of them was woken, and otherwise after every rest: devices and
/// timers have no interrupts here that could wake anybody.
pub(super) fn block_on<T>(firmware: impl Future<Output = T>, beside: impl Future) -> T {
    let mut firmware = pin!(firmware);
    let mut beside = pin!(beside);
    let mut running = true;
    // SAFETY: the functions of the table touch nothing but a static, so every clone of this waker is
    // good for ever, on every thread.
    let waker = unsafe { Waker::from_raw(RAW) };
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = firmware.as_mut().poll(&mut context) {
            return value;
        }
        // A future that has ended must not be asked again.
        running = running && beside.as_mut().poll(&mut context).is_pending();
        if !WOKEN.swap(false, Ordering::Relaxed) {
            monitor::rest(REST_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    #[test]
    fn both_run_until_the_first_ends() {
        let asked = Cell::new(0);
        let beside = core::future::poll_fn(|_| {
            asked.set(asked.get() + 1);
            if asked.get() < 3 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        });
        let mut left = 5;
        let firmware = core::future::poll_fn(|context| {
            left -= 1;
            if left == 0 {
                return Poll::Ready("done");
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!(block_on(firmware, beside), "done");
        assert_eq!(asked.get(), 3, "one that has ended is not asked again");
    }
}
