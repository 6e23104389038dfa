// Generated from lsp/src/protocol.rs: change it there, then run
//   OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current

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
 * Turns the console of a device on or off for this client.
 */
export type ConsoleParams = { 
/**
 * As in [`ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * On or off.
 */
on: boolean, };

/**
 * Presses a button of a device on this machine.
 */
export type BoardParams = { 
/**
 * As in [`ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * Which button.
 */
button: BoardButton, };

/**
 * The buttons of a device on this machine.
 */
export type BoardButton = "reset" | "power-cut" | "offline" | "online";

/**
 * Asks for something of a device on this machine.
 */
export type DeviceParams = { 
/**
 * As in [`ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, };

/**
 * Asks for the image in a slot of a device on this machine.
 */
export type SlotParams = { 
/**
 * As in [`ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * From [`FlashArea::slot`].
 */
slot: number, };

/**
 * What stands where in the flash of a device.
 */
export type FlashMap = { 
/**
 * The device.
 */
device: string, 
/**
 * Size of the flash in bytes.
 */
len: number, 
/**
 * From offset 0 to the end, in order, without gaps.
 */
areas: Array<FlashArea>, 
/**
 * The phase in the record, or why it cannot be read.
 */
record: string, };

/**
 * A part of the flash.
 */
export type FlashArea = { 
/**
 * What it is: `bootloader`, `record`, `execution`, `unused` …
 */
name: string, 
/**
 * First byte.
 */
offset: number, 
/**
 * Length in bytes.
 */
len: number, 
/**
 * Bytes in use.
 */
used: number, 
/**
 * If it is a slot, its number, for [`SlotParams`].
 */
slot: number | null, 
/**
 * In a slot, what it is for at the moment: `running`, `backup`, `being written` …
 */
role: string | null, 
/**
 * In a slot, the version of the image that stands there.
 */
version: string | null, };

/**
 * The image in a slot.
 */
export type SlotDetails = { 
/**
 * The slot's name.
 */
name: string, 
/**
 * Header and TLVs, in words.
 */
fields: Array<SlotField>, 
/**
 * SHA-256 of the complete file, 64 hex digits, if the image is good.
 */
digest: string | null, 
/**
 * Which key of the device's key table signed it, counted from 0, if the image is good.
 */
key: number | null, 
/**
 * Why the device would not run it, or why that cannot be told here.
 */
problem: string | null, };

/**
 * Something that an image says about itself.
 */
export type SlotField = { 
/**
 * Its name.
 */
name: string, 
/**
 * What it says.
 */
value: string, };

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

/**
 * The answer to `otaru/console`.
 */
export type ConsoleState = { 
/**
 * The device whose console it is.
 */
device: string, };

/**
 * Lines of a device's console.
 */
export type ConsoleOutput = { 
/**
 * The project's folder.
 */
project: string, 
/**
 * The device.
 */
device: string, 
/**
 * What it printed, in order.
 */
lines: Array<ConsoleLine>, 
/**
 * Lines that were left out before these, because more came than can be shown.
 */
dropped: number, };

/**
 * One line of a console.
 */
export type ConsoleLine = { 
/**
 * Who said it.
 */
source: ConsoleSource, 
/**
 * Without line end.
 */
text: string, };

/**
 * Who printed a line.
 */
export type ConsoleSource = "application" | "agent" | "bootloader" | "server";

/**
 * Asks for the lines after one that is known.
 */
export type ConsoleReadParams = { 
/**
 * As in [`super::ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * [`ConsoleEntry::seq`] of the last line that is known; 0: none.
 */
after: number, };

/**
 * Chooses the serial port that the console reads as well.
 */
export type ConsoleSerialParams = { 
/**
 * As in [`super::ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * Path of the port; without it, none is read.
 */
port?: string, 
/**
 * Bits per second; 0: 115 200.
 */
baud: number, };

/**
 * A part of a console.
 */
export type ConsolePage = { 
/**
 * The project's folder.
 */
project: string, 
/**
 * The device.
 */
device: string, 
/**
 * Lines that were left out before these, because the reader was too far behind.
 */
missed: number, 
/**
 * In the order of their numbers, without gaps.
 */
lines: Array<ConsoleEntry>, 
/**
 * Whether there are more already.
 */
more: boolean, 
/**
 * Where lines come from, and why some do not.
 */
channels: Array<ConsoleChannelState>, };

/**
 * There are lines that have not been fetched, or a source has changed its state. Told once; the next
 * time only after the lines were fetched.
 */
export type ConsoleChanged = { 
/**
 * The project's folder.
 */
project: string, 
/**
 * The device.
 */
device: string, };

/**
 * One line of a console.
 */
export type ConsoleEntry = { 
/**
 * Its number, from 1, without gaps, the same for all sources.
 */
seq: number, 
/**
 * When the server had it, milliseconds since 1970.
 */
atMs: number, 
/**
 * How it came.
 */
channel: ConsoleChannel, 
/**
 * Who said it.
 */
source: ConsoleSource, 
/**
 * How bad it is.
 */
level: ConsoleLevel, 
/**
 * Without line end.
 */
text: string, };

/**
 * Where lines of a console come from.
 */
export type ConsoleChannel = "board" | "manager" | "serial" | "rtt";

/**
 * What a source is doing.
 */
export type ConsoleChannelState = { 
/**
 * Which.
 */
channel: ConsoleChannel, 
/**
 * Its name for people.
 */
name: string, 
/**
 * Whether lines can come.
 */
connected: boolean, 
/**
 * If not, why, and what to do about it.
 */
reason: string | null, };

/**
 * How bad a line is.
 */
export type ConsoleLevel = "trace" | "debug" | "info" | "warn" | "error";

/**
 * Makes a fault.
 */
export type LabRunParams = { 
/**
 * As in [`super::ProjectParams`].
 */
project?: string, 
/**
 * The device; without it, the project's own.
 */
device?: string, 
/**
 * From [`LabFault::name`].
 */
fault: string, 
/**
 * How often, for a fault that repeats.
 */
times: number, };

/**
 * What can be done to a device, what is being done, and what came of it.
 */
export type LabState = { 
/**
 * The project's folder.
 */
project: string, 
/**
 * The device.
 */
device: string, 
/**
 * Why nothing can be done to it.
 */
problem: string | null, 
/**
 * In the order in which they are shown.
 */
faults: Array<LabFault>, };

/**
 * One fault.
 */
export type LabFault = { 
/**
 * For [`LabRunParams`].
 */
name: string, 
/**
 * For the button.
 */
title: string, 
/**
 * What should happen if it struck now.
 */
expected: string | null, 
/**
 * Why it cannot strike now.
 */
obstacle: string | null, 
/**
 * Whether it can be repeated.
 */
repeats: boolean, 
/**
 * If it is being made, how far it is.
 */
running: LabProgress | null, 
/**
 * What came of it last.
 */
result: LabResult | null, };

/**
 * How far a fault is.
 */
export type LabProgress = { 
/**
 * In words.
 */
step: string, 
/**
 * How often it struck.
 */
done: number, 
/**
 * How often it will.
 */
times: number, 
/**
 * Whether somebody has asked it to stop.
 */
stopping: boolean, };

/**
 * What came of a fault.
 */
export type LabResult = { 
/**
 * Whether everything was as expected; without a judgement it is not.
 */
asExpected: boolean, 
/**
 * What should have happened.
 */
expected: string | null, 
/**
 * Why there is no judgement.
 */
problem: string | null, 
/**
 * Point by point.
 */
checks: Array<LabCheck>, 
/**
 * The last console lines since the fault.
 */
console: Array<string>, 
/**
 * What chance was made of, in decimal digits.
 */
seed: string, };

/**
 * One point of a judgement.
 */
export type LabCheck = { 
/**
 * What had to be so.
 */
what: string, 
/**
 * What was seen.
 */
seen: string, 
/**
 * Whether it was so.
 */
good: boolean, };
