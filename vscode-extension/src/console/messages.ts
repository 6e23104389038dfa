// What the debug console's webview and the extension say to each other.
import type { ConsoleChannelState, ConsoleEntry } from "../protocol.gen";

/** To the webview. */
export type ToConsole =
  | { kind: "device"; device: string }
  | {
      kind: "lines";
      lines: ConsoleEntry[];
      missed: number;
      channels: ConsoleChannelState[];
      /** The numbers began anew: what is shown is of another server. */
      anew: boolean;
    };

/** From the webview. */
export type FromConsole =
  | { kind: "ready" }
  /** It has taken in what it was sent; only then does more come. */
  | { kind: "taken" }
  | { kind: "open"; file: string; line: number; column: number }
  | { kind: "save"; text: string }
  | { kind: "serial" };
