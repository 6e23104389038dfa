// Finds the `otaru` program that serves as language server.
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** What the search depends on; parameters, so that it can be tested. */
export interface Places {
  /** The setting `otaru.server.path`, if the workspace may set it. */
  setting: string | null;
  /** Folder of the extension. */
  extension: string;
  /** The environment. */
  env: NodeJS.ProcessEnv;
  /** The platform's name. */
  platform: NodeJS.Platform;
}

/** A program, or why there is none. */
export type Located = { program: string } | { problem: string };

/** The setting first, then the program inside the extension, then the `PATH`. */
export function locate(places: Places, exists: (file: string) => boolean = existsSync): Located {
  const name = places.platform === "win32" ? "otaru.exe" : "otaru";
  const debug = places.env["OTARU_SERVER"];
  if (debug) {
    return exists(debug)
      ? { program: debug }
      : { problem: `OTARU_SERVER names ${debug}, which does not exist` };
  }
  if (places.setting) {
    const program = places.setting.replace(/^~(?=[\\/])/, homedir());
    return exists(program)
      ? { program }
      : { problem: `the setting otaru.server.path names ${program}, which does not exist` };
  }
  const bundled = path.join(places.extension, "server", name);
  if (exists(bundled)) return { program: bundled };
  for (const folder of (places.env["PATH"] ?? "").split(path.delimiter)) {
    const program = path.join(folder, name);
    if (folder !== "" && exists(program)) return { program };
  }
  return { problem: "there is no `otaru` in this extension and none on the PATH" };
}
