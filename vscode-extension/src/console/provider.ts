// The debug console's side in the extension: fetches lines from the server and hands them to the
// webview, one page at a time, so that neither can be flooded.
import { randomBytes } from "node:crypto";
import path from "node:path";
import * as vscode from "vscode";
import type { ConsoleChanged, ConsolePage } from "../protocol.gen";
import type { Server } from "../server";
import type { FromConsole, ToConsole } from "./messages";
import { endOf } from "./text";

/** The view that is shown in the bottom area. */
export const VIEW = "otaru.console";

export class DebugConsole implements vscode.WebviewViewProvider, vscode.Disposable {
  readonly #extension: vscode.Uri;
  readonly #server: Server;
  readonly #subscriptions: vscode.Disposable[];
  #view: vscode.WebviewView | undefined;
  #project: string | undefined;
  #device: string | undefined;
  /** Number of the last line that the webview has. */
  #after = 0;
  #anew = true;
  /** A page is on its way: being fetched, or not yet taken. */
  #busy = false;
  #more = false;

  constructor(extension: vscode.Uri, server: Server) {
    this.#extension = extension;
    this.#server = server;
    this.#subscriptions = [
      vscode.window.registerWebviewViewProvider(VIEW, this, {
        // Filter, search and place are lost otherwise when another view comes to the front.
        webviewOptions: { retainContextWhenHidden: true },
      }),
      server.onConsoleChanged((changed) => this.#changed(changed)),
      server.onState((state) => {
        if (state !== "running") return;
        this.#restart();
      }),
    ];
  }

  /** Shows the console of a device. */
  async show(project: string, device: string, takeFocus: boolean): Promise<void> {
    if (project !== this.#project || device !== this.#device) {
      this.#project = project;
      this.#device = device;
      this.#restart();
    }
    if (this.#view) this.#view.show(!takeFocus);
    else await vscode.commands.executeCommand(`${VIEW}.focus`);
  }

  /** The console that a view without a device belongs to. */
  offer(project: string, device: string): void {
    if (this.#device !== undefined) return;
    this.#project = project;
    this.#device = device;
    this.#restart();
  }

  #restart(): void {
    this.#after = 0;
    this.#anew = true;
    this.#busy = false;
    if (this.#device !== undefined) this.#send({ kind: "device", device: this.#device });
    void this.#fetch();
  }

  #changed({ project, device }: ConsoleChanged): void {
    if (project === this.#project && device === this.#device) void this.#fetch();
  }

  async #fetch(): Promise<void> {
    if (this.#busy) {
      this.#more = true;
      return;
    }
    const [project, device] = [this.#project, this.#device];
    if (!this.#view || project === undefined || device === undefined) return;
    this.#busy = true;
    this.#more = false;
    try {
      const asked = { project, device, after: this.#after };
      const page = await this.#server.request("otaru/consoleRead", asked);
      // Another console was chosen meanwhile.
      if (this.#device !== device || this.#project !== project) return;
      this.#show(page);
    } catch {
      // The server has gone; it is asked again as soon as it is back.
      this.#busy = false;
    }
  }

  #show(page: ConsolePage): void {
    const { lines, missed, channels } = page;
    this.#after = endOf(page, this.#after);
    this.#more ||= page.more;
    this.#send({ kind: "lines", lines, missed, channels, anew: this.#anew });
    this.#anew = false;
  }

  #send(message: ToConsole): void {
    void this.#view?.webview.postMessage(message);
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    const dist = vscode.Uri.joinPath(this.#extension, "dist");
    const media = vscode.Uri.joinPath(this.#extension, "media");
    view.webview.options = { enableScripts: true, localResourceRoots: [dist, media] };
    view.webview.html = this.#html(view.webview);
    view.webview.onDidReceiveMessage((message: FromConsole) => void this.#receive(message));
    view.onDidDispose(() => {
      this.#view = undefined;
    });
  }

  async #receive(message: FromConsole): Promise<void> {
    if (message.kind === "ready") {
      this.#restart();
    } else if (message.kind === "taken") {
      this.#busy = false;
      if (this.#more) await this.#fetch();
    } else if (message.kind === "open") {
      await this.#open(message.file, message.line, message.column);
    } else if (message.kind === "save") {
      await this.#save(message.text);
    } else if (message.kind === "serial") {
      await this.#chooseSerial();
    }
  }

  /** Opens a place that a device named: inside the project, or wherever it says if that exists. */
  async #open(file: string, line: number, column: number): Promise<void> {
    const project = this.#project ?? "";
    const place = path.isAbsolute(file) ? file : path.join(project, file);
    const at = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
    try {
      const uri = vscode.Uri.file(place);
      await vscode.window.showTextDocument(uri, { selection: new vscode.Range(at, at) });
    } catch {
      void vscode.window.showWarningMessage(`Otaru: there is no ${file} in this project.`);
    }
  }

  async #save(text: string): Promise<void> {
    const folder = vscode.Uri.file(this.#project ?? "");
    const defaultUri = vscode.Uri.joinPath(folder, `${this.#device ?? "console"}.log`);
    const target = await vscode.window.showSaveDialog({ defaultUri, title: "Save the console" });
    if (target === undefined) return;
    await vscode.workspace.fs.writeFile(target, Buffer.from(text, "utf8"));
  }

  async #chooseSerial(): Promise<void> {
    const [project, device] = [this.#project, this.#device];
    if (project === undefined || device === undefined) return;
    const ports = await this.#server.request("otaru/serialPorts", undefined);
    const none = { label: "No port", port: "" };
    const typed = { label: "Another path…", port: undefined };
    const items = [...ports.map((port) => ({ label: port, port })), typed, none];
    const picked = await vscode.window.showQuickPick(items, { title: "Serial port to read" });
    if (picked === undefined) return;
    const port =
      picked.port ?? (await vscode.window.showInputBox({ title: "Path of the serial port" }));
    if (port === undefined) return;
    const chosen = port === "" ? {} : { port };
    await this.#server.request("otaru/consoleSerial", { project, device, baud: 0, ...chosen });
  }

  #html(webview: vscode.Webview): string {
    const uri = (...at: string[]) =>
      webview.asWebviewUri(vscode.Uri.joinPath(this.#extension, ...at)).toString();
    const nonce = randomBytes(16).toString("base64url");
    const policy = [
      "default-src 'none'",
      `style-src ${webview.cspSource}`,
      `script-src 'nonce-${nonce}'`,
    ].join("; ");
    return `<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="UTF-8">
  <meta http-equiv="Content-Security-Policy" content="${policy}">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${uri("media", "console.css")}">
  <title>Otaru Console</title>
</head>
<body>
  <main id="console"></main>
  <script nonce="${nonce}" src="${uri("dist", "console.js")}"></script>
</body>
</html>`;
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
