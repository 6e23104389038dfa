// A39, A41: the pieces between the person and the server.
import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { Jobs } from "../src/jobs";
import { locate } from "../src/locate";
import type { JobEvent, Outcome } from "../src/protocol.gen";

const done: Outcome = { kind: "done", message: "built" };
const event = (job: number, what: JobEvent["event"]): JobEvent => ({
  job,
  verb: "build",
  project: "/p",
  event: what,
});

test("a job's end is seen whether it comes before or after it is waited for", async () => {
  const jobs = new Jobs();
  const late = jobs.end({ job: 1 });
  jobs.take(event(1, { kind: "started" }));
  jobs.take(event(1, { kind: "finished", outcome: done }));
  assert.deepEqual(await late, { outcome: done, plan: undefined });
  jobs.take(event(2, { kind: "finished", outcome: done }));
  assert.deepEqual(await jobs.end({ job: 2 }), { outcome: done, plan: undefined });
});

test("a job whose server has gone ends as failed", async () => {
  const jobs = new Jobs();
  const waiting = jobs.end({ job: 1 });
  jobs.lose();
  assert.equal((await waiting).outcome.kind, "failed");
});

test("the server is taken from the setting, the extension, then the path", () => {
  const places = {
    setting: null,
    extension: "/ext",
    env: { PATH: ["/a", "/b"].join(path.delimiter) },
    platform: "linux" as const,
  };
  const bundled = path.join("/ext", "server", "otaru");
  const onPath = path.join("/b", "otaru");
  const having =
    (...files: string[]) =>
    (file: string) =>
      files.includes(file);
  assert.deepEqual(locate(places, having(bundled, onPath)), { program: bundled });
  assert.deepEqual(locate(places, having(onPath)), { program: onPath });
  assert.ok("problem" in locate(places, having()));
  assert.deepEqual(locate({ ...places, setting: "/x" }, having("/x", bundled)), { program: "/x" });
  // A setting that names nothing is an error, not a reason to run another program.
  assert.ok("problem" in locate({ ...places, setting: "/x" }, having(bundled)));
  assert.ok("problem" in locate({ ...places, env: { OTARU_SERVER: "/y" } }, having(bundled)));
});
