//! The VM's file: takes a request apart, calls the host, and makes its answer a number.

use std::fmt::Write as _;

use otaru_abi::{Function, Outcome, Param, Served};

pub(crate) fn render(functions: &[Function]) -> String {
    let mut text = String::from(
        "//! From a request of the bytecode to a call of the host, and back. Every range is checked here.\n//!\n",
    );
    text.push_str(&super::BANNER.replace("// ", "//! "));
    text.push_str(
        "\nuse otaru_abi::Errno;\n\nuse crate::arguments::{Arguments, Stop, array, buffer, copy, input};\n\
         use crate::host::{Fota, Host, Numbers as _};\n\n/// Calls what the VM does not answer itself.\n///\n/// # Errors\n\
         /// What the host answered, or that a range is not within the bytecode's memory.\n\
         pub(crate) fn call(function: u8, arguments: &Arguments, memory: &mut [u8],\n\
         (host, fota): (&mut impl Host, &mut impl Fota)) -> Result<i64, Stop> {\nmatch function {\n",
    );
    for (number, function) in functions.iter().enumerate() {
        let name = function.name;
        match function.served {
            Served::Vm => {}
            Served::Host if function.outcome == Outcome::Time => {
                writeln!(
                    text,
                    "{number} => Ok(i64::try_from(host.{name}()).unwrap_or(i64::MAX)),"
                )
                .expect("a string takes every text");
            }
            Served::Host => writeln!(text, "{number} => {name}(arguments, memory, host),")
                .expect("a string takes every text"),
            Served::Fota => writeln!(text, "{number} => {name}(arguments, memory, fota),")
                .expect("a string takes every text"),
        }
    }
    text.push_str("_ => Err(Stop::Errno(Errno::Unsupported)),\n}\n}\n\n");
    let answered = |f: &&Function| f.served != Served::Vm && f.outcome != Outcome::Time;
    for function in functions.iter().filter(answered) {
        one(&mut text, function);
    }
    text
}

fn one(text: &mut String, function: &Function) {
    let (host, of, name) = match function.served {
        Served::Fota => ("fota", "Fota", function.name.trim_start_matches("fota_")),
        Served::Host | Served::Vm => ("host", "Host", function.name),
    };
    let copied = super::reads_and_writes(function);
    let mut word = 0;
    let mut body = String::new();
    let mut passed = Vec::new();
    let (mut uses_arguments, mut uses_memory) = (false, false);
    for param in function.params {
        let name = param.name();
        passed.push(name);
        uses_arguments = true;
        uses_memory |= !matches!(param, Param::Number { .. });
        match param {
            Param::Number { .. } => writeln!(body, "let {name} = arguments.number({word});"),
            Param::Bytes { len_max, .. } | Param::Text { len_max, .. } if copied => writeln!(
                body,
                "let mut {name}_copy = [0_u8; {len_max}];\n\
                 let {name} = copy(memory, arguments, {word}, &mut {name}_copy)?;"
            ),
            Param::Bytes { len_max, .. } | Param::Text { len_max, .. } => writeln!(
                body,
                "let {name} = input(memory, arguments, {word}, {len_max})?;"
            ),
            Param::Buffer { len_max, .. } => writeln!(
                body,
                "let {name} = buffer(memory, arguments, {word}, {len_max})?;"
            ),
            Param::Array { .. } => {
                writeln!(body, "let {name} = array(memory, arguments, {word})?;")
            }
        }
        .expect("a string takes every text");
        word += param.words();
    }
    let call = format!("{host}.{name}({})", passed.join(", "));
    let last = match function.outcome {
        Outcome::Done | Outcome::Never => format!("{call}?;\nOk(0)"),
        Outcome::Number | Outcome::Address => format!("Ok(i64::from({call}?))"),
        Outcome::Length => {
            format!(
                "let len = {call}?;\ni64::try_from(len).map_err(|_too_long| Stop::Errno(Errno::TooLong))"
            )
        }
        Outcome::Time | Outcome::Message => unreachable!("{} is answered elsewhere", function.name),
    };
    let arguments = if uses_arguments { "arguments" } else { "_" };
    let memory = match (uses_memory, copied || writes(function)) {
        (false, _) => "_: &[u8]",
        (true, false) => "memory: &[u8]",
        (true, true) => "memory: &mut [u8]",
    };
    write!(
        text,
        "fn {}({arguments}: &Arguments, {memory}, {host}: &mut impl {of}) -> Result<i64, Stop> {{\n\
         {body}{last}\n}}\n\n",
        function.name
    )
    .expect("a string takes every text");
}

fn writes(function: &Function) -> bool {
    function
        .params
        .iter()
        .any(|p| matches!(p, Param::Buffer { .. } | Param::Array { .. }))
}
