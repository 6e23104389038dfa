//! What the bootloader needs from a board besides its flash, and what it tells it.

use crate::Recovery;
use otaru_flash::{DeviceBlock, Slot};
use otaru_image::SignatureVerifier;
use otaru_record::{Cause, State};

/// Why the CPU started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetCause {
    /// Power came on, or the board cannot tell.
    PowerOn,
    /// The reset button or a debugger.
    Button,
    /// The watchdog expired.
    Watchdog,
    /// The firmware asked for it.
    Software,
    /// The firmware crashed or ended by itself.
    Crash,
}

/// What is being copied where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `swap`, step a: the old chunk leaves the execution slot.
    Save,
    /// The new chunk enters the execution slot.
    Install,
    /// The old chunk returns to the execution slot.
    Restore,
}

/// A longer piece of work, for progress lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// An image is read and verified.
    Verify(Slot),
    /// Two images are compared chunk by chunk.
    Compare,
}

/// What the bootloader is doing. The board prints one line for each.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The device block was read.
    Board(&'a DeviceBlock),
    /// One entry of the record, oldest first.
    Entry(u32, &'a State),
    /// The record was lost; a new one is made from the verified image in the execution slot.
    RecordLost,
    /// The record cannot be written: the confirmed image runs, without updates.
    RecordUnwritable,
    /// The state on which this boot acts.
    Phase(&'a State),
    /// A longer piece of work begins.
    Begin(Work),
    /// A chunk was copied: which step, which chunk, how many are done, how many there are.
    Copied {
        /// What was copied where.
        step: Step,
        /// Number of the chunk.
        chunk: u32,
        /// Steps done so far, this one included.
        done: u32,
        /// Steps in all.
        total: u32,
    },
    /// The execution slot does not hold what it should; it is restored from the backup.
    Healing,
    /// An attempt ended.
    Ended(Cause),
    /// An image is started; `trial` is the number of this start, 0 if it is confirmed.
    Starting {
        /// Number of this trial start.
        trial: u8,
        /// Starts it gets.
        of: u8,
    },
    /// Nothing can be started.
    Stopped(&'a Recovery),
}

/// Services of the board.
pub trait Port {
    /// Who checks signatures: a small implementation, or the board's hardware.
    type Verifier: SignatureVerifier;

    /// The verifier, made anew for every image. It must be the one that the firmware's agent uses,
    /// so that both say the same about an image.
    fn verifier(&mut self) -> Self::Verifier;

    /// Whether [`Event::Entry`] is wanted; without a console the record need not be read again for it.
    const SHOWS_ENTRIES: bool = true;

    /// Whether a device block with development keys is accepted. This is the only place that decides
    /// it: a build for development does, any other one only with the feature `development-keys`.
    /// Boards leave it as it is; simulated devices, whose keys protect nothing, say `true`.
    const DEVELOPMENT_KEYS: bool = cfg!(any(debug_assertions, feature = "development-keys"));

    /// Called at least once per chunk copied and per block verified.
    fn feed_watchdog(&mut self);

    /// Arms the watchdog; called once, just before an image is started.
    fn arm_watchdog(&mut self, timeout_ms: u32);

    /// Milliseconds since some moment of this boot; 0 for ever if the board has no clock yet.
    fn now_ms(&mut self) -> u32;

    /// Whether recovery was asked for when the device was started, by a button or a jumper.
    /// Sampled at the end of a boot that found an image to start.
    fn recovery_requested(&mut self) -> bool {
        false
    }

    /// Tells what happens; must not fail and not take long.
    fn report(&mut self, event: Event<'_>);
}
