// C52, C53, A41: the editor without manager and device: what is shown, what is refused, and why.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import { eventually, freePort, makeWorld, startEditor } from "./harness.mjs";
import { manifest, writeProject } from "./project.mjs";

let editor;
let world;
let failed = false;

/** A test whose failure leaves a picture. */
const scenario = (name, steps) =>
  test(name, { timeout: 600_000 }, async (context) => {
    // Each scenario stands where the last one ended.
    if (failed) return context.skip("after a failure");
    try {
      await steps();
    } catch (error) {
      failed = true;
      await editor?.shot(`failed-${name.replaceAll(/\W+/g, "-")}`);
      throw error;
    }
  });

before(async () => {
  world = makeWorld();
  const workspace = world.folder("lamp");
  // A port at which nobody listens.
  const url = `http://127.0.0.1:${await freePort()}`;
  writeProject(workspace, manifest({ url, device: "lamp-1" }));
  editor = await startEditor({ world, workspace, vsix: process.env.OTARU_E2E_VSIX });
});

after(async () => {
  await editor?.stop();
  if (!failed) fs.rmSync(world.root, { recursive: true, force: true });
});

scenario("the panel shows the project and that its manager does not answer", async () => {
  const panel = await editor.panelShows("lamp");
  await editor.panelShows("host · standby");
  await panel.locator("dd .dot.bad").waitFor();
  await editor.page.locator(".welcome-view-content", { hasText: "does not answer" }).waitFor();
  await editor.page.locator(".statusbar-item", { hasText: "lamp" }).waitFor();
  await editor.shot("panel-idle-dark");
});

scenario(
  "a mistake in the manifest is a problem, and stops the verbs until it is repaired",
  async () => {
    await editor.open("Otaru.toml");
    await editor.page.locator(".codelens-decoration a", { hasText: "FOTA" }).waitFor();
    const good = fs.readFileSync(`${editor.workspace}/Otaru.toml`, "utf8");
    await editor.type(good.replace("board", "bord"));
    await eventually("two problems", async () => {
      const rows = await editor.problems();
      return rows.some((row) => row.includes("unknown key `bord`")) && rows;
    });
    const panel = await editor.panelShows("Otaru.toml has problems");
    assert.equal(await panel.locator("#press-build").getAttribute("aria-disabled"), "true");
    await editor.shot("manifest-problem");
    await editor.page.locator('.tab[data-resource-name="Otaru.toml"]').click();
    await editor.type(good);
    await panel.locator('#press-build:not([aria-disabled="true"])').waitFor();
  },
);

scenario("Build makes an image and shows its version", async () => {
  await editor.press("build");
  const panel = await editor.panelShows(/1\.0\.0\+1, \d+ KiB/);
  assert.match(
    await panel.locator("dd[title^=digest]").getAttribute("title"),
    /digest [0-9a-f]{12}/,
  );
});

scenario("a build error is in Problems, and gone after the next build", async () => {
  await editor.open("main.rs");
  await editor.type('fn main() {\n    let number: u32 = "😀";\n}\n');
  await editor.press("build");
  await editor.notification("mismatched types").waitFor();
  await eventually("the compiler's error", async () => {
    const rows = await editor.problems();
    return rows.some((row) => row.includes("mismatched types") && row.includes("otaru")) && rows;
  });
  await editor.shot("build-error");
  await editor.page.locator('.tab[data-resource-name="main.rs"]').click();
  await editor.type('fn main() {\n    println!("again");\n}\n');
  await editor.press("build");
  await editor.panelShows("1.0.0+2");
  await eventually("no compiler's error", async () => {
    const rows = await editor.problems();
    return !rows.some((row) => row.includes("mismatched types"));
  });
});

scenario("Upload to a manager that does not answer fails with what to do next", async () => {
  await editor.command("Notifications: Clear All Notifications");
  await editor.press("upload");
  await editor.notification("does not answer").waitFor();
  await editor.notification("otaru manager serve").waitFor();
});

scenario("FOTA is refused before anything is asked", async () => {
  await editor.command("Notifications: Clear All Notifications");
  await editor.press("fota");
  await editor.notification("does not answer").waitFor();
  assert.equal(await editor.dialog().count(), 0);
});

scenario("nothing was asked of the world outside", async () => {
  assert.deepEqual([...editor.outside], []);
});
