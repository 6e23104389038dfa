// Coming in and leaving. A59, and "login, CSRF, logout" of the web app.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, logIn, logInWithKey, open } from "../browser.js";
import { Manager } from "../manager.js";

let manager, browser;
before(async () => {
  manager = await Manager.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await manager?.stop();
});

test("the admin link opens a session once, and an API key opens one later", async () => {
  const first = await open(browser, manager);
  const key = await logIn(first.page, manager);
  assert.match(key, /^otk_/);
  assert.ok(!(await first.page.content()).includes(key), "the key is shown only once");
  const [cookie] = await first.context.cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Lax"]);
  await first.page.getByRole("button", { name: "Log out" }).click();
  await first.page.getByRole("heading", { name: "Log in" }).waitFor();
  await first.page.goto(`${manager.url}/devices`);
  await first.page.getByRole("heading", { name: "Log in" }).waitFor();
  await first.close();

  const again = await open(browser, manager);
  again.expected.add(401);
  await again.page.goto(manager.adminLink);
  await again.page.getByRole("button", { name: "Open the workspace" }).click();
  await again.page.getByText("This admin link is unknown, was used, or has expired.").waitFor();
  await again.page.goto(`${manager.url}/firmwares`);
  await again.page.getByLabel("API key").fill("otk_key-nobody_has-this");
  await again.page.getByRole("button", { name: "Log in" }).click();
  await again.page.getByText("This is no API key of this manager.").waitFor();
  await again.page.getByLabel("API key").fill(key);
  await again.page.getByRole("button", { name: "Log in" }).click();
  await again.page.getByRole("heading", { name: "Firmwares" }).waitFor();
  await again.close();
});

test("a session that has ended sends the page to the login", async () => {
  const { page, expected, close } = await open(browser, manager);
  expected.add(401);
  await logInWithKey(page, manager);
  await page.getByRole("link", { name: "Fleets" }).click();
  await page.getByLabel("Name").fill("after the end");
  await page.context().clearCookies();
  await page.getByRole("button", { name: "Create fleet" }).click();
  await page.getByRole("heading", { name: "Log in" }).waitFor();
  const fleets = await manager.api("GET", "/fleets");
  assert.ok(!fleets.some((fleet) => fleet.name === "after the end"));
  await close();
});
