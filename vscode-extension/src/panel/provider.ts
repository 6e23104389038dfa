// The Control Panel's side in the extension: hands it what to show, and turns clicks into commands.
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { BUTTONS, type FromPanel, LINKS, type Shown, type ToPanel } from "./messages";

export class Panel implements vscode.WebviewViewProvider {
  readonly #extension: vscode.Uri;
  #view: vscode.WebviewView | undefined;
  #shown: Shown = { kind: "starting" };

  constructor(extension: vscode.Uri) {
    this.#extension = extension;
  }

  /** Shows something else. */
  show(shown: Shown): void {
    this.#shown = shown;
    this.#send();
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

  #send(): void {
    const message: ToPanel = { shown: this.#shown };
    void this.#view?.webview.postMessage(message);
  }

  #receive(message: FromPanel): void {
    if (message.kind === "ready") {
      this.#send();
    } else if (message.kind === "press" && BUTTONS.includes(message.button)) {
      void vscode.commands.executeCommand(`otaru.${message.button}`);
    } else if (message.kind === "follow" && LINKS.includes(message.link)) {
      const command =
        message.link === "manageTrust" ? "workbench.trust.manage" : `otaru.${message.link}`;
      void vscode.commands.executeCommand(command);
    }
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
