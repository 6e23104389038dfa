// What the debug console shows, without a screen: lines of bounded number, a filter, a search, a
// pause. Everything costs by the lines that are new, not by the lines that are there; only a changed
// filter or search looks at all of them.
import type { ConsoleChannel, ConsoleEntry, ConsoleLevel, ConsoleSource } from "../protocol.gen";

/** Most lines that are kept. */
export const LINES_MAX = 50_000;

/** A line, or a place where lines are missing. */
export interface Line extends ConsoleEntry {
  /** Lines that were left out here; 0 for an ordinary line. */
  gap: number;
}

export interface Filter {
  /** The lowest level that is shown. */
  level: ConsoleLevel;
  /** Sources that are not shown. */
  hidden: ReadonlySet<ConsoleChannel>;
  /** Origins that are not shown. */
  silent: ReadonlySet<ConsoleSource>;
}

const LEVELS: ConsoleLevel[] = ["trace", "debug", "info", "warn", "error"];

export const ALL: Filter = { level: "trace", hidden: new Set(), silent: new Set() };

/** A note in the console's own words. */
function gapLine(gap: number, before: ConsoleEntry | undefined): Line {
  return {
    seq: before?.seq ?? 0,
    atMs: before?.atMs ?? 0,
    channel: before?.channel ?? "board",
    source: "server",
    level: "warn",
    text: `… ${gap} ${gap === 1 ? "line" : "lines"} left out`,
    gap,
  };
}

export class ConsoleModel {
  /** The lines that pass the filter, in order. */
  visible: Line[] = [];
  /** Positions in `visible` that match the search, ascending. */
  matches: number[] = [];
  /** Lines that had to go because there are too many, since the last clear. */
  forgotten = 0;
  /** Lines that wait while the view is paused. */
  waiting = 0;
  /** Lines that were looked at, for tests: the measure of the work. */
  looks = 0;
  #lines: Line[] = [];
  #held: Line[] = [];
  #paused = false;
  #filter: Filter = ALL;
  #search = "";

  /** Takes in lines that follow a gap, and says how many rows went away at the top. */
  push(entries: readonly ConsoleEntry[], missed: number): number {
    const lines: Line[] = missed > 0 ? [gapLine(missed, entries[0])] : [];
    for (const entry of entries) lines.push({ ...entry, gap: 0 });
    if (!this.#paused) return this.#append(lines);
    this.waiting += entries.length + missed;
    this.#held = this.#held.concat(lines);
    const over = this.#held.length - LINES_MAX;
    if (over > 0) {
      // What does not fit is counted like every other gap.
      const gone = this.#held.splice(0, over + 1);
      const count = gone.reduce((sum, line) => sum + (line.gap || 1), 0);
      this.#held.unshift(gapLine(count, this.#held[0]));
    }
    return 0;
  }

  #passes(line: Line): boolean {
    this.looks += 1;
    if (this.#filter.hidden.has(line.channel)) return false;
    if (line.gap > 0) return true;
    if (this.#filter.silent.has(line.source)) return false;
    return LEVELS.indexOf(line.level) >= LEVELS.indexOf(this.#filter.level);
  }

  #append(lines: Line[]): number {
    for (const line of lines) {
      this.#lines.push(line);
      if (!this.#passes(line)) continue;
      if (this.#search !== "" && line.text.toLowerCase().includes(this.#search)) {
        this.matches.push(this.visible.length);
      }
      this.visible.push(line);
    }
    const over = this.#lines.length - LINES_MAX;
    return over > 0 ? this.#forget(over) : 0;
  }

  /** Drops the oldest lines. */
  #forget(count: number): number {
    const gone = new Set(this.#lines.splice(0, count));
    this.forgotten += [...gone].reduce((sum, line) => sum + (line.gap || 1), 0);
    let rows = 0;
    for (const line of this.visible) {
      if (!gone.has(line)) break;
      rows += 1;
    }
    this.visible.splice(0, rows);
    this.matches = this.matches.filter((at) => at >= rows).map((at) => at - rows);
    return rows;
  }

  setFilter(filter: Filter): void {
    this.#filter = filter;
    this.visible = this.#lines.filter((line) => this.#passes(line));
    this.#match();
  }

  setSearch(text: string): void {
    this.#search = text.toLowerCase();
    this.#match();
  }

  #match(): void {
    this.matches = [];
    if (this.#search === "") return;
    this.visible.forEach((line, at) => {
      this.looks += 1;
      if (line.text.toLowerCase().includes(this.#search)) this.matches.push(at);
    });
  }

  /** The match after (or before) a row, around the end. */
  nextMatch(row: number, step: 1 | -1): number | undefined {
    const { matches } = this;
    if (matches.length === 0) return undefined;
    if (step === 1) return matches.find((at) => at > row) ?? matches[0];
    return matches.findLast((at) => at < row) ?? matches.at(-1);
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Stops taking lines in, or takes in those that waited; says how many rows went away. */
  setPaused(paused: boolean): number {
    this.#paused = paused;
    if (paused) return 0;
    const held = this.#held;
    this.#held = [];
    this.waiting = 0;
    return this.#append(held);
  }

  /** Forgets what is shown; what waits stays. */
  clear(): void {
    this.#lines = [];
    this.visible = [];
    this.matches = [];
    this.forgotten = 0;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }
}
