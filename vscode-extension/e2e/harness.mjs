// Drives a real VS Code: code-server with the packaged extension, shown by a headless Chromium.
// Nothing waits for time to pass; everything waits for something to be there, and says what it saw
// when it does not come.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { install } from "./install-code-server.mjs";

export const EXTENSION = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
export const REPOSITORY = path.resolve(EXTENSION, "..");

/** How long anything may take before a test fails. */
export const PATIENCE_MS = 60_000;

/** The built `otaru` program. */
export function otaru() {
  const target = process.env.CARGO_TARGET_DIR || path.join(REPOSITORY, "target");
  const program = process.env.OTARU || path.join(target, "debug", "otaru");
  if (!fs.existsSync(program)) throw new Error(`build it first: ${program} does not exist`);
  return program;
}

/** Where screenshots go. */
export const SHOTS = process.env.OTARU_E2E_SHOTS || path.join(EXTENSION, "out", "screenshots");

/** A port that was free a moment ago. */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Asks again and again until `probe` gives something; fails with what it last said. */
export async function eventually(what, probe, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  let last;
  for (;;) {
    try {
      const found = await probe();
      if (found) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what}: not within ${patience} ms; last: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A folder that holds everything of one world, removed at its end unless a test failed. */
export function makeWorld() {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "otaru-e2e-"));
  const folder = (name) => {
    const made = path.join(root, name);
    fs.mkdirSync(made, { recursive: true });
    return made;
  };
  return { root, folder };
}

const SETTINGS = {
  "workbench.startupEditor": "none",
  "telemetry.telemetryLevel": "off",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "workbench.enableExperiments": false,
  "workbench.tips.enabled": false,
  "chat.disableAIFeatures": true,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.reduceMotion": "on",
  "terminal.integrated.gpuAcceleration": "off",
  "workbench.colorTheme": "Dark Modern",
  // Text that a test types must arrive as it is.
  "editor.autoClosingBrackets": "never",
  "editor.autoClosingQuotes": "never",
  "editor.autoSurround": "never",
  "editor.autoIndent": "none",
  "editor.quickSuggestions": false,
  "editor.suggestOnTriggerCharacters": false,
  "remote.autoForwardPorts": false,
  "git.enabled": false,
  "npm.autoDetect": "off",
  "editor.minimap.enabled": false,
  "window.commandCenter": false,
};

/** The environment of everything in a world: nothing of this user, nothing from outside. */
export function worldEnv(world, extra = {}) {
  const env = { ...process.env };
  for (const key of Object.keys(env)) {
    if (key.startsWith("VSCODE_") || key.startsWith("OTARU_")) delete env[key];
  }
  delete env.PORT;
  delete env.PASSWORD;
  return {
    ...env,
    XDG_CONFIG_HOME: world.folder("config"),
    XDG_DATA_HOME: world.folder("data"),
    XDG_STATE_HOME: world.folder("state"),
    EXTENSIONS_GALLERY: JSON.stringify({ serviceUrl: "" }),
    ...extra,
  };
}

/** Ends a child that was started as leader of its own process group. */
export async function stopGroup(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  process.kill(-child.pid, "SIGTERM");
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), 5_000);
  await gone;
  clearTimeout(timer);
}

/** Starts VS Code on `workspace` with the packaged extension. */
export async function startEditor({ world, workspace, vsix, settings = {}, env = {} }) {
  const { node, codeServer } = install();
  const user = world.folder("user");
  fs.mkdirSync(path.join(user, "User"), { recursive: true });
  fs.writeFileSync(
    path.join(user, "User", "settings.json"),
    JSON.stringify({ ...SETTINGS, ...settings }),
  );
  const variables = worldEnv(world, env);
  const base = [codeServer, "--user-data-dir", user, "--extensions-dir", world.folder("ext")];
  const installed = spawnSync(node, [...base, "--install-extension", vsix], {
    env: variables,
    encoding: "utf8",
  });
  if (installed.status !== 0) {
    throw new Error(`cannot install ${vsix}: ${installed.stdout}${installed.stderr}`);
  }
  const port = await freePort();
  const log = fs.openSync(path.join(world.root, "code-server.log"), "a");
  const args = ["--bind-addr", `127.0.0.1:${port}`, "--auth", "none", "--disable-telemetry"];
  args.push("--disable-update-check", "--disable-workspace-trust", "--disable-proxy");
  args.push("--disable-getting-started-override", "--ignore-last-opened", workspace);
  const child = spawn(node, [...base, ...args], {
    env: variables,
    stdio: ["ignore", log, log],
    detached: true,
  });
  const address = `http://127.0.0.1:${port}`;
  await eventually("code-server answers", async () => (await fetch(`${address}/healthz`)).ok);
  const browser = await openBrowser(world);
  const page = browser.pages()[0] ?? (await browser.newPage());
  page.setDefaultTimeout(PATIENCE_MS);
  const outside = new Set();
  page.on("request", (request) => {
    const { protocol, hostname, origin } = new URL(request.url());
    // The workbench itself answers for this name, in a service worker: files of a webview.
    const isWebview = hostname.endsWith(".vscode-resource.vscode-cdn.net");
    const isLocal = hostname === "127.0.0.1" || isWebview;
    if (protocol.startsWith("http") && !isLocal) outside.add(origin);
  });
  await page.goto(`${address}/?folder=${encodeURIComponent(workspace)}`);
  await page.waitForSelector(".monaco-workbench");
  return new Editor({ page, browser, child, outside, workspace, user });
}

async function openBrowser(world) {
  return chromium.launchPersistentContext(world.folder("chrome"), {
    permissions: ["clipboard-read", "clipboard-write"],
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 860 },
    reducedMotion: "reduce",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** The text of an element as it is seen, without what is hidden. Runs in the page. */
const visibleText = (element) => element["innerText"];

/** The workbench as a person uses it. */
export class Editor {
  constructor(parts) {
    Object.assign(this, parts);
  }

  /** Keeps a picture. */
  async shot(name) {
    fs.mkdirSync(SHOTS, { recursive: true });
    // Away from everything that explains itself under the pointer.
    await this.page.mouse.move(900, 8);
    await this.page.screenshot({ path: path.join(SHOTS, `${name}.png`) });
  }

  /** Runs a command by its title. The palette closes when something else takes the focus: then it
   * is opened again. */
  async command(title) {
    await eventually(`the command ${title}`, async () => {
      await this.page.keyboard.press("F1");
      const input = this.page.locator(".quick-input-widget input").first();
      await input.fill(`>${title}`, { timeout: 3_000 });
      // The list keeps the rows of the last filter for a moment: wait for ours, and click it.
      const row = `.quick-input-list .monaco-list-row[aria-label^="${title}"]`;
      await this.page.locator(row).first().click({ timeout: 5_000 });
      return true;
    });
  }

  /** Opens a file by its name. */
  async open(name) {
    await this.page.keyboard.press("Control+P");
    const input = this.page.locator(".quick-input-widget input").first();
    await input.waitFor();
    await input.fill(name);
    const base = path.basename(name);
    await this.page
      .locator(".quick-input-list .monaco-list-row", { hasText: base })
      .first()
      .click();
    await this.page.locator(`.tab[data-resource-name="${base}"]`).waitFor();
  }

  /** Replaces the text of the file in front, as typed, and saves it. */
  async type(text) {
    await this.page.locator(".monaco-editor .view-lines").first().click();
    await this.page.keyboard.press("Control+A");
    await this.page.keyboard.insertText(text);
    await this.page.keyboard.press("Control+S");
    await this.page.locator(".tab.active:not(.dirty)").waitFor();
  }

  /** Opens the extension's container; gives the panel's frame. */
  async panel() {
    const item = this.page.locator(".activitybar .action-item", {
      has: this.page.locator('[aria-label^="Otaru"]'),
    });
    await item.first().waitFor();
    const isOpen = await item.first().evaluate((node) => node.classList.contains("checked"));
    if (!isOpen) await item.first().click();
    return this.frame("#panel > *");
  }

  /** The frame of a webview that holds something. */
  async frame(selector) {
    return eventually(`a webview with ${selector}`, async () => {
      for (const frame of this.page.frames()) {
        if (frame.name() !== "active-frame" && !frame.url().includes("fake.html")) continue;
        if ((await frame.locator(selector).count()) > 0) return frame;
      }
      return undefined;
    });
  }

  /** Waits until the panel's text holds something. */
  async panelShows(text) {
    const panel = await this.panel();
    await eventually(`the panel shows ${text}`, async () => {
      const shown = await panel.locator("#panel").evaluate(visibleText);
      if (typeof text === "string" ? shown.includes(text) : text.test(shown)) return true;
      throw new Error(`it shows ${JSON.stringify(shown)}`);
    });
    return panel;
  }

  /** Presses a button of the panel that can be used by now. */
  async press(button) {
    const panel = await this.panel();
    await panel.locator(`#press-${button}:not([aria-disabled="true"])`).click();
  }

  dialog() {
    return this.page.locator(".monaco-dialog-box");
  }

  /** Chooses a button of the modal question. */
  async answer(label) {
    const button = this.dialog().locator(".monaco-button", { hasText: label });
    await button.click();
    await this.dialog().waitFor({ state: "detached" });
  }

  notification(text) {
    return this.page.locator(".notification-toast", { hasText: text });
  }

  /** The frame of the debug console. */
  async console() {
    return this.frame("#console > *");
  }

  /** How many lines of the debug console contain a text, scrolled away or not: what its search says. */
  async consoleFinds(text) {
    const console = await this.console();
    await console.locator("#search").fill(text);
    const said = await eventually(`the console searches for ${text}`, async () => {
      const count = await console.locator(".count").innerText();
      return /\d/.test(count) && count;
    });
    await console.locator("#search").fill("");
    return Number(/(\d+)\D*$/.exec(said)[1]);
  }

  /** The Problems view's rows. */
  async problems() {
    const view = this.page.locator(".markers-panel");
    if (!(await view.isVisible())) await this.command("Problems: Focus on Problems View");
    await view.waitFor();
    const rows = await view.locator(".monaco-list-row").allInnerTexts();
    return rows.map((row) => row.replaceAll("\u00a0", " ").replaceAll("\n", " "));
  }

  /** Changes the colour theme. */
  async theme(name) {
    await this.command("Preferences: Color Theme");
    await this.page.locator(".quick-input-widget input").first().fill(name);
    const row = `.quick-input-list .monaco-list-row[aria-label^="${name}"]`;
    await this.page.locator(row).first().click();
    const kind = /high contrast/i.test(name) ? "hc-black" : /light/i.test(name) ? "vs" : "vs-dark";
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
  }

  async stop() {
    await this.browser.close();
    await stopGroup(this.child);
  }
}
