//! `cargo xtask codegen`: writes the files that are generated from the code, or says which are stale.
//!
//! A generator is an ordinary test of the crate that owns the source: it compares, and with a
//! variable in its environment it writes first. So a plain `cargo test` finds a stale file too.

use anyhow::{Context, Result, bail};

use crate::process::Program;
use crate::{report, workspace};

/// A test that generates, and the file it keeps current.
struct Generator {
    package: &'static str,
    /// Where the test is, as cargo names it.
    target: &'static [&'static str],
    test: &'static str,
    /// Set, it makes the test write.
    variable: &'static str,
    file: &'static str,
}

const GENERATORS: &[Generator] = &[
    // The messages between the language server and the editor extension.
    Generator {
        package: "otaru-lsp",
        target: &["--lib"],
        test: "generated_types_are_current",
        variable: "OTARU_WRITE_GENERATED",
        file: "vscode-extension/src/protocol.gen.ts",
    },
    // The commands that every editor can use.
    Generator {
        package: "otaru-lsp",
        target: &["--lib"],
        test: "the_commands_in_the_documentation_are_generated",
        variable: "OTARU_WRITE_GENERATED",
        file: "docs/editor.md",
    },
    // The reference of the keys of a project's and a board's file.
    Generator {
        package: "otaru-lsp-project",
        target: &["--test", "schema"],
        test: "the_reference_of_the_keys_is_current",
        variable: "OTARU_WRITE_GENERATED",
        file: "docs/manifest.md",
    },
    // The reference of the manager's public API.
    Generator {
        package: "otaru-manager",
        target: &["--test", "manager"],
        test: "document_is_served_and_in_step_with_the_file",
        variable: "OTARU_UPDATE_OPENAPI",
        file: "manager/openapi.json",
    },
    // The functions between bytecode and VM: imports of the guest crate, dispatch, reference.
    Generator {
        package: "otaru-abi",
        target: &["--test", "generate"],
        test: "guest_is_current",
        variable: "OTARU_WRITE_GENERATED",
        file: "guest/src/host.rs",
    },
    Generator {
        package: "otaru-abi",
        target: &["--test", "generate"],
        test: "dispatch_is_current",
        variable: "OTARU_WRITE_GENERATED",
        file: "runtime/vm/src/dispatch.rs",
    },
    Generator {
        package: "otaru-abi",
        target: &["--test", "generate"],
        test: "page_is_current",
        variable: "OTARU_WRITE_GENERATED",
        file: "docs/abi.md",
    },
];

/// The command `codegen [--check]`.
///
/// # Errors
/// If a generator does not compile or, with `--check`, if a file is stale.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        [] => GENERATORS.iter().try_for_each(|generator| {
            call(generator, true)?;
            report::line(&format!("    {} is current", generator.file));
            Ok(())
        }),
        ["--check"] => check(),
        _ => bail!("usage: cargo xtask codegen [--check]"),
    }
}

/// Checks every generated file.
///
/// # Errors
/// If a generator does not compile, or a file is stale.
pub(crate) fn check() -> Result<()> {
    GENERATORS
        .iter()
        .try_for_each(|generator| call(generator, false))
}

fn call(generator: &Generator, write: bool) -> Result<()> {
    let test = || {
        Program::cargo()
            .args(["test", "--quiet", "-p", generator.package])
            .args(generator.target)
    };
    let root = workspace::root();
    // Apart, so that a file is not called stale because its generator does not compile.
    test()
        .arg("--no-run")
        .folder(&root)
        .run()
        .with_context(|| format!("the generator of {} does not compile", generator.file))?;
    let mut cargo = test().arg(generator.test).folder(&root);
    if write {
        cargo = cargo.env(generator.variable, "1");
    }
    let printed = cargo.output().with_context(|| {
        format!(
            "{} is stale; `cargo xtask codegen` renews it",
            generator.file
        )
    })?;
    // A test that was renamed would otherwise pass by not existing.
    if printed.contains(" 0 passed") {
        bail!(
            "`{}` has no test `{}`; correct the list of generators",
            generator.package,
            generator.test
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_generator_names_a_test_and_a_file_of_the_project() {
        let root = workspace::root();
        let packages = workspace::packages(&root).unwrap();
        for generator in GENERATORS {
            let owner = packages
                .iter()
                .find(|p| p.name == generator.package)
                .unwrap();
            let sources = workspace::files(&root).unwrap();
            let named = sources
                .iter()
                .filter(|f| f.starts_with(&owner.folder))
                .any(|file| {
                    std::fs::read_to_string(root.join(file))
                        .is_ok_and(|text| text.contains(&format!("fn {}()", generator.test)))
                });
            assert!(named, "no test {} in {}", generator.test, owner.folder);
            assert!(root.join(generator.file).exists(), "{}", generator.file);
        }
    }
}
