// The connection to the language server: its life, its requests, its notifications. Nothing here
// decides anything about firmware.
import { chmodSync } from "node:fs";
import * as vscode from "vscode";
import {
  LanguageClient,
  type LanguageClientOptions,
  type ServerOptions,
  State,
} from "vscode-languageclient/node";
import { locate } from "./locate";
import type {
  BoardParams,
  CancelParams,
  ConsoleChanged,
  ConsolePage,
  ConsoleReadParams,
  ConsoleSerialParams,
  DeviceParams,
  Devices,
  FlashMap,
  JobEvent,
  JobStarted,
  LabRunParams,
  LabState,
  NewProjectMade,
  NewProjectParams,
  ProjectInfo,
  ProjectParams,
  RunParams,
  SlotDetails,
  SlotParams,
  Status,
  VerbParams,
} from "./protocol.gen";

/** The requests of the server with their parameters and answers. */
interface Requests {
  "otaru/projects": [undefined, ProjectInfo[]];
  "otaru/status": [ProjectParams, Status];
  "otaru/build": [VerbParams, JobStarted];
  "otaru/upload": [VerbParams, JobStarted];
  "otaru/plan": [VerbParams, JobStarted];
  "otaru/clean": [VerbParams, JobStarted];
  "otaru/size": [VerbParams, JobStarted];
  "otaru/doctor": [VerbParams, JobStarted];
  "otaru/newProject": [NewProjectParams, NewProjectMade];
  "otaru/run": [RunParams, JobStarted];
  "otaru/cancel": [CancelParams, boolean];
  "otaru/devices": [ProjectParams, Devices];
  "otaru/consoleRead": [ConsoleReadParams, ConsolePage];
  "otaru/consoleSerial": [ConsoleSerialParams, null];
  "otaru/serialPorts": [undefined, string[]];
  "otaru/board": [BoardParams, null];
  "otaru/flashMap": [DeviceParams, FlashMap];
  "otaru/slot": [SlotParams, SlotDetails];
  "otaru/lab": [DeviceParams, LabState];
  "otaru/labRun": [LabRunParams, null];
  "otaru/labStop": [DeviceParams, boolean];
}

/** What the server is doing. */
export type ServerState = "starting" | "running" | "stopped";

export class Server implements vscode.Disposable {
  readonly #context: vscode.ExtensionContext;
  readonly #log: vscode.LogOutputChannel;
  #client: LanguageClient | undefined;
  readonly #state = new vscode.EventEmitter<ServerState>();
  readonly #status = new vscode.EventEmitter<Status>();
  readonly #job = new vscode.EventEmitter<JobEvent>();
  readonly #console = new vscode.EventEmitter<ConsoleChanged>();
  readonly #lab = new vscode.EventEmitter<LabState>();

  readonly onState = this.#state.event;
  readonly onStatus = this.#status.event;
  readonly onJob = this.#job.event;
  readonly onConsoleChanged = this.#console.event;
  readonly onLab = this.#lab.event;

  constructor(context: vscode.ExtensionContext, log: vscode.LogOutputChannel) {
    this.#context = context;
    this.#log = log;
  }

  /** Starts the server, or says why that is impossible. */
  async start(): Promise<void> {
    await this.stop();
    this.#state.fire("starting");
    const found = locate({
      setting: vscode.workspace.getConfiguration("otaru").get("server.path") ?? null,
      extension: this.#context.extensionPath,
      env: process.env,
      platform: process.platform,
    });
    if ("problem" in found) {
      this.#state.fire("stopped");
      this.#log.error(found.problem);
      await this.#complain(`Otaru cannot start: ${found.problem}.`);
      return;
    }
    const client = this.#newClient(found.program);
    this.#client = client;
    try {
      await client.start();
    } catch (error) {
      this.#state.fire("stopped");
      await this.#complain(`Otaru cannot start ${found.program}: ${error}`);
    }
  }

  #newClient(program: string): LanguageClient {
    makeExecutable(program);
    this.#log.info(`language server: ${program} lsp`);
    const run = { command: program, args: ["lsp"] };
    const server: ServerOptions = { run, debug: run };
    const options: LanguageClientOptions = {
      documentSelector: [
        { scheme: "file", pattern: "**/Otaru.toml" },
        { scheme: "file", pattern: "**/board.toml" },
      ],
      outputChannel: this.#log,
      initializationOptions: { commands: true },
    };
    const client = new LanguageClient("otaru", "Otaru", server, options);
    client.onNotification("otaru/statusChanged", (status: Status) => this.#status.fire(status));
    client.onNotification("otaru/jobEvent", (event: JobEvent) => this.#job.fire(event));
    client.onNotification("otaru/consoleChanged", (changed: ConsoleChanged) =>
      this.#console.fire(changed),
    );
    client.onNotification("otaru/labChanged", (state: LabState) => this.#lab.fire(state));
    client.onDidChangeState((change) => {
      if (change.newState === State.Running) this.#state.fire("running");
      if (change.newState === State.Stopped) this.#state.fire("stopped");
    });
    return client;
  }

  async #complain(text: string): Promise<void> {
    const chosen = await vscode.window.showErrorMessage(text, "Show Log", "Open Settings");
    if (chosen === "Show Log") this.#log.show();
    if (chosen === "Open Settings") {
      await vscode.commands.executeCommand("workbench.action.openSettings", "otaru.server.path");
    }
  }

  /** Sends a request. Fails with the server's own words. */
  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M][0],
  ): Promise<Requests[M][1]> {
    const client = this.#client;
    if (client?.state !== State.Running) throw new Error("the language server does not run");
    return client.sendRequest<Requests[M][1]>(method, params);
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client?.state === State.Running) await client.dispose();
  }

  dispose(): void {
    void this.stop();
    for (const emitter of [this.#state, this.#status, this.#job, this.#console, this.#lab])
      emitter.dispose();
  }
}

/** Some ways of unpacking lose the executable bit. */
function makeExecutable(program: string): void {
  if (process.platform === "win32") return;
  try {
    chmodSync(program, 0o755);
  } catch {
    // Not ours to change; if it cannot be executed, starting it says so.
  }
}
