//! The engine `wasmi`: an interpreter that translates a module into its own code when it loads it.
//!
//! The module is read where it stands and not copied; what runs is the translation, in RAM.

use alloc::vec::Vec;
use core::fmt;

use ::wasmi::errors::HostError;
use ::wasmi::{
    CompilationMode, Config, EnforcedLimits, Engine as Interpreter, Error, ExternType, Func,
    FuncType, Linker, Memory, MemoryType, Module, ResumableCall, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, Val, ValType,
};
use otaru_abi::{EXPORT_MEMORY, EXPORT_RUN, FUNCTIONS, Function, IMPORT_MODULE, Width, function};

use super::{Engine, Facts, Instance, Request, Step, Trap};
use crate::check::Rejection;
use crate::limits::Limits;

/// Bytes that the value stack has at first.
const STACK_LEN_MIN: usize = 1024;

/// The interpreter `wasmi` 2.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wasmi;

/// A module that `wasmi` runs.
pub struct WasmiInstance {
    store: Store<State>,
    memory: Memory,
    run: Func,
    call: Paused,
}

struct State {
    request: Request,
    limits: StoreLimits,
}

/// Where the bytecode stands.
enum Paused {
    NotStarted,
    At(ResumableCall),
    Over,
}

/// Takes the interpreter out of its loop at each host call.
#[derive(Debug)]
struct HostCall;

impl fmt::Display for HostCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("host call")
    }
}

impl HostError for HostCall {}

impl Engine for Wasmi {
    type Instance<'m> = WasmiInstance;

    fn examine(&self, module: &[u8], limits: &Limits) -> Result<Facts, Rejection> {
        read(module, limits).map(|(facts, _module)| facts)
    }

    fn load<'m>(
        &self,
        module: &'m [u8],
        limits: &Limits,
    ) -> Result<(Facts, Self::Instance<'m>), Rejection> {
        let (facts, module) = read(module, limits)?;
        let engine = module.engine().clone();
        let state = State {
            request: Request::default(),
            limits: StoreLimitsBuilder::new()
                .memory_size(len(limits.memory_len))
                .table_elements(len(limits.table_len))
                .instances(1)
                .tables(len(limits.table_len))
                .memories(1)
                .build(),
        };
        let mut store = Store::new(&engine, state);
        store.limiter(|state| &mut state.limits);
        // Setting up memory costs fuel too.
        store
            .set_fuel(limits.fuel_between_waits)
            .map_err(|_no_metering| Rejection::Engine)?;
        let mut linker = Linker::new(&engine);
        for (number, function) in (0_u8..).zip(FUNCTIONS) {
            define(&mut linker, number, function).map_err(|_twice| Rejection::Engine)?;
        }
        let instance = linker
            .instantiate_and_start(&mut store, &module)
            .map_err(|_limits| Rejection::Memory)?;
        let memory = instance.get_memory(&store, EXPORT_MEMORY);
        let run = instance.get_func(&store, EXPORT_RUN);
        let (memory, run) = memory.zip(run).ok_or(Rejection::Export)?;
        let instance = WasmiInstance {
            store,
            memory,
            run,
            call: Paused::NotStarted,
        };
        Ok((facts, instance))
    }
}

impl Instance for WasmiInstance {
    fn run(&mut self, answer: Option<i64>, fuel: u64) -> Step {
        if self.store.set_fuel(fuel).is_err() {
            return Step::Trapped(Trap::Engine);
        }
        let store = &mut self.store;
        let paused = core::mem::replace(&mut self.call, Paused::Over);
        let next = match (paused, answer) {
            (Paused::NotStarted, None) => self.run.call_resumable(store, &[], &mut []),
            (Paused::At(ResumableCall::OutOfFuel(call)), None) => call.resume(store, &mut []),
            (Paused::At(ResumableCall::HostTrap(call)), Some(answer)) => {
                let number = store.data().request.function;
                call.resume(store, &[value(number, answer)], &mut [])
            }
            (Paused::NotStarted | Paused::At(_) | Paused::Over, _) => {
                return Step::Trapped(Trap::Engine);
            }
        };
        let call = match next {
            Ok(call) => call,
            Err(error) => return Step::Trapped(trap(&error)),
        };
        let step = match &call {
            ResumableCall::Finished => return Step::Finished,
            ResumableCall::HostTrap(_) => Step::Call(self.store.data().request),
            ResumableCall::OutOfFuel(call) => Step::OutOfFuel {
                required: call.required_fuel(),
            },
        };
        self.call = Paused::At(call);
        step
    }

    fn fuel_left(&self) -> u64 {
        self.store.get_fuel().unwrap_or(0)
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }
}

impl fmt::Debug for WasmiInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmiInstance").finish_non_exhaustive()
    }
}

/// A linear memory and a module have far less than 4 GiB.
fn len(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::default();
    // The lower bound comes first: each setter compares with the other bound.
    config
        .set_min_stack_height(STACK_LEN_MIN)
        .set_max_stack_height(len(limits.value_stack_len).max(STACK_LEN_MIN))
        .set_max_recursion_depth(len(limits.call_depth))
        .set_max_cached_stacks(1)
        .consume_fuel(true)
        // A function that is translated when it is first called costs fuel that it cannot wait for.
        .compilation_mode(CompilationMode::Eager)
        // It would run before there is any fuel to run with.
        .allow_start_fn(false)
        .ignore_custom_sections(true)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_extended_const(false)
        // A page of 64 KiB is more than small parts have.
        .wasm_custom_page_sizes(true)
        .enforced_limits(EnforcedLimits::strict());
    config
}

/// Validates and translates a module, and looks at what it imports and exports.
fn read(module: &[u8], limits: &Limits) -> Result<(Facts, Module), Rejection> {
    if module.len() > limits.module_len {
        return Err(Rejection::TooLong);
    }
    let engine = Interpreter::new(&config(limits));
    let module = Module::new(&engine, module).map_err(|_reason| Rejection::Invalid)?;
    let mut functions = 0_u64;
    for import in module.imports() {
        let known = (import.module() == IMPORT_MODULE)
            .then(|| function(import.name()))
            .flatten();
        let (number, function) = known.ok_or(Rejection::Import)?;
        match import.ty() {
            ExternType::Func(ty) if *ty == type_of(function) => {}
            ExternType::Func(_)
            | ExternType::Global(_)
            | ExternType::Table(_)
            | ExternType::Memory(_) => return Err(Rejection::Import),
        }
        functions |= 1_u64.checked_shl(number.into()).unwrap_or(0);
    }
    let Some(ExternType::Memory(memory)) = module.get_export(EXPORT_MEMORY) else {
        return Err(Rejection::Export);
    };
    match module.get_export(EXPORT_RUN) {
        Some(ExternType::Func(run)) if run == FuncType::new([], []) => {}
        Some(
            ExternType::Func(_)
            | ExternType::Global(_)
            | ExternType::Table(_)
            | ExternType::Memory(_),
        )
        | None => return Err(Rejection::Export),
    }
    let facts = Facts {
        functions,
        memory_len_min: memory.minimum().saturating_mul(page_len(&memory)),
    };
    Ok((facts, module))
}

/// Bytes of a page: 65,536, or 1 with the proposal for custom page sizes. The interpreter does not
/// tell, but it compares.
fn page_len(memory: &MemoryType) -> u64 {
    let mut bytewise = MemoryType::builder();
    bytewise
        .min(memory.minimum())
        .max(memory.maximum())
        .page_size_log2(0);
    match bytewise.build() {
        Ok(bytewise) if bytewise == *memory => 1,
        Ok(_) | Err(_) => 65_536,
    }
}

fn type_of(function: &Function) -> FuncType {
    let params: Vec<ValType> = (0..function.words()).map(|_| ValType::I32).collect();
    let result = match function.outcome.width() {
        Width::I32 => ValType::I32,
        Width::I64 => ValType::I64,
    };
    FuncType::new(params, [result])
}

fn define(
    linker: &mut Linker<State>,
    number: u8,
    function: &'static Function,
) -> Result<(), ::wasmi::errors::LinkerError> {
    linker.func_new(
        IMPORT_MODULE,
        function.name,
        type_of(function),
        move |mut caller, params, _results| {
            let mut arguments = [0_u32; 6];
            for (to, from) in arguments.iter_mut().zip(params) {
                *to = from.i32().unwrap_or_default().cast_unsigned();
            }
            caller.data_mut().request = Request {
                function: number,
                arguments,
            };
            Err(Error::host(HostCall))
        },
    )?;
    Ok(())
}

/// A result in the type that the function has.
fn value(number: u8, answer: i64) -> Val {
    let width = FUNCTIONS
        .get(usize::from(number))
        .map(|function| function.outcome.width());
    match width {
        Some(Width::I64) => Val::I64(answer),
        // Results of this width fit: see `Outcome`.
        Some(Width::I32) | None => Val::I32(i32::try_from(answer).unwrap_or(i32::MAX)),
    }
}

fn trap(error: &Error) -> Trap {
    let Some(code) = error.as_trap_code() else {
        return Trap::Engine;
    };
    match code {
        TrapCode::UnreachableCodeReached => Trap::Unreachable,
        TrapCode::MemoryOutOfBounds => Trap::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull | TrapCode::BadSignature => {
            Trap::BadCall
        }
        TrapCode::IntegerDivisionByZero
        | TrapCode::IntegerOverflow
        | TrapCode::BadConversionToInteger => Trap::Arithmetic,
        TrapCode::StackOverflow => Trap::StackOverflow,
        TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory => {
            Trap::Engine
        }
    }
}
