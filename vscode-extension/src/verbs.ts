// The verbs as a person uses them: what is saved, asked and told around the server's jobs.
import * as vscode from "vscode";
import type { DebugConsole } from "./console/provider";
import type { Ended, Jobs } from "./jobs";
import type {
  BoardButton,
  DeviceParams,
  JobStarted,
  LabRunParams,
  Outcome,
  Plan,
  PlanVerb,
} from "./protocol.gen";
import type { Server } from "./server";
import { failure, planQuestion, versionProblem } from "./text";

const START = "Start FOTA";
const CHANGE = "Change Version…";
const REGISTER = "Register Key";

/** What the verbs work on. */
export interface Target {
  project: string;
  device: string | undefined;
}

export class Verbs {
  readonly #server: Server;
  readonly #jobs: Jobs;
  readonly #console: DebugConsole;
  readonly #log: vscode.LogOutputChannel;

  constructor(server: Server, jobs: Jobs, console: DebugConsole, log: vscode.LogOutputChannel) {
    this.#server = server;
    this.#jobs = jobs;
    this.#console = console;
    this.#log = log;
  }

  /** Compile, pack, sign. */
  async build({ project }: Target): Promise<void> {
    await this.#tell(await this.#job(() => this.#server.request("otaru/build", { project })));
  }

  /** And hand over to the manager. A key that is not known there is registered only on request. */
  async upload({ project }: Target): Promise<void> {
    const ended = await this.#job(() => this.#server.request("otaru/upload", { project }));
    if (ended?.outcome.kind !== "failed" || ended.outcome.code !== "key-unknown") {
      return this.#tell(ended);
    }
    const question = `${failure(ended.outcome)} Register the project's key there?`;
    const chosen = await vscode.window.showWarningMessage(question, REGISTER);
    if (chosen !== REGISTER) return;
    const again = () => this.#server.request("otaru/upload", { project, registerKey: true });
    await this.#tell(await this.#job(again));
  }

  /** Build, ask, upload, update, and wait for the device's own word. */
  async fota({ project, device }: Target): Promise<void> {
    const plan = await this.#plan(project);
    if (plan === undefined) return;
    const open = vscode.workspace.getConfiguration("otaru").get("console.openOnFota", true);
    if (open && device !== undefined) await this.#console.show(project, device, false);
    const { planId, toVersion } = plan;
    const run = () => this.#server.request("otaru/run", { planId, version: toVersion });
    await this.#tell(await this.#job(run));
  }

  /** Plans until the person has said yes to one plan, or no. */
  async #plan(project: string): Promise<Plan | undefined> {
    let version: string | undefined;
    for (;;) {
      const wanted = version === undefined ? { project } : { project, version };
      const ended = await this.#job(() => this.#server.request("otaru/plan", wanted));
      if (ended?.plan === undefined) {
        await this.#tell(ended);
        return undefined;
      }
      const { message, detail } = planQuestion(ended.plan);
      // Closing the question is a no, and so is everything but the one answer.
      const options = { modal: true, detail };
      const answer = await vscode.window.showWarningMessage(message, options, START, CHANGE);
      if (answer === START) return ended.plan;
      if (answer !== CHANGE) return undefined;
      version = await vscode.window.showInputBox({
        title: "Version of this update",
        prompt: "The version as people read it. The image is signed again with it.",
        value: ended.plan.toVersion,
        validateInput: versionProblem,
      });
      if (version === undefined) return undefined;
    }
  }

  /** Deletes what builds left behind. */
  async clean({ project }: Target): Promise<void> {
    await this.#tell(await this.#job(() => this.#server.request("otaru/clean", { project })));
  }

  /** A verb whose answer is a report, which stands in the log. */
  async report(method: "otaru/size" | "otaru/doctor", { project }: Target): Promise<void> {
    const ended = await this.#job(() => this.#server.request(method, { project }));
    await this.#tell(ended);
    if (ended?.outcome.kind === "done") this.#log.show(true);
  }

  /** What replaces or deletes something: a plan, a question, and only then the deed. */
  async planned({ project, device }: Target, verb: PlanVerb): Promise<void> {
    const wanted = device === undefined ? { project, verb } : { project, device, verb };
    const ended = await this.#job(() => this.#server.request("otaru/plan", wanted));
    if (ended?.plan === undefined) return this.#tell(ended);
    const { planId, question, agree, warnings } = ended.plan;
    const options = { modal: true, detail: warnings.map((warning) => `• ${warning}`).join("\n") };
    // Closing the question is a no, and so is everything but the one answer.
    if ((await vscode.window.showWarningMessage(question, options, agree)) !== agree) return;
    await this.#tell(await this.#job(() => this.#server.request("otaru/run", { planId })));
  }

  /** Makes a project from the example and opens it. */
  async newProject(folder: string): Promise<void> {
    await this.#try(async () => {
      const { folder: made } = await this.#server.request("otaru/newProject", { folder });
      await vscode.commands.executeCommand("vscode.openFolder", vscode.Uri.file(made));
    });
  }

  /** Runs a job to its end; `undefined` if it was refused, which has been told by then. */
  async #job(start: () => Promise<JobStarted>): Promise<Ended | undefined> {
    await vscode.workspace.saveAll(false);
    try {
      return await this.#jobs.end(await start());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      void vscode.window.showErrorMessage(`Otaru: ${why}`);
      return undefined;
    }
  }

  async #tell(ended: Ended | undefined): Promise<void> {
    const outcome: Outcome | undefined = ended?.outcome;
    if (outcome === undefined) return;
    if (outcome.kind !== "failed") {
      this.#log.info(outcome.message);
      const icon = outcome.kind === "done" ? "$(check)" : "$(circle-slash)";
      vscode.window.setStatusBarMessage(`${icon} ${outcome.message}`, 8_000);
      return;
    }
    this.#log.error(`${outcome.code}: ${outcome.message}`);
    const action = outcome.code === "compile-failed" ? "Show Problems" : "Show Log";
    const chosen = await vscode.window.showErrorMessage(failure(outcome), action);
    if (chosen === "Show Problems") {
      await vscode.commands.executeCommand("workbench.actions.view.problems");
    } else if (chosen === "Show Log") {
      this.#log.show();
    }
  }

  /** Stops what runs. */
  async cancel({ project }: Target): Promise<void> {
    await this.#try(() => this.#server.request("otaru/cancel", { project }));
  }

  /** Presses a button of a device on this machine. */
  async press({ project, device }: Target, button: BoardButton): Promise<void> {
    const named = device === undefined ? { project, button } : { project, device, button };
    await this.#try(() => this.#server.request("otaru/board", named));
  }

  /** Makes a fault in a device on this machine. */
  async lab(params: LabRunParams): Promise<void> {
    await this.#try(() => this.#server.request("otaru/labRun", params));
  }

  /** Ends the fault that is being made. */
  async stopLab(params: DeviceParams): Promise<void> {
    await this.#try(() => this.#server.request("otaru/labStop", params));
  }

  async #try(request: () => Promise<unknown>): Promise<void> {
    try {
      await request();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      void vscode.window.showErrorMessage(`Otaru: ${why}`);
    }
  }
}
