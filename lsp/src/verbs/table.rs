//! Every verb, in one table: what an editor offers, what it asks with, and whether somebody has to
//! agree first. The server's `executeCommand` capabilities, the table in `docs/editor.md` and a check
//! of the extension's commands come from it.

use crate::protocol::{PlanVerb, Verb, VerbInfo};

/// What a command makes the server do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Starts a job that changes no device.
    Job(Verb),
    /// Plans, and then asks the person by `window/showMessageRequest`.
    Ask(PlanVerb),
    /// Plans for a client that shows plans itself.
    Plan,
    /// Carries out a plan.
    Run,
    /// Stops jobs.
    Cancel,
    /// Asks the manager for its devices.
    Devices,
    /// Turns a console on or off.
    Console,
    /// Makes a project.
    NewProject,
}

/// One verb.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Name of the command, in every editor.
    pub(crate) command: &'static str,
    /// What people call it; in the extension, the title of its command if it has one.
    pub(crate) title: &'static str,
    /// What it does.
    pub(crate) action: Action,
    /// The fields of its one argument; `?` marks those that may be left out.
    pub(crate) argument: &'static str,
    /// What it answers and what follows, for the documentation.
    pub(crate) answer: &'static str,
}

impl Entry {
    /// Whether it replaces or deletes something, and so never happens without a plan and a yes.
    pub(crate) const fn is_destructive(&self) -> bool {
        matches!(self.action, Action::Ask(_) | Action::Run)
    }
}

const DEVICE: &str = "{project?, device?}";

/// The table. Its order is that of the documentation.
pub(crate) const TABLE: &[Entry] = &[
    entry("otaru.newProject", "New Project", Action::NewProject)
        .takes("{folder, name?, board?, mode?, kind?}")
        .gives("`{folder, manifest}`: a project made from an example, with a development key"),
    entry("otaru.build", "Build", Action::Job(Verb::Build))
        .takes("{project?, version?}")
        .gives("`{job}` at once; progress as `$/progress`, which can be canceled"),
    entry("otaru.clean", "Clean", Action::Job(Verb::Clean))
        .takes("{project?}")
        .gives("`{job}`; compiled code and images are gone, keys and build numbers stay"),
    entry("otaru.link", "Link Bytecode", Action::Job(Verb::Link))
        .takes("{project?, bc?, vm?, version?}")
        .gives("`{job}`; bytecode for one slot and VM"),
    entry("otaru.size", "Size", Action::Job(Verb::Size))
        .takes("{project?}")
        .gives("`{job}`; its event of kind `report` says what takes how much of the slot"),
    entry("otaru.upload", "Upload", Action::Job(Verb::Upload))
        .takes("{project?, version?, registerKey?}")
        .gives("`{job}`; updates no device"),
    entry("otaru.fota", "FOTA", Action::Ask(PlanVerb::Fota))
        .takes("{project?, version?, trials?}")
        .gives("`{job}`; ends when the device has confirmed, or has not"),
    entry("otaru.flash", "Flash", Action::Ask(PlanVerb::Flash))
        .takes("{project?, device?, version?}")
        .gives("`{job}`; writes a device by cable, which keeps its identity"),
    entry("otaru.erase", "Erase", Action::Ask(PlanVerb::Erase))
        .takes(DEVICE)
        .gives("`{job}`; firmware, record and identity are gone"),
    entry("otaru.provision", "Provision", Action::Ask(PlanVerb::Provision))
        .takes("{project?, device?, fleet?}")
        .gives("`{job}`; the device gets an identity in the manager"),
    entry(
        "otaru.undoProvision",
        "Undo Provision",
        Action::Ask(PlanVerb::UndoProvision),
    )
    .takes("{project?, device?, deviceOnly?}")
    .gives("`{job}`; the identity is gone, here and in the manager"),
    entry("otaru.plan", "Plan", Action::Plan)
        .takes("{project?, verb?, …}")
        .gives("`{job}`; its event of kind `planned` carries the plan of `verb`: `fota`, `flash`, `erase`, `provision` or `undo-provision`"),
    entry("otaru.run", "Run Plan", Action::Run)
        .takes("{planId, version?}")
        .gives("`{job}`. A plan is good once, for ten minutes, and only while its project has not been built again and device and image are what it says"),
    entry("otaru.cancel", "Cancel", Action::Cancel)
        .takes("{job?}` or `{project?}")
        .gives("whether something was there to cancel"),
    entry("otaru.devices", "Devices", Action::Devices)
        .takes("{project?}")
        .gives("what the manager knows"),
    entry("otaru.console", "Open Debug Console", Action::Console)
        .takes("{project?, device?, on}")
        .gives("`{device}`; what it prints comes as `otaru/consoleOutput`"),
    entry("otaru.doctor", "Doctor", Action::Job(Verb::Doctor))
        .takes("{project?}")
        .gives("`{job}`; its event of kind `report` says what is missing and what to do"),
];

const fn entry(command: &'static str, title: &'static str, action: Action) -> Entry {
    Entry {
        command,
        title,
        action,
        argument: "",
        answer: "",
    }
}

impl Entry {
    const fn takes(self, argument: &'static str) -> Self {
        Self { argument, ..self }
    }

    const fn gives(self, answer: &'static str) -> Self {
        Self { answer, ..self }
    }
}

/// The table, for clients.
pub(crate) fn verbs() -> Vec<VerbInfo> {
    let info = |entry: &Entry| VerbInfo {
        command: entry.command.to_owned(),
        title: entry.title.to_owned(),
        argument: entry.argument.to_owned(),
        answer: entry.answer.to_owned(),
        destructive: entry.is_destructive(),
    };
    TABLE.iter().map(info).collect()
}

/// The verb behind a command.
pub(crate) fn find(command: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.command == command)
}

/// What a job is called where it shows its progress.
pub(crate) const fn job_title(verb: Verb) -> &'static str {
    match verb {
        Verb::Build => "Otaru: build",
        Verb::Upload => "Otaru: upload",
        Verb::Plan => "Otaru: plan",
        Verb::Run => "Otaru: FOTA",
        Verb::Clean => "Otaru: clean",
        Verb::Link => "Otaru: link",
        Verb::Size => "Otaru: size",
        Verb::Doctor => "Otaru: doctor",
        Verb::Flash => "Otaru: flash",
        Verb::Erase => "Otaru: erase",
        Verb::Provision => "Otaru: provision",
        Verb::UndoProvision => "Otaru: undo provision",
    }
}

/// The only answer that means yes.
pub(crate) const fn agree(verb: PlanVerb) -> &'static str {
    match verb {
        PlanVerb::Fota => "Start FOTA",
        PlanVerb::Flash => "Flash",
        PlanVerb::Erase => "Erase",
        PlanVerb::Provision => "Provision",
        PlanVerb::UndoProvision => "Undo Provision",
    }
}

/// The job that carries a plan out.
pub(crate) const fn job_of(verb: PlanVerb) -> Verb {
    match verb {
        PlanVerb::Fota => Verb::Run,
        PlanVerb::Flash => Verb::Flash,
        PlanVerb::Erase => Verb::Erase,
        PlanVerb::Provision => Verb::Provision,
        PlanVerb::UndoProvision => Verb::UndoProvision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// What the extension has no command for: it has views for devices and dialogs for plans.
    const HIDDEN: [&str; 4] = ["otaru.plan", "otaru.run", "otaru.devices", "otaru.link"];
    const DOCS: &str = "../docs/editor.md";
    const BEGIN: &str = "<!-- commands: generated from lsp/src/verbs/table.rs -->\n";
    const END: &str = "<!-- end of commands -->\n";

    fn rendered() -> String {
        use std::fmt::Write as _;
        let mut text =
            String::from("| command | argument | asks first | answer |\n|---|---|---|---|\n");
        for entry in TABLE {
            let asks = match entry.action {
                Action::Ask(verb) => format!("*{}*", agree(verb)),
                Action::Run => "the plan did".to_owned(),
                Action::Job(_)
                | Action::Plan
                | Action::Cancel
                | Action::Devices
                | Action::Console
                | Action::NewProject => String::new(),
            };
            let Entry {
                command,
                argument,
                answer,
                ..
            } = entry;
            writeln!(text, "| `{command}` | `{argument}` | {asks} | {answer} |").expect("text");
        }
        text
    }

    #[test]
    fn the_commands_in_the_documentation_are_generated() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCS);
        let text = std::fs::read_to_string(&path).expect("the page");
        let (head, rest) = text.split_once(BEGIN).expect("where the table begins");
        let (found, tail) = rest.split_once(END).expect("where the table ends");
        let wanted = rendered();
        if std::env::var_os("OTARU_WRITE_GENERATED").is_some() {
            let new = format!("{head}{BEGIN}{wanted}{END}{tail}");
            return std::fs::write(&path, new).expect("the page can be written");
        }
        assert!(
            found == wanted,
            "{DOCS} is stale; `cargo xtask codegen` renews it"
        );
    }

    #[test]
    fn the_extension_has_the_commands_that_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vscode-extension/package.json");
        let text = std::fs::read_to_string(path).expect("the manifest");
        let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let commands = manifest["contributes"]["commands"]
            .as_array()
            .expect("a list");
        for entry in TABLE {
            let found = commands
                .iter()
                .find(|command| command["command"] == entry.command);
            let shown = !HIDDEN.contains(&entry.command);
            assert_eq!(found.is_some(), shown, "{}", entry.command);
            if let Some(found) = found {
                let title = found["title"].as_str().expect("a title");
                let same = title.trim_end_matches('…') == entry.title;
                assert!(same, "{}: {title} is called {}", entry.command, entry.title);
            }
        }
    }

    // A40: nothing that cannot be taken back happens by a command alone.
    #[test]
    fn what_replaces_or_deletes_asks_first() {
        let asked: Vec<&str> = TABLE
            .iter()
            .filter(|entry| entry.is_destructive())
            .map(|entry| entry.command)
            .collect();
        assert_eq!(
            asked,
            [
                "otaru.fota",
                "otaru.flash",
                "otaru.erase",
                "otaru.provision",
                "otaru.undoProvision",
                "otaru.run"
            ]
        );
        for entry in TABLE {
            assert_eq!(
                find(entry.command).map(|found| found.title),
                Some(entry.title)
            );
        }
    }
}
