// What the scenarios of one file play on: a real manager, device and editor, started before the first
// and ended after the last. Each file runs in a process of its own, so each has its own stage.
import fs from "node:fs";
import { after, before, test } from "node:test";
import { makeWorld, startEditor } from "./harness.mjs";
import { startWorld } from "./world.mjs";

let world;
export let devices;
export let editor;
let failed = false;

/** A test whose failure leaves a picture. */
export const scenario = (name, steps) =>
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
