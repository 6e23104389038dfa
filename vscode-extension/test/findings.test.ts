import assert from "node:assert/strict";
import { test } from "node:test";
import { type Finding, withoutDoubles } from "../src/findings";

const at = (line: number, code: Finding["code"], source: string): Finding => ({
  source,
  code,
  range: { start: { line } },
});

test("an error that rust-analyzer shows is not shown twice", () => {
  const ours = [at(3, "E0308", "otaru"), at(9, "E0425", "otaru")];
  const theirs = [at(3, { value: "E0308" }, "rustc")];
  assert.deepEqual(withoutDoubles(ours, [...ours, ...theirs]), [ours[1]]);
});

test("another line, another code and no code at all are something else", () => {
  const ours = [at(3, "E0308", "otaru"), at(4, undefined, "otaru")];
  const theirs = [at(5, "E0308", "rustc"), at(3, "E0001", "rustc"), at(4, undefined, "rustc")];
  assert.deepEqual(withoutDoubles(ours, [...ours, ...theirs]), ours);
});
