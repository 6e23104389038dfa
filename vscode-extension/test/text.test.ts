// C52, A42, A44: what people read, without VS Code around it.
import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import type { Device, FlashArea, Plan, Status } from "../src/protocol.gen";
import {
  ago,
  areaText,
  deviceRow,
  duration,
  failure,
  mapShares,
  planQuestion,
  size,
  statusBar,
  verdictText,
  versionProblem,
} from "../src/text";

const plan: Plan = {
  planId: "plan-1",
  verb: "fota",
  question: "Update lamp over the air?",
  agree: "Start FOTA",
  device: "lamp-1",
  fromVersion: "1.0.0+1",
  toVersion: "1.1.0+2",
  digest: "0123456789abcdef".repeat(4),
  size: 319_488,
  warnings: ["signed with a development key"],
};

test("the question names device, both versions, digest, size and warnings", () => {
  const { message, detail } = planQuestion(plan);
  assert.equal(message, "Update lamp-1 over the air?");
  for (const part of ["1.0.0+1 → 1.1.0+2", "0123456789ab…", "312 KiB"]) {
    assert.ok(detail.includes(part), part);
  }
  assert.ok(detail.includes("• signed with a development key"));
  assert.ok(planQuestion({ ...plan, fromVersion: null }).detail.includes("unknown → 1.1.0+2"));
});

test("sizes, durations and ages are short", () => {
  assert.deepEqual([0, 1023, 1025, 3 << 20].map(size), ["0 B", "1023 B", "2 KiB", "3.0 MiB"]);
  assert.deepEqual([-5, 420, 9_960, 59_400, 125_000].map(duration), [
    "0.0 s",
    "0.4 s",
    "10 s",
    "59 s",
    "2 min 5 s",
  ]);
  const now = Date.parse("2026-11-22T10:00:00Z");
  assert.equal(ago("2026-11-22T09:59:40Z", now), "just now");
  assert.equal(ago("2026-11-22T09:00:00Z", now), "1 h ago");
  assert.equal(ago(null, now), "never");
  assert.equal(ago("rubbish", now), "never");
});

test("versions that no image can carry are refused while they are typed", () => {
  for (const good of ["1.1.0+7", "my-label", "x".repeat(32)]) {
    assert.equal(versionProblem(good), undefined, good);
  }
  for (const bad of ["", "a b", "a/b", "é", "x".repeat(33), "Factory", "testing-1"]) {
    assert.equal(typeof versionProblem(bad), "string", bad);
  }
});

const device: Device = {
  id: "dev-1",
  name: "lamp-1",
  fleet: "all",
  online: true,
  everConnected: true,
  version: "1.0.0+1",
  board: "host",
  lastSeen: null,
  update: null,
  page: null,
  target: true,
};

test("a device's icon tells its state", () => {
  const icon = (change: Partial<Device>) => deviceRow({ ...device, ...change }, 0).icon;
  assert.equal(icon({}), "circle-filled");
  assert.equal(icon({ online: false }), "circle-outline");
  assert.equal(icon({ online: false, everConnected: false }), "circle-slash");
  assert.equal(icon({ update: "installing" }), "sync~spin");
  assert.equal(deviceRow(device, 0).context, "device target");
});

test("the status bar turns red only for an update that failed", () => {
  const verb = { enabled: true, reason: null };
  const status: Status = {
    folder: "/p",
    name: "lamp",
    board: "host",
    mode: "standby",
    target: "lamp-1",
    device,
    manager: { url: null, state: "unknown", problem: null },
    built: null,
    verbs: { build: verb, upload: verb, fota: verb, cancel: verb, console: verb },
    job: null,
    update: null,
  };
  assert.equal(statusBar(status).text, "$(rocket) lamp-1: 1.0.0+1");
  const job = { job: 1, verb: "run", step: "downloading", percent: 40, canceling: false } as const;
  assert.equal(statusBar({ ...status, job }).text, "$(sync~spin) downloading 40 %");
  const update = { device: "lamp-1", fromVersion: null, toVersion: "2", phases: [], startedMs: 0 };
  const ended = (confirmed: boolean, word: string) =>
    statusBar({
      ...status,
      update: { ...update, verdict: { confirmed, status: word, reason: null, message: "m" } },
    }).kind;
  assert.equal(ended(true, "succeeded"), "plain");
  assert.equal(ended(false, "canceled"), "plain");
  assert.equal(ended(false, "reverted"), "error");
});

test("the last word is green only for a confirmation, and names the reason otherwise", () => {
  const update = { device: "lamp", fromVersion: "1", toVersion: "2", phases: [], startedMs: 0 };
  const word = (confirmed: boolean, reason: string | null) =>
    verdictText({
      ...update,
      verdict: { confirmed, status: "reverted", reason, message: "lamp went back; 1 runs" },
    });
  assert.match(word(true, null), /^Confirmed by the device/);
  const crash = "lamp went back; 1 runs: the new firmware crashed (trial-crash).";
  assert.equal(word(false, "trial-crash"), crash);
  assert.equal(word(false, "brand-new"), "lamp went back; 1 runs (brand-new).");
  assert.equal(word(false, null), "lamp went back; 1 runs.");
});

// Every reason of core/ddi has its sentence here.
test("no reason of the devices is without a sentence", () => {
  const codes = fs.readFileSync("../core/ddi/src/codes.rs", "utf8");
  const reasons = [...codes.matchAll(/= 10\d\d, "([a-z-]+)";/g)].map((found) => found[1] ?? "");
  assert.ok(reasons.length >= 25);
  for (const reason of reasons) {
    const verdict = { confirmed: false, status: "failed", reason, message: "m" };
    const update = { device: "d", fromVersion: null, toVersion: "2", phases: [], startedMs: 0 };
    assert.match(verdictText({ ...update, verdict }), /^m: /, reason);
  }
});

test("a failure says what to do next", () => {
  const text = failure({ kind: "failed", code: "x", message: "it broke", hint: "try again" });
  assert.equal(text, "It broke. Next: try again.");
});

test("an area says what it is for, which version stands there and how full it is", () => {
  const slot: FlashArea = {
    name: "execution",
    offset: 0x10_0000,
    len: 0x40_0000,
    used: 0x10_0000,
    slot: 0,
    role: "running",
    version: "1.0.0+1",
  };
  assert.deepEqual(areaText(slot), {
    name: "execution",
    what: "running · 1.0.0+1 · 25 %",
    tooltip: "execution: 0x100000 to 0x4FFFFF, 4.0 MiB, 1.0 MiB used",
  });
  const receiving = { ...slot, role: "receiving", version: null };
  assert.equal(areaText(receiving).what, "receiving · 25 %");
  assert.equal(areaText({ ...slot, role: "free", version: null, used: 0 }).what, "free");
  const record = { ...slot, name: "record", len: 0x2_0000, slot: null, role: null, version: null };
  assert.equal(areaText(record).what, "128 KiB");
  const shares = mapShares({ device: "lamp", len: 0x80_0000, areas: [slot, slot], record: "idle" });
  assert.deepEqual(shares, [0.5, 0.5]);
});
