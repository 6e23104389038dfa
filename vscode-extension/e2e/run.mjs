// Packages the extension with the built `otaru` and runs the end-to-end tests one file after the
// other: `node e2e/run.mjs [FILE…]`. Environment: OTARU (the program), OTARU_E2E_SHOTS (folder for
// screenshots), CHROMIUM, OTARU_E2E_PATIENCE_MS (more than 60000 on a machine that is busy).
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { EXTENSION, otaru } from "./harness.mjs";
import { install } from "./install-code-server.mjs";

process.chdir(EXTENSION);
install(undefined, (line) => process.stdout.write(`${line}\n`));
const vsix = path.join(EXTENSION, "out", "otaru-e2e.vsix");
fs.mkdirSync(path.dirname(vsix), { recursive: true });
const run = (args, env = {}) => {
  const done = spawnSync(process.execPath, args, {
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  return done.status ?? 1;
};
if (run(["scripts/package.mjs", "--server", otaru(), "--out", vsix]) !== 0) process.exit(1);
const named = process.argv.slice(2);
const all = fs
  .readdirSync("e2e")
  .filter((name) => name.endsWith(".e2e.mjs"))
  .map((name) => `e2e/${name}`);
const files = named.length > 0 ? named : all;
process.exitCode = run(["--test", "--test-concurrency=1", "--test-reporter=spec", ...files], {
  OTARU_E2E_VSIX: vsix,
});
