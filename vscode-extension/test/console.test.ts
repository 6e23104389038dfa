// C56: the debug console without a screen: nothing is lost silently, and a flood costs its own lines.
import assert from "node:assert/strict";
import test from "node:test";
import { ALL, ConsoleModel, LINES_MAX } from "../src/console/model";
import { emptyReason, isStart, pieces, plain, saved, time } from "../src/console/text";
import type { ConsoleEntry } from "../src/protocol.gen";

let seq = 0;
const entry = (text: string, change: Partial<ConsoleEntry> = {}): ConsoleEntry => {
  seq += 1;
  return {
    seq,
    atMs: 1000 + seq,
    channel: "board",
    source: "application",
    level: "info",
    text,
    ...change,
  };
};
const many = (count: number, text = "count") => Array.from({ length: count }, () => entry(text));
const texts = (model: ConsoleModel) => model.visible.map((line) => line.text);

test("missing lines are a line of their own, whatever is filtered", () => {
  const model = new ConsoleModel();
  model.push([entry("a")], 0);
  model.push([entry("b")], 120);
  assert.deepEqual(texts(model), ["a", "… 120 lines left out", "b"]);
  model.setFilter({ ...ALL, level: "error" });
  assert.deepEqual(texts(model), ["… 120 lines left out"]);
});

test("level, source and origin choose what is shown", () => {
  const model = new ConsoleModel();
  model.push(
    [
      entry("app"),
      entry("bad", { level: "error" }),
      entry("boot", { source: "bootloader" }),
      entry("remote", { channel: "manager", source: "server" }),
    ],
    0,
  );
  model.setFilter({ ...ALL, level: "warn" });
  assert.deepEqual(texts(model), ["bad"]);
  model.setFilter({ ...ALL, silent: new Set(["application"]) });
  assert.deepEqual(texts(model), ["boot", "remote"]);
  model.setFilter({ ...ALL, hidden: new Set(["board"]) });
  assert.deepEqual(texts(model), ["remote"]);
});

test("a pause keeps lines and counts them", () => {
  const model = new ConsoleModel();
  model.push([entry("before")], 0);
  model.setPaused(true);
  model.push(many(3), 2);
  assert.deepEqual(texts(model), ["before"]);
  assert.equal(model.waiting, 5);
  model.setPaused(false);
  assert.equal(model.waiting, 0);
  assert.deepEqual(texts(model), ["before", "… 2 lines left out", "count", "count", "count"]);
});

test("a pause that is longer than the memory leaves a gap of the right size", () => {
  const model = new ConsoleModel();
  model.setPaused(true);
  for (let at = 0; at < 6; at += 1) model.push(many(LINES_MAX / 5), 0);
  assert.equal(model.waiting, (LINES_MAX / 5) * 6);
  model.setPaused(false);
  const gaps = model.visible.reduce((sum, line) => sum + line.gap, 0);
  const lines = model.visible.filter((line) => line.gap === 0).length;
  assert.equal(gaps + lines, (LINES_MAX / 5) * 6);
});

test("old lines make room, are counted, and matches stay where they are", () => {
  const model = new ConsoleModel();
  model.setSearch("NEEDLE");
  model.push(many(10), 0);
  model.push([entry("a needle")], 0);
  assert.deepEqual(model.matches, [10]);
  assert.equal(model.push(many(LINES_MAX - 6), 0), 5);
  assert.equal(model.forgotten, 5);
  assert.deepEqual(model.matches, [5]);
  assert.equal(model.visible[5]?.text, "a needle");
});

test("ten thousand lines a second are looked at once each", () => {
  const model = new ConsoleModel();
  for (let second = 0; second < 10; second += 1) {
    for (let batch = 0; batch < 20; batch += 1) model.push(many(500), 0);
  }
  assert.equal(model.looks, 100_000);
  assert.equal(model.visible.length, LINES_MAX);
  assert.equal(model.forgotten, 50_000);
});

test("the search goes around", () => {
  const model = new ConsoleModel();
  model.push([entry("x"), entry("hit"), entry("x"), entry("Hit")], 0);
  model.setSearch("hit");
  assert.deepEqual(model.matches, [1, 3]);
  assert.equal(model.nextMatch(1, 1), 3);
  assert.equal(model.nextMatch(3, 1), 1);
  assert.equal(model.nextMatch(1, -1), 3);
  model.setSearch("nothing");
  assert.equal(model.nextMatch(0, 1), undefined);
});

test("places in source files are found, and nothing of the text is lost", () => {
  const places = (text: string) => pieces(text).flatMap(({ place }) => (place ? [place] : []));
  assert.deepEqual(places("thread 'main' panicked at src/main.rs:12:5:"), [
    { file: "src/main.rs", line: 12, column: 5 },
  ]);
  assert.deepEqual(places("   at /work/lamp/src/lib.rs:7"), [
    { file: "/work/lamp/src/lib.rs", line: 7, column: 1 },
  ]);
  assert.deepEqual(places("Counter: 12:30:01 1.2.3:4"), []);
  for (const text of ["a src/x.rs:1:2 b src/y.rs:3", "", "plain", "src/main.rs:1"]) {
    assert.equal(
      pieces(text)
        .map((piece) => piece.text)
        .join(""),
      text,
    );
  }
});

test("a device cannot act on the screen", () => {
  const shown = plain("ok \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\ttab \x9b5n");
  assert.ok(shown.startsWith("ok red "));
  assert.ok(shown.includes("\ttab"));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that none is left is the point
  assert.doesNotMatch(shown, /[\x00-\x08\x0a-\x1f\x7f-\x9f]/);
});

test("times are those of the clock, of the first line, or none", () => {
  assert.equal(time(2500, 1000, "relative"), "+1.500");
  assert.equal(time(500, 1000, "relative"), "+0.000");
  assert.match(time(2500, 1000, "clock"), /^\d\d:\d\d:\d\d\.500$/);
  assert.equal(time(2500, 1000, "none"), "");
});

test("an empty console says why", () => {
  const channel = (connected: boolean, reason: string | null) =>
    ({ channel: "board", name: "lamp", connected, reason }) as const;
  assert.match(emptyReason([], false), /language server/);
  assert.match(emptyReason([channel(false, "lamp is switched off")], false), /switched off/);
  assert.match(emptyReason([channel(true, null)], false), /printed nothing/);
  assert.match(emptyReason([channel(true, null)], true), /filter/);
});

test("what is saved has time, source, origin and level", () => {
  const model = new ConsoleModel();
  model.push([entry(":: Otaru bootloader 0.1.0", { source: "bootloader", atMs: 0 })], 0);
  assert.equal(
    saved(model.visible),
    "1970-01-01T00:00:00.000Z board boot info :: Otaru bootloader 0.1.0\n",
  );
  const [first] = model.visible;
  assert.ok(first && isStart(first));
});
