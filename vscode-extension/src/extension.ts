// Wires the pieces together. Everything that takes time happens in the language server.
import * as vscode from "vscode";
import { DebugConsole } from "./console/provider";
import { DevicesView } from "./devices";
import { Jobs } from "./jobs";
import type { Shown } from "./panel/messages";
import { Panel } from "./panel/provider";
import type { BoardButton, Device, JobEvent, PlanVerb, Status } from "./protocol.gen";
import { Server, type ServerState } from "./server";
import { reportLines, statusBar } from "./text";
import { type Target, Verbs } from "./verbs";

/** The extension while it is active. */
class Extension implements vscode.Disposable {
  readonly #log = vscode.window.createOutputChannel("Otaru", { log: true });
  readonly #server: Server;
  readonly #jobs = new Jobs();
  readonly #console: DebugConsole;
  readonly #verbs: Verbs;
  readonly #panel: Panel;
  readonly #devices: DevicesView;
  readonly #item = vscode.window.createStatusBarItem(
    "otaru.status",
    vscode.StatusBarAlignment.Left,
  );
  readonly #projects = new Map<string, Status>();
  readonly #disposables: vscode.Disposable[];
  #state: ServerState | "untrusted" = "starting";
  #chosen: string | undefined;
  #seenDevice = "";

  constructor(context: vscode.ExtensionContext) {
    this.#server = new Server(context, this.#log);
    this.#console = new DebugConsole(context.extensionUri, this.#server);
    this.#verbs = new Verbs(this.#server, this.#jobs, this.#console, this.#log);
    this.#panel = new Panel(
      context.extensionUri,
      {
        flash: () => this.#server.request("otaru/flashMap", this.#here()),
        slot: (slot) => this.#server.request("otaru/slot", { ...this.#here(), slot }),
        lab: () => this.#server.request("otaru/lab", this.#here()),
      },
      {
        run: (fault, times) => this.#verbs.lab({ ...this.#here(), fault, times }),
        stop: () => this.#verbs.stopLab(this.#here()),
      },
    );
    this.#devices = new DevicesView(this.#server);
    this.#item.name = "Otaru";
    this.#item.command = "otaru.panel.focus";
    this.#disposables = [
      this.#log,
      this.#server,
      this.#console,
      this.#devices,
      this.#item,
      vscode.window.registerWebviewViewProvider("otaru.panel", this.#panel),
      this.#server.onState((state) => this.#setState(state)),
      this.#server.onStatus((status) => this.#take(status)),
      this.#server.onLab((state) => {
        if (state.project === this.#current()?.folder) this.#panel.showLab(state);
      }),
      this.#server.onJob((event) => this.#logJob(event)),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.#server.start()),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration("otaru.server.path")) void this.start();
      }),
      vscode.window.onDidChangeActiveTextEditor(() => this.#draw()),
      ...this.#commands(),
    ];
  }

  async start(): Promise<void> {
    if (!vscode.workspace.isTrusted) return this.#setState("untrusted");
    this.#projects.clear();
    await this.#server.start();
  }

  #commands(): vscode.Disposable[] {
    const on = (name: string, does: (argument: unknown) => Promise<unknown> | undefined) =>
      vscode.commands.registerCommand(`otaru.${name}`, (argument: unknown) => does(argument));
    const press = (name: string, button: BoardButton) =>
      on(name, (argument) => this.#with(argument, (target) => this.#verbs.press(target, button)));
    const planned = (name: string, verb: PlanVerb) =>
      on(name, (at) => this.#with(at, (target) => this.#verbs.planned(target, verb)));
    return [
      on("build", (at) => this.#with(at, (target) => this.#verbs.build(target))),
      on("upload", (at) => this.#with(at, (target) => this.#verbs.upload(target))),
      on("fota", (at) => this.#with(at, (target) => this.#verbs.fota(target))),
      on("clean", (at) => this.#with(at, (target) => this.#verbs.clean(target))),
      on("size", (at) => this.#with(at, (target) => this.#verbs.report("otaru/size", target))),
      on("doctor", (at) => this.#with(at, (target) => this.#verbs.report("otaru/doctor", target))),
      planned("flash", "flash"),
      planned("erase", "erase"),
      planned("provision", "provision"),
      planned("undoProvision", "undo-provision"),
      on("cancel", (at) => this.#with(at, (target) => this.#verbs.cancel(target))),
      on("console", (at) => this.#with(at, (target) => this.#showConsole(target))),
      press("reset", "reset"),
      press("powerCut", "power-cut"),
      press("offline", "offline"),
      press("online", "online"),
      on("refreshDevices", async () => this.#devices.show(this.#current()?.folder)),
      on("openDevice", async (device) => {
        const page = (device as Device | undefined)?.page;
        if (page) await vscode.env.openExternal(vscode.Uri.parse(page));
      }),
      on("openManifest", (at) =>
        this.#with(at, async ({ project }) => {
          const file = vscode.Uri.joinPath(vscode.Uri.file(project), "Otaru.toml");
          await vscode.window.showTextDocument(file);
        }),
      ),
      on("selectProject", async () => this.#selectProject()),
      on("newProject", async () => this.#newProject()),
      on("restart", async () => this.start()),
      on("showLog", async () => this.#log.show()),
    ];
  }

  /** The target of a command: what a code lens or a tree row named, or else the current project. */
  #with(argument: unknown, does: (target: Target) => Promise<void>): Promise<void> | undefined {
    const named = (argument ?? {}) as { project?: unknown; name?: unknown };
    const folder = typeof named.project === "string" ? named.project : undefined;
    const status = folder === undefined ? this.#current() : this.#projects.get(folder);
    const project = status?.folder ?? folder;
    if (project === undefined) {
      void vscode.window.showInformationMessage("There is no Otaru.toml in this workspace.");
      return undefined;
    }
    const row = typeof named.name === "string" ? named.name : undefined;
    return does({ project, device: row ?? status?.device?.name ?? status?.target ?? undefined });
  }

  /** The project of the panel, for a request. */
  #here(): { project?: string } {
    const project = this.#current()?.folder;
    return project === undefined ? {} : { project };
  }

  async #showConsole({ project, device }: Target): Promise<void> {
    if (device !== undefined) await this.#console.show(project, device, true);
  }

  /** The project of the file in front, or the one that was chosen, or the first. */
  #current(): Status | undefined {
    const file = vscode.window.activeTextEditor?.document.uri;
    if (file?.scheme === "file" && this.#chosen === undefined) {
      const inside = (folder: string) => file.fsPath.startsWith(folder);
      const around = [...this.#projects.keys()].filter(inside).sort((a, b) => b.length - a.length);
      const nearest = around[0];
      if (nearest !== undefined) return this.#projects.get(nearest);
    }
    const chosen = this.#chosen === undefined ? undefined : this.#projects.get(this.#chosen);
    return chosen ?? this.#projects.values().next().value;
  }

  #take(status: Status): void {
    this.#projects.set(status.folder, status);
    this.#draw();
  }

  #setState(state: ServerState | "untrusted"): void {
    this.#state = state;
    if (state === "stopped") {
      this.#jobs.lose();
      this.#projects.clear();
    }
    if (state === "running") void this.#readProjects();
    this.#draw();
  }

  /** Asks once for what is known; everything later comes by itself. */
  async #readProjects(): Promise<void> {
    try {
      for (const { folder } of await this.#server.request("otaru/projects", undefined)) {
        this.#take(await this.#server.request("otaru/status", { project: folder }));
      }
    } catch (error) {
      this.#log.error(String(error));
    }
  }

  #shown(): Shown {
    if (this.#state === "untrusted" || this.#state === "stopped") return { kind: this.#state };
    const status = this.#current();
    if (status !== undefined) return { kind: "project", status };
    return { kind: this.#state === "starting" ? "starting" : "noProject" };
  }

  #draw(): void {
    const shown = this.#shown();
    this.#panel.show(shown);
    const status = shown.kind === "project" ? shown.status : undefined;
    const bar = statusBar(status);
    this.#item.text = bar.text;
    this.#item.tooltip = bar.tooltip;
    this.#item.backgroundColor =
      bar.kind === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    this.#item.show();
    this.#setContext(shown, status);
    const own = status?.device?.name ?? status?.target;
    if (status?.verbs.console.enabled && own) this.#console.offer(status.folder, own);
    // The tree asks the manager, so only a change of what it shows is a reason to draw it anew.
    const seen = JSON.stringify([status?.folder, status?.device, status?.manager.state]);
    if (seen !== this.#seenDevice) {
      this.#seenDevice = seen;
      this.#devices.show(status?.folder);
    }
  }

  #setContext(shown: Shown, status: Status | undefined): void {
    const set = (key: string, value: unknown) =>
      void vscode.commands.executeCommand("setContext", `otaru.${key}`, value);
    set("state", shown.kind === "project" ? "ready" : shown.kind);
    for (const verb of ["build", "upload", "fota", "cancel", "console"] as const) {
      set(`can.${verb}`, status?.verbs[verb].enabled ?? false);
    }
  }

  #logJob(event: JobEvent): void {
    this.#jobs.take(event);
    const { kind } = event.event;
    if (kind === "step") this.#log.info(event.event.step);
    if (kind === "output") this.#log.info(event.event.line);
    if (kind === "report")
      for (const line of reportLines(event.event.entries)) this.#log.info(line);
  }

  async #selectProject(): Promise<void> {
    const items = [...this.#projects.values()].map((status) => ({
      label: status.name,
      description: vscode.workspace.asRelativePath(status.folder, true),
      folder: status.folder,
    }));
    const picked = await vscode.window.showQuickPick(items, { title: "Project of the panel" });
    if (picked === undefined) return;
    this.#chosen = picked.folder;
    this.#draw();
  }

  async #newProject(): Promise<void> {
    const parent = await vscode.window.showOpenDialog({
      title: "Folder for the new project",
      openLabel: "Create Here",
      canSelectFiles: false,
      canSelectFolders: true,
      canSelectMany: false,
    });
    const cwd = parent?.[0];
    if (cwd === undefined) return;
    const name = await vscode.window.showInputBox({
      title: "Name of the new project",
      validateInput: (text) =>
        /^[a-z][a-z0-9_-]*$/.test(text) ? undefined : "Lower case letters, digits, - and _.",
    });
    if (name === undefined) return;
    await this.#verbs.newProject(vscode.Uri.joinPath(cwd, name).fsPath);
  }

  dispose(): void {
    for (const disposable of this.#disposables) disposable.dispose();
  }
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const extension = new Extension(context);
  context.subscriptions.push(extension);
  // Not awaited: the workbench need not wait until a process has started.
  void extension.start();
}

export function deactivate(): void {
  // Everything is disposed of through the context's subscriptions.
}
