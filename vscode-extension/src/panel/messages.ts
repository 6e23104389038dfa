// What the panel and the extension say to each other.
import type { Status } from "../protocol.gen";

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

/** To the panel. */
export interface ToPanel {
  shown: Shown;
}

/** From the panel. */
export type FromPanel =
  | { kind: "ready" }
  | { kind: "press"; button: Button }
  | { kind: "follow"; link: Link };
