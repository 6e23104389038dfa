// The Control Panel's side in the extension: hands it what to show, and turns clicks into commands.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { FlashMap, LabState, SlotDetails } from "../protocol.gen";
import { type Answer, BUTTONS, type FromPanel, LINKS, type Shown, type ToPanel } from "./messages";

/** What the panel wants to know of the device of the project that it shows. */
export interface DeviceReader {
  flash(): Promise<FlashMap>;
  slot(slot: number): Promise<SlotDetails>;
  lab(): Promise<LabState>;
}

/** What the panel has done to that device. */
export interface LabOperator {
  run(fault: string, times: number): Promise<void>;
  stop(): Promise<void>;
}

async function answered<T>(asked: Promise<T>): Promise<Answer<T>> {
  try {
    return { answer: await asked };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

export class Panel implements vscode.WebviewViewProvider {
  readonly #extension: vscode.Uri;
  readonly #device: DeviceReader;
  readonly #lab: LabOperator;
  #view: vscode.WebviewView | undefined;
  #shown: Shown = { kind: "starting" };

  constructor(extension: vscode.Uri, device: DeviceReader, lab: LabOperator) {
    this.#extension = extension;
    this.#device = device;
    this.#lab = lab;
  }

  /** Shows something else. */
  show(shown: Shown): void {
    this.#shown = shown;
    this.#send({ kind: "shown", shown });
  }

  /** Shows what became of a fault. */
  showLab(state: LabState): void {
    this.#send({ kind: "lab", lab: { answer: state } });
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.#view = view;
    view.webview.options = {
      enableScripts: true,
      localResourceRoots: [
        vscode.Uri.joinPath(this.#extension, "dist"),
        vscode.Uri.joinPath(this.#extension, "media"),
      ],
    };
    view.webview.html = this.#html(view.webview);
    view.webview.onDidReceiveMessage((message: FromPanel) => this.#receive(message));
    view.onDidDispose(() => {
      this.#view = undefined;
    });
  }

  #send(message: ToPanel): void {
    void this.#view?.webview.postMessage(message);
  }

  #receive(message: FromPanel): void {
    if (message.kind === "ready") {
      this.#send({ kind: "shown", shown: this.#shown });
    } else if (message.kind === "flash") {
      void this.#tellFlash();
    } else if (message.kind === "lab") {
      void this.#tellLab();
    } else if (message.kind === "labRun") {
      void this.#lab.run(message.fault, message.times);
    } else if (message.kind === "labStop") {
      void this.#lab.stop();
    } else if (message.kind === "slot") {
      void this.#tellSlot(message.slot);
    } else if (message.kind === "press" && BUTTONS.includes(message.button)) {
      void vscode.commands.executeCommand(`otaru.${message.button}`);
    } else if (message.kind === "follow" && LINKS.includes(message.link)) {
      const command =
        message.link === "manageTrust" ? "workbench.trust.manage" : `otaru.${message.link}`;
      void vscode.commands.executeCommand(command);
    }
  }

  async #tellFlash(): Promise<void> {
    this.#send({ kind: "flash", map: await answered(this.#device.flash()) });
  }

  async #tellLab(): Promise<void> {
    this.#send({ kind: "lab", lab: await answered(this.#device.lab()) });
  }

  async #tellSlot(slot: number): Promise<void> {
    this.#send({ kind: "slot", slot, details: await answered(this.#device.slot(slot)) });
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
  <link rel="stylesheet" href="${uri("media", "panel.css")}">
  <title>Otaru</title>
</head>
<body>
  <main id="panel"></main>
  <script nonce="${nonce}" src="${uri("dist", "panel.js")}"></script>
</body>
</html>`;
  }
}
