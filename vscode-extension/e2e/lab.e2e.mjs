// C16, C56: the failure lab in a real editor against a real device and its manager: what should
// happen is said beforehand, and whether it did is judged afterwards.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { eventually } from "./harness.mjs";
import { devices, editor, scenario } from "./stage.mjs";

/** The row of a fault. */
async function row(fault) {
  const panel = await editor.panel();
  return panel.locator(".fault", { has: panel.locator(`#lab-${fault}`) });
}

/** Presses the button of a fault that can be made now. */
async function make(fault) {
  const panel = await editor.panel();
  await panel.locator(`#lab-${fault}:not([aria-disabled="true"])`).click();
}

/** Waits for the verdict on a fault, and gives its points. */
async function judged(fault) {
  const at = await row(fault);
  const verdict = at.locator("summary.judged");
  await verdict.waitFor({ timeout: 180_000 });
  const text = await verdict.innerText();
  const points = await at.locator(".points li").allTextContents();
  return { text, points };
}

scenario("every fault says what should happen before it is made", async () => {
  const panel = await editor.panelShows("lamp, online");
  await panel.locator(".lab > summary").click();
  await (await row("power-cut")).getByText("starts again and runs what it ran").waitFor();
  const rows = await panel.locator(".fault .expected").allInnerTexts();
  assert.equal(rows.length, 11);
  for (const text of rows) assert.match(text, /\w+\.$/);
});

scenario("a power cut is judged by device and manager", async () => {
  await make("power-cut");
  const { text, points } = await judged("power-cut");
  assert.equal(text, "As expected", points.join("\n"));
  assert.ok(points.some((point) => /it starts again: once/.test(point)));
  assert.ok(points.some((point) => /device Factory, manager Factory/.test(point)));
});

scenario("random cuts count, stop when asked to, and are judged", async () => {
  const at = await row("random-cuts");
  await at.locator("input").fill("200");
  await make("random-cuts");
  await at.getByText(/^[3-9] of 200$/).waitFor();
  const panel = await editor.panel();
  assert.equal(await panel.locator("#lab-reset").getAttribute("aria-disabled"), "true");
  await at.getByRole("button", { name: "Stop" }).click();
  const { text, points } = await judged("random-cuts");
  assert.equal(text, "As expected", points.join("\n"));
  assert.ok(points.some((point) => /\d+ cuts, \d+ of them within a write/.test(point)));
});

scenario("a new firmware that is made to crash goes back, in lab and panel alike", async () => {
  await make("crash-new");
  await (await row("crash-new")).getByText("waiting for an update to be on trial").waitFor();
  const source = path.join(devices.project, "src", "main.rs");
  const text = fs.readFileSync(source, "utf8");
  fs.writeFileSync(source, text.replace("Counter:  ", "Counts:   "));
  await editor.press("fota");
  await editor.dialog().waitFor({ timeout: 300_000 });
  await editor.answer("Start FOTA");
  const panel = await editor.panel();
  const verdict = panel.locator(".verdict:not([hidden])");
  await verdict.waitFor({ timeout: 180_000 });
  assert.match(await verdict.innerText(), /trial-crash/);
  const { text: word, points } = await judged("crash-new");
  assert.equal(word, "As expected", points.join("\n"));
  assert.equal(devices.device().version, "Factory");
});

scenario("what came of it is there to look at", async () => {
  await editor.command("Notifications: Clear All Notifications");
  const at = await row("crash-new");
  await at.locator("summary.judged").click();
  await at.locator(".points").getByText("the reason is trial-crash").scrollIntoViewIfNeeded();
  await eventually("the device's own lines", async () =>
    /update ended: trial-crash/.test(await at.locator(".console").innerText()),
  );
  await editor.shot("failure-lab-dark");
  await editor.theme("Light Modern");
  await editor.shot("failure-lab-light");
  await editor.theme("Dark High Contrast");
  await editor.shot("failure-lab-high-contrast");
  const panel = await editor.panel();
  await panel.locator("#lab-reset").scrollIntoViewIfNeeded();
  await editor.theme("Dark Modern");
  await editor.shot("failure-lab-top-dark");
});

scenario("nothing was asked of the world outside", async () => {
  assert.deepEqual([...editor.outside], []);
});
