// Devices, fleets, firmwares and settings are managed in place. C33, C35, C37, C47.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, logIn, open } from "../browser.js";
import { Device } from "../device.js";
import { signingKey } from "../image.js";
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

const tab = (name) => page.getByRole("navigation", { name: "Tabs" }).getByRole("link", { name }).click();
const answer = (name) => page.locator("#confirm").getByRole("button", { name }).click();

test("a device is added, connects with the token that was shown, and is looked for", async () => {
  await tab("Devices");
  await page.getByText("No devices yet").waitFor();
  await page.getByRole("button", { name: "Add device" }).click();
  await page.locator("#provision").getByLabel("Name").fill("pump 7");
  await page.locator("#provision").getByRole("button", { name: "Add device" }).click();
  const token = await page.locator("#secret-token").textContent();
  const url = await page.locator("#secret-url").textContent();
  await page.locator("#device-lists").getByText("pump 7").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.locator("#device-lists").getByText("Never connected").waitFor();
  assert.ok(!(await page.content()).includes(token), "the token is shown only once");
  await new Device(url, token).connect("Factory");
  await page.locator("tr", { hasText: "pump 7" }).getByText("Online").waitFor();
  await page.locator("tr", { hasText: "pump 7" }).getByText("Factory").waitFor();
  await Device.provision(manager, "valve");
  await page.reload();
  await page.getByPlaceholder("Search by name, id or version").fill("PUMP");
  await page.locator("#device-lists").getByText("valve").waitFor({ state: "detached" });
  await page.locator("#device-lists").getByText("pump 7").waitFor();
  await page.getByPlaceholder("Search by name, id or version").fill("nothing like it");
  await page.getByText("Nothing found").waitFor();
  opened.check();
});

test("a device of a gateway waits apart until it is approved", async () => {
  await tab("Settings");
  await page.getByRole("button", { name: "Make a gateway token" }).click();
  const token = await page.locator("#secret-value").textContent();
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByText("A gateway token is set").waitFor();
  const device = new Device(`${manager.url}/DEFAULT/controller/v1/gw-17`, token);
  device.scheme = "GatewayToken";
  await device.poll();
  await tab("Devices");
  await page.getByText("1 device waiting for approval").waitFor();
  await page.getByRole("button", { name: "Approve gw-17" }).click();
  await page.locator("tr", { hasText: "gw-17" }).waitFor();
  assert.equal(await page.getByText("waiting for approval").count(), 0);
  opened.check();
});

test("a device is renamed, moved and removed, and a fleet with it", async () => {
  await tab("Fleets");
  await page.getByLabel("Name").fill("Greenhouse");
  await page.getByRole("button", { name: "Create fleet" }).click();
  await page.locator(".rows").getByText("Greenhouse").waitFor();
  opened.expected.add(409);
  await page.getByLabel("Name").fill("Greenhouse");
  await page.getByRole("button", { name: "Create fleet" }).click();
  await page.getByRole("alert").getByText("There is a fleet named Greenhouse already.").waitFor();

  await tab("Devices");
  await page.getByRole("link", { name: "pump 7" }).click();
  await page.getByLabel("Name").fill("pump <8>");
  await page.getByLabel("Fleet").selectOption("Greenhouse");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "pump <8>" }).waitFor();
  await page.locator("#facts").getByRole("link", { name: "Greenhouse" }).click();
  await page.getByRole("link", { name: "pump <8>" }).waitFor();

  await page.getByRole("button", { name: "Remove fleet" }).click();
  await answer("Remove fleet");
  await page.getByRole("alert").getByText("There are devices in this fleet.").waitFor();
  await page.getByRole("link", { name: "pump <8>" }).click();
  await page.getByRole("button", { name: "Remove device" }).click();
  await answer("Cancel");
  await page.getByRole("button", { name: "Remove device" }).click();
  await page.locator("#confirm").getByText("Remove pump <8>?").waitFor();
  await answer("Remove device");
  await page.getByRole("heading", { name: "Devices", exact: true }).waitFor();
  assert.equal(await page.getByText("pump <8>").count(), 0);
  await tab("Fleets");
  await page.getByRole("link", { name: "Greenhouse" }).click();
  await page.getByText("No devices in this fleet").waitFor();
  await page.getByLabel("Name").fill("Winter garden");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("heading", { name: "Winter garden" }).waitFor();
  await page.getByRole("button", { name: "Remove fleet" }).click();
  await answer("Remove fleet");
  await page.getByRole("heading", { name: "Fleets" }).waitFor();
  assert.equal(await page.getByText("Winter garden").count(), 0);
  opened.check();
});

test("signing keys are pasted as PEM, private ones refused, development ones marked", async () => {
  await tab("Settings");
  opened.expected.add(422);
  const ring = page.locator("section", { hasText: "Signing keys" });
  await ring.getByLabel("Name of a new key").fill("bench");
  await ring.getByLabel(/^Public key/).fill("-----BEGIN PRIVATE KEY-----");
  await ring.getByRole("button", { name: "Add signing key" }).click();
  await ring.getByRole("alert").getByText("This is a private key, and was not stored.").waitFor();
  await ring.getByLabel(/^Public key/).fill(signingKey().pem);
  await ring.getByLabel("A development key").check();
  await ring.getByRole("button", { name: "Add signing key" }).click();
  await ring.locator(".rows").getByText("bench").waitFor();
  await ring.locator(".badge", { hasText: "development" }).waitFor();
  const keys = await manager.api("GET", "/keys");
  assert.deepEqual(keys.map((key) => [key.public_key, key.development]), [[signingKey().hex, true]]);
  await ring.getByRole("button", { name: "Remove bench" }).click();
  await answer("Remove key");
  await page.getByText("The ring is empty").waitFor();
  opened.check();
});

test("a version is deleted only while nothing uses it", async () => {
  const device = await Device.provision(manager, "user");
  await device.connect("0.9.0");
  await manager.upload("counter", "1.0.0");
  await manager.upload("counter", "1.1.0");
  await tab("Firmwares");
  opened.expected.add(409);
  await page.getByRole("button", { name: "Delete version 1.1.0" }).waitFor();
  const target = { devices: [device.id] };
  await manager.api("POST", "/deployments", { firmware: "counter", version: "1.1.0", target });
  await page.getByRole("button", { name: "Delete version 1.1.0" }).click();
  await answer("Delete version");
  await page.getByText("An update in progress wants this version, or a device runs it.").waitFor();
  await page.getByRole("button", { name: "Delete version 1.0.0" }).click();
  await answer("Delete version");
  await page.locator("td", { hasText: /^1\.0\.0$/ }).waitFor({ state: "detached" });
  assert.deepEqual((await manager.api("GET", "/firmwares/counter/versions")).map((v) => v.version), ["1.1.0"]);
  opened.check();
});

test("an API key is disabled, enabled and deleted; the workspace renamed", async () => {
  await tab("Settings");
  const keys = page.locator("section", { hasText: "API keys" }).first();
  await keys.getByLabel("Name of a new key").fill("ci");
  await keys.getByRole("button", { name: "Make API key" }).click();
  const key = await page.locator("#secret-value").textContent();
  await page.getByRole("button", { name: "Done" }).click();
  const ask = async () => (await fetch(`${manager.url}/api/v1/workspace`, { headers: { authorization: `Bearer ${key}` } })).status;
  assert.equal(await ask(), 200);
  await page.getByRole("button", { name: "Disable ci" }).click();
  await keys.locator(".badge", { hasText: "disabled" }).waitFor();
  assert.equal(await ask(), 401);
  await page.getByRole("button", { name: "Enable ci" }).click();
  await page.getByRole("button", { name: "Disable ci" }).waitFor();
  assert.equal(await ask(), 200);
  await page.getByRole("button", { name: "Delete ci" }).click();
  await answer("Delete key");
  await page.getByRole("button", { name: "Delete ci" }).waitFor({ state: "detached" });
  assert.equal(await ask(), 401);
  await page.getByRole("heading", { name: "Workspace" }).waitFor();
  await page.locator("#workspace-name").fill("Harbour");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.locator(".workspace", { hasText: "Harbour" }).waitFor();
  opened.check();
});

test("a manager that is gone is said in place, and nothing is lost from the form", async () => {
  await tab("Fleets");
  await page.getByLabel("Name").fill("too late");
  await manager.stop();
  await page.getByRole("button", { name: "Create fleet" }).click();
  await page.getByRole("alert").getByText("The manager does not answer.").waitFor();
  assert.equal(await page.getByLabel("Name").inputValue(), "too late");
});
