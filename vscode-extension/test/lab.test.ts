import assert from "node:assert/strict";
import { test } from "node:test";
import { labTimes, labVerdict } from "../src/labText";
import type { LabResult } from "../src/protocol.gen";

const result = (change: Partial<LabResult>): LabResult => ({
  asExpected: true,
  expected: "The device starts again.",
  problem: null,
  checks: [
    { what: "it starts again", seen: "once", good: true },
    { what: "it runs what it ran", seen: "0101", good: true },
  ],
  console: [],
  seed: "7",
  ...change,
});

test("only whole numbers from 1 to 1000 are a number of cuts", () => {
  for (const [text, times] of [
    ["1", 1],
    ["1000", 1000],
    ["", undefined],
    ["0", undefined],
    ["1001", undefined],
    ["2.5", undefined],
    ["two", undefined],
  ] as const) {
    assert.equal(labTimes(text), times, text);
  }
});

test("a verdict says how much of it was bad, or why there is none", () => {
  assert.equal(labVerdict(result({})), "As expected");
  const [first, second] = result({}).checks;
  assert.ok(first && second);
  const bad = result({ asExpected: false, checks: [first, { ...second, good: false }] });
  assert.equal(labVerdict(bad), "Not as expected: 1 of 2 points");
  const stopped = result({ asExpected: false, problem: "stopped", checks: [] });
  assert.equal(labVerdict(stopped), "Not judged: stopped.");
});
