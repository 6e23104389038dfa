//! One module, run in turns.

use otaru_abi::limits::{FUEL_PER_CALL, MESSAGE_LEN_MAX, WAIT_MS_MAX};
use otaru_abi::{Errno, FUNCTIONS, Outcome, Param, Served, Target};

use crate::arguments::{Arguments, Stop, buffer};
use crate::check::{Rejection, check_facts, check_head, within};
use crate::dispatch;
use crate::engine::{Engine, Instance, Request, Step, Trap};
use crate::host::{Fota, Host};
use crate::limits::Limits;
use crate::queue::{Queue, Undelivered};

/// A module that runs.
pub struct Vm<'m, E: Engine + 'm> {
    instance: E::Instance<'m>,
    limits: Limits,
    queue: Queue,
    state: State,
    /// Fuel until the bytecode has to wait.
    budget: u64,
    /// What the next instruction costs, where that is more than a slice.
    required: u64,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// It can run on, with the result of a host function if it called one.
    Ready(Option<i64>),
    Sleeping {
        until_ms: u64,
    },
    Receiving {
        until_ms: u64,
        arguments: Arguments,
    },
    Ended(Ended),
}

/// What a turn has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The bytecode wants to run on; the firmware does its own work first.
    Runnable,
    /// The bytecode waits until then, or for a message.
    Waiting {
        /// When it is to get its next turn, by [`Host::now_ms`].
        until_ms: u64,
    },
    /// It gets no further turn.
    Ended(Ended),
}

/// How bytecode ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has returned from `run`.
    Finished,
    /// It asked for a reset, and may have it: the firmware resets the device.
    Restart,
    /// It has failed. On trial the firmware resets the device, which brings the old one back.
    Failed(Failure),
}

/// Why bytecode has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It did what it must not do.
    Trap(Trap),
    /// It used up its fuel without waiting once: an endless loop.
    Hung,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Hung => "bytecode: endless loop",
            Self::Trap(Trap::Unreachable) => "bytecode: panic",
            Self::Trap(Trap::MemoryOutOfBounds) => "bytecode: access outside its memory",
            Self::Trap(Trap::BadCall) => "bytecode: call of what is no such function",
            Self::Trap(Trap::Arithmetic) => "bytecode: division by zero or overflow",
            Self::Trap(Trap::StackOverflow) => "bytecode: calls too deep",
            Self::Trap(Trap::BadPointer) => "bytecode: bad pointer to the host",
            Self::Trap(Trap::Engine) => "bytecode: the engine failed",
        })
    }
}

impl<'m, E: Engine + 'm> Vm<'m, E> {
    /// Judges a module like [`check`](crate::check()) and makes it ready for its first turn.
    ///
    /// # Errors
    /// [`Rejection`]; on trial the firmware resets the device, which brings the old module back.
    pub fn start(
        engine: &E,
        module: &'m [u8],
        target: &Target,
        limits: &Limits,
    ) -> Result<Self, Rejection> {
        let binding = check_head(module, target)?;
        let limits = within(limits, &binding);
        let (facts, instance) = engine.load(module, &limits)?;
        check_facts(&binding, &facts)?;
        Ok(Self {
            instance,
            limits,
            queue: Queue::default(),
            state: State::Ready(None),
            budget: limits.fuel_between_waits,
            required: 0,
        })
    }

    /// Runs the bytecode for one slice of fuel at most. When it waits and its time has not come, it
    /// costs next to nothing.
    pub fn turn(&mut self, host: &mut impl Host, fota: &mut impl Fota) -> Turn {
        self.wake(host);
        let mut fuel = self.limits.fuel_per_slice.max(self.required);
        self.required = 0;
        loop {
            let answer = match self.state {
                State::Ready(answer) => answer,
                State::Sleeping { until_ms } | State::Receiving { until_ms, .. } => {
                    self.budget = self.limits.fuel_between_waits;
                    return Turn::Waiting { until_ms };
                }
                State::Ended(ended) => return Turn::Ended(ended),
            };
            let given = fuel.min(self.budget);
            let step = self.instance.run(answer, given);
            let used = given.saturating_sub(self.instance.fuel_left());
            fuel = fuel.saturating_sub(used);
            self.budget = self.budget.saturating_sub(used);
            match step {
                Step::Finished => self.state = State::Ended(Ended::Finished),
                Step::Trapped(trap) => self.fail(Failure::Trap(trap)),
                Step::OutOfFuel { required } if required > self.budget => self.fail(Failure::Hung),
                Step::OutOfFuel { required } => {
                    self.state = State::Ready(None);
                    self.required = required;
                    return Turn::Runnable;
                }
                Step::Call(request) => {
                    let cost = cost(&request);
                    fuel = fuel.saturating_sub(cost);
                    self.budget = self.budget.saturating_sub(cost);
                    self.answer(&request, host, fota);
                }
            }
        }
    }

    /// Puts a message into the bytecode's queue. A bytecode that waits for one gets it in its next
    /// turn, which should then come at once.
    ///
    /// # Errors
    /// [`Undelivered`]; the message was dropped and counted.
    pub fn deliver(&mut self, topic: &[u8], payload: &[u8]) -> Result<(), Undelivered> {
        self.queue.push(topic, payload)
    }

    /// Messages that were dropped so far.
    pub fn dropped(&self) -> u32 {
        self.queue.dropped()
    }

    fn fail(&mut self, failure: Failure) {
        self.state = State::Ended(Ended::Failed(failure));
    }

    /// Ends a wait whose time or message has come.
    fn wake(&mut self, host: &mut impl Host) {
        match self.state {
            State::Sleeping { until_ms } if host.now_ms() >= until_ms => {
                self.state = State::Ready(Some(0));
            }
            State::Receiving {
                until_ms,
                arguments,
            } => {
                if !self.queue.is_empty() {
                    self.receive(&arguments);
                } else if host.now_ms() >= until_ms {
                    self.state = State::Ready(Some(Errno::TimedOut.result()));
                }
            }
            State::Ready(_) | State::Sleeping { .. } | State::Ended(_) => {}
        }
    }

    fn answer(&mut self, request: &Request, host: &mut impl Host, fota: &mut impl Fota) {
        let arguments = Arguments::new(request.arguments);
        let function = FUNCTIONS.get(usize::from(request.function));
        let Some(function) = function else {
            return self.fail(Failure::Trap(Trap::Engine));
        };
        match (function.served, function.outcome) {
            (Served::Vm, outcome) => self.wait(outcome, arguments, host),
            (Served::Host | Served::Fota, outcome) => {
                let memory = self.instance.memory();
                let result = dispatch::call(request.function, &arguments, memory, (host, fota));
                match (result, outcome) {
                    (Ok(_), Outcome::Never) => self.state = State::Ended(Ended::Restart),
                    (result, _) => self.resolve(result),
                }
            }
        }
    }

    /// The functions that suspend the bytecode: `sleep` and `receive`.
    fn wait(&mut self, outcome: Outcome, arguments: Arguments, host: &mut impl Host) {
        let wait_ms = arguments.number(0);
        if wait_ms > WAIT_MS_MAX {
            return self.resolve(Err(Stop::Errno(Errno::Invalid)));
        }
        let until_ms = host.now_ms().saturating_add(wait_ms.into());
        if outcome != Outcome::Message {
            self.state = State::Sleeping { until_ms };
        } else if !self.queue.is_empty() {
            self.receive(&arguments);
        } else {
            self.state = State::Receiving {
                until_ms,
                arguments,
            };
        }
    }

    /// Hands the oldest message over.
    fn receive(&mut self, arguments: &Arguments) {
        let memory = self.instance.memory();
        let taken = buffer(memory, arguments, 1, MESSAGE_LEN_MAX).and_then(|room| {
            let lengths = self.queue.take(room);
            lengths.ok_or(Stop::Errno(Errno::TooLong))
        });
        let result = taken.map(|(topic_len, payload_len)| {
            // Both are far below 2^31.
            let [topic_len, payload_len] =
                [topic_len, payload_len].map(|len| i64::try_from(len).unwrap_or(0));
            (topic_len << 32_u32) | payload_len
        });
        self.resolve(result);
    }

    fn resolve(&mut self, result: Result<i64, Stop>) {
        self.state = match result {
            Ok(number) => State::Ready(Some(number)),
            Err(Stop::Errno(errno)) => State::Ready(Some(errno.result())),
            Err(Stop::Trap(trap)) => State::Ended(Ended::Failed(Failure::Trap(trap))),
        };
    }
}

impl<'m, E: Engine + 'm> core::fmt::Debug for Vm<'m, E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Vm")
            .field("state", &self.state)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

/// Fuel of a host call, with the bytes that it names.
fn cost(request: &Request) -> u64 {
    let arguments = Arguments::new(request.arguments);
    let mut word = 0_usize;
    let mut cost = FUEL_PER_CALL;
    let params = FUNCTIONS
        .get(usize::from(request.function))
        .map_or(&[][..], |function| function.params);
    for param in params {
        let bytes = match param {
            Param::Number { .. } => 0,
            // What is longer is refused before anything is read.
            Param::Bytes { len_max, .. }
            | Param::Text { len_max, .. }
            | Param::Buffer { len_max, .. } => arguments.len_at(word).min(*len_max),
            Param::Array { len, .. } => *len,
        };
        cost = cost.saturating_add(bytes.into());
        word = word.saturating_add(param.words());
    }
    cost
}
