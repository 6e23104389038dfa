// A39–A49, A51–A54, C52: from one click to the device's own word, and back when it fails. The
// manager, the device, the bootloader, the server and VS Code are all the real ones.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { eventually, makeWorld, startEditor } from "./harness.mjs";
import { startWorld } from "./world.mjs";

let world;
let devices;
let editor;
let failed = false;

/** A test whose failure leaves a picture. */
const scenario = (name, steps) =>
  test(name, { timeout: 600_000 }, async (context) => {
    // Each scenario stands where the last one ended.
    if (failed) return context.skip("after a failure");
    try {
      await steps();
    } catch (error) {
      failed = true;
      await editor?.shot(`failed-${name.replaceAll(/\W+/g, "-")}`);
      throw error;
    }
  });

const source = () => path.join(devices.project, "src", "main.rs");

/** Changes a line of the firmware in the editor. */
async function edit(from, to) {
  await editor.open("main.rs");
  const text = fs.readFileSync(source(), "utf8");
  assert.ok(text.includes(from), `main.rs has ${from}`);
  await editor.type(text.replace(from, to));
}

/** Waits for the question of an update and gives its text. */
async function question() {
  await editor.dialog().waitFor({ timeout: 300_000 });
  return (await editor.dialog().innerText()).replaceAll("\u00a0", " ");
}

/** The states of the phase strip, by name. */
async function phases() {
  const panel = await editor.panel();
  return panel
    .locator(".phase")
    .evaluateAll((rows) =>
      Object.fromEntries(
        rows.map((row) => [
          row.querySelector(".name").textContent,
          row.className.replace("phase ", ""),
        ]),
      ),
    );
}

/** Notes every state that the strip goes through until there is a verdict. */
async function watch() {
  const seen = new Set();
  const panel = await editor.panel();
  await eventually(
    "a verdict",
    async () => {
      for (const [name, state] of Object.entries(await phases())) {
        if (state === "running") seen.add(name);
      }
      return panel.locator(".verdict:not([hidden])").count();
    },
    180_000,
  );
  return { seen, verdict: await panel.locator(".verdict").innerText() };
}

before(
  async () => {
    world = makeWorld();
    devices = await startWorld(world);
    editor = await startEditor({
      world,
      workspace: devices.project,
      vsix: process.env.OTARU_E2E_VSIX,
      env: devices.env,
    });
  },
  { timeout: 900_000 },
);

after(async () => {
  await editor?.stop();
  await devices?.stop();
  if (!failed) fs.rmSync(world.root, { recursive: true, force: true });
});

scenario("the panel shows the device and what it runs", async () => {
  await editor.panelShows("lamp, online");
  await editor.panelShows("Factory");
  await editor.page.locator('.monaco-list-row[aria-label*="lamp"]').waitFor();
  await editor.shot("panel-online");
});

scenario("the debug console shows bootloader, agent and application, through a reset", async () => {
  await editor.press("console");
  await eventually("the application prints", async () => /Factory/.test(await editor.terminal()));
  await editor.command("Otaru: Press the Device's Reset Button");
  await eventually("the bootloader prints", async () => {
    const text = await editor.terminal();
    return text.includes(":: Otaru bootloader") && text.includes("ota: ");
  });
});

scenario("Cancel in the question changes nothing", async () => {
  await editor.press("fota");
  const text = await question();
  for (const part of ["lamp", "Factory", "Digest", "Start FOTA", "Change Version"]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  await editor.shot("question");
  await editor.answer("Cancel");
  assert.equal(devices.device().version, "Factory");
  const answer = await fetch(`${devices.url}/api/v1/firmwares`);
  assert.notEqual(answer.status, 500);
  const panel = await editor.panel();
  assert.equal(await panel.locator(".update:not([hidden])").count(), 0);
});

scenario("FOTA goes through all phases and is confirmed by the device itself", async () => {
  await editor.press("fota");
  await question();
  await editor.answer("Start FOTA");
  const { seen, verdict } = await watch();
  assert.match(verdict, /^Confirmed by the device/);
  assert.match(devices.device().version, /^1\.0\.0\+\d+$/);
  for (const name of ["Download", "Install", "Trial"]) {
    assert.ok(seen.has(name), `saw ${[...seen]}`);
  }
  const states = await phases();
  assert.ok(
    Object.values(states).every((state) => state === "done"),
    JSON.stringify(states),
  );
  await eventually("the console tells the story", async () => {
    const text = await editor.terminal();
    return text.includes("ota: ") && /1\.0\.0\+\d+/.test(text);
  });
  await editor.panelShows(/Runs\s+1\.0\.0\+\d+/);
  await editor.shot("confirmed-dark");
});

scenario("after an edit, FOTA just works, with a version of one's own", async () => {
  await edit("count", "counted");
  await editor.press("fota");
  await question();
  await editor.answer("Change Version…");
  const input = editor.page.locator(".quick-input-widget input").first();
  await input.waitFor();
  await input.fill("two words");
  await editor.page.locator(".quick-input-message", { hasText: "without spaces" }).waitFor();
  await input.fill("summer-1");
  await editor.page.keyboard.press("Enter");
  assert.ok((await question()).includes("summer-1"));
  await editor.answer("Start FOTA");
  const { verdict } = await watch();
  assert.match(verdict, /^Confirmed by the device/);
  assert.equal(devices.device().version, "summer-1");
});

scenario("a build error stops the chain before anything is asked or uploaded", async () => {
  await edit("fn main", 'fn broken() -> u32 { "no" }\n\nfn main');
  await editor.press("fota");
  await editor.notification("mismatched types").waitFor({ timeout: 120_000 });
  assert.equal(await editor.dialog().count(), 0);
  await eventually("the error is in Problems", async () => {
    const rows = await editor.problems();
    return rows.some((row) => row.includes("mismatched types"));
  });
  assert.equal(devices.device().version, "summer-1");
  await edit('fn broken() -> u32 { "no" }\n\n', "");
});

scenario("an update that fails ends red, with its reason, and the old firmware runs", async () => {
  await edit("fn main() {", 'fn main() {\n    panic!("on purpose");');
  await editor.press("fota");
  await question();
  await editor.answer("Start FOTA");
  const { verdict } = await watch();
  assert.match(verdict, /went back|failed/);
  assert.match(verdict, /trial-crash/);
  assert.equal(devices.device().version, "summer-1");
  const panel = await editor.panel();
  assert.equal(await panel.locator(".phase.failed").count(), 1);
  assert.equal(await panel.locator(".verdict.bad").count(), 1);
  await editor.command("Notifications: Clear All Notifications");
  await editor.shot("failed-update-dark");
  await editor.theme("Default Light Modern");
  await editor.shot("failed-update-light");
});

scenario("nothing was asked of the world outside", async () => {
  assert.deepEqual([...editor.outside], []);
});
