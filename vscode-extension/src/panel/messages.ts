// What the panel and the extension say to each other.
import type { FlashMap, LabState, SlotDetails, Status } from "../protocol.gen";

/** The buttons of the panel; each stands for the command `otaru.<name>`. */
export const BUTTONS = [
  "fota",
  "build",
  "upload",
  "console",
  "cancel",
  "reset",
  "powerCut",
  "offline",
  "online",
] as const;
export type Button = (typeof BUTTONS)[number];

/** Other things that can be clicked. */
export const LINKS = ["newProject", "openManifest", "showLog", "restart", "manageTrust"] as const;
export type Link = (typeof LINKS)[number];

/** What the panel shows. */
export type Shown =
  | { kind: "starting" | "noProject" | "stopped" | "untrusted" }
  | { kind: "project"; status: Status };

/** An answer of the device, or why there is none. */
export type Answer<T> = { answer: T } | { problem: string };

/** To the panel. */
export type ToPanel =
  | { kind: "shown"; shown: Shown }
  | { kind: "flash"; map: Answer<FlashMap> }
  | { kind: "lab"; lab: Answer<LabState> }
  | { kind: "slot"; slot: number; details: Answer<SlotDetails> };

/** From the panel. */
export type FromPanel =
  | { kind: "ready" }
  | { kind: "press"; button: Button }
  | { kind: "follow"; link: Link }
  | { kind: "flash" }
  | { kind: "lab" }
  | { kind: "labRun"; fault: string; times: number }
  | { kind: "labStop" }
  | { kind: "slot"; slot: number };
