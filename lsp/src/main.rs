//! The language server alone, on standard input and output. `otaru lsp` is the same.

use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    otaru_lsp::serve_stdio()
}
