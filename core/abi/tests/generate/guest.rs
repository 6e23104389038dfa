//! The guest crate's file: imports, and a safe function around each.

use std::fmt::Write as _;

use otaru_abi::{Function, IMPORT_MODULE, Outcome, Param, Width};

pub(crate) fn render(functions: &[Function]) -> String {
    let mut text = String::from(
        "//! The host functions one to one: `docs/abi.md` as Rust. The other modules of this crate are\n\
         //! more comfortable; this one never does more than one host call per function.\n//!\n",
    );
    text.push_str(&super::BANNER.replace("// ", "//! "));
    text.push_str(
        "#![expect(unsafe_code, reason = \"imports of a WebAssembly module are foreign functions\")]\n\n\
         use otaru_abi::Errno;\n\nuse crate::result::{self, room};\n\n",
    );
    for function in functions {
        wrapper(&mut text, function);
    }
    write!(
        text,
        "#[cfg(target_arch = \"wasm32\")]\nmod imports {{\n\
         #[link(wasm_import_module = \"{IMPORT_MODULE}\")]\nunsafe extern \"C\" {{\n"
    )
    .expect("a string takes every text");
    for function in functions {
        let safety = if has_range(function) { "" } else { "safe " };
        let name = function.name;
        let (params, result) = (imported(function), result(function));
        writeln!(text, "pub(super) {safety}fn {name}({params}) -> {result};")
            .expect("a string takes every text");
    }
    text.push_str(
        "}\n}\n\n/// Elsewhere there is no host, and every function says so.\n\
         #[cfg(not(target_arch = \"wasm32\"))]\nmod imports {\n",
    );
    for function in functions {
        let safety = if has_range(function) { "unsafe " } else { "" };
        let name = function.name;
        let params = imported(function).replace(": ", "_: ");
        let params: Vec<String> = params
            .split(", ")
            .filter(|param| !param.is_empty())
            .map(|param| format!("_{param}").replace("_: ", ": "))
            .collect();
        let answer = match function.outcome {
            Outcome::Time => "0",
            Outcome::Done
            | Outcome::Number
            | Outcome::Length
            | Outcome::Address
            | Outcome::Message
            | Outcome::Never => "-1",
        };
        writeln!(
            text,
            "pub(super) {safety}fn {name}({}) -> {} {{\n{answer}\n}}\n",
            params.join(", "),
            result(function)
        )
        .expect("a string takes every text");
    }
    text.push_str("}\n");
    text
}

fn has_range(function: &Function) -> bool {
    !function
        .params
        .iter()
        .all(|param| matches!(param, Param::Number { .. }))
}

fn result(function: &Function) -> &'static str {
    match function.outcome.width() {
        Width::I32 => "i32",
        Width::I64 => "i64",
    }
}

fn imported(function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| match param {
            Param::Number { name } => format!("{name}: u32"),
            Param::Bytes { name, .. } | Param::Text { name, .. } => {
                format!("{name}: *const u8, {name}_len: u32")
            }
            Param::Buffer { name, .. } => format!("{name}: *mut u8, {name}_len: u32"),
            Param::Array { name, .. } => format!("{name}: *mut u8"),
        })
        .collect();
    params.join(", ")
}

fn wrapper(text: &mut String, function: &Function) {
    let (mut params, mut arguments) = (Vec::new(), Vec::new());
    for param in function.params {
        let name = param.name();
        params.push(match param {
            Param::Number { .. } => format!("{name}: u32"),
            Param::Bytes { .. } => format!("{name}: &[u8]"),
            Param::Text { .. } => format!("{name}: &str"),
            Param::Buffer { .. } => format!("{name}: &mut [u8]"),
            Param::Array { len, .. } => format!("{name}: &mut [u8; {len}]"),
        });
        arguments.push(match param {
            Param::Number { .. } => name.to_owned(),
            Param::Bytes { .. } | Param::Text { .. } => {
                format!("{name}.as_ptr(), room({name}.len())")
            }
            Param::Buffer { .. } => format!("{name}.as_mut_ptr(), room({name}.len())"),
            Param::Array { .. } => format!("{name}.as_mut_ptr()"),
        });
    }
    let (result, read) = match function.outcome {
        Outcome::Done => ("Result<(), Errno>", "result::done(result.into())"),
        Outcome::Number => ("Result<u32, Errno>", "result::number(result.into())"),
        Outcome::Length => ("Result<usize, Errno>", "result::length(result.into())"),
        Outcome::Address => ("Result<u32, Errno>", "result::address(result)"),
        Outcome::Message => ("Result<(usize, usize), Errno>", "result::message(result)"),
        Outcome::Time => ("u64", "result.unsigned_abs()"),
        Outcome::Never => ("Errno", "result::refused(result.into())"),
    };
    let call = format!("imports::{}({})", function.name, arguments.join(", "));
    let call = if has_range(function) {
        format!(
            "// SAFETY: the host reads and writes within these ranges only, and keeps none of them.\n\
             let result = unsafe {{ {call} }};"
        )
    } else {
        format!("let result = {call};")
    };
    let errors = if result.starts_with("Result") {
        "///\n/// # Errors\n/// What the host answered.\n"
    } else {
        ""
    };
    let (doc, name, params) = (function.doc, function.name, params.join(", "));
    write!(
        text,
        "/// {doc}\n{errors}pub fn {name}({params}) -> {result} {{\n{call}\n{read}\n}}\n\n"
    )
    .expect("a string takes every text");
}
