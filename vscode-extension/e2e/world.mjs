// A real manager and a real device beside the editor, made with the command line as a person would.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { freePort, otaru, REPOSITORY, stopGroup, worldEnv } from "./harness.mjs";

/** Where firmwares are compiled: kept between runs, so that only the first one takes its time. */
const firmwareTarget = () =>
  path.join(process.env.CARGO_TARGET_DIR || path.join(REPOSITORY, "target"), "e2e-firmware");

/** Starts a manager, makes a project from the template, and a device that runs it. */
export async function startWorld(world, name = "lamp") {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = worldEnv(world, { OTARU_TARGET_DIR: firmwareTarget() });
  const manager = spawn(
    otaru(),
    [
      "manager",
      "serve",
      "--json",
      "--data",
      world.folder("manager"),
      "--listen",
      `127.0.0.1:${port}`,
    ],
    { env, detached: true, stdio: ["ignore", "pipe", "inherit"] },
  );
  const lines = readline.createInterface({ input: manager.stdout });
  const [first] = await once(lines, "line");
  lines.on("line", () => {});
  const { admin_link: link } = JSON.parse(first);

  const run = (args, cwd) => {
    const done = spawnSync(otaru(), ["--json", "--yes", ...args], { cwd, env, encoding: "utf8" });
    if (done.status !== 0) {
      throw new Error(
        `otaru ${args.join(" ")} ended with ${done.status}: ${done.stdout}${done.stderr}`,
      );
    }
    return done.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  };
  run(["login", link], world.root);
  run(["new", name, "--board", "host"], world.root);
  const project = path.join(world.root, name);
  const manifest = path.join(project, "Otaru.toml");
  const text = fs.readFileSync(manifest, "utf8");
  fs.writeFileSync(manifest, text.replace(/url = ".*"/, `url = "${url}"`));
  run(["flash"], project);
  run(["provision"], project);
  run(["device", "run", "--detach"], project);
  const stored = path.join(env.XDG_CONFIG_HOME, "otaru", "credentials.json");
  const key = JSON.parse(fs.readFileSync(stored, "utf8")).managers[url];
  /** What the manager says, as text. */
  const ask = async (where) => {
    const answer = await fetch(`${url}/api/v1${where}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    if (!answer.ok) throw new Error(`${where}: ${answer.status} ${await answer.text()}`);
    return answer.text();
  };
  return {
    env,
    ask,
    /** Everything in the manager that a verb could change. */
    books: () => Promise.all(["/firmwares", "/deployments", "/keys"].map(ask)),
    project,
    url,
    run: (...args) => run(args, project),
    device: () => run(["device", "list"], project).find((row) => row.type === "device"),
    async stop() {
      spawnSync(otaru(), ["device", "stop"], { cwd: project, env });
      await stopGroup(manager);
    },
  };
}
