// Chromium, and pages that forgive nothing.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch() {
  const executablePath = process.env.OTARU_CHROMIUM ?? PLACES.find((path) => existsSync(path));
  assert.ok(executablePath, "no Chromium: install the package `chromium`, or set OTARU_CHROMIUM");
  // Its own sandbox does not start for root or inside many containers; only our own pages are loaded.
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page that collects what must not happen; `check` fails if anything did. */
export async function open(browser, manager, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 860 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  /** Statuses that the test causes on purpose; browser and htmx print a line for each. */
  const expected = new Set();
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return;
    const status = /(?:status of|Status Error Code) (\d+)/.exec(message.text())?.[1];
    if (status && expected.has(Number(status))) return;
    wrong.push(`console ${message.type()}: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => wrong.push(`error: ${error.stack}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== manager.url && url.protocol !== "data:") wrong.push(`request to ${url}`);
  });
  const check = () => assert.deepEqual(wrong, []);
  const close = async () => {
    await context.close();
    check();
  };
  return { page, context, expected, check, close };
}

/** Uses up the admin link and makes an API key on the settings page, as a person would. */
export async function logIn(page, manager) {
  await page.goto(manager.adminLink);
  await page.getByRole("button", { name: "Open the workspace" }).click();
  await page.getByRole("heading", { name: "Devices", exact: true }).waitFor();
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByLabel("Name of a new key").first().fill("e2e");
  await page.getByRole("button", { name: "Make API key" }).click();
  const key = await page.locator("#secret-value").textContent();
  manager.useKey(key);
  await page.getByRole("button", { name: "Done" }).click();
  await page.locator("#secret-value").waitFor({ state: "detached" });
  return key;
}

/** Logs in a fresh page with an API key. */
export async function logInWithKey(page, manager) {
  await page.goto(`${manager.url}/login`);
  await page.getByLabel("API key").fill(manager.key);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Devices", exact: true }).waitFor();
}
