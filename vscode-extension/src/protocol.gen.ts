// Generated from lsp/src/protocol.rs: change it there, then run
//   OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current

export * from "./tools.gen";

/**
 * Which project a request is about.
 */
export type ProjectParams = { 
/**
 * The folder that holds `Otaru.toml`; without it, the only project of the workspace.
 */
project?: string, };

/**
 * A verb that an editor can offer; the answer to `otaru/verbs` lists all.
 */
export type VerbInfo = { 
/**
 * For `workspace/executeCommand`.
 */
command: string, 
/**
 * What people call it.
 */
title: string, 
/**
 * The fields of its one argument; `?` marks those that may be left out.
 */
argument: string, 
/**
 * What it answers and what follows.
 */
answer: string, 
/**
 * Whether it replaces or deletes something, and so asks first.
 */
destructive: boolean, };

/**
 * Asks for a verb that runs as a job. Each verb reads the fields that concern it.
 */
export type VerbParams = { 
/**
 * The folder that holds `Otaru.toml`; without it, the only project of the workspace.
 */
project?: string, 
/**
 * The version to give the image, instead of the one that would be proposed.
 */
version?: string, 
/**
 * Only for an upload: registers the project's key with the manager if it is not known there.
 * An update says in its plan that it will do so.
 */
registerKey?: boolean, 
/**
 * Only for a plan: of what. Without it, of an update over the air.
 */
verb?: PlanVerb, 
/**
 * By cable: the device on this machine, instead of the project's own.
 */
device?: string, 
/**
 * Only for provisioning: the fleet of a device that is new to the manager.
 */
fleet?: string, 
/**
 * Only for undoing a provisioning: leaves the manager alone, which may be gone for good.
 */
deviceOnly?: boolean, 
/**
 * Only for a plan of an update: how often the new firmware may start before it has confirmed
 * itself, 1 to 16; without it what the device was flashed with.
 */
trials?: number, 
/**
 * Only for linking bytecode: the bytecode slot, from 0.
 */
bc?: number, 
/**
 * Only for linking bytecode: the slot of the VM that runs it, from 0.
 */
vm?: number, };

/**
 * The verbs that replace or delete something, so that a plan comes before them.
 */
export type PlanVerb = "fota" | "flash" | "erase" | "provision" | "undo-provision";

/**
 * Carries out a plan that a person has seen.
 */
export type RunParams = { 
/**
 * From [`Plan::plan_id`].
 */
planId: string, 
/**
 * The version the person agreed to. Refused if it is not the plan's: another version is
 * another image, which needs its own plan.
 */
version?: string, };

/**
 * Asks for a new project, made from an example.
 */
export type NewProjectParams = { 
/**
 * Where to make it, an absolute path; it must be empty or not there.
 */
folder: string, 
/**
 * Name of the product and of the cargo package; without it, the folder's.
 */
name?: string, 
/**
 * The kind of device; without it, `host`.
 */
board?: string, 
/**
 * The install mode; without it, the board's own.
 */
mode?: string, 
/**
 * `firmware` or `bytecode`; without it, `firmware`.
 */
kind?: string, };

/**
 * The answer to `otaru/newProject`.
 */
export type NewProjectMade = { 
/**
 * Its folder.
 */
folder: string, 
/**
 * Its manifest, to be opened.
 */
manifest: string, };

/**
 * Cancels a job.
 */
export type CancelParams = { 
/**
 * Without it, every job of the project.
 */
job?: number, 
/**
 * As in [`ProjectParams`].
 */
project?: string, };

/**
 * The answer to a verb: it has begun.
 */
export type JobStarted = { 
/**
 * Its number, in every [`JobEvent`].
 */
job: number, };

/**
 * One project of the workspace.
 */
export type ProjectInfo = { 
/**
 * The folder that holds `Otaru.toml`.
 */
folder: string, 
/**
 * Its name in the manifest, or the folder's name.
 */
name: string, };

/**
 * What a client needs to show a project: all of it, every time.
 */
export type Status = { 
/**
 * The folder that holds `Otaru.toml`.
 */
folder: string, 
/**
 * The project's name.
 */
name: string, 
/**
 * Board, if the manifest names one.
 */
board: string | null, 
/**
 * Install mode, if the manifest or the board names one.
 */
mode: string | null, 
/**
 * What the manifest says about the target of an update: `device lamp`, `fleet all`.
 */
target: string | null, 
/**
 * The device the project updates, as far as the manager told.
 */
device: Device | null, 
/**
 * The manager.
 */
manager: Manager, 
/**
 * What was built last.
 */
built: Built | null, 
/**
 * Which verbs can be used now, and why the others cannot.
 */
verbs: Verbs, 
/**
 * The job that is running.
 */
job: JobInfo | null, 
/**
 * The running update, or else the last one since the server started.
 */
update: Update | null, };

/**
 * The manager as the project sees it.
 */
export type Manager = { 
/**
 * Its address, if one is configured.
 */
url: string | null, 
/**
 * Whether it answered.
 */
state: ManagerState, 
/**
 * Why it did not.
 */
problem: string | null, };

/**
 * Whether the manager answered when it was last asked.
 */
export type ManagerState = "unknown" | "reachable" | "unreachable";

/**
 * A verb of the panel.
 */
export type VerbState = { 
/**
 * Whether it can be used now.
 */
enabled: boolean, 
/**
 * If not, why.
 */
reason: string | null, };

/**
 * The verbs of the panel.
 */
export type Verbs = { 
/**
 * Compile, pack and sign.
 */
build: VerbState, 
/**
 * Build and hand the image to the manager. Updates no device.
 */
upload: VerbState, 
/**
 * Build, upload and update the device.
 */
fota: VerbState, 
/**
 * Stop what is running.
 */
cancel: VerbState, 
/**
 * The device's console.
 */
console: VerbState, };

/**
 * What the last build made.
 */
export type Built = { 
/**
 * Label of the version.
 */
version: string, 
/**
 * SHA-256 of the image, 64 hex digits.
 */
digest: string, 
/**
 * Length of the image in bytes.
 */
size: number, };

/**
 * A device as the manager knows it.
 */
export type Device = { 
/**
 * `dev-…`.
 */
id: string, 
/**
 * Its name.
 */
name: string, 
/**
 * Its fleet.
 */
fleet: string | null, 
/**
 * Whether it is connected now.
 */
online: boolean, 
/**
 * Whether it ever was.
 */
everConnected: boolean, 
/**
 * What it runs.
 */
version: string | null, 
/**
 * Board, as the device reported it.
 */
board: string | null, 
/**
 * When it last spoke, RFC 3339.
 */
lastSeen: string | null, 
/**
 * Where its current update stands.
 */
update: string | null, 
/**
 * Its page in the manager's web app.
 */
page: string | null, 
/**
 * Whether it is the one this project updates.
 */
target: boolean, };

/**
 * The answer to `otaru/devices`.
 */
export type Devices = { 
/**
 * In the manager's order.
 */
devices: Array<Device>, 
/**
 * Why the list could not be fetched.
 */
problem: string | null, };

/**
 * The verbs that run as jobs.
 */
export type Verb = "build" | "upload" | "plan" | "run" | "clean" | "link" | "size" | "doctor" | "flash" | "erase" | "provision" | "undo-provision";

/**
 * A running job.
 */
export type JobInfo = { 
/**
 * Its number.
 */
job: number, 
/**
 * What it does.
 */
verb: Verb, 
/**
 * The step it is at.
 */
step: string, 
/**
 * How much of the step is done, if that is known.
 */
percent: number | null, 
/**
 * Whether somebody has asked it to stop.
 */
canceling: boolean, };

/**
 * Something that happened to a job.
 */
export type JobEvent = { 
/**
 * Which job.
 */
job: number, 
/**
 * What it does.
 */
verb: Verb, 
/**
 * The project's folder.
 */
project: string, 
/**
 * What happened.
 */
event: JobEventKind, };

/**
 * What can happen to a job. `Finished` comes exactly once and last.
 */
export type JobEventKind = { "kind": "started" } | { "kind": "step", 
/**
 * Its name.
 */
step: string, } | { "kind": "progress", 
/**
 * The step.
 */
step: string, 
/**
 * 0 to 100.
 */
percent: number, } | { "kind": "output", 
/**
 * Without line end.
 */
line: string, } | { "kind": "planned", 
/**
 * The plan to show.
 */
plan: Plan, } | { "kind": "report", 
/**
 * In an order for people.
 */
entries: Array<ReportEntry>, } | { "kind": "finished", 
/**
 * How it ended.
 */
outcome: Outcome, };

/**
 * What a destructive verb would do: everything a person has to know before agreeing.
 */
export type Plan = { 
/**
 * For `otaru/run`; good for one use, for ten minutes, and only while nothing has changed.
 */
planId: string, 
/**
 * What would be done.
 */
verb: PlanVerb, 
/**
 * The device or fleet, as people call it.
 */
device: string, 
/**
 * What runs there now, if that is known.
 */
fromVersion: string | null, 
/**
 * What would run there; empty if it is no question of firmware.
 */
toVersion: string, 
/**
 * SHA-256 of the image, 64 hex digits; empty if there is none.
 */
digest: string, 
/**
 * Length of the image in bytes.
 */
size: number, 
/**
 * What a person should know before agreeing.
 */
warnings: Array<string>, 
/**
 * All of it as one question, for clients without a dialog of their own.
 */
question: string, 
/**
 * What the one button is called that means yes.
 */
agree: string, };

/**
 * One thing that a verb found out.
 */
export type ReportEntry = { 
/**
 * What it is about.
 */
name: string, 
/**
 * `good`, `absent`, `bad`, or `info` where there is nothing to judge.
 */
state: string, 
/**
 * What was found.
 */
text: string, 
/**
 * What to do, if something is bad.
 */
next: string | null, };

/**
 * How a job ended.
 */
export type Outcome = { "kind": "done", 
/**
 * A sentence for people.
 */
message: string, } | { "kind": "failed", 
/**
 * Stable name of the reason.
 */
code: string, 
/**
 * A sentence for people.
 */
message: string, 
/**
 * What to do next.
 */
hint: string | null, } | { "kind": "canceled", 
/**
 * A sentence for people.
 */
message: string, };

/**
 * A running or finished update.
 */
export type Update = { 
/**
 * The device's name.
 */
device: string, 
/**
 * Version it started from.
 */
fromVersion: string | null, 
/**
 * Version it goes to.
 */
toVersion: string, 
/**
 * The phases, in order, those to come included.
 */
phases: Array<PhaseState>, 
/**
 * When it began, milliseconds since 1970.
 */
startedMs: number, 
/**
 * How it ended, once it has.
 */
verdict: Verdict | null, };

/**
 * One phase of an update.
 */
export type PhaseState = { 
/**
 * Which phase.
 */
phase: PhaseName, 
/**
 * Whether it is ahead, running, over or where the update failed.
 */
state: PhaseProgress, 
/**
 * When it began, milliseconds since 1970.
 */
startedMs: number | null, 
/**
 * How long it took, in milliseconds, once it is over.
 */
tookMs: number | null, 
/**
 * How far it is.
 */
percent: number | null, };

/**
 * The phases that a person watches.
 */
export type PhaseName = "uploading" | "pending" | "downloading" | "verifying" | "parked" | "installing" | "trial" | "confirmed";

/**
 * Where a phase stands.
 */
export type PhaseProgress = "ahead" | "running" | "done" | "failed";

/**
 * How an update ended.
 */
export type Verdict = { 
/**
 * True only if the device itself reported the new image as confirmed.
 */
confirmed: boolean, 
/**
 * The manager's word for it: `succeeded`, `failed`, `reverted`, `canceled`, `timed-out`.
 */
status: string, 
/**
 * Reason code, if it did not succeed.
 */
reason: string | null, 
/**
 * A sentence for people.
 */
message: string, };
