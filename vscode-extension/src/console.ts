// The debug console of a device: a terminal that stays open through resets, updates and restarts of
// the server, and shows application, agent and bootloader in different colours.
import * as vscode from "vscode";
import type { ConsoleOutput } from "./protocol.gen";
import type { Server } from "./server";
import { consoleLine, consoleText } from "./text";

/** Text that is kept for a terminal that is not shown yet, in characters. */
const KEPT_MAX = 256 * 1024;

class DeviceConsole implements vscode.Pseudoterminal {
  readonly #write = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.#write.event;
  readonly #closed: () => void;
  #waiting: string | undefined = "";

  constructor(device: string, closed: () => void) {
    this.#closed = closed;
    this.write(consoleLine({ source: "server", text: `console of ${device}` }));
  }

  open(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.#write.fire(waiting);
  }

  close(): void {
    this.#closed();
    this.#write.dispose();
  }

  write(text: string): void {
    if (this.#waiting === undefined) this.#write.fire(text);
    else this.#waiting = (this.#waiting + text).slice(-KEPT_MAX);
  }
}

interface Open {
  project: string;
  device: string;
  console: DeviceConsole;
  terminal: vscode.Terminal;
}

export class Consoles implements vscode.Disposable {
  readonly #server: Server;
  readonly #open = new Map<string, Open>();
  readonly #subscriptions: vscode.Disposable[];

  constructor(server: Server) {
    this.#server = server;
    this.#subscriptions = [
      server.onConsole((output) => this.#show(output)),
      server.onState((state) => {
        if (state === "running") void this.#resume();
        if (state === "stopped") this.#note("the language server stopped; waiting for it");
      }),
    ];
  }

  /** Shows the console of a device, and opens it if need be. */
  async show(project: string, device: string, takeFocus: boolean): Promise<void> {
    const key = `${project}\0${device}`;
    const known = this.#open.get(key);
    if (known) {
      known.terminal.show(!takeFocus);
      return;
    }
    const pty = new DeviceConsole(device, () => {
      this.#open.delete(key);
      this.#server.request("otaru/console", { project, device, on: false }).catch(() => {
        // The server has gone, and the console with it.
      });
    });
    const terminal = vscode.window.createTerminal({
      name: `Otaru: ${device}`,
      iconPath: new vscode.ThemeIcon("circuit-board"),
      pty,
    });
    this.#open.set(key, { project, device, console: pty, terminal });
    terminal.show(!takeFocus);
    await this.#subscribe(project, device);
  }

  async #subscribe(project: string, device: string): Promise<void> {
    try {
      await this.#server.request("otaru/console", { project, device, on: true });
    } catch (error) {
      this.#note(`the console cannot be read: ${error instanceof Error ? error.message : error}`);
    }
  }

  async #resume(): Promise<void> {
    for (const { project, device } of this.#open.values()) await this.#subscribe(project, device);
  }

  #show(output: ConsoleOutput): void {
    this.#open.get(`${output.project}\0${output.device}`)?.console.write(consoleText(output));
  }

  #note(text: string): void {
    const line = consoleLine({ source: "server", text });
    for (const open of this.#open.values()) open.console.write(line);
  }

  dispose(): void {
    for (const { terminal } of this.#open.values()) terminal.dispose();
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}
