// What the failure lab says, as pure functions.
import type { LabResult } from "./protocol.gen";

/** Most repetitions of one fault; the server has the same limit. */
export const TIMES_MAX = 1000;

/** The number that was typed; `undefined` if it is none that can be used. */
export function labTimes(text: string): number | undefined {
  const times = Number(text);
  return Number.isInteger(times) && times >= 1 && times <= TIMES_MAX ? times : undefined;
}

/** The last word about a fault. */
export function labVerdict(result: LabResult): string {
  if (result.problem !== null) return `Not judged: ${result.problem}.`;
  if (result.asExpected) return "As expected";
  const bad = result.checks.filter((check) => !check.good).length;
  return `Not as expected: ${bad} of ${result.checks.length} points`;
}
