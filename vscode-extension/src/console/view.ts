// The debug console inside its webview. Only the rows that can be seen exist as elements, so the cost
// of a flood is that of one screen.
import { make, setText } from "../panel/elements";
import type {
  ConsoleChannel,
  ConsoleChannelState,
  ConsoleLevel,
  ConsoleSource,
} from "../protocol.gen";
import type { FromConsole, ToConsole } from "./messages";
import { ConsoleModel, type Line } from "./model";
import { emptyReason, isStart, ORIGINS, pieces, plain, saved, type Times, time } from "./text";

/** Height of a row in pixels; the style sheet has the same. */
const ROW = 20;
/** Rows above and below the screen that exist as well. */
const SPARE = 10;
/** Shortest time between two drawings, in milliseconds. */
const DRAW_MS = 30;

const vscode = acquireVsCodeApi<Record<string, never>>();
const send = (message: FromConsole): void => vscode.postMessage(message);

function button(id: string, label: string, does: () => void): HTMLButtonElement {
  const element = make("button", "", label);
  element.type = "button";
  element.id = id;
  element.addEventListener("click", does);
  return element;
}

function choice<T extends string>(
  id: string,
  label: string,
  options: readonly (readonly [T, string])[],
  changed: (value: T) => void,
): HTMLSelectElement {
  const element = make("select", "");
  element.id = id;
  element.setAttribute("aria-label", label);
  element.title = label;
  for (const [value, text] of options) element.append(new Option(text, value));
  element.addEventListener("change", () => changed(element.value as T));
  return element;
}

/** One line on the screen; used again for other lines. */
class RowElement {
  readonly element = make("div", "row");
  readonly #time = make("span", "time");
  readonly #origin = make("span", "origin");
  readonly #text = make("span", "text");
  #line: Line | undefined;

  constructor() {
    this.element.setAttribute("role", "listitem");
    this.element.append(this.#time, this.#origin, this.#text);
  }

  set(line: Line, row: number, count: number, shownTime: string, marks: string): void {
    this.element.style.transform = `translateY(${row * ROW}px)`;
    this.element.setAttribute("aria-posinset", String(row + 1));
    this.element.setAttribute("aria-setsize", String(count));
    const kind = line.gap > 0 ? "gap" : `${line.source} ${line.level}`;
    const start = isStart(line) ? " start" : "";
    this.element.className = `row ${kind}${start}${marks}`;
    setText(this.#time, shownTime);
    if (this.#line === line) return;
    this.#line = line;
    setText(this.#origin, line.gap > 0 ? "" : ORIGINS[line.source]);
    this.#text.replaceChildren(
      ...pieces(plain(line.text)).map(({ text, place }) => {
        if (place === undefined) return text;
        const link = make("a", "", text);
        link.href = "#";
        link.addEventListener("click", (event) => {
          event.preventDefault();
          send({ kind: "open", ...place });
        });
        return link;
      }),
    );
  }
}

class ConsoleView {
  readonly #model = new ConsoleModel();
  readonly #list = make("div", "list");
  readonly #screen = make("div", "screen", this.#list);
  readonly #empty = make("p", "empty");
  readonly #count = make("span", "count");
  readonly #state = make("p", "state");
  readonly #pool: RowElement[] = [];
  readonly #search = make("input", "");
  readonly #pause: HTMLButtonElement;
  readonly #source: HTMLSelectElement;
  #channels: ConsoleChannelState[] = [];
  #level: ConsoleLevel = "trace";
  #shown: ConsoleChannel | "all" = "all";
  readonly #silent = new Set<ConsoleSource>();
  #times: Times = "clock";
  #firstMs = 0;
  #atEnd = true;
  #match = -1;
  #drawing = false;

  constructor(root: HTMLElement) {
    this.#pause = button("pause", "Pause", () => this.#togglePause());
    this.#pause.setAttribute("aria-pressed", "false");
    this.#source = choice("source", "Where lines come from", [["all", "All sources"]], (value) => {
      this.#shown = value as ConsoleChannel | "all";
      this.#filter();
    });
    this.#list.setAttribute("role", "list");
    this.#screen.setAttribute("aria-label", "Lines of the device");
    this.#screen.tabIndex = 0;
    this.#screen.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.#screen;
      this.#atEnd = scrollTop + clientHeight >= scrollHeight - ROW;
      this.#draw();
    });
    new ResizeObserver(() => this.#draw()).observe(this.#screen);
    this.#empty.setAttribute("role", "status");
    this.#state.setAttribute("role", "status");
    const body = make("div", "body", this.#screen, this.#empty);
    root.append(this.#toolbar(), body, this.#state);
  }

  #toolbar(): HTMLElement {
    const level = choice<ConsoleLevel>(
      "level",
      "Lowest level",
      [
        ["trace", "All levels"],
        ["debug", "Debug and worse"],
        ["info", "Info and worse"],
        ["warn", "Warnings and errors"],
        ["error", "Errors"],
      ],
      (value) => {
        this.#level = value;
        this.#filter();
      },
    );
    const times = choice<Times>(
      "times",
      "Times",
      [
        ["clock", "Clock"],
        ["relative", "Since the first line"],
        ["none", "No times"],
      ],
      (value) => {
        this.#times = value;
        this.#draw();
      },
    );
    const origins = (["bootloader", "agent", "application"] as const).map((origin) => {
      const toggle = button(`origin-${origin}`, ORIGINS[origin], () => {
        if (!this.#silent.delete(origin)) this.#silent.add(origin);
        toggle.setAttribute("aria-pressed", String(!this.#silent.has(origin)));
        this.#filter();
      });
      toggle.className = `origin ${origin}`;
      toggle.title = `Show lines of the ${origin}`;
      toggle.setAttribute("aria-pressed", "true");
      return toggle;
    });
    const tools = make("div", "tools", this.#source, level, ...origins, times);
    tools.append(this.#searchBox(), this.#pause);
    tools.append(
      button("clear", "Clear", () => {
        this.#model.clear();
        this.#match = -1;
        this.#draw();
      }),
      button("save", "Save…", () => send({ kind: "save", text: saved(this.#model.visible) })),
      button("serial", "Serial…", () => send({ kind: "serial" })),
    );
    tools.setAttribute("role", "toolbar");
    tools.setAttribute("aria-label", "Console");
    return tools;
  }

  #searchBox(): HTMLElement {
    this.#search.type = "search";
    this.#search.id = "search";
    this.#search.placeholder = "Search";
    this.#search.setAttribute("aria-label", "Search");
    this.#search.addEventListener("input", () => {
      this.#model.setSearch(this.#search.value);
      this.#match = -1;
      this.#jump(1, false);
    });
    this.#search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#jump(event.shiftKey ? -1 : 1, true);
    });
    this.#count.setAttribute("role", "status");
    const previous = button("previous", "↑", () => this.#jump(-1, true));
    const next = button("next", "↓", () => this.#jump(1, true));
    previous.setAttribute("aria-label", "Previous match");
    next.setAttribute("aria-label", "Next match");
    return make("span", "find", this.#search, this.#count, previous, next);
  }

  /** Goes to a match: the next one from here, or the nearest when the search is new. */
  #jump(step: 1 | -1, further: boolean): void {
    const here = further ? this.#match : -1;
    const row = this.#model.nextMatch(here, step);
    this.#match = row ?? -1;
    if (row !== undefined) {
      this.#atEnd = false;
      this.#screen.scrollTop = Math.max(0, row * ROW - this.#screen.clientHeight / 2);
    }
    this.#draw();
  }

  #togglePause(): void {
    this.#gone(this.#model.setPaused(!this.#model.paused));
    this.#pause.setAttribute("aria-pressed", String(this.#model.paused));
    this.#draw();
  }

  #filter(): void {
    const all: ConsoleChannel[] = ["board", "manager", "serial", "rtt"];
    const hidden = new Set(all.filter((name) => this.#shown !== "all" && name !== this.#shown));
    this.#model.setFilter({ level: this.#level, hidden, silent: this.#silent });
    this.#match = -1;
    this.#draw();
  }

  /** Rows went away at the top: what is looked at stays where it is. */
  #gone(rows: number): void {
    if (rows === 0) return;
    this.#match = Math.max(-1, this.#match - rows);
    if (!this.#atEnd) this.#screen.scrollTop = Math.max(0, this.#screen.scrollTop - rows * ROW);
  }

  take(message: Extract<ToConsole, { kind: "lines" }>): void {
    if (message.anew) {
      this.#model.clear();
      this.#firstMs = 0;
    }
    this.#channels = message.channels;
    this.#showSources();
    if (this.#firstMs === 0) this.#firstMs = message.lines[0]?.atMs ?? 0;
    this.#gone(this.#model.push(message.lines, message.missed));
    this.#draw();
    // Not an animation frame: a view that is hidden gets none, and its lines would wait for ever.
    setTimeout(() => send({ kind: "taken" }), DRAW_MS);
  }

  #showSources(): void {
    for (const { channel, name, connected, reason } of this.#channels) {
      let option = [...this.#source.options].find(({ value }) => value === channel);
      if (!option) {
        option = new Option("", channel);
        this.#source.append(option);
      }
      const text = connected ? name : `${name} (${reason ?? "not connected"})`;
      if (option.text !== text) option.text = text.length > 60 ? `${text.slice(0, 59)}…` : text;
      option.title = text;
    }
  }

  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => {
      this.#drawing = false;
      this.#drawNow();
    }, 0);
  }

  #drawNow(): void {
    const { visible, matches, waiting, paused } = this.#model;
    this.#list.style.height = `${visible.length * ROW}px`;
    if (this.#atEnd) this.#screen.scrollTop = this.#screen.scrollHeight;
    const height = this.#screen.clientHeight;
    const first = Math.max(0, Math.floor(this.#screen.scrollTop / ROW) - SPARE);
    const last = Math.min(visible.length, first + Math.ceil(height / ROW) + 2 * SPARE);
    const found = new Set(matches.filter((at) => at >= first && at < last));
    for (let at = first; at < last; at += 1) {
      const line = visible[at];
      if (!line) continue;
      let row = this.#pool[at - first];
      if (!row) {
        row = new RowElement();
        this.#pool[at - first] = row;
        this.#list.append(row.element);
      }
      row.element.hidden = false;
      const marks = at === this.#match ? " match here" : found.has(at) ? " match" : "";
      row.set(line, at, visible.length, time(line.atMs, this.#firstMs, this.#times), marks);
    }
    for (const row of this.#pool.slice(Math.max(0, last - first))) row.element.hidden = true;
    this.#list.dataset["lines"] = String(visible.length);
    this.#empty.hidden = visible.length > 0;
    if (visible.length === 0) {
      setText(this.#empty, emptyReason(this.#channels, !this.#model.isEmpty));
    }
    const waits = `Resume (${waiting} ${waiting === 1 ? "line waits" : "lines wait"})`;
    setText(this.#pause, paused ? waits : "Pause");
    this.#showCount();
    this.#showState();
  }

  #showCount(): void {
    const { matches } = this.#model;
    const here = matches.indexOf(this.#match) + 1;
    const found = here > 0 ? `${here} of ${matches.length}` : `${matches.length} found`;
    setText(this.#count, this.#search.value === "" ? "" : found);
  }

  #showState(): void {
    const states = this.#channels
      .filter(({ channel }) => channel !== "rtt")
      .map(({ name, connected, reason }) => `${name}: ${connected ? "connected" : (reason ?? "")}`);
    const { forgotten } = this.#model;
    if (forgotten > 0) states.push(`${forgotten} older lines are not kept`);
    setText(this.#state, states.join("  ·  "));
    this.#state.title = states.join("\n");
  }
}

const view = new ConsoleView(document.getElementById("console") as HTMLElement);
window.addEventListener("message", (event: MessageEvent<ToConsole>) => {
  const message = event.data;
  if (message.kind === "lines") view.take(message);
  else document.title = `Console of ${message.device}`;
});
send({ kind: "ready" });
