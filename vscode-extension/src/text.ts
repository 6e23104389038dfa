// Everything the extension says to people, as pure functions of what the server told. No VS Code
// here, so that all of it is unit-tested.
import type {
  Device,
  FlashArea,
  FlashMap,
  Outcome,
  PhaseName,
  Plan,
  ReportEntry,
  Status,
  Update,
} from "./protocol.gen";

/** Longest version in bytes: the label field of the image. */
const VERSION_BYTES_MAX = 32;

/** `312 KiB`, `1.4 MiB` */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const kib = bytes / 1024;
  if (kib < 1024) return `${Math.ceil(kib)} KiB`;
  return `${(kib / 1024).toFixed(1)} MiB`;
}

/** `0.4 s`, `12 s`, `2 min 5 s` */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** A reason as a sentence of its own. */
export const sentence = (why: string): string => `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;

/** The first digits of a digest, enough to compare by eye. */
export const digest = (full: string): string => full.slice(0, 12);

/** `just now`, `5 min ago`, … */
export function ago(then: string | null, now: number): string {
  const at = then === null ? Number.NaN : Date.parse(then);
  if (Number.isNaN(at)) return "never";
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / (24 * 60))} days ago`;
}

const PHASES: Record<PhaseName, string> = {
  uploading: "Upload",
  pending: "Wait for device",
  downloading: "Download",
  verifying: "Verify",
  parked: "Park",
  installing: "Install",
  trial: "Trial",
  confirmed: "Confirmed",
};

/** A phase as the panel names it. */
export const phase = (name: PhaseName): string => PHASES[name];

/** Reason codes of a device as sentences. A code without one is shown as it is. */
const REASONS: Record<string, string> = {
  interrupted: "it was reset while it received the image",
  "download-failed": "the download failed for good",
  "size-mismatch": "the image does not have the announced length, or does not fit",
  "digest-mismatch": "what it stored is not what was announced",
  "malformed-image": "that is no image",
  "signature-invalid": "the signature does not match the image",
  "key-unknown": "it does not know the key that signed",
  "key-revoked": "the key that signed was revoked",
  "wrong-board": "the image is for another board",
  "wrong-slot": "the image is for another slot or layout",
  "security-counter": "the image is older than what may run",
  "refused-by-application": "its application refused",
  unhealthy: "the new firmware found itself unhealthy",
  "confirm-deadline": "the new firmware did not reach the manager in time",
  "trial-reset": "it was reset while the new firmware was on trial",
  "trial-watchdog": "the new firmware hung, and the watchdog reset it",
  "trial-crash": "the new firmware crashed",
  withdrawn: "the update was withdrawn",
  "install-failed": "the bootloader could not install the image",
  "storage-failed": "its flash failed",
  "backup-missing": "there is no complete backup of what runs",
  busy: "another update is in progress",
  "malformed-deployment": "it could not understand the request",
  "no-artifact": "there is no image for it",
  unsupported: "it cannot take such images, or has no key for encrypted ones",
  recovered: "an image that came over its console took the update's place",
  "dependency-unmet": "it lacks another image that this one needs",
  "not-decryptable": "the image is encrypted for another device",
  "revokes-own-key": "the image would revoke the key that signed it",
};

/** The last word about an update. */
export function verdictText(update: Update): string {
  const { verdict } = update;
  if (verdict === null) return "";
  if (verdict.confirmed) {
    const total = update.phases.reduce((sum, state) => sum + (state.tookMs ?? 0), 0);
    return `Confirmed by the device in ${duration(total)}.`;
  }
  if (verdict.reason === null) return `${verdict.message}.`;
  // The manager's own words come first, if there are any.
  const why = verdict.message.includes(": ") ? undefined : REASONS[verdict.reason];
  return `${verdict.message}${why === undefined ? "" : `: ${why}`} (${verdict.reason}).`;
}

/** What the modal before an update says. */
export function planQuestion(plan: Plan): { message: string; detail: string } {
  const from = plan.fromVersion ?? "unknown";
  const lines = [
    `Version ${from} → ${plan.toVersion}`,
    `Digest ${digest(plan.digest)}…, ${size(plan.size)}`,
    "",
    "The firmware that runs there now is replaced. It comes back by itself if the new one does not confirm itself.",
  ];
  if (plan.warnings.length > 0) lines.push("", ...plan.warnings.map((warning) => `• ${warning}`));
  return { message: `Update ${plan.device} over the air?`, detail: lines.join("\n") };
}

/** Why a text cannot be a version; `undefined` if it can. */
export function versionProblem(text: string): string | undefined {
  if (text.length === 0) return "A version needs at least one character.";
  if (!/^[\x21-\x7e]+$/.test(text) || /[\\/]/.test(text)) {
    return "Letters, digits and punctuation without spaces and slashes.";
  }
  if (text.length > VERSION_BYTES_MAX) {
    return `At most ${VERSION_BYTES_MAX} characters; these are ${text.length}.`;
  }
  if (text === "Factory" || text.startsWith("testing-")) {
    return "Devices say this themselves; choose another.";
  }
  return undefined;
}

/** A report as lines of the log. */
export function reportLines(entries: ReportEntry[]): string[] {
  return entries.flatMap(({ name, state, text, next }) => {
    const mark = state === "bad" ? "✗" : state === "absent" ? "–" : state === "good" ? "✓" : " ";
    const line = `${mark} ${name}: ${text}`;
    return next === null ? [line] : [line, `  next: ${next}`];
  });
}

/** What a person reads when a job has failed. */
export function failure(outcome: Extract<Outcome, { kind: "failed" }>): string {
  const said = sentence(outcome.message);
  return outcome.hint === null ? said : `${said} Next: ${outcome.hint}.`;
}

/** The status bar item. */
export function statusBar(status: Status | undefined): {
  text: string;
  tooltip: string;
  kind: "plain" | "error";
} {
  if (status === undefined) {
    return { text: "$(rocket) Otaru", tooltip: "Otaru: open the control panel", kind: "plain" };
  }
  const { job, update, device } = status;
  if (job !== null) {
    const percent = job.percent === null ? "" : ` ${job.percent} %`;
    const what = job.canceling ? "canceling" : `${job.step}${percent}`;
    return { text: `$(sync~spin) ${what}`, tooltip: `Otaru: ${status.name}`, kind: "plain" };
  }
  if (update?.verdict && !update.verdict.confirmed && update.verdict.status !== "canceled") {
    const tooltip = `Otaru: ${update.verdict.message}`;
    return { text: `$(error) ${update.device}: ${update.verdict.status}`, tooltip, kind: "error" };
  }
  const runs = device?.version ?? undefined;
  const text = runs === undefined ? status.name : `${device?.name}: ${runs}`;
  return { text: `$(rocket) ${text}`, tooltip: `Otaru: ${status.name}`, kind: "plain" };
}

/** What a device's row in the tree shows. */
export function deviceRow(
  device: Device,
  now: number,
): { description: string; icon: string; color?: string; tooltip: string; context: string } {
  const words = ["device"];
  if (device.target) words.push("target");
  if (device.page !== null) words.push("page");
  const context = words.join(" ");
  const version = device.version ?? "no version yet";
  const seen = device.everConnected ? `seen ${ago(device.lastSeen, now)}` : "never connected";
  const state = device.online ? "online" : seen;
  const tooltip = [
    `**${device.name}** (${device.id})`,
    `runs ${version}`,
    state,
    ...(device.fleet === null ? [] : [`fleet ${device.fleet}`]),
    ...(device.board === null ? [] : [`board ${device.board}`]),
    ...(device.target ? ["addressed by this project"] : []),
  ].join("  \n");
  const base = { description: `${version} · ${state}`, tooltip, context };
  if (device.update !== null) return { ...base, icon: "sync~spin" };
  if (!device.everConnected) return { ...base, icon: "circle-slash" };
  return device.online
    ? { ...base, icon: "circle-filled", color: "testing.iconPassed" }
    : { ...base, icon: "circle-outline", color: "disabledForeground" };
}

const hexOffset = (offset: number): string => `0x${offset.toString(16).toUpperCase()}`;

/** An area of the flash: its name, what stands there, and where it is. */
export function areaText(area: FlashArea): { name: string; what: string; tooltip: string } {
  const end = hexOffset(area.offset + area.len - 1);
  const where = `${area.name}: ${hexOffset(area.offset)} to ${end}, ${size(area.len)}`;
  if (area.slot === null) return { name: area.name, what: size(area.len), tooltip: where };
  const fill = area.len === 0 ? 0 : Math.round((100 * area.used) / area.len);
  const role = area.role ?? "free";
  const what = [role, area.version, `${fill} %`].filter((part) => part !== null).join(" · ");
  return {
    name: area.name,
    what: role === "free" && area.version === null ? "free" : what,
    tooltip: `${where}, ${size(area.used)} used`,
  };
}

/** The shares of the areas in the drawing: to scale. */
export function mapShares(map: FlashMap): number[] {
  return map.areas.map((area) => area.len / Math.max(1, map.len));
}
