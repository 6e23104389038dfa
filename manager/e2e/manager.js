// A real manager process in a temporary folder, and a client of its public API.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { image, sha256, signingKey } from "./image.js";

const PROGRAM =
  process.env.OTARU_MANAGER_BIN ??
  fileURLToPath(new URL("../../target/debug/otaru-manager", import.meta.url));
const PATIENCE_MS = 60_000;

/** Fails with a text if something takes too long. */
export async function inTime(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`took too long: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function freePort() {
  return new Promise((resolve, refuse) => {
    const server = createServer();
    server.on("error", refuse);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Manager {
  static async start(options = []) {
    const manager = new Manager();
    manager.folder = mkdtempSync(join(tmpdir(), "otaru-web-"));
    manager.address = `127.0.0.1:${await freePort()}`;
    manager.url = `http://${manager.address}`;
    manager.log = "";
    manager.adminLink = await manager.run(["--new-admin-link", ...options]);
    return manager;
  }

  /** Starts the program on its folder; the admin link that it was asked to print. */
  async run(options = []) {
    const all = ["--data", this.folder, "--listen", this.address, ...options];
    this.child = spawn(PROGRAM, all, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, RUST_LOG: "warn" },
    });
    this.child.stderr.on("data", (data) => { this.log += data; });
    const wanted = options.includes("--new-admin-link") ? /(http\S+\/setup\?token=\S+)/ : /(http\S+)/;
    const line = new Promise((resolve, refuse) => {
      createInterface({ input: this.child.stdout }).on("line", (text) => {
        const found = wanted.exec(text);
        if (found) resolve(found[1]);
      });
      this.child.on("error", refuse);
      this.child.on("exit", (code) => refuse(new Error(`${PROGRAM} ended (${code}): ${this.log}`)));
    });
    const link = await inTime(line, "the manager's address");
    await this.#answers();
    return link;
  }

  async #answers() {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        await fetch(`${this.url}/login`);
        return;
      } catch (error) {
        if (Date.now() > until) throw error;
      }
    }
  }

  /** Ends the program and leaves its folder as it is. */
  async halt() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.on("exit", resolve));
    this.child.kill("SIGTERM");
    await inTime(ended, "the manager's end");
  }

  async stop() {
    await this.halt();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Uses the API with a key that the test made on the page. */
  useKey(key) {
    this.key = key;
  }

  async api(method, path, body, headers = {}) {
    const raw = Buffer.isBuffer(body);
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...headers },
      body: raw ? body : body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  /** Registers the key if it is new, and uploads a signed version. */
  async upload(firmware, version, options = {}) {
    const key = signingKey();
    const keys = await this.api("GET", "/keys");
    if (!keys.some((known) => known.public_key === key.hex)) {
      await this.api("POST", "/keys", { name: "bench", public_key: key.hex, development: true });
    }
    const all = await this.api("GET", "/firmwares");
    if (!all.some((known) => known.name === firmware)) {
      await this.api("POST", "/firmwares", { name: firmware, description: options.description ?? "" });
    }
    const bytes = image(version, key, options);
    const upload = await this.api("POST", `/firmwares/${encodeURIComponent(firmware)}/uploads`, {
      version, size: bytes.length, sha256: sha256(bytes), file_name: `${firmware}.img`,
    });
    await this.api("PATCH", `/uploads/${upload.id}`, bytes, { "upload-offset": "0" });
    return sha256(bytes);
  }
}
