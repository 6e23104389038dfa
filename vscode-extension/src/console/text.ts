// How lines of the debug console look, as pure functions.
import type {
  ConsoleChannelState,
  ConsoleEntry,
  ConsolePage,
  ConsoleSource,
} from "../protocol.gen";
import type { Line } from "./model";

/** Names of origins: told apart by these, not only by colours. */
export const ORIGINS: Record<ConsoleSource, string> = {
  bootloader: "boot",
  agent: "agent",
  application: "app",
  server: "otaru",
};

export type Times = "clock" | "relative" | "none";

const two = (number: number, digits = 2): string => String(number).padStart(digits, "0");

/** `12:03:04.005`, or `+1.234 s` since the first line. */
export function time(atMs: number, firstMs: number, times: Times): string {
  if (times === "none") return "";
  if (times === "relative") return `+${(Math.max(0, atMs - firstMs) / 1000).toFixed(3)}`;
  const at = new Date(atMs);
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => two(part));
  return `${clock.join(":")}.${two(at.getMilliseconds(), 3)}`;
}

/** A piece of a line: plain, or a place in a source file. */
export interface Piece {
  text: string;
  place?: { file: string; line: number; column: number };
}

const PLACE = /((?:[A-Za-z]:)?[\w./\\+@-]*[\w+-]\.(?:rs|c|h|cpp|S|toml)):(\d{1,7})(?::(\d{1,5}))?/g;

/** Escape sequences and control characters: a device must not act on the screen. */
export function plain(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the point
      .replace(/\x1b\[[0-9;]{0,20}[A-Za-z]/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are the point
      .replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, (found) => {
        const code = found.charCodeAt(0);
        return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\u2421";
      })
  );
}

/** A line as pieces, with every place in a source file found. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(PLACE)) {
    const [whole, file, line, column] = match;
    if (file === undefined || line === undefined) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    const place = { file, line: Number(line), column: Number(column ?? 1) };
    found.push({ text: whole, place });
    from = match.index + whole.length;
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

/** Whether the device starts anew with this line. */
export const isStart = (line: ConsoleEntry): boolean =>
  line.source === "bootloader" && line.text.startsWith(":: Otaru bootloader");

/** The lines as a file. */
export function saved(lines: readonly Line[]): string {
  const row = (line: Line) => {
    const at = new Date(line.atMs).toISOString();
    return `${at} ${line.channel} ${ORIGINS[line.source]} ${line.level} ${plain(line.text)}\n`;
  };
  return lines.map(row).join("");
}

/** Why nothing is shown. */
export function emptyReason(channels: readonly ConsoleChannelState[], hasLines: boolean): string {
  if (hasLines) return "No line passes the filter.";
  if (channels.length === 0) return "Connecting to the language server.";
  const connected = channels.filter((channel) => channel.connected);
  if (connected.some((channel) => channel.channel !== "manager")) {
    return "Connected. The device has printed nothing yet.";
  }
  const why = channels
    .filter((channel) => channel.channel !== "rtt")
    .map(
      ({ name, connected: is, reason }) => `${name}: ${is ? "connected, no news" : (reason ?? "")}`,
    );
  return why.join("\n");
}

/** The last number of a page. */
export const endOf = (page: ConsolePage, after: number): number => page.lines.at(-1)?.seq ?? after;
