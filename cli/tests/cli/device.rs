//! A device on this machine, from a new project to updates that meet trouble.
// A13, A36, A39, A55: the three operations from the command line, and failures on demand.

use crate::support::{Ended, Home, Manager, readable_by_others, shared_target_dir};
use serde_json::Value;

/// A new project `lamp`, its device flashed and provisioned.
struct World {
    home: Home,
    _manager: Manager,
}

impl World {
    fn new() -> Self {
        let home = Home::new();
        let manager = Manager::start(&home);
        assert_eq!(home.run(&["new", "lamp"]).code, 0);
        let manifest = std::fs::read_to_string(home.path("lamp/Otaru.toml")).unwrap();
        home.write(
            "lamp/Otaru.toml",
            &manifest.replace("http://127.0.0.1:8480", &manager.url),
        );
        // The versions that the checkout has, so that nothing is compiled twice.
        let lock = shared_target_dir()
            .parent()
            .and_then(|t| t.parent())
            .unwrap()
            .join("Cargo.lock");
        std::fs::copy(lock, home.path("lamp/Cargo.lock")).unwrap();
        let world = Self {
            home,
            _manager: manager,
        };
        world.good(&["flash"]);
        world.good(&["provision"]);
        world.online();
        world
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.home.command(&["-C", "lamp", "--json"]);
        command
            .args(arguments)
            .env("OTARU_TARGET_DIR", shared_target_dir());
        self.home.ended(&command.output().unwrap())
    }

    fn good(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}\n{}\n{}", ended.out, ended.err);
        ended
    }

    /// Changes the firmware, so that the next image is another one.
    fn edit(&self, old: &str, new: &str) {
        let path = self.home.path("lamp/src/main.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{old:?} is in the example");
        std::fs::write(path, text.replace(old, new)).unwrap();
    }

    /// Waits until the manager has heard of the device.
    fn online(&self) {
        let begun = std::time::Instant::now();
        while self.row()["version"] == "–" {
            assert!(
                begun.elapsed() < std::time::Duration::from_mins(1),
                "{}",
                self.row()
            );
        }
    }

    /// The device's row of `device list`.
    fn row(&self) -> Value {
        self.good(&["device", "list"]).object("device")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A device that a failed test never started is stopped already.
        drop(self.run(&["device", "stop"]));
    }
}

// C16
fn a_power_cut_is_judged_by_device_and_manager(world: &World) {
    let listed = world.good(&["lab"]).objects();
    let faults: Vec<&Value> = listed.iter().filter(|o| o["type"] == "fault").collect();
    assert_eq!(faults.len(), 11);
    assert_eq!(world.run(&["lab", "run", "power-cut"]).code, 3);
    let judged = world
        .good(&["lab", "run", "power-cut", "--yes"])
        .object("lab");
    assert_eq!(judged["as_expected"], true, "{judged:#}");
    let checks = judged["checks"].as_array().unwrap();
    let agrees = "the manager shows what the device says";
    assert!(
        checks.iter().any(|check| check["what"] == agrees),
        "{judged:#}"
    );
}

#[test]
fn a_project_goes_from_new_to_an_update_over_the_air() {
    let world = World::new();
    let ended = world.run(&["flash"]);
    assert_eq!(
        ended.code, 3,
        "a device that exists is not overwritten without a yes"
    );

    world.edit("const STEP: u32 = 1;", "const STEP: u32 = 2;");
    let refused = world.run(&["fota"]);
    assert_eq!(refused.code, 3);
    let plan = refused.object("plan");
    assert_eq!(plan["version"], "1.0.0+2");
    assert_eq!(
        (&plan["devices"][0]["name"], &plan["devices"][0]["from"]),
        (&"lamp".into(), &"Factory".into())
    );
    assert_eq!(plan["warnings"][0], "signed with a development key");

    let done = world.good(&["fota", "--yes"]);
    assert_eq!(done.object("result")["status"], "succeeded");
    let statuses: Vec<String> = done
        .objects()
        .iter()
        .filter(|object| object["type"] == "action")
        .map(|object| object["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses.last().map(String::as_str), Some("succeeded"));
    let row = world.row();
    assert_eq!(
        (&row["version"], &row["manager"], &row["here"]),
        (&"1.0.0+2".into(), &"online".into(), &"running".into())
    );

    // A5: what the manager has, signed with a development key, is not for devices in the field.
    let existing = ["fota", "--existing", "1.0.0+2"];
    let refused = world.run(&[&existing[..], &["--release", "--yes"]].concat());
    assert_eq!(refused.code, 5, "{}", refused.out);
    assert_eq!(refused.object("error")["code"], "dev-key-in-release");
    let plan = world.run(&existing).object("plan");
    let warnings = plan["warnings"].to_string();
    assert!(warnings.contains("development key"), "{warnings}");
    a_power_cut_is_judged_by_device_and_manager(&world);
}

#[test]
fn a_power_cut_during_the_download_fails_with_its_reason_and_the_next_try_succeeds() {
    // A56, through the command line's own button, torn.
    let world = World::new();
    world.edit("const STEP: u32 = 1;", "const STEP: u32 = 3;");
    world.good(&[
        "device",
        "power-cut",
        "--at-operation",
        "50",
        "--torn",
        "--off-ms",
        "50",
    ]);
    let cut = world.run(&["fota", "--yes"]);
    assert_eq!(cut.code, 7, "{}\n{}", cut.out, cut.err);
    let result = cut.object("result");
    assert_eq!(
        (&result["status"], &result["reason"]),
        (&"failed".into(), &"interrupted".into())
    );
    assert_eq!(world.row()["version"], "Factory");
    let again = world.good(&["fota", "--yes"]);
    assert_eq!(again.object("result")["status"], "succeeded");
    assert_eq!(world.row()["version"], "1.0.0+2");
}

#[test]
fn an_update_of_an_offline_device_waits_and_can_be_cancelled() {
    // A19, C45.
    let world = World::new();
    world.good(&["device", "offline"]);
    world.edit("const STEP: u32 = 1;", "const STEP: u32 = 4;");
    let started = world.good(&["fota", "--yes", "--no-watch"]);
    assert_eq!(
        started.object("deployment")["actions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        world.run(&["fota", "cancel"]).code,
        3,
        "cancelling is asked for"
    );
    world.good(&["fota", "cancel", "--yes"]);
    world.good(&["device", "online"]);
    let action = started.object("deployment")["actions"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let ended = world.run(&["fota", "watch", &action]);
    assert_eq!(ended.code, 7, "{}\n{}", ended.out, ended.err);
    assert_eq!(ended.object("result")["status"], "canceled");
    let none = world.run(&["fota", "watch"]);
    assert_eq!(
        (none.code, none.object("error")["code"].clone()),
        (1, "no-update".into())
    );
}

#[test]
fn a_firmware_that_is_not_healthy_ends_with_its_own_words_and_exit_code() {
    // A9, C3: the application's refusal reaches whoever started the update.
    let world = World::new();
    world.edit(
        "if self.count.get() == 0 {\n            return Err(\"does not count\");",
        "if self.count.get() < 9999 {\n            return Err(\"the lamp is broken\");",
    );
    let ended = world.run(&["fota", "--yes"]);
    assert_eq!(ended.code, 7, "{}\n{}", ended.out, ended.err);
    let result = ended.object("result");
    assert_eq!(result["status"], "reverted");
    assert!(
        ended.object("error")["message"]
            .as_str()
            .unwrap()
            .contains("lamp"),
        "{}",
        ended.out
    );
    assert_eq!(world.row()["version"], "Factory");
}

#[test]
fn flashing_for_another_install_mode_changes_the_device_and_keeps_its_identity() {
    let world = World::new();
    let manifest = world.home.path("lamp/Otaru.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(
        &manifest,
        text.replace("mode = \"standby\"", "mode = \"swap\""),
    )
    .unwrap();
    world.good(&["--yes", "flash"]);
    world.edit("const STEP: u32 = 1;", "const STEP: u32 = 5;");
    let done = world.good(&["fota", "--yes"]);
    assert_eq!(done.object("result")["status"], "succeeded", "{}", done.out);
    world.good(&["--yes", "device", "corrupt", "--area", "storage-0"]);
    assert_eq!(
        world
            .run(&["--yes", "device", "corrupt", "--area", "storage-1"])
            .code,
        2
    );
    assert_eq!(world.run(&["device", "corrupt"]).code, 3);
}

#[test]
fn a_project_moves_to_p256_and_encryption_and_updates_over_the_air() {
    // A4, A5, A8 with another algorithm, encrypted firmware and three trials.
    let world = World::new();
    let made = world.good(&["keys", "new", "keys/p256.pem", "--algorithm", "p256"]);
    assert_eq!(made.object("key")["algorithm"], "p256");
    let made = world.good(&["keys", "new", "--encryption"]);
    let device_key = made.object("key")["public_key"].clone();
    for file in ["lamp/keys/p256.pem", "lamp/keys/device.pem"] {
        assert!(!readable_by_others(&world.home.path(file)), "{file}");
    }
    let path = world.home.path("lamp/Otaru.toml");
    let manifest = std::fs::read_to_string(&path).unwrap();
    let manifest = manifest.replace("keys/dev.pem", "keys/p256.pem")
        + "\n[encryption]\nkey = \"keys/device.pem\"\naes = 256\n";
    std::fs::write(&path, &manifest).unwrap();
    let listed = world.good(&["keys", "list"]);
    let keys: Vec<_> = listed
        .objects()
        .iter()
        .map(|key| format!("{} {}", key["algorithm"], key["remarks"]))
        .collect();
    assert_eq!(
        keys,
        [
            "\"ed25519\" \"development\"",
            "\"x25519\" \"decrypts on its devices, development\"",
            "\"p256\" \"signs this project, development\""
        ]
    );
    world.good(&["flash", "--yes"]);
    world.edit("const STEP: u32 = 1;", "const STEP: u32 = 3;");
    let done = world.good(&["fota", "--yes", "--trials", "3"]);
    let plan = done.object("plan");
    assert_eq!(
        (&plan["encryption"], &plan["trials"]),
        (&"aes-256".into(), &3.into())
    );
    assert_eq!(done.object("result")["status"], "succeeded");

    // The public half builds and updates, but cannot be flashed.
    let public = world.home.path("lamp/keys/device.pub");
    std::fs::write(public, device_key.as_str().unwrap()).unwrap();
    std::fs::write(&path, manifest.replace("device.pem", "device.pub")).unwrap();
    let refused = world.run(&["flash", "--yes"]);
    assert_eq!(refused.object("error")["code"], "key-public-only");
    world.edit("const STEP: u32 = 3;", "const STEP: u32 = 4;");
    let done = world.good(&["fota", "--yes"]);
    assert_eq!(done.object("result")["status"], "succeeded");
    world.good(&["flash", "--yes", "--decryption-key", "keys/device.pem"]);

    // A device that was flashed without the key says why it takes no encrypted image.
    let plain = manifest.split("[encryption]").next().unwrap();
    std::fs::write(&path, plain).unwrap();
    world.good(&["flash", "--yes"]);
    std::fs::write(&path, &manifest).unwrap();
    world.edit("const STEP: u32 = 4;", "const STEP: u32 = 5;");
    let refused = world.run(&["fota", "--yes"]);
    assert_eq!(refused.object("result")["reason"], "unsupported");
}
