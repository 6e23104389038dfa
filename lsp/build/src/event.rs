//! What long work tells while it goes on. The command line draws it, the editor shows it.

use crate::cargo::Diagnostic;
use crate::image::BuiltImage;
use crate::manager::Action;
use std::fmt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A step that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Cargo compiles.
    Compile,
    /// The image is built and signed.
    Pack,
    /// The image goes to the manager.
    Upload,
    /// A device is written by cable.
    Flash,
    /// A device is erased by cable.
    Erase,
    /// A device gets its identity, or loses it.
    Provision,
    /// An update over the air is under way.
    Update,
}

impl Phase {
    /// The word for it, as `--json` and the editor protocol carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Pack => "pack",
            Self::Upload => "upload",
            Self::Flash => "flash",
            Self::Erase => "erase",
            Self::Provision => "provision",
            Self::Update => "update",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that happened during long work.
#[derive(Debug, Clone)]
pub enum JobEvent {
    /// A phase begins.
    Phase(Phase),
    /// How far the phase is, in its own unit (bytes, crates).
    Progress {
        /// The phase.
        phase: Phase,
        /// How much is done.
        done: u64,
        /// How much there is, if that is known.
        total: Option<u64>,
    },
    /// A line for people.
    Line(String),
    /// The compiler found something.
    Diagnostic(Diagnostic),
    /// An image is made. Others may follow, if its label turns out to be taken.
    Built(Box<BuiltImage>),
    /// The automatic label belongs to another machine's image; a new number is taken.
    NumberTaken {
        /// The label.
        label: String,
    },
    /// An update over the air moved on.
    Action(Box<Action>),
    /// Something is odd, but the work goes on.
    Warning(String),
    /// The phase ended; the message sums it up.
    Finished {
        /// The phase.
        phase: Phase,
        /// Its result in one line.
        summary: String,
    },
}

/// What a long operation is given: where to tell, and how it is stopped.
#[derive(Debug, Clone)]
pub struct Job {
    events: mpsc::UnboundedSender<JobEvent>,
    cancel: CancellationToken,
    background: bool,
}

impl Job {
    /// A job and the receiver of what it tells.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<JobEvent>) {
        let (events, receiver) = mpsc::unbounded_channel();
        (
            Self {
                events,
                cancel: CancellationToken::new(),
                background: false,
            },
            receiver,
        )
    }

    /// The same job beside something that must stay quick: what it starts gets less of the processor.
    #[must_use]
    pub fn in_background(self) -> Self {
        Self {
            background: true,
            ..self
        }
    }

    /// Whether what it starts should get less of the processor.
    pub const fn is_background(&self) -> bool {
        self.background
    }

    /// Tells one thing. Nobody listening is fine.
    pub fn tell(&self, event: JobEvent) {
        drop(self.events.send(event));
    }

    /// Tells that a phase begins.
    pub fn begin(&self, phase: Phase) {
        self.tell(JobEvent::Phase(phase));
    }

    /// Tells how far a phase is.
    pub fn progress(&self, phase: Phase, done: u64, total: Option<u64>) {
        self.tell(JobEvent::Progress { phase, done, total });
    }

    /// Tells that a phase ended.
    pub fn finish(&self, phase: Phase, summary: impl Into<String>) {
        self.tell(JobEvent::Finished {
            phase,
            summary: summary.into(),
        });
    }

    /// Asks the work to stop. It ends with its error for that, and leaves nothing half-done.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Whether the work was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Waits until the work is asked to stop.
    pub async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }
}
