// Makes the .vsix with the `otaru` program inside.
//
//   node scripts/package.mjs --server PATH [--target linux-x64] [--out FILE]
//
// Without --server the program on the PATH that cargo built last is not guessed: it has to be named.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

const { argv } = process;
const option = (name) => {
  const at = argv.indexOf(name);
  return at < 0 ? undefined : argv[at + 1];
};
const server = option("--server") ?? process.env.OTARU_SERVER;
const target = option("--target") ?? "linux-x64";
if (!server || !fs.existsSync(server)) {
  throw new Error("name the built `otaru` program: node scripts/package.mjs --server PATH");
}
const version = JSON.parse(fs.readFileSync("package.json", "utf8")).version;
const out = path.resolve(option("--out") ?? `otaru-${target}-${version}.vsix`);

const run = (program, args) => {
  const done = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (done.status !== 0) throw new Error(`${program} ended with ${done.status ?? done.error}`);
};
run(process.execPath, ["scripts/build.mjs", "--minify"]);
fs.rmSync("server", { recursive: true, force: true });
fs.mkdirSync("server");
const program = path.join("server", target.startsWith("win32") ? "otaru.exe" : "otaru");
fs.copyFileSync(server, program);
fs.chmodSync(program, 0o755);
run(process.execPath, [
  "node_modules/@vscode/vsce/vsce",
  "package",
  "--target",
  target,
  "--no-dependencies",
  "--skip-license",
  "--allow-missing-repository",
  "--out",
  out,
]);
