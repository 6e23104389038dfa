// The FOTA dialog. A17 to A20, A38, A40, A42, A60 to A64.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, logIn, open } from "../browser.js";
import { Device } from "../device.js";
import { Manager } from "../manager.js";

let manager, browser, opened, page;
before(async () => {
  manager = await Manager.start();
  browser = await launch();
  opened = await open(browser, manager);
  page = opened.page;
  await logIn(page, manager);
});
after(async () => {
  await browser?.close();
  await manager?.stop();
});

async function dialogFor(version) {
  await page.goto(`${manager.url}/firmwares`);
  await page.getByRole("button", { name: `FOTA: install ${version} over the air` }).click();
  await page.getByRole("heading", { name: "Firmware over the air" }).waitFor();
  return page.locator("#dialog");
}

test("the tab Firmwares says what to do when it is empty, then expands to versions, newest first", async () => {
  await page.getByRole("link", { name: "Firmwares" }).click();
  await page.getByText("No firmware yet").waitFor();
  await page.locator("pre.command", { hasText: "otaru upload" }).waitFor();
  for (let build = 1; build <= 12; build += 1) {
    await manager.upload("counter", `1.0.0+${build}`, { description: "Counts seconds" });
  }
  await page.getByText("12 versions").waitFor();
  await page.goto(`${manager.url}/firmwares`);
  await page.getByText("Counts seconds").waitFor();
  const labels = () => page.locator('td[data-label="Version"]').allInnerTexts();
  assert.deepEqual((await labels()).slice(0, 3), ["1.0.0+12", "1.0.0+11", "1.0.0+10"]);
  await page.getByRole("button", { name: "Older versions" }).click();
  await page.locator('td[data-label="Version"]', { hasText: /^1\.0\.0\+1$/ }).waitFor();
  assert.deepEqual(await labels(), ["1.0.0+2", "1.0.0+1"]);
  opened.check();
});

test("a version goes to one device that was searched for", async () => {
  const devices = [];
  for (const name of ["north", "south", "never seen"]) {
    const device = await Device.provision(manager, name);
    if (name !== "never seen") await device.connect("1.0.0+2");
    devices.push(device);
  }
  const [north, south] = devices;
  let dialog = await dialogFor("1.0.0+12");
  await dialog.getByText("counter", { exact: true }).waitFor();
  await dialog.getByText("has never connected, so it cannot be updated").waitFor();
  assert.ok(await dialog.getByRole("radio", { name: /never seen/ }).isDisabled());

  // Cancel changes nothing.
  await dialog.getByRole("radio", { name: /north/ }).check();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.deepEqual(await manager.api("GET", "/deployments"), []);

  dialog = await dialogFor("1.0.0+12");
  opened.expected.add(400);
  await dialog.getByRole("button", { name: "Start FOTA" }).click();
  await dialog.getByRole("alert").getByText("No device and no fleet is chosen.").waitFor();
  await dialog.getByLabel("Find a device").fill("sou");
  await dialog.getByText("north").waitFor({ state: "detached" });
  const only = dialog.getByRole("radio", { name: new RegExp(`${south.id} – south`) });
  assert.ok(await only.isChecked(), "the only one left is chosen");
  const fromTo = await dialog.locator(".choice .from-to").innerText();
  assert.equal(fromTo.replaceAll(/\s+/g, " "), "1.0.0+2 → 1.0.0+12");
  await dialog.getByRole("button", { name: "Start FOTA" }).click();
  await dialog.getByText("FOTA started").waitFor();
  assert.deepEqual(await dialog.locator(".started li").allInnerTexts(), [`south\n${south.id}`]);
  assert.deepEqual(Object.keys((await north.poll())._links).filter((link) => link === "deploymentBase"), []);
  await dialog.getByRole("link", { name: "south" }).click();
  await page.getByRole("heading", { name: "south" }).waitFor();
  await south.update("1.0.0+12");
  await page.locator("#update-status", { hasText: "Succeeded" }).waitFor();
  opened.check();
});

test("a version goes to two fleets, and every device has its own result", async () => {
  const members = {};
  for (const name of ["Line A", "Line B", "Line C"]) {
    const fleet = await manager.api("POST", "/fleets", { name });
    members[name] = [];
    for (const number of [1, 2]) {
      const device = await Device.provision(manager, `${name} ${number}`, fleet.id);
      if (name !== "Line B" || number === 1) await device.connect("1.0.0+2");
      members[name].push(device);
    }
  }
  const dialog = await dialogFor("1.0.0+11");
  await dialog.locator(".tablist").getByText("Fleets").click();
  await dialog.getByRole("checkbox", { name: "Line A 2 devices" }).check({ force: true });
  await dialog.locator(".chip", { hasText: "Line B" }).click();
  assert.ok(await dialog.getByRole("checkbox", { name: /Line B/ }).isChecked());
  await dialog.getByText("Options").click();
  await dialog.getByLabel("Confirm deadline, seconds").fill("0");
  await dialog.getByRole("button", { name: "Start FOTA" }).click();
  await dialog.getByRole("alert").getByText(/1 to 65535/).waitFor();
  await dialog.getByLabel("Confirm deadline, seconds").fill("60");
  await dialog.getByLabel("Trials").fill("17");
  await dialog.getByRole("button", { name: "Start FOTA" }).click();
  await dialog.getByRole("alert").getByText(/trials 1 to 16/).waitFor();
  await dialog.getByLabel("Trials").fill("3");
  await dialog.getByRole("button", { name: "Start FOTA" }).click();
  await dialog.getByText("goes to 3 devices").waitFor();
  const named = (await dialog.locator(".started .main-link").allInnerTexts()).sort();
  assert.deepEqual(named, ["Line A 1", "Line A 2", "Line B 1"]);
  await dialog.getByText("has never connected").waitFor();
  assert.equal((await manager.api("GET", "/deployments"))[0].trials, 3);
  await dialog.getByRole("link", { name: "Watch this update" }).click();
  await page.getByText("3 trials allowed").waitFor();

  const row = (name, text) => page.locator("tr", { hasText: name }).locator(".badge", { hasText: text }).waitFor();
  await row("Line A 1", "Pending");
  await members["Line A"][0].update("1.0.0+11");
  await row("Line A 1", "Succeeded");
  await members["Line B"][0].fetchUpdate();
  await row("Line B 1", "Downloading");
  await members["Line B"][0].fail("downloading", "interrupted");
  await row("Line B 1", "Failed");
  await row("Line A 2", "Pending");
  await page.getByRole("button", { name: "Cancel on all" }).click();
  await page.locator("#confirm").getByRole("button", { name: "Cancel the update" }).click();
  await row("Line A 2", "Canceled");
  await page.getByText("2 ended without success").waitFor();
  assert.equal((await members["Line C"][0].poll())._links.deploymentBase, undefined);
  opened.check();
});
