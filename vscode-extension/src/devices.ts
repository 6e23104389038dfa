// The Devices view: what the project's manager knows.
import * as vscode from "vscode";
import type { Device } from "./protocol.gen";
import type { Server } from "./server";
import { deviceRow } from "./text";

export class DevicesView implements vscode.TreeDataProvider<Device>, vscode.Disposable {
  readonly #server: Server;
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #view: vscode.TreeView<Device>;
  #project: string | undefined;

  constructor(server: Server) {
    this.#server = server;
    this.#view = vscode.window.createTreeView("otaru.devices", { treeDataProvider: this });
  }

  /** Shows another project, or the same one anew. */
  show(project: string | undefined): void {
    this.#project = project;
    this.#changed.fire(undefined);
  }

  getTreeItem(device: Device): vscode.TreeItem {
    const row = deviceRow(device, Date.now());
    const item = new vscode.TreeItem(device.name);
    item.id = device.id;
    item.description = row.description;
    item.tooltip = new vscode.MarkdownString(row.tooltip);
    item.contextValue = row.context;
    const color = row.color === undefined ? undefined : new vscode.ThemeColor(row.color);
    item.iconPath = new vscode.ThemeIcon(row.icon, color);
    item.accessibilityInformation = { label: `${device.name}, ${row.description}` };
    return item;
  }

  async getChildren(parent?: Device): Promise<Device[]> {
    if (parent !== undefined || this.#project === undefined) return [];
    try {
      const found = await this.#server.request("otaru/devices", { project: this.#project });
      this.#view.message = "";
      const state = found.problem === null ? "reachable" : "unreachable";
      await vscode.commands.executeCommand("setContext", "otaru.managerState", state);
      return found.devices;
    } catch (error) {
      this.#view.message = error instanceof Error ? error.message : String(error);
      return [];
    }
  }

  dispose(): void {
    this.#view.dispose();
    this.#changed.dispose();
  }
}
