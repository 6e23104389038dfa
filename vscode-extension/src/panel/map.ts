// The slot map: the flash of a device drawn to scale, and what stands in each slot.
import type { FlashArea, FlashMap, SlotDetails, Status } from "../protocol.gen";
import { areaText, digest, mapShares, sentence, size } from "../text";
import { make, setText } from "./elements";
import type { Answer, FromPanel } from "./messages";

/** How often an open map is read anew while an update runs, in milliseconds. */
const AGAIN_MS = 500;

/** How an area is coloured. */
function tone(area: FlashArea): string {
  if (area.name === "unused") return "unused";
  if (area.slot === null) return "system";
  const tones: Record<string, string> = {
    running: "runs",
    "on trial": "trial",
    "being written": "changing",
    receiving: "changing",
    parked: "parked",
    backup: "backup",
    "backup, exchanged": "backup",
  };
  return tones[area.role ?? ""] ?? "free";
}

/** One area: a row of the list, and its part of the strip. */
class AreaRow {
  readonly part = make("div", "part");
  readonly element = make("li", "area");
  readonly #fill = make("span", "used");
  readonly #name = make("span", "name");
  readonly #what = make("span", "what");
  readonly #button = make("button", "slot");
  readonly #details = make("div", "image");
  #slot: number | null = null;

  constructor(ask: (slot: number) => void) {
    this.part.append(this.#fill);
    this.#button.type = "button";
    this.#button.append(this.#name, this.#what);
    this.#button.addEventListener("click", () => {
      if (this.#slot === null) return;
      const open = this.#details.hidden !== false;
      this.#open(open);
      if (open) ask(this.#slot);
    });
    this.element.append(this.#button, this.#details);
    const light = (on: boolean) => () => this.part.classList.toggle("lit", on);
    this.element.addEventListener("pointerenter", light(true));
    this.element.addEventListener("pointerleave", light(false));
    this.#open(false);
  }

  #open(open: boolean): void {
    this.#details.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
  }

  set(area: FlashArea, share: number): void {
    this.#slot = area.slot;
    const { name, what, tooltip } = areaText(area);
    setText(this.#name, name);
    setText(this.#what, what);
    this.element.className = `area ${tone(area)}`;
    this.part.className = `part ${tone(area)}`;
    this.part.style.flexGrow = String(share);
    this.part.title = tooltip;
    this.#button.title = tooltip;
    this.#fill.style.height = `${area.len === 0 ? 0 : (100 * area.used) / area.len}%`;
    const clickable = area.slot !== null && area.version !== null;
    this.#button.classList.toggle("plain", !clickable);
    this.#button.disabled = !clickable;
    if (!clickable) this.#open(false);
  }

  isOpen(): number | null {
    return this.#details.hidden !== false ? null : this.#slot;
  }

  setDetails(details: Answer<SlotDetails>): void {
    if ("problem" in details) {
      this.#details.replaceChildren(make("p", "judged bad", details.problem));
      return;
    }
    const { answer } = details;
    const good = answer.problem === null;
    const verdict = good
      ? `The device would run it: signed by key ${(answer.key ?? 0) + 1} of its table.`
      : `The device would not run it: ${answer.problem}.`;
    const rows = answer.fields.map(({ name, value }) => [name, value] as const);
    if (answer.digest !== null) rows.push(["digest", answer.digest]);
    const list = make("dl", "facts");
    for (const [name, value] of rows) {
      const shown = /^[0-9a-f]{64}$/.test(value) ? `${digest(value)}…` : value;
      const cell = make("dd", "", shown);
      cell.title = value;
      list.append(make("dt", "", name), cell);
    }
    this.#details.replaceChildren(make("p", `judged ${good ? "good" : "bad"}`, verdict), list);
  }
}

export class SlotMap {
  readonly element = make("details", "map");
  readonly #send: (message: FromPanel) => void;
  readonly #note = make("p", "hint");
  readonly #strip = make("div", "strip");
  readonly #list = make("ol", "areas");
  #rows: AreaRow[] = [];
  #running = false;
  #asked = false;
  #seen = "";

  constructor(send: (message: FromPanel) => void) {
    this.#send = send;
    this.#strip.setAttribute("aria-hidden", "true");
    const body = make("div", "flash", this.#strip, this.#list);
    this.element.append(make("summary", "", "Flash"), this.#note, body);
    this.element.addEventListener("toggle", () => this.#ask());
    setInterval(() => {
      if (this.#running && !document.hidden) this.#ask();
    }, AGAIN_MS);
  }

  /** Reads the flash anew when the device has changed, and regularly while an update runs. */
  follow(status: Status): void {
    this.#running = status.update !== null && status.update.verdict === null;
    const seen = JSON.stringify([status.folder, status.device, status.update, status.built]);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#ask();
  }

  #ask(): void {
    // One question at a time: a device that answers slowly is not asked faster.
    if (!this.element.open || this.#asked) return;
    this.#asked = true;
    this.#send({ kind: "flash" });
  }

  set(map: Answer<FlashMap>): void {
    this.#asked = false;
    if ("problem" in map) {
      setText(this.#note, sentence(map.problem));
      this.#strip.replaceChildren();
      this.#list.replaceChildren();
      this.#rows = [];
      return;
    }
    const { answer } = map;
    setText(this.#note, `${size(answer.len)} of ${answer.device}, record: ${answer.record}`);
    if (this.#rows.length !== answer.areas.length) {
      this.#rows = answer.areas.map(
        () => new AreaRow((slot) => this.#send({ kind: "slot", slot })),
      );
      this.#strip.replaceChildren(...this.#rows.map((row) => row.part));
      this.#list.replaceChildren(...this.#rows.map((row) => row.element));
    }
    const shares = mapShares(answer);
    answer.areas.forEach((area, at) => {
      this.#rows[at]?.set(area, shares[at] ?? 0);
    });
  }

  setSlot(slot: number, details: Answer<SlotDetails>): void {
    for (const row of this.#rows) if (row.isOpen() === slot) row.setDetails(details);
  }
}
