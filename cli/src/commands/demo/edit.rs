//! What the demo changes in its copy of the example, as a developer would in an editor.

/// A change of a project's two files. `None` says that the file is not what was expected.
#[derive(Clone, Copy)]
pub(super) struct Change {
    /// Makes the new Cargo.toml from the old one.
    pub(super) cargo_toml: fn(&str) -> Option<String>,
    /// Makes the new src/main.rs from the old one.
    pub(super) main_rs: fn(&str) -> Option<String>,
}

/// Version 1.1.0: a change that works. The counter counts in steps of ten.
pub(super) const IMPROVE: Change = Change {
    cargo_toml: |text| replace_once(text, "version = \"1.0.0\"", "version = \"1.1.0\""),
    main_rs: |text| replace_once(text, "const STEP: u32 = 1;", "const STEP: u32 = 10;"),
};

/// Version 1.2.0: a mistake. The update agent is made and never driven, so this version goes on
/// counting but never speaks with the manager, and nobody feeds the watchdog.
pub(super) const DAMAGE: Change = Change {
    cargo_toml: |text| replace_once(text, "version = \"1.1.0\"", "version = \"1.2.0\""),
    main_rs: |text| {
        replace_once(
            text,
            "board.block_on(run(&board, board.flash(), &mut app, &status, work));",
            "let _agent = run(&board, board.flash(), &mut app, &status, std::future::pending());\n    \
             let () = board.block_on(work);",
        )
    },
};

/// The text with its only occurrence of `old` replaced.
fn replace_once(text: &str, old: &str, new: &str) -> Option<String> {
    let (before, after) = text.split_once(old)?;
    (!after.contains(old)).then(|| format!("{before}{new}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use otaru_lsp_build::template::cargo_toml;

    #[test]
    fn the_example_is_what_the_edits_expect() {
        let cargo = cargo_toml("counter");
        let main = include_str!("../../../../examples/counter/src/main.rs");
        let cargo = (IMPROVE.cargo_toml)(&cargo).unwrap();
        let main = (IMPROVE.main_rs)(main).unwrap();
        assert!(
            (DAMAGE.cargo_toml)(&cargo)
                .unwrap()
                .contains("version = \"1.2.0\"")
        );
        assert!((DAMAGE.main_rs)(&main).unwrap().contains("let _agent"));
    }

    #[test]
    fn an_edit_that_does_not_fit_is_refused() {
        assert_eq!(replace_once("a b", "b", "c").as_deref(), Some("a c"));
        assert_eq!(replace_once("a b", "x", "c"), None);
        assert_eq!(replace_once("b b", "b", "c"), None);
    }
}
