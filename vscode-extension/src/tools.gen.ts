// Generated from lsp/src/protocol.rs: change it there, then run
//   OTARU_WRITE_GENERATED=1 cargo test -p otaru-lsp --lib generated_types_are_current

import type { ConsoleSource } from "./protocol.gen";

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
