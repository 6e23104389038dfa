// The Control Panel inside its webview. It shows a status and sends clicks; it knows nothing else.
// Elements are made once and changed in place, so that the keyboard focus stays where it is.
import type { PhaseState, Status, Update, VerbState } from "../protocol.gen";
import { digest, duration, phase, sentence, size, verdictText } from "../text";
import { make, setText } from "./elements";
import { LabView } from "./lab";
import { SlotMap } from "./map";
import type { Button, FromPanel, Link, Shown, ToPanel } from "./messages";

const vscode = acquireVsCodeApi<{ shown: Shown }>();
const send = (message: FromPanel): void => vscode.postMessage(message);

function pressable(button: Button, label: string, className: string): HTMLButtonElement {
  const element = make("button", className, label);
  element.type = "button";
  element.id = `press-${button}`;
  element.addEventListener("click", () => {
    if (element.getAttribute("aria-disabled") !== "true") send({ kind: "press", button });
  });
  return element;
}

/** A button that cannot be used stays reachable by keyboard, and says why. */
function setVerb(element: HTMLButtonElement, label: string, verb: VerbState): void {
  element.setAttribute("aria-disabled", String(!verb.enabled));
  const why = verb.reason ?? "";
  element.title = why;
  element.setAttribute("aria-label", why === "" ? label : `${label}, not now: ${why}`);
}

class Row {
  readonly value = make("dd", "");
  readonly elements: [HTMLElement, HTMLElement];

  constructor(name: string) {
    this.elements = [make("dt", "", name), this.value];
  }

  set(text: string, state: "" | "good" | "off" | "bad" = "", title = ""): void {
    const shown = state === "" ? [text] : [make("span", `dot ${state}`), text];
    if (this.value.dataset["shown"] !== text + state) {
      this.value.replaceChildren(...shown);
      this.value.dataset["shown"] = text + state;
    }
    this.value.title = title;
  }
}

class PhaseRow {
  readonly element = make("li", "phase");
  readonly #mark = make("span", "mark");
  readonly #name = make("span", "name");
  readonly #time = make("span", "time");
  readonly #bar = make("span", "bar");
  readonly #fill = make("span", "fill");

  constructor() {
    this.#bar.append(this.#fill);
    this.#mark.setAttribute("aria-hidden", "true");
    this.element.append(this.#mark, this.#name, this.#time, this.#bar);
  }

  set(state: PhaseState, now: number): void {
    this.element.className = `phase ${state.state}`;
    setText(this.#name, phase(state.phase));
    this.element.setAttribute("aria-current", state.state === "running" ? "step" : "false");
    const running = state.state === "running" && state.startedMs !== null;
    const took = running ? now - (state.startedMs ?? now) : state.tookMs;
    const percent = state.percent === null || !running ? null : state.percent;
    const time = took === null ? "" : duration(took);
    setText(this.#time, percent === null ? time : `${percent} %  ${time}`);
    this.#bar.hidden = percent === null;
    this.#fill.style.width = `${percent ?? 0}%`;
  }
}

class UpdateCard {
  readonly element = make("section", "update");
  readonly #title = make("h2", "");
  readonly #from = make("span", "version");
  readonly #to = make("span", "version");
  readonly #list = make("ol", "phases");
  readonly #verdict = make("p", "verdict");
  #rows: PhaseRow[] = [];
  #update: Update | undefined;

  constructor() {
    const way = make("p", "way", this.#from, make("span", "arrow", "→"), this.#to);
    this.#verdict.setAttribute("role", "status");
    this.element.append(this.#title, way, this.#verdict, this.#list);
    // Only while something runs is there a time that changes by itself.
    setInterval(() => {
      if (this.#update && !this.#update.verdict && !document.hidden) this.#draw();
    }, 200);
  }

  set(update: Update | null): void {
    this.#update = update ?? undefined;
    this.element.hidden = update === null;
    if (update) this.#draw();
  }

  #draw(): void {
    const update = this.#update;
    if (!update) return;
    setText(this.#title, `Update of ${update.device}`);
    setText(this.#from, update.fromVersion ?? "unknown");
    setText(this.#to, update.toVersion);
    if (this.#rows.length !== update.phases.length) {
      this.#rows = update.phases.map(() => new PhaseRow());
      this.#list.replaceChildren(...this.#rows.map((row) => row.element));
    }
    const now = Date.now();
    update.phases.forEach((state, at) => {
      this.#rows[at]?.set(state, now);
    });
    const { verdict } = update;
    this.#verdict.hidden = verdict === null;
    const mood = verdict?.confirmed ? "good" : verdict?.status === "canceled" ? "plain" : "bad";
    this.#verdict.className = `verdict ${mood}`;
    setText(this.#verdict, verdictText(update));
  }
}

class ProjectPage {
  readonly element = make("div", "project");
  readonly #name = make("h1", "");
  readonly #kind = make("span", "kind");
  readonly #rows = {
    device: new Row("Device"),
    runs: new Row("Runs"),
    built: new Row("Built"),
    manager: new Row("Manager"),
  };
  readonly #fota = pressable("fota", "FOTA", "primary");
  readonly #build = pressable("build", "Build", "");
  readonly #upload = pressable("upload", "Upload", "");
  readonly #console = pressable("console", "Console", "");
  readonly #cancel = pressable("cancel", "Cancel", "");
  readonly #hint = make("p", "hint");
  readonly #job = make("p", "job");
  readonly #update = new UpdateCard();
  readonly map = new SlotMap(send);
  readonly lab = new LabView(
    send,
    make(
      "div",
      "verbs two",
      pressable("reset", "Reset", ""),
      pressable("powerCut", "Power cut", ""),
      pressable("offline", "Offline", ""),
      pressable("online", "Online", ""),
    ),
  );

  constructor() {
    const facts = make("dl", "facts", ...Object.values(this.#rows).flatMap((row) => row.elements));
    const verbs = make("div", "verbs", this.#fota);
    verbs.append(this.#build, this.#upload, this.#console, this.#cancel);
    this.#hint.id = "why";
    this.#fota.setAttribute("aria-describedby", "why");
    this.#job.setAttribute("role", "status");
    const head = make("header", "", this.#name, this.#kind);
    this.element.append(head, facts, verbs, this.#job, this.#hint);
    this.element.append(this.#update.element, this.map.element, this.lab.element);
  }

  set(status: Status): void {
    setText(this.#name, status.name);
    setText(this.#kind, [status.board, status.mode].filter((word) => word !== null).join(" · "));
    this.#setFacts(status);
    const { verbs, job } = status;
    setVerb(this.#fota, "FOTA", verbs.fota);
    setVerb(this.#build, "Build", verbs.build);
    setVerb(this.#upload, "Upload", verbs.upload);
    setVerb(this.#console, "Console", verbs.console);
    setVerb(this.#cancel, "Cancel", verbs.cancel);
    const why = job === null ? (verbs.build.reason ?? verbs.fota.reason ?? "") : "";
    setText(this.#hint, why === "" ? "" : sentence(why));
    this.#hint.hidden = why === "";
    // The strip below shows a running update with all that there is to know.
    this.#job.hidden = job === null || (job.verb === "run" && !job.canceling);
    const percent = job?.percent === null || job === null ? "" : ` ${job.percent} %`;
    setText(this.#job, job === null ? "" : job.canceling ? "canceling" : job.step + percent);
    this.#update.set(status.update);
    this.lab.element.hidden = !verbs.console.enabled;
    this.map.element.hidden = !verbs.console.enabled;
    this.map.follow(status);
    this.lab.follow(status);
  }

  #setFacts({ device, target, built, manager }: Status): void {
    const { device: deviceRow, runs, built: builtRow, manager: managerRow } = this.#rows;
    if (device) {
      const state = device.online ? "online" : device.everConnected ? "offline" : "never connected";
      deviceRow.set(`${device.name}, ${state}`, device.online ? "good" : "off", device.id);
    } else {
      deviceRow.set(target ?? "none named in Otaru.toml", target === null ? "" : "off");
    }
    runs.set(device?.version ?? "–");
    builtRow.set(
      built ? `${built.version}, ${size(built.size)}` : "–",
      "",
      built ? `digest ${digest(built.digest)}…` : "",
    );
    const states = { reachable: "good", unreachable: "bad", unknown: "off" } as const;
    const address = manager.url?.replace(/^https?:\/\//, "").replace(/\/$/, "");
    managerRow.set(
      address ?? "none named in Otaru.toml",
      address === undefined ? "" : states[manager.state],
      manager.problem ?? "",
    );
  }
}

function link(name: Link, label: string): HTMLButtonElement {
  const element = make("button", "primary", label);
  element.type = "button";
  element.addEventListener("click", () => send({ kind: "follow", link: name }));
  return element;
}

const WELCOME = {
  starting: () => make("p", "", "Starting…"),
  noProject: () =>
    make(
      "div",
      "welcome",
      make("h1", "", "No project here"),
      make(
        "p",
        "",
        "A folder with an Otaru.toml is a project: firmware that devices can receive over the air.",
      ),
      link("newProject", "New Project…"),
    ),
  stopped: () =>
    make(
      "div",
      "welcome",
      make("h1", "", "The language server does not run"),
      make("p", "", "Its log says why."),
      link("restart", "Restart"),
      link("showLog", "Show Log"),
    ),
  untrusted: () =>
    make(
      "div",
      "welcome",
      make("h1", "", "Restricted mode"),
      make(
        "p",
        "",
        "Building runs the project's code, so Otaru waits until this folder is trusted.",
      ),
      link("manageTrust", "Manage Workspace Trust"),
    ),
};

const root = document.getElementById("panel") as HTMLElement;
let page: ProjectPage | undefined;
let kind = "";

function show(shown: Shown): void {
  if (shown.kind === "project") {
    if (!page || kind !== "project") {
      page ??= new ProjectPage();
      root.replaceChildren(page.element);
    }
    page.set(shown.status);
  } else if (kind !== shown.kind) {
    root.replaceChildren(WELCOME[shown.kind]());
  }
  kind = shown.kind;
}

window.addEventListener("message", (event: MessageEvent<ToPanel>) => {
  const message = event.data;
  if (message.kind === "shown") {
    vscode.setState({ shown: message.shown });
    show(message.shown);
  } else if (message.kind === "flash") {
    page?.map.set(message.map);
  } else if (message.kind === "lab") {
    page?.lab.set(message.lab);
  } else {
    page?.map.setSlot(message.slot, message.details);
  }
});
const last = vscode.getState();
if (last) show(last.shown);
send({ kind: "ready" });
