// The failure lab: what can be done to a device on this machine, what should happen, and whether it
// did. The server decides and judges; this shows it.
import { labTimes, labVerdict } from "../labText";
import type { LabFault, LabResult, LabState, Status } from "../protocol.gen";
import { sentence } from "../text";
import { make, setText } from "./elements";
import type { Answer, FromPanel } from "./messages";

/** How often what should happen is asked anew while an update runs, in milliseconds. */
const AGAIN_MS = 1000;

/** One fault. */
class FaultRow {
  readonly element = make("li", "fault");
  readonly #button = make("button", "");
  readonly #times = make("input", "times");
  readonly #stop = make("button", "", "Stop");
  readonly #progress = make("p", "job");
  readonly #bar = make("progress", "bar");
  readonly #expected = make("p", "expected");
  readonly #verdict = make("summary", "judged");
  readonly #points = make("ul", "points");
  readonly #console = make("pre", "console");
  readonly #result = make("details", "result");
  readonly #name: string;
  #shown = "";

  constructor(fault: LabFault, send: (message: FromPanel) => void) {
    this.#name = fault.name;
    this.#button.type = "button";
    this.#button.id = `lab-${fault.name}`;
    this.#button.textContent = fault.title;
    this.#button.setAttribute("aria-describedby", `lab-${fault.name}-expected`);
    this.#button.addEventListener("click", () => {
      if (this.#button.getAttribute("aria-disabled") === "true") return;
      const times = fault.repeats ? labTimes(this.#times.value) : 1;
      if (times === undefined) this.#times.reportValidity();
      else send({ kind: "labRun", fault: fault.name, times });
    });
    this.#times.type = "number";
    this.#times.min = "1";
    this.#times.max = "1000";
    this.#times.value = "20";
    this.#times.required = true;
    this.#times.hidden = !fault.repeats;
    this.#times.setAttribute("aria-label", `How often: ${fault.title}`);
    this.#stop.type = "button";
    this.#stop.addEventListener("click", () => send({ kind: "labStop" }));
    this.#progress.setAttribute("role", "status");
    this.#expected.id = `lab-${fault.name}-expected`;
    this.#verdict.setAttribute("role", "status");
    this.#result.append(this.#verdict, this.#points, this.#console);
    const head = make("div", "head", this.#button, this.#times, this.#stop);
    this.element.append(head, this.#progress, this.#bar, this.#expected, this.#result);
  }

  set(fault: LabFault, busy: boolean): void {
    const { running, result } = fault;
    const why = running ? "it is being made" : busy ? "another one is being made" : fault.obstacle;
    this.#button.setAttribute("aria-disabled", String(why !== null));
    this.#button.title = why ?? "";
    this.#times.disabled = busy;
    this.#stop.hidden = running === null;
    this.#stop.disabled = running?.stopping ?? false;
    this.#progress.hidden = running === null;
    setText(this.#progress, running ? (running.stopping ? "stopping" : running.step) : "");
    this.#bar.hidden = running === null || running.times < 2;
    this.#bar.max = running?.times ?? 1;
    this.#bar.value = running?.done ?? 0;
    const expected = fault.expected ?? (fault.obstacle ? `Not now: ${fault.obstacle}.` : "");
    setText(this.#expected, expected);
    this.#result.hidden = result === null;
    const seen = JSON.stringify(result);
    if (result && seen !== this.#shown) this.#show(result);
    this.#shown = seen;
  }

  #show(result: LabResult): void {
    this.#verdict.className = `judged ${result.asExpected ? "good" : "bad"}`;
    setText(this.#verdict, labVerdict(result));
    this.#result.open = !result.asExpected;
    const points = result.checks.map(({ what, seen, good }) => {
      const mark = make("span", "point", good ? "✓" : "✗");
      mark.setAttribute("aria-label", good ? "yes:" : "no:");
      const text = make("span", "what", `${what}: `, make("span", "seen", seen));
      return make("li", good ? "good" : "bad", mark, text);
    });
    this.#points.replaceChildren(...points);
    this.#console.hidden = result.console.length === 0;
    this.#console.tabIndex = 0;
    this.#console.setAttribute("aria-label", `Console after ${this.#name}`);
    setText(this.#console, result.console.join("\n"));
  }
}

export class LabView {
  readonly element = make("details", "lab");
  readonly #send: (message: FromPanel) => void;
  readonly #note = make("p", "hint");
  readonly #list = make("ul", "faults");
  readonly #rows = new Map<string, FaultRow>();
  #changing = false;
  #asked = false;
  #seen = "";
  #device = "";

  constructor(send: (message: FromPanel) => void, byHand: HTMLElement) {
    this.#send = send;
    const hand = make("details", "hand", make("summary", "", "By hand"), byHand);
    this.element.append(make("summary", "", "Failure lab"), this.#note, this.#list, hand);
    this.element.addEventListener("toggle", () => this.#ask());
    setInterval(() => {
      if (this.#changing && !document.hidden) this.#ask();
    }, AGAIN_MS);
  }

  /** What should happen depends on where an update stands. */
  follow(status: Status): void {
    this.#changing = status.update !== null && status.update.verdict === null;
    const seen = JSON.stringify([status.folder, status.device, status.update]);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#ask();
  }

  #ask(): void {
    if (!this.element.open || this.#asked) return;
    this.#asked = true;
    this.#send({ kind: "lab" });
  }

  set(lab: Answer<LabState>): void {
    this.#asked = false;
    const problem = "problem" in lab ? lab.problem : lab.answer.problem;
    const state = "problem" in lab ? undefined : lab.answer;
    this.#note.hidden = problem === null && state !== undefined && state.faults.length > 0;
    setText(this.#note, problem === null ? "" : sentence(problem));
    if (state === undefined) return;
    if (state.device !== this.#device) {
      this.#device = state.device;
      this.#rows.clear();
      this.#list.replaceChildren();
    }
    const busy = state.faults.some((fault) => fault.running !== null);
    for (const fault of state.faults) {
      let row = this.#rows.get(fault.name);
      if (!row) {
        row = new FaultRow(fault, this.#send);
        this.#rows.set(fault.name, row);
        this.#list.append(row.element);
      }
      row.set(problem === null ? fault : { ...fault, obstacle: problem, expected: null }, busy);
    }
  }
}
