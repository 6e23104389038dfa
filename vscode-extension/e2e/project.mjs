// A project of the tests: the smallest firmware that compiles without any dependency.
import { generateKeyPairSync } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/** A manifest for a manager and a device. */
export const manifest = ({ url, device }) =>
  [
    "[project]",
    'name = "lamp"',
    'board = "host"',
    "",
    "[signing]",
    'key = "keys/dev.pem"',
    "",
    "[manager]",
    `url = "${url}"`,
    ...(device === undefined ? [] : [`device = "${device}"`]),
    "",
  ].join("\n");

/** Writes the project into a folder. */
export function writeProject(folder, text) {
  const write = (name, content, mode) => {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content, { mode });
  };
  const { privateKey } = generateKeyPairSync("ed25519");
  write("keys/dev.pem", privateKey.export({ type: "pkcs8", format: "pem" }), 0o600);
  write("Otaru.toml", text);
  write(
    "Cargo.toml",
    '[package]\nname = "lamp"\nversion = "1.0.0"\nedition = "2024"\n\n[workspace]\n',
  );
  write("src/main.rs", 'fn main() {\n    println!("hello");\n}\n');
}
