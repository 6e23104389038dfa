// Generated from lsp/src/protocol.rs: change it there, then run
//   OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current

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
