//! Multi-image, from the manifest to the application: the command line builds a project with a part,
//! a real manager hands the file out, a real device installs it, and the firmware reads its part.

use otaru_image::{Dependency, Version, board_uuids};
use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Ended, Lab, Workshop, board, builder};
use serde_json::{Value, json};

const FIRMWARE: &str = include_str!("../src/bin/parts-firmware.rs");
/// Bytes of the part: it ends in the middle of a chunk.
const RESOURCES_LEN: usize = 50_000;

/// Resources that begin with this line, and differ in every chunk from those with another one.
fn resources(line: &str) -> Vec<u8> {
    let mut bytes = format!("{line}\n").into_bytes();
    let noise = bytes.iter().fold(7_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.resize(RESOURCES_LEN, noise);
    bytes
}

/// A project whose firmware needs resources, flashed and provisioned.
fn workshop(lab: &Lab, name: &str, mode: Mode) -> Workshop {
    let shop = Workshop::new(lab, name, mode);
    shop.write("src/main.rs", FIRMWARE);
    shop.write("assets/resources.bin", resources("one"));
    shop.edit(
        "Otaru.toml",
        "[signing]",
        "needs = [\"resources 1.0.0\"]\n\n[signing]",
    );
    let manifest = std::fs::read_to_string(shop.path("Otaru.toml")).expect("there is a manifest");
    let part = "\n[[part]]\nname = \"resources\"\nindex = 1\nfile = \"assets/resources.bin\"\n\
                version = \"1.0.0\"\nneeds = [\"firmware 1.0.0\"]\n";
    shop.write("Otaru.toml", manifest + part);
    shop.good(&["flash"]);
    shop.good(&["provision"]);
    shop
}

/// What the manager knows about the update that a command has run.
async fn action(lab: &Lab, ended: &Ended) -> Value {
    let id = ended.object("result")["action"].as_str();
    let path = format!("/actions/{}", id.expect("an action"));
    lab.api.get(&path).await.expect("the action exists")
}

fn part_version(shop: &Workshop, old: &str, new: &str) {
    let version = |number: &str| format!("version = \"{number}\"\nneeds");
    shop.edit("Otaru.toml", &version(old), &version(new));
}

// A1 A4 A5 A9 with parts: both at once, the part alone, and back with both.
async fn set_is_installed_and_reverted_as_one(name: &str, mode: Mode) {
    let lab = Lab::new().await;
    let shop = workshop(&lab, name, mode);
    let mut console = shop.console();
    console.wait_for("firmware 1.0.0 with resources 1.0.0+0: one");

    // Firmware and resources.
    shop.edit("Cargo.toml", "version = \"1.0.0\"", "version = \"1.1.0\"");
    shop.write("assets/resources.bin", resources("two"));
    part_version(&shop, "1.0.0", "2.0.0");
    let done = shop.good(&["fota", "--yes"]);
    assert_eq!(done.object("result")["status"], "succeeded");
    console.wait_for("firmware 1.1.0 with resources 2.0.0+0: two");

    // The resources alone: their chunks, the one that names them, and the one with the header, which
    // has the build number.
    shop.write("assets/resources.bin", resources("three"));
    part_version(&shop, "2.0.0", "2.1.0");
    let done = shop.good(&["fota", "--yes"]);
    let result = done.object("result");
    assert_eq!(
        (&result["status"], &result["version"]),
        (&json!("succeeded"), &json!("1.1.0+3"))
    );
    console.wait_for("firmware 1.1.0 with resources 2.1.0+0: three");
    let action = action(&lab, &done).await;
    let chunks = action["attempts"][0]["install"]["chunks"].as_u64();
    let chunk_len = u64::from(board().flash.chunk_len);
    let most = u64::try_from(RESOURCES_LEN).expect("a small number") / chunk_len + 1 + 2;
    let few = chunks.is_some_and(|chunks| (1..=most).contains(&chunks));
    assert!(few, "at most {most}: {action:#}");

    // Resources that are of no use: firmware and resources come back together.
    shop.edit("Cargo.toml", "version = \"1.1.0\"", "version = \"1.2.0\"");
    shop.write("assets/resources.bin", resources("useless"));
    part_version(&shop, "2.1.0", "3.0.0");
    let undone = shop.run(&["fota", "--yes"]);
    assert_eq!(undone.code, 7, "{}", undone.text);
    let result = undone.object("result");
    assert_eq!(
        (&result["status"], &result["message"]),
        (&json!("reverted"), &json!("these resources are of no use"))
    );
    console.wait_for("firmware 1.2.0 with resources 3.0.0+0: useless");
    console.wait_for("firmware 1.1.0 with resources 2.1.0+0: three");
    refused_before_anything_changes(&lab, &shop).await;
    let starts = |line: &&String| line.contains("firmware 1.1.0 with resources 2.1.0+0");
    assert_eq!(console.seen().iter().filter(starts).count(), 2);
}

/// A need that is not met: while the manifest is read, and by the manager if another tool made the
/// file. What the manager has no device ever sees.
async fn refused_before_anything_changes(lab: &Lab, shop: &Workshop) {
    let before = shop.good(&["device", "list"]);
    let versions = async || {
        let path = format!("/firmwares/{}/versions", shop.name());
        lab.api.get(&path).await.expect("the firmware exists")
    };
    let stored = versions().await;
    shop.edit("Otaru.toml", "resources 1.0.0", "resources 9.0.0");
    let refused = shop.run(&["fota", "--yes"]);
    assert_eq!(refused.code, 5, "{}", refused.text);
    let said = format!("{:?}\n{}", refused.objects, refused.text);
    assert!(
        said.contains("`resources` has version 3.0.0, which is too old"),
        "{said}"
    );
    shop.edit("Otaru.toml", "resources 9.0.0", "resources 1.0.0");

    let ids = board_uuids(&board().vid, &board().cid);
    let version = |major| Version {
        major,
        ..Version::default()
    };
    let part = builder("resources", 1, ids).index(1).sign(&lab.key);
    let file = builder("9.0.0", 1, ids)
        .part(1, part.expect("a part can be signed"))
        .depends_on(Dependency {
            image: 1,
            version: version(9),
        })
        .sign(&lab.key)
        .expect("the image can be signed");
    let refused = lab.api.upload(shop.name(), "9.0.0", &file).await;
    let refused = refused.expect_err("the manager looks into the file");
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (422, "dependency-unmet")
    );

    assert_eq!(versions().await, stored);
    let row = |ended: &Ended| ended.object("device").clone();
    assert_eq!(row(&shop.good(&["device", "list"])), row(&before));
}

#[tokio::test]
async fn set_is_installed_and_reverted_as_one_in_standby() {
    set_is_installed_and_reverted_as_one("lamp-standby", Mode::Standby).await;
}

#[tokio::test]
async fn set_is_installed_and_reverted_as_one_in_swap() {
    set_is_installed_and_reverted_as_one("lamp-swap", Mode::Swap).await;
}
