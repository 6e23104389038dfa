// A39–A49, A51–A54, C52: from one click to the device's own word, and back when it fails. The
// manager, the device, the bootloader, the server and VS Code are all the real ones.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { eventually } from "./harness.mjs";
import { devices, editor, scenario } from "./stage.mjs";

const source = () => path.join(devices.project, "src", "main.rs");

/** Changes a line of the firmware in the editor. */
async function edit(from, to) {
  await editor.open("main.rs");
  const text = fs.readFileSync(source(), "utf8");
  assert.ok(text.includes(from), `main.rs has ${from}`);
  const wanted = text.replace(from, to);
  await editor.type(wanted);
  // The mark of an unsaved file may come late and go early: the next step reads the file itself.
  await eventually("the edit is saved", () => fs.readFileSync(source(), "utf8") === wanted);
}

/** Waits for the question of an update and gives its text. */
async function question() {
  await editor.dialog().waitFor({ timeout: 300_000 });
  return (await editor.dialog().innerText()).replaceAll("\u00a0", " ");
}

/** The rows of the phase strip: name, state, and the time that is shown. */
async function phases() {
  const panel = await editor.panel();
  return panel.locator(".phase").evaluateAll((rows) =>
    rows.map((row) => ({
      name: row.querySelector(".name").textContent,
      state: row.className.replace("phase ", ""),
      time: row.querySelector(".time").textContent,
    })),
  );
}

/** Waits for the end of the update to this version and gives the verdict. */
async function verdictOn(version) {
  const panel = await editor.panel();
  await panel.locator(".way", { hasText: `→${version}` }).waitFor();
  const verdict = panel.locator(".verdict:not([hidden])");
  await verdict.waitFor({ timeout: 180_000 });
  return verdict.innerText();
}

scenario("the panel shows the device and what it runs", async () => {
  await editor.panelShows("lamp, online");
  await editor.panelShows("Factory");
  await editor.page.locator('.monaco-list-row[aria-label*="lamp"]').waitFor();
  await editor.shot("panel-online");
});

scenario("the debug console shows bootloader, agent and application, through a reset", async () => {
  await editor.press("console");
  await eventually("the application prints", async () => editor.consoleFinds("Firmware version"));
  await editor.command("Otaru: Press the Device's Reset Button");
  await eventually("the bootloader prints", async () => {
    const starts = await editor.consoleFinds(":: started by button");
    return starts > 0 && (await editor.consoleFinds("ota: running")) > 0;
  });
});

scenario("Upload offers to register an unknown key, and updates no device", async () => {
  const [, deployments] = await devices.books();
  await editor.press("upload");
  const offer = editor.notification("Register the project's key there?");
  await offer.locator(".monaco-button", { hasText: "Register Key" }).click();
  await editor.page.locator(".statusbar-item", { hasText: "uploaded 1.0.0+1" }).waitFor();
  assert.equal((await devices.books())[1], deployments);
  assert.equal(devices.device().version, "Factory");
});

scenario("Cancel in the question changes nothing", async () => {
  const before = await devices.books();
  await editor.press("fota");
  const text = await question();
  for (const part of ["lamp", "Factory", "Digest", "Start FOTA", "Change Version"]) {
    assert.ok(text.includes(part), `${part} in ${text}`);
  }
  await editor.shot("question");
  await editor.answer("Cancel");
  assert.equal(devices.device().version, "Factory");
  assert.deepEqual(await devices.books(), before);
  const panel = await editor.panel();
  assert.equal(await panel.locator(".update:not([hidden])").count(), 0);
});

scenario("FOTA goes through all phases and is confirmed by the device itself", async () => {
  await edit("Counter:  ", "Counts:   ");
  await editor.press("fota");
  assert.ok((await question()).includes("1.0.0+2"));
  await editor.answer("Start FOTA");
  const verdict = await verdictOn("1.0.0+2");
  assert.match(verdict, /^Confirmed by the device/);
  assert.equal(devices.device().version, "1.0.0+2");
  assert.match(await devices.ask("/actions"), /"status":\s*"succeeded"/);
  await editor.panelShows(/Runs\s+1\.0\.0\+2/);
  await editor.shot("confirmed-dark");
  const rows = await phases();
  assert.equal(rows.length, 8);
  for (const row of rows) assert.equal(row.state, "done", JSON.stringify(rows));
  // The strip shows the time of what it saw; on a fast machine a phase may be over before the
  // manager's first event. The manager itself has seen them all, in the device's own words.
  const times = rows.filter((row) => row.time !== "").map((row) => row.name);
  for (const name of ["Upload", "Install", "Confirmed"]) assert.ok(times.includes(name), name);
  const [id] = /act-[a-z0-9]+/.exec(await devices.ask("/actions"));
  const history = await devices.ask(`/actions/${id}`);
  for (const status of ["downloading", "verifying", "parked", "installing", "trial"]) {
    assert.match(history, new RegExp(`"status":\\s*"${status}"`), status);
  }
  await eventually("the console tells the story", async () => {
    for (const part of ["ota: download", ":: installing", "testing-1.0.0+2", "ota: confirmed"]) {
      if ((await editor.consoleFinds(part)) === 0) return false;
    }
    return true;
  });
});

scenario("the slot map shows what stands where, and judges an image like the device", async () => {
  const panel = await editor.panel();
  await panel.locator(".map > summary").click();
  const area = (name) => panel.locator(".area", { has: panel.getByText(name, { exact: true }) });
  await area("execution")
    .getByText(/running · 1\.0\.0\+2 · \d+ %/)
    .waitFor();
  assert.equal(await panel.locator(".area .what", { hasText: "backup" }).count(), 1);
  const heights = await panel
    .locator(".strip .part")
    .evaluateAll((parts) => parts.map((part) => part.getBoundingClientRect().height));
  // Two slots of the same length are drawn equally high, and a slot higher than the record.
  const rows = await panel.locator(".area .name").allInnerTexts();
  const height = (name) => heights[rows.indexOf(name)];
  assert.ok(Math.abs(height("execution") - height("storage 0")) < 1);
  assert.ok(height("execution") > 5 * height("record"));
  await area("execution").locator("button").click();
  await panel.locator(".judged.good", { hasText: "signed by key 1" }).waitFor();
  await panel.locator(".image dd", { hasText: "Ed25519" }).waitFor();
  await editor.shot("slot-map-dark");
  await panel.locator(".map > summary").click();
});

scenario(
  "after an edit, FOTA just works: with another version, to a device that is away",
  async () => {
    await edit("Counts:   ", "Counted:  ");
    await editor.command("Otaru: Take the Device Offline");
    await editor.press("fota");
    assert.ok((await question()).includes("1.0.0+3"));
    await editor.answer("Change Version…");
    const input = editor.page.locator(".quick-input-widget input").first();
    await input.waitFor();
    await input.fill("two words");
    await editor.page.locator(".quick-input-message", { hasText: "without spaces" }).waitFor();
    await input.fill("summer-1");
    await editor.page.keyboard.press("Enter");
    assert.ok((await question()).includes("summer-1"));
    await editor.answer("Start FOTA");
    await eventually("the update waits for the device", async () =>
      (await phases()).some((row) => row.name === "Wait for device" && row.state === "running"),
    );
    await editor.shot("waiting-dark");
    assert.equal(devices.device().version, "1.0.0+2");
    await editor.command("Otaru: Bring the Device Online");
    assert.match(await verdictOn("summer-1"), /^Confirmed by the device/);
    assert.equal(devices.device().version, "summer-1");
  },
);

scenario("a build error stops the chain before anything is asked or uploaded", async () => {
  const before = await devices.books();
  await edit("fn main", 'fn broken() -> u32 { "no" }\n\nfn main');
  await editor.press("fota");
  await editor.notification("mismatched types").waitFor({ timeout: 120_000 });
  assert.equal(await editor.dialog().count(), 0);
  await eventually("the error is in Problems", async () => {
    const rows = await editor.problems();
    return rows.some((row) => row.includes("mismatched types"));
  });
  assert.equal(devices.device().version, "summer-1");
  assert.deepEqual(await devices.books(), before);
  await edit('fn broken() -> u32 { "no" }\n\n', "");
  await editor.command("Notifications: Clear All Notifications");
});

scenario("an update that fails ends red, with its reason, and the old firmware runs", async () => {
  await edit("let work = async {", 'let work = async {\n        panic!("on purpose");');
  await editor.press("fota");
  const version = /1\.0\.0\+\d+/.exec(await question())[0];
  await editor.answer("Start FOTA");
  const verdict = await verdictOn(version);
  assert.match(verdict, /went back|failed/);
  assert.match(verdict, /trial-crash/);
  assert.equal(devices.device().version, "summer-1");
  const panel = await editor.panel();
  assert.equal(await panel.locator(".phase.failed").count(), 1);
  assert.equal(await panel.locator(".verdict.bad").count(), 1);
  await editor.command("Notifications: Clear All Notifications");
  await editor.shot("failed-update-dark");
  await editor.theme("Light Modern");
  await editor.shot("failed-update-light");
  await editor.theme("Dark High Contrast");
  await editor.shot("failed-update-high-contrast");
});

scenario("nothing was asked of the world outside", async () => {
  assert.deepEqual([...editor.outside], []);
});
