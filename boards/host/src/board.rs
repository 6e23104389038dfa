//! The firmware's side of the board.
//!
//! [`Board::take`] connects to the chip over standard input, once per process, and hands out the
//! parts: flash, watchdog, retained RAM, reset, clock and network. A firmware that loses its chip
//! ends: there is nothing left to run on.
//!
//! ```no_run
//! # fn main() -> Result<(), otaru_board_host::TakeError> {
//! let board = otaru_board_host::Board::take()?;
//! println!("started by {}", board.reset_cause());
//! board.feed_watchdog();
//! # Ok(())
//! # }
//! ```

mod flash;
mod link;
mod map;
#[cfg(feature = "firmware")]
mod net;
#[cfg(feature = "firmware")]
mod platform;
mod retained;

use flash::FlashMemory;
pub use flash::HostFlash;
#[cfg(feature = "firmware")]
pub use net::{HostNetwork, HostSocket};
#[cfg(feature = "firmware")]
pub use platform::HostPlatform;
pub use retained::RetainedRam;

use crate::cause::ResetCause;
use crate::wire::{FlashFault, Hello, Operation};
use link::Link;
pub(crate) use link::end_with_chip;
use map::SharedMap;
use std::fmt;
#[cfg(feature = "firmware")]
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Why the board cannot be had.
#[derive(Debug)]
pub enum TakeError {
    /// It was taken before in this process.
    Taken,
    /// Standard input is not the wire to a chip: this program was started by hand.
    NoChip(io::Error),
    /// The chip speaks another version of the wire.
    Version {
        /// The chip's version.
        chip: u32,
    },
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("the board was taken before"),
            Self::NoChip(_) => f.write_str(
                "there is no chip: this program is a firmware for the host board, \
                 run it with `otaru device run` and `otaru flash`",
            ),
            Self::Version { chip } => write!(
                f,
                "the chip speaks version {chip} of the wire and this firmware {}: \
                 rebuild the older of the two",
                crate::wire::VERSION
            ),
        }
    }
}

impl std::error::Error for TakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoChip(cause) => Some(cause),
            Self::Taken | Self::Version { .. } => None,
        }
    }
}

/// What all parts share.
#[derive(Debug)]
struct Shared {
    link: Mutex<Link>,
    hello: Hello,
    page: SharedMap,
    started: Instant,
    watchdog: Watchdog,
}

/// What this process knows about the watchdog. Feeding is a word with the chip, and a bootloader
/// feeds after every block it hashes: what cannot matter is not said.
#[derive(Debug)]
struct Watchdog {
    armed: AtomicBool,
    /// When it was fed last, in milliseconds since the start.
    fed_at: AtomicU64,
}

impl Shared {
    fn ask(&self, operation: Operation, a: u32, b: u32, payload: &[u8]) -> Result<u32, FlashFault> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.ask(operation, a, b, payload)
    }
}

/// The board. Cheap to clone; all clones are the same board.
#[derive(Debug, Clone)]
pub struct Board {
    shared: Arc<Shared>,
    flash: Arc<FlashMemory>,
    retained: RetainedRam,
    #[cfg(feature = "firmware")]
    signal: Arc<File>,
}

impl Board {
    /// Connects to the chip. From here on this process ends when the chip does (on Linux).
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take() -> Result<Self, TakeError> {
        if TAKEN.swap(true, Ordering::SeqCst) {
            return Err(TakeError::Taken);
        }
        end_with_chip().map_err(TakeError::NoChip)?;
        let mut link = Link::open().map_err(TakeError::NoChip)?;
        let (bytes, [flash, retained, page, signal]) = link.hello().map_err(TakeError::NoChip)?;
        let chip = Hello::version(&bytes);
        let hello = Hello::decode(&bytes).filter(|_| chip == crate::wire::VERSION);
        let hello = hello.ok_or(TakeError::Version { chip })?;
        let page = SharedMap::new(&page, crate::wire::PAGE_LEN).map_err(TakeError::NoChip)?;
        let flash_len = usize::try_from(hello.flash_len).unwrap_or(usize::MAX);
        let map = SharedMap::new(&flash, flash_len).map_err(TakeError::NoChip)?;
        #[cfg(not(feature = "firmware"))]
        drop(signal);
        Ok(Self {
            shared: Arc::new(Shared {
                link: Mutex::new(link),
                hello,
                page,
                started: Instant::now(),
                watchdog: Watchdog {
                    armed: AtomicBool::new(hello.watchdog_ms > 0),
                    fed_at: AtomicU64::new(0),
                },
            }),
            flash: Arc::new(FlashMemory { file: flash, map }),
            retained: RetainedRam::new(retained),
            #[cfg(feature = "firmware")]
            signal: Arc::new(signal),
        })
    }

    /// Why the CPU was started.
    pub fn reset_cause(&self) -> ResetCause {
        self.shared.hello.cause
    }

    /// How often the CPU has started since the device was made.
    pub fn boots(&self) -> u32 {
        self.shared.hello.boots
    }

    /// Size of the flash in bytes.
    pub fn flash_len(&self) -> u32 {
        self.shared.hello.flash_len
    }

    /// The flash driver.
    pub fn flash(&self) -> HostFlash {
        HostFlash::new(Arc::clone(&self.flash), Arc::clone(&self.shared))
    }

    /// RAM that survives a reset and not a power loss.
    pub fn retained(&self) -> &RetainedRam {
        &self.retained
    }

    /// Connects to the network of the machine, as long as the chip says that there is one.
    #[cfg(feature = "firmware")]
    pub fn network(&self) -> HostNetwork {
        HostNetwork::new(Arc::clone(&self.shared), Arc::clone(&self.signal))
    }

    /// Milliseconds since this program connected to the chip; never goes back.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Time-out of the watchdog in milliseconds when this program started, 0 if it was not armed.
    pub fn watchdog_ms(&self) -> u32 {
        self.shared.hello.watchdog_ms
    }

    /// Arms the watchdog or changes its time-out, in milliseconds. It cannot be stopped.
    ///
    /// # Errors
    /// [`FlashFault::BadRequest`] for 0.
    pub fn arm_watchdog(&self, timeout_ms: u32) -> Result<(), FlashFault> {
        self.shared
            .ask(Operation::ArmWatchdog, timeout_ms, 0, &[])?;
        self.shared.watchdog.armed.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Restarts the watchdog's time; does nothing while it is not armed, or again in the same
    /// millisecond.
    pub fn feed_watchdog(&self) {
        let watchdog = &self.shared.watchdog;
        let now = self.millis();
        let armed = watchdog.armed.load(Ordering::Relaxed);
        if !armed || watchdog.fed_at.swap(now, Ordering::Relaxed) == now {
            return;
        }
        // The chip refuses this to nobody, and a lost chip has ended this process.
        let _done = self.shared.ask(Operation::FeedWatchdog, 0, 0, &[]);
    }

    /// Whether the recovery button was held when the CPU was started.
    pub fn recovery_button(&self) -> bool {
        let buttons = self.shared.ask(Operation::Buttons, 0, 0, &[]);
        buttons.is_ok_and(|buttons| buttons & crate::wire::BUTTON_RECOVERY != 0)
    }

    /// Keeps what is typed on the console from now on, so that a client may write as soon as it
    /// reads that this program listens.
    #[cfg(feature = "chip")]
    pub(crate) fn open_console(&self) {
        // Without a chip nobody types.
        let _answered = self.shared.ask(Operation::OpenConsole, 0, 0, &[]);
    }

    /// Waits until something is typed on the console. Nothing else can be asked of the chip
    /// meanwhile, so this is for a program that has nothing else to do.
    #[cfg(feature = "chip")]
    pub(crate) fn read_console(&self) -> Vec<u8> {
        let mut link = self
            .shared
            .link
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        link.read_console(crate::wire::CONSOLE_READ_LEN_MAX)
    }

    /// Resets the CPU; the next start's cause is *software*.
    pub fn reset(&self) -> ! {
        let _gone = self.shared.ask(Operation::Reset, 0, 0, &[]);
        // The chip ends this process while it waits for a reply. Without a chip it ends itself.
        std::process::abort()
    }

    /// Keeps the panic's text and place for the next boot: after a panic, `keep` gets them in one
    /// line, and then the process ends, which the chip sees as a crash.
    pub fn reset_on_panic(keep: impl Fn(&str) + Send + Sync + 'static) {
        std::panic::set_hook(Box::new(move |info| {
            let text = format!("panic: {info}").replace('\n', " ");
            keep(&text);
            crate::board::link::print_last_words(&text);
            std::process::abort();
        }));
    }
}
