// A device that speaks DDI and does what the test says, step by step.
import assert from "node:assert/strict";
import { sha256 } from "./image.js";

const REASONS = { interrupted: 1001, unhealthy: 1013, "trial-crash": 1017 };
const PHASES = { downloading: 10, verifying: 20, parked: 30, installing: 40, trial: 50, confirmed: 60 };

export class Device {
  constructor(url, token) {
    this.url = url;
    this.token = token;
    this.scheme = "TargetToken";
  }

  /** A device that a new entry of the manager was made for. */
  static async provision(manager, name, fleet) {
    const made = await manager.api("POST", "/devices", { name, fleet });
    return Object.assign(new Device(made.ddi_url, made.token), { id: made.id, name });
  }

  async #send(method, url, body) {
    const response = await fetch(url, {
      method,
      headers: { authorization: `${this.scheme} ${this.token}`, "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    assert.ok(response.ok, `${method} ${url}: ${response.status}`);
    return response;
  }

  async poll() {
    return (await this.#send("GET", this.url)).json();
  }

  /** Says what it is and what it runs. */
  async tell(version, digest = "ab".repeat(32)) {
    const data = {
      "otaru.version": version, "otaru.digest": digest, "otaru.board": "host",
      "otaru.boot": "0.1.0", "otaru.engine": "bootloader", "otaru.mode": "standby",
    };
    await this.#send("PUT", `${this.url}/configData`, { mode: "merge", data });
  }

  async connect(version, digest) {
    await this.poll();
    await this.tell(version, digest);
    return this;
  }

  /** Fetches what is offered, and downloads it. */
  async fetchUpdate() {
    const links = (await this.poll())._links;
    assert.ok(links.deploymentBase, `offered is only ${Object.keys(links)}`);
    const reply = await (await this.#send("GET", links.deploymentBase.href)).json();
    this.action = reply.id;
    const [artifact] = reply.deployment.chunks[0].artifacts;
    this.expected = artifact.hashes.sha256;
    this.image = artifact._links.download ?? artifact._links["download-http"];
    return reply;
  }

  async download() {
    const bytes = Buffer.from(await (await this.#send("GET", this.image.href)).arrayBuffer());
    assert.equal(sha256(bytes), this.expected);
  }

  async #feedback(execution, finished, extra, details, kind = "deploymentBase") {
    await this.#send("POST", `${this.url}/${kind}/${this.action}/feedback`, {
      id: String(this.action),
      status: { execution, result: { finished, ...extra.result }, code: extra.code, details },
    });
  }

  /** Reports a phase that goes on. */
  async phase(phase, percent) {
    const execution = { downloading: "download", parked: "downloaded" }[phase] ?? "proceeding";
    const proof = phase === "trial" ? ` digest=${this.expected}` : "";
    const progress = percent === undefined ? {} : { progress: { cnt: percent, of: 100 } };
    await this.#feedback(execution, "none", { code: PHASES[phase], result: progress }, [`otaru phase=${phase}${proof}`]);
  }

  async confirm(version) {
    const line = `otaru phase=confirmed digest=${this.expected} version=${version}`;
    await this.#feedback("closed", "success", { code: PHASES.confirmed }, [line]);
    await this.tell(version, this.expected);
  }

  async fail(phase, reason, lines = []) {
    const details = [`otaru phase=${phase} reason=${reason}`, ...lines];
    await this.#feedback("closed", "failure", { code: REASONS[reason] }, details);
  }

  /** Agrees to a cancel that is offered. */
  async agreeToCancel() {
    const links = (await this.poll())._links;
    assert.ok(links.cancelAction, `offered is only ${Object.keys(links)}`);
    await this.#feedback("closed", "success", {}, [], "cancelAction");
  }

  /** Everything from the offer to the confirm. */
  async update(version) {
    await this.fetchUpdate();
    for (const phase of ["downloading", "verifying", "parked", "installing", "trial"]) await this.phase(phase);
    await this.confirm(version);
  }
}
