// A device page while its device goes through updates. A19, A31, A56, A58, C40, C41, C45.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, logIn, logInWithKey, open } from "../browser.js";
import { Device } from "../device.js";
import { Manager } from "../manager.js";

let manager, browser;
before(async () => {
  manager = await Manager.start();
  browser = await launch();
  const first = await open(browser, manager);
  await logIn(first.page, manager);
  await first.close();
  for (const version of ["1.0.0+3", "1.1.0+7"]) await manager.upload("counter", version);
});
after(async () => {
  await browser?.close();
  await manager?.stop();
});

/** The page of a device, marked so that a reload would be noticed. */
async function watch(device) {
  const opened = await open(browser, manager);
  const { page } = opened;
  await logInWithKey(page, manager);
  const stream = page.waitForResponse((response) => response.url().includes("/api/v1/events"));
  await page.goto(`${manager.url}/devices/${device.id}`);
  await stream;
  await page.evaluate(() => { window.neverReloaded = true; });
  const neverReloaded = async () => assert.equal(await page.evaluate(() => window.neverReloaded), true);
  const step = (name, state) => page.locator(`.strip li.${state}`, { hasText: name }).waitFor();
  const status = (text) => page.locator("#update-status", { hasText: text }).waitFor();
  return { ...opened, neverReloaded, step, status };
}

async function deploy(device, version = "1.1.0+7", more = {}) {
  const target = { devices: [device.id] };
  const made = await manager.api("POST", "/deployments", { firmware: "counter", version, target, ...more });
  return made.actions[0].id;
}

test("each phase of an update appears by itself, up to the confirmed version", async () => {
  const device = await Device.provision(manager, "live");
  await device.connect("Factory");
  const { page, step, status, neverReloaded, close } = await watch(device);
  await page.getByText("No update yet").waitFor();
  await deploy(device);
  await status("Pending");
  await device.fetchUpdate();
  await step("Downloading", "now");
  for (const percent of [1, 40, 90]) {
    await device.phase("downloading", percent);
    await page.locator(`progress[value="${percent}"]`).waitFor();
    await page.locator(".strip li.now", { hasText: `${percent} %` }).waitFor();
  }
  await device.download();
  for (const [phase, name] of [["verifying", "Verifying"], ["parked", "Parked"], ["installing", "Installing"], ["trial", "On trial"]]) {
    await device.phase(phase);
    await step(name, "now");
  }
  await device.tell("testing-1.1.0+7", device.expected);
  await page.locator("#facts .label.trial", { hasText: "testing-1.1.0+7" }).waitFor();
  await device.confirm("1.1.0+7");
  await status("Succeeded");
  assert.equal(await page.locator(".strip li.done").count(), 7);
  await page.locator("#facts .label", { hasText: /^1\.1\.0\+7$/ }).waitFor();
  await page.locator("#announce", { hasText: "Update to 1.1.0+7: Succeeded." }).waitFor({ state: "attached" });
  assert.equal(await page.getByRole("button", { name: "Retry" }).count(), 0);
  await neverReloaded();
  await close();
});

test("a failing firmware ends with its reason, its own words and its last console lines", async () => {
  const device = await Device.provision(manager, "failing");
  await device.connect("1.0.0+3");
  const { page, step, status, neverReloaded, close } = await watch(device);
  await deploy(device);
  await device.fetchUpdate();
  for (const phase of ["downloading", "verifying", "parked", "installing", "trial"]) await device.phase(phase);
  await step("On trial", "now");
  await device.fail("trial", "unhealthy", [
    "refusal: the pump does not answer",
    "console: counter 1.1.0+7 starts",
    "console: <b>pump</b>: no answer",
  ]);
  await status("Reverted");
  await step("On trial", "stopped");
  await page.locator("#update").getByText("The new firmware's health check failed.").waitFor();
  await page.locator("#update").getByText("the pump does not answer").waitFor();
  const console = await page.locator("#update .console pre").textContent();
  assert.equal(console.trim(), "counter 1.1.0+7 starts\n<b>pump</b>: no answer");
  await page.locator("#facts .label", { hasText: /^1\.0\.0\+3$/ }).waitFor();
  await neverReloaded();

  // Another attempt of the same action; what was expanded in the history stays so.
  const entry = page.locator("#history details.entry");
  await entry.locator("summary").click();
  await entry.getByText("Attempt 1").waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await status("Pending");
  await device.fetchUpdate();
  await step("Downloading", "now");
  await entry.getByText("Attempt 2").waitFor();
  await device.fail("downloading", "interrupted");
  await status("Failed");
  await page.locator("#update").getByText("The device was reset while it received or verified the image.").waitFor();
  await page.locator("#history").getByText("2 attempts").waitFor();
  await neverReloaded();
  await close();
});

test("a cancel waits for the device, and the focus stays where it was", async () => {
  const device = await Device.provision(manager, "canceled");
  await device.connect("1.0.0+3");
  const { page, step, status, close } = await watch(device);
  await deploy(device);
  await device.fetchUpdate();
  await step("Downloading", "now");
  const cancel = page.getByRole("button", { name: "Cancel" });
  await cancel.focus();
  await device.phase("downloading", 30);
  await page.locator('progress[value="30"]').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "cancel-update");
  await page.keyboard.press("Enter");
  await status("Canceling");
  await device.agreeToCancel();
  await status("Canceled");
  await page.locator("#update").getByText("Canceled by somebody in this workspace.").waitFor();
  await close();
});

test("an update of a device that is away waits for it", async () => {
  const device = await Device.provision(manager, "away");
  await device.connect("1.0.0+3");
  const { page, status, close } = await watch(device);
  await deploy(device);
  await status("Pending");
  await page.getByRole("button", { name: "Cancel" }).click();
  await status("Canceled");
  await deploy(device, "1.0.0+3");
  await status("Pending");
  assert.equal(await page.locator("#history details.entry").count(), 2);
  await close();
});

test("a device that has never connected says so", async () => {
  const device = await Device.provision(manager, "new here");
  const { page, close } = await watch(device);
  await page.getByText("Never connected", { exact: true }).waitFor();
  await device.connect("Factory");
  await page.locator("#facts").getByText("Online").waitFor();
  await page.locator("#facts").getByText("Factory").first().waitFor();
  await close();
});

test("a page outlives a restart of the manager and shows what it has missed", async () => {
  const device = await Device.provision(manager, "patient");
  await device.connect("1.0.0+3");
  const { page, status, neverReloaded, context } = await watch(device);
  await deploy(device);
  await status("Pending");
  await manager.halt();
  await page.getByText("No connection to the manager").waitFor();
  await manager.run();
  await device.fetchUpdate();
  await device.phase("verifying");
  await status("Verifying");
  await page.getByText("No connection to the manager").waitFor({ state: "hidden" });
  await neverReloaded();
  // Not checked: the browser prints that it could not reach the manager, as it should.
  await context.close();
});
