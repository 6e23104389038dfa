// Bundles the extension and its webview: `node scripts/build.mjs [--minify]`.
import { build } from "esbuild";

const minify = process.argv.includes("--minify");
const shared = { bundle: true, minify, sourcemap: minify ? false : "linked", logLevel: "warning" };

await Promise.all([
  build({
    ...shared,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["vscode"],
  }),
  build({
    ...shared,
    entryPoints: ["src/panel/view.ts"],
    outfile: "dist/panel.js",
    platform: "browser",
    target: "es2022",
    format: "iife",
  }),
  build({
    ...shared,
    entryPoints: ["src/console/view.ts"],
    outfile: "dist/console.js",
    platform: "browser",
    target: "es2023",
    format: "iife",
  }),
]);
