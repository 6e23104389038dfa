//! The reference for people.

use std::fmt::Write as _;

use otaru_abi::{
    ABI_MAJOR, ABI_MINOR, EXPORT_MEMORY, EXPORT_RUN, Errno, Function, IMPORT_MODULE, Level,
    Outcome, Param, PinMode, Served, Width, limits,
};

pub(crate) fn render(functions: &[Function]) -> String {
    let mut text = format!(
        "# Functions between bytecode and VM\n\n\
         `cargo xtask codegen` writes this page from `core/abi/src/table.rs`; so are the imports of the \
         guest crate (`guest/src/host.rs`) and the VM's dispatch.\n\n\
         ABI {ABI_MAJOR}.{ABI_MINOR}. Bytecode is a WebAssembly module that imports from the module \
         `{IMPORT_MODULE}` and nowhere else. It exports its memory as `{EXPORT_MEMORY}` and a function \
         `{EXPORT_RUN}` without arguments or results, which the VM calls once. A start function is \
         refused. What stands at the head of the module: [formats/bytecode.md](formats/bytecode.md).\n\n\
         Every argument is an `i32` that is read without sign. Bytes, text and buffers take two: \
         pointer and length. A range that is not within the bytecode's memory is a trap; one that is \
         longer than allowed is refused with `TooLong`. A result below 0 is a negated error number. A \
         function that a device does not have answers `Unsupported` and changes nothing; it can always \
         be imported.\n\n\
         A minor version of the ABI only adds functions, at the end of the table.\n\n## Functions\n\n\
         | no. | function | result | answered by | |\n|---|---|---|---|---|\n"
    );
    for (number, function) in functions.iter().enumerate() {
        let params: Vec<String> = function.params.iter().map(param).collect();
        let width = match function.outcome.width() {
            Width::I32 => "i32",
            Width::I64 => "i64",
        };
        let served = match function.served {
            Served::Vm => "VM",
            Served::Host => "firmware",
            Served::Fota => "fota",
        };
        writeln!(
            text,
            "| {number} | `{}({})` | {width}: {} | {served} | {} |",
            function.name,
            params.join(", "),
            outcome(function.outcome),
            function.doc
        )
        .expect("a string takes every text");
    }
    numbers(
        &mut text,
        "Errors",
        Errno::ALL,
        Errno::number,
        Errno::describe,
    );
    numbers(
        &mut text,
        "Log levels",
        Level::ALL,
        Level::number,
        Level::describe,
    );
    numbers(
        &mut text,
        "Pin modes",
        PinMode::ALL,
        PinMode::number,
        PinMode::describe,
    );
    budgets(&mut text);
    text
}

fn param(param: &Param) -> String {
    match param {
        Param::Number { name } => (*name).to_owned(),
        Param::Bytes { name, len_max } => format!("{name}: bytes ≤ {len_max}"),
        Param::Text { name, len_max } => format!("{name}: text ≤ {len_max}"),
        Param::Buffer { name, len_max } => format!("{name}: buffer ≤ {len_max}"),
        Param::Array { name, len } => format!("{name}: buffer = {len}"),
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "0",
        Outcome::Number => "number",
        Outcome::Length => "bytes filled",
        Outcome::Address => "flash address",
        Outcome::Message => "topic length × 2³² + payload length",
        Outcome::Time => "milliseconds, never an error",
        Outcome::Never => "returns only with an error",
    }
}

fn numbers<T: Copy>(
    text: &mut String,
    title: &str,
    all: &[T],
    number: fn(T) -> u32,
    describe: fn(T) -> (&'static str, &'static str),
) {
    write!(text, "\n## {title}\n\n| number | name | |\n|---|---|---|\n")
        .expect("a string takes every text");
    for item in all {
        let (name, meaning) = describe(*item);
        let meaning = meaning.trim();
        writeln!(text, "| {} | `{name}` | {meaning} |", number(*item))
            .expect("a string takes every text");
    }
}

fn budgets(text: &mut String) {
    let rows = [
        (
            "fuel of one slice, then the VM gives control back; a unit is about one instruction",
            limits::FUEL_PER_SLICE,
        ),
        (
            "fuel between two waits (`sleep`, `receive`); more is a hang, and the bytecode has failed",
            limits::FUEL_BETWEEN_WAITS,
        ),
        (
            "fuel of one host call, besides one unit per byte",
            limits::FUEL_PER_CALL,
        ),
        ("calls within each other", limits::CALL_DEPTH_MAX.into()),
        (
            "bytes of the engine's value stack",
            limits::VALUE_STACK_LEN_MAX.into(),
        ),
        ("elements of the tables", limits::TABLE_LEN_MAX.into()),
        ("bytes of linear memory", limits::MEMORY_LEN_DEFAULT.into()),
        (
            "messages that wait; one more is dropped and counted",
            limits::QUEUE_LEN_MAX as u64,
        ),
    ];
    text.push_str("\n## Budgets\n\nA firmware may set others.\n\n| what | default |\n|---|---|\n");
    for (what, number) in rows {
        writeln!(text, "| {what} | {number} |").expect("a string takes every text");
    }
}
