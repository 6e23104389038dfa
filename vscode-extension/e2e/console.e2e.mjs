// C56, A44: the debug console in a real editor, with a real device: sources, filters, search, pause, a
// flood, a panic whose place can be opened, and a device that goes and comes back.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { eventually } from "./harness.mjs";
import { devices, editor, scenario } from "./stage.mjs";

/** Lines of the flood. */
const FLOOD = 15_000;

const shownLines = async () =>
  Number(await (await editor.console()).locator(".list").getAttribute("data-lines"));

scenario("lines have a time and the name of who said them", async () => {
  await editor.press("console");
  const console = await editor.console();
  await console.locator(".row.application", { hasText: "Firmware version" }).first().waitFor();
  const origins = await console.locator(".row:not([hidden]) .origin").allInnerTexts();
  assert.ok(origins.includes("app"));
  assert.match(await console.locator(".row .time").first().innerText(), /^\d\d:\d\d:\d\d\.\d{3}$/);
  await console.locator(".state", { hasText: "lamp: connected" }).waitFor();
  await console.locator("#times").selectOption("relative");
  await console
    .locator(".row .time", { hasText: /^\+\d+\.\d{3}$/ })
    .first()
    .waitFor();
  await console.locator("#times").selectOption("clock");
});

scenario("a reset is a mark, and levels and origins choose lines", async () => {
  const console = await editor.console();
  await editor.command("Otaru: Press the Device's Reset Button");
  await eventually("the reset", async () => editor.consoleFinds(":: started by button"));
  await console.locator("#origin-application").click();
  await console.locator("#origin-agent").click();
  await console.locator(".row.start").last().waitFor();
  const origins = await console.locator(".row:not([hidden]) .origin").allInnerTexts();
  assert.deepEqual(
    [...new Set(origins)].filter((name) => name !== "otaru"),
    ["boot"],
  );
  assert.equal(await console.locator("#origin-agent").getAttribute("aria-pressed"), "false");
  await console.locator("#origin-application").click();
  await console.locator("#origin-agent").click();
  // Its agent may have complained before it was provisioned; nobody else has.
  await console.locator("#level").selectOption("error");
  await console.locator("#origin-agent").click();
  await console.getByText("No line passes the filter.").waitFor();
  assert.equal(await console.locator(".row:not([hidden])").count(), 0);
  await console.locator("#origin-agent").click();
  await console.locator("#level").selectOption("trace");
  await editor.shot("console-dark");
});

scenario("a pause counts the lines that wait", async () => {
  const console = await editor.console();
  await console.locator("#pause").click();
  const before = await shownLines();
  await console.locator("#pause", { hasText: /Resume \([1-9]\d* lines? waits?\)/ }).waitFor();
  assert.equal(await shownLines(), before);
  await console.locator("#pause").click();
  await eventually("they are shown", async () => (await shownLines()) > before);
  await console.locator("#pause", { hasText: "Pause" }).waitFor();
});

scenario("the search counts and goes from match to match", async () => {
  const console = await editor.console();
  await console.locator("#search").fill("otaru bootloader");
  await console.locator(".count", { hasText: /^1 of [2-9]/ }).waitFor();
  await console.locator("#next").click();
  await console.locator(".count", { hasText: /^2 of/ }).waitFor();
  await console.locator(".row.here", { hasText: "Otaru bootloader" }).waitFor();
  await console.locator("#search").fill("");
});

scenario("a device that is switched off says so, and comes back", async () => {
  const console = await editor.console();
  devices.run("device", "stop");
  await console.locator(".state", { hasText: "switched off" }).waitFor();
  devices.run("device", "run", "--detach");
  await console.locator(".state", { hasText: "lamp: connected" }).waitFor();
  assert.equal(await editor.consoleFinds("was switched off; waiting for it"), 1);
});

scenario("a flood is shown whole with few elements, and a panic leads to its line", async () => {
  const source = path.join(devices.project, "src", "main.rs");
  const text = fs.readFileSync(source, "utf8");
  const bad = `let work = async {
        for line in 0..${FLOOD} {
            std::println!("flood {line}");
        }
        panic!("on purpose");`;
  fs.writeFileSync(source, text.replace("let work = async {", bad));
  await editor.press("fota");
  await editor.dialog().waitFor({ timeout: 300_000 });
  await editor.answer("Start FOTA");
  const panel = await editor.panel();
  await panel.locator(".verdict:not([hidden])").waitFor({ timeout: 180_000 });
  const console = await editor.console();
  await eventually("the whole flood", async () => {
    const found = await editor.consoleFinds("flood ");
    return found >= FLOOD && found;
  });
  assert.ok((await console.locator(".row").count()) < 120);
  await console.locator("#level").selectOption("error");
  const link = console.locator(".row.error a", { hasText: /src\/main\.rs:\d+:\d+/ }).first();
  await link.waitFor();
  await editor.command("Notifications: Clear All Notifications");
  await editor.shot("console-panic-dark");
  await link.click();
  await editor.page.locator('.tab[data-resource-name="main.rs"]').waitFor();
  await editor.page.locator(".statusbar-item", { hasText: /Ln \d\d/ }).waitFor();
  await console.locator("#level").selectOption("trace");
});

scenario("the view keeps its lines while another one is in front", async () => {
  await eventually("the old firmware runs", async () => editor.consoleFinds("trial-crash"));
  const before = await shownLines();
  await editor.command("Problems: Focus on Problems View");
  await editor.command("Otaru: Open Debug Console");
  assert.ok((await shownLines()) >= before);
  const console = await editor.console();
  await console.locator("#source").selectOption("manager");
  await console.locator(".row.server", { hasText: "manager: " }).first().waitFor();
  await console.locator("#source").selectOption("all");
  await editor.theme("Light Modern");
  await editor.shot("console-light");
  await editor.theme("Dark High Contrast");
  await editor.shot("console-high-contrast");
});

scenario("nothing was asked of the world outside", async () => {
  assert.deepEqual([...editor.outside], []);
});
