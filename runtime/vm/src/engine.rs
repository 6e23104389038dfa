//! What a VM needs from the part that runs instructions.

#[cfg(feature = "wasmi")]
mod wasmi;

#[cfg(feature = "wasmi")]
pub use wasmi::{Wasmi, WasmiInstance};

use crate::check::Rejection;
use crate::limits::Limits;

/// Loads modules. An engine is a value, so that a firmware can choose one.
pub trait Engine {
    /// A module that runs. It may borrow the module, which then is used where it stands in flash and
    /// must not be erased meanwhile.
    type Instance<'m>: Instance;

    /// Reads a module as [`Engine::load`] would, and runs nothing.
    ///
    /// # Errors
    /// [`Rejection`]; the module must not be started.
    fn examine(&self, module: &[u8], limits: &Limits) -> Result<Facts, Rejection>;

    /// Makes a module ready to run: memory and tables are set up, no instruction has run.
    ///
    /// # Errors
    /// [`Rejection`]; the module must not be started.
    fn load<'m>(
        &self,
        module: &'m [u8],
        limits: &Limits,
    ) -> Result<(Facts, Self::Instance<'m>), Rejection>;
}

/// What a module is made of, as the engine found it. An engine refuses modules without the two
/// exports, with a start function, or with imports that are not of [`otaru_abi::FUNCTIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Host functions that it imports, as a set: bit = number.
    pub functions: u64,
    /// Bytes of memory that it begins with.
    pub memory_len_min: u64,
}

/// A module that runs.
pub trait Instance {
    /// Runs on with this much fuel, instead of what was left, until something has to be decided.
    /// After [`Step::Call`] `answer` is the function's result; else it is `None`. An answer that was
    /// not asked for is [`Trap::Engine`].
    fn run(&mut self, answer: Option<i64>, fuel: u64) -> Step;

    /// Fuel that the last step has left.
    fn fuel_left(&self) -> u64;

    /// The bytecode's memory, as long as it is now.
    fn memory(&mut self) -> &mut [u8];
}

/// Why an instance stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It calls a host function and waits for its result.
    Call(Request),
    /// Its fuel does not suffice; the next step needs at least this much.
    OutOfFuel {
        /// Fuel that the next instruction needs.
        required: u64,
    },
    /// It has returned.
    Finished,
    /// It did what it must not do, and cannot go on.
    Trapped(Trap),
}

/// A call of a host function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// The function's number.
    pub function: u8,
    /// Its arguments, as many as it has; the rest is 0.
    pub arguments: [u32; 6],
}

/// What bytecode must not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    /// It gave up: a panic.
    Unreachable,
    /// It left its memory.
    MemoryOutOfBounds,
    /// It called what is no function of its own, or one of another type.
    BadCall,
    /// It divided by zero, or a result has no place in its type.
    Arithmetic,
    /// It called too deeply.
    StackOverflow,
    /// It gave a host function a range outside its memory.
    BadPointer,
    /// The engine failed, or was asked for what cannot be.
    Engine,
}
