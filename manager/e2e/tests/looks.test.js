// The pages on a phone, in the dark, with the keyboard, and with hostile names.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, logIn, logInWithKey, open } from "../browser.js";
import { Device } from "../device.js";
import { Manager } from "../manager.js";

const HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>';
let manager, browser, device, pages;

before(async () => {
  manager = await Manager.start();
  browser = await launch();
  const first = await open(browser, manager);
  await logIn(first.page, manager);
  await first.close();
  const fleet = await manager.api("POST", "/fleets", { name: HOSTILE });
  device = await Device.provision(manager, HOSTILE, fleet.id);
  await device.connect("1.0.0");
  await Device.provision(manager, `a-name-without-any-place-to-break-it-${"x".repeat(60)}`);
  await manager.upload("counter", "1.1.0", { description: HOSTILE });
  const target = { devices: [device.id] };
  const made = await manager.api("POST", "/deployments", { firmware: "counter", version: "1.1.0", target });
  await device.fetchUpdate();
  await device.phase("trial");
  await device.fail("trial", "trial-crash", [`refusal: ${HOSTILE}`, `console: ${HOSTILE}`]);
  // After a restart nobody is online, so that this longer text is shown, too.
  await manager.halt();
  await manager.run();
  const firmware = (await manager.api("GET", "/firmwares"))[0];
  pages = [
    "/devices", `/devices/${device.id}`, "/fleets", `/fleets/${fleet.id}`,
    `/firmwares?open=${firmware.id}`, "/settings", `/deployments/${made.id}`, "/no-such-page",
  ];
});
after(async () => {
  await browser?.close();
  await manager?.stop();
});

/** Texts whose contrast with what is behind them is below WCAG AA. */
function lowContrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    const isDisabled = element.closest(":disabled, :has(> :disabled)");
    if (!text || isDisabled || element.closest(".unseen, .skip") || !element.checkVisibility()) continue;
    const [light, dark] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${element.className}: ${text.slice(0, 40)}`);
  }
  return found;
}

/** Places that their content sticks out of, into what stands beside them. */
function tooNarrow() {
  return [...document.querySelectorAll("main dd, main td, main li, main p, .choice, .chip, h1, h2")]
    .filter((place) => place.checkVisibility() && getComputedStyle(place).display !== "inline")
    .filter((place) => place.clientWidth > 1 && place.scrollWidth > place.clientWidth + 1)
    .map((place) => `${place.scrollWidth - place.clientWidth}: ${place.outerHTML.slice(0, 200)}`);
}

/** Controls that nobody could name. */
function nameless() {
  const named = (control) =>
    control.textContent.trim() || control.getAttribute("aria-label") || control.labels?.length;
  return [...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea")]
    .filter((control) => !named(control))
    .map((control) => control.outerHTML);
}

for (const colorScheme of ["light", "dark"]) {
  for (const [kind, width] of [["phone", 360], ["desktop", 1180]]) {
    test(`every page fits, can be read and named: ${kind}, ${colorScheme}`, async () => {
      const { page, expected, close } = await open(browser, manager, { viewport: { width, height: 740 }, colorScheme });
      expected.add(404);
      await logInWithKey(page, manager);
      for (const path of pages) {
        await page.goto(manager.url + path);
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(over, 0, `${path} is ${over} pixels too wide`);
        assert.deepEqual(await page.evaluate(tooNarrow), [], path);
        assert.deepEqual(await page.evaluate(lowContrast), [], path);
        assert.deepEqual(await page.evaluate(nameless), [], path);
        assert.equal(await page.locator("h1").count(), 1, path);
        assert.equal(await page.locator("img[src=x], main script").count(), 0, path);
      }
      await page.goto(manager.url + pages[4]);
      await page.getByRole("button", { name: /^FOTA/ }).click();
      const dialog = page.locator("#dialog");
      await dialog.getByRole("heading").waitFor();
      assert.deepEqual(await page.evaluate(tooNarrow), []);
      assert.deepEqual(await page.evaluate(lowContrast), []);
      assert.deepEqual(await page.evaluate(nameless), []);
      const box = await dialog.boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= width, `the dialog is at ${JSON.stringify(box)}`);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [brightness] = /\d+/.exec(background);
      assert.equal(Number(brightness) < 100, colorScheme === "dark", background);
      await close();
    });
  }
}

test("everything can be done with the keyboard", async () => {
  const { page, close } = await open(browser, manager);
  await logInWithKey(page, manager);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.goto(manager.url + pages[4]);
  await page.getByRole("button", { name: /^FOTA/ }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#dialog").getByRole("heading").waitFor();
  const device1 = page.getByRole("radio", { name: "Device", exact: true });
  await device1.focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.getByRole("radio", { name: "Fleets", exact: true }).isChecked());
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  assert.equal(await page.locator('input[name="fleet"]:checked').count(), 1);
  await page.keyboard.press("Escape");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "FOTA");
  await close();
});
