// Writes docs/screenshots/manager-*.png: real pages of a real manager.
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch, logIn, logInWithKey, open } from "./browser.js";
import { Device } from "./device.js";
import { Manager } from "./manager.js";

const FOLDER = fileURLToPath(new URL("../../docs/screenshots", import.meta.url));
mkdirSync(FOLDER, { recursive: true });

/** Devices that are seen as online; the others stay away. */
let online = [];
const manager = await Manager.start(["--poll-interval", "1"]);
const browser = await launch();

async function deploy(device, version) {
  const target = { devices: [device.id] };
  await manager.api("POST", "/deployments", { firmware: "counter", version, target });
  await device.fetchUpdate();
}

async function scene() {
  const first = await open(browser, manager);
  await logIn(first.page, manager);
  await first.close();
  for (const [version, len] of [["1.0.0+3", 296_000], ["1.1.0+7", 301_500], ["1.2.0+1", 318_200]]) {
    await manager.upload("counter", version, { len, description: "Prints its version and a counter every second" });
  }
  await manager.upload("pump-control", "0.4.2+11", { len: 412_000, description: "Greenhouse irrigation" });
  const line = await manager.api("POST", "/fleets", { name: "Assembly line" });
  const house = await manager.api("POST", "/fleets", { name: "Greenhouse" });
  const away = await Device.provision(manager, "greenhouse-02", house.id);
  await away.connect("1.0.0+3");
  const watcher = await open(browser, manager);
  await logInWithKey(watcher.page, manager);
  await watcher.page.getByText("Offline").waitFor();
  await watcher.close();
  const devices = {};
  for (const [name, fleet, version] of [
    ["bench", undefined, "Factory"], ["greenhouse-01", house.id, "1.0.0+3"], ["line-a-01", line.id, "1.1.0+7"],
    ["line-a-02", line.id, "1.0.0+3"], ["line-a-03", line.id, "1.0.0+3"],
  ]) {
    devices[name] = await Device.provision(manager, name, fleet);
    await devices[name].connect(version);
  }
  await Device.provision(manager, "spare");
  const done = devices["line-a-01"];
  await deploy(done, "1.2.0+1");
  for (const phase of ["downloading", "verifying", "parked", "installing", "trial"]) await done.phase(phase);
  await done.confirm("1.2.0+1");
  const failed = devices["line-a-02"];
  await deploy(failed, "1.2.0+1");
  for (const phase of ["downloading", "verifying", "parked", "installing", "trial"]) await failed.phase(phase);
  await failed.fail("trial", "unhealthy", [
    "refusal: the pump does not answer", "console: counter 1.2.0+1 on host", "console: online: true",
    "console: pump: no answer after 3 tries", "console: health check refused: the pump does not answer",
  ]);
  await deploy(devices["greenhouse-01"], "1.2.0+1");
  await devices["greenhouse-01"].phase("downloading", 64);
  const trial = devices["line-a-03"];
  await deploy(trial, "1.2.0+1");
  for (const phase of ["downloading", "verifying", "parked", "installing", "trial"]) await trial.phase(phase);
  await trial.tell("testing-1.2.0+1", trial.expected);
  return devices;
}

async function shoot(name, path, options, act) {
  for (const device of online) await device.poll();
  const { page, close } = await open(browser, manager, options);
  await logInWithKey(page, manager);
  await page.goto(manager.url + path);
  await act?.(page);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${FOLDER}/manager-${name}.png`, animations: "disabled" });
  await close();
}

try {
  const devices = await scene();
  online = Object.values(devices);
  const desktop = { viewport: { width: 1100, height: 760 } };
  const phone = { viewport: { width: 360, height: 740 } };
  const dark = { colorScheme: "dark" };
  const fota = async (page) => {
    await page.getByRole("button", { name: /^FOTA: install 1.2.0/ }).click();
    await page.locator("#dialog").getByRole("heading").waitFor();
  };
  const counter = (await manager.api("GET", "/firmwares"))[0].id;
  await shoot("devices", "/devices", desktop);
  await shoot("update", `/devices/${devices["greenhouse-01"].id}`, desktop);
  await shoot("failed-dark", `/devices/${devices["line-a-02"].id}`, { ...desktop, ...dark });
  await shoot("firmwares", `/firmwares?open=${counter}`, desktop);
  await shoot("fota-device", `/firmwares?open=${counter}`, desktop, async (page) => {
    await fota(page);
    await page.getByRole("radio", { name: /greenhouse-02/ }).check();
  });
  await shoot("fota-fleets", `/firmwares?open=${counter}`, { ...desktop, ...dark }, async (page) => {
    await fota(page);
    await page.locator(".tablist").getByText("Fleets").click();
    for (const name of ["Assembly line", "Greenhouse"]) await page.locator(".chip", { hasText: name }).click();
  });
  await shoot("phone-update", `/devices/${devices["greenhouse-01"].id}`, phone);
  await shoot("phone-devices-dark", "/devices", { ...phone, ...dark });
  await shoot("phone-fota", `/firmwares?open=${counter}`, phone, fota);
} finally {
  await browser.close();
  await manager.stop();
}
