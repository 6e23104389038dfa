//! Writes the TypeScript types of the protocol, and fails when the file in the extension is stale.
//!
//! `OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current` writes it.

use super::{
    BoardButton, BoardParams, Built, CancelParams, ConsoleChanged, ConsoleChannel,
    ConsoleChannelState, ConsoleEntry, ConsoleLevel, ConsoleLine, ConsoleOutput, ConsolePage,
    ConsoleParams, ConsoleReadParams, ConsoleSerialParams, ConsoleSource, ConsoleState, Device,
    DeviceParams, Devices, FlashArea, FlashMap, JobEvent, JobEventKind, JobInfo, JobStarted,
    LabCheck, LabFault, LabProgress, LabResult, LabRunParams, LabState, Manager, ManagerState,
    NewProjectMade, NewProjectParams, Outcome, PhaseName, PhaseProgress, PhaseState, Plan,
    PlanVerb, ProjectInfo, ProjectParams, ReportEntry, RunParams, SlotDetails, SlotField,
    SlotParams, Status, Update, Verb, VerbInfo, VerbParams, VerbState, Verbs, Verdict,
};
use std::path::PathBuf;
use ts_rs::{Config, TS};

const FILE: &str = "../vscode-extension/src/protocol.gen.ts";
const HEAD: &str = "\
// Generated from lsp/src/protocol.rs: change it there, then run
//   OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current
";

/// One declaration with its comment.
fn declaration<T: TS>(config: &Config) -> String {
    let docs = T::docs().unwrap_or_default();
    format!("\n{docs}export {}\n", T::decl(config))
}

macro_rules! declarations {
    ($($name:ty),* $(,)?) => {{
        let config = Config::default();
        let mut text = String::from(HEAD);
        $(text.push_str(&declaration::<$name>(&config));)*
        text
    }};
}

#[test]
fn generated_types_are_current() {
    let wanted = declarations![
        ProjectParams,
        VerbInfo,
        VerbParams,
        PlanVerb,
        RunParams,
        NewProjectParams,
        NewProjectMade,
        CancelParams,
        ConsoleParams,
        BoardParams,
        BoardButton,
        DeviceParams,
        SlotParams,
        FlashMap,
        FlashArea,
        SlotDetails,
        SlotField,
        JobStarted,
        ProjectInfo,
        Status,
        Manager,
        ManagerState,
        VerbState,
        Verbs,
        Built,
        Device,
        Devices,
        Verb,
        JobInfo,
        JobEvent,
        JobEventKind,
        Plan,
        ReportEntry,
        Outcome,
        Update,
        PhaseState,
        PhaseName,
        PhaseProgress,
        Verdict,
        ConsoleState,
        ConsoleOutput,
        ConsoleLine,
        ConsoleSource,
        ConsoleReadParams,
        ConsoleSerialParams,
        ConsolePage,
        ConsoleChanged,
        ConsoleEntry,
        ConsoleChannel,
        ConsoleChannelState,
        ConsoleLevel,
        LabRunParams,
        LabState,
        LabFault,
        LabProgress,
        LabResult,
        LabCheck,
    ];
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("OTARU_WRITE_GENERATED").is_some() {
        std::fs::write(&path, &wanted).expect("the extension's folder can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is stale; its first lines say how to renew it",
        path.display()
    );
}
