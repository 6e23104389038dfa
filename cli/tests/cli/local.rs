//! What works without a manager: projects, keys, builds, refusals.
// Issue 2, section 3: human output by default, `--json`, exit codes, errors say what to do next.

use crate::support::{Home, readable_by_others};

#[test]
fn a_new_project_is_complete_and_its_key_is_kept_out_of_version_control() {
    // A12: `new` creates a project.
    let home = Home::new();
    let made = home.run(&["new", "lamp", "--board", "host", "--mode", "swap"]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(
        made.out
            .starts_with("made lamp for the board host\n  signed with the development key ")
    );
    for file in [
        "Cargo.toml",
        "Otaru.toml",
        "src/main.rs",
        ".gitignore",
        "keys/dev.pem",
    ] {
        assert!(home.path("lamp").join(file).is_file(), "{file}");
    }
    assert!(!readable_by_others(&home.path("lamp/keys/dev.pem")));
    let ignored = std::fs::read_to_string(home.path("lamp/.gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/keys/*.pem"));
    let manifest = std::fs::read_to_string(home.path("lamp/Otaru.toml")).unwrap();
    let read = otaru_lsp_project::Manifest::parse(&manifest);
    assert_eq!(read.problems, []);
    assert_eq!(read.model.settings().unwrap().mode.as_str(), "swap");

    let keys = home.run(&["-C", "lamp", "keys", "list", "--json"]);
    let key = keys.object("key");
    assert_eq!(key["file"], "keys/dev.pem");
    assert_eq!(key["remarks"], "signs this project, development");
}

#[test]
fn a_new_project_for_the_emulated_board_links_for_it() {
    // A12: `new` creates a project.
    let home = Home::new();
    let made = home.run(&["new", "lamp", "--board", "qemu-virt"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let text = |file: &str| std::fs::read_to_string(home.path("lamp").join(file)).unwrap();
    assert!(text("Cargo.toml").contains("otaru-board-qemu-virt = {"));
    assert!(text("src/main.rs").contains("#![no_std]"));
    assert!(text("build.rs").contains("-Tqemu-virt.x"));
    assert!(text(".cargo/config.toml").contains("sha2_backend_soft"));
    assert!(text("Otaru.toml").contains("board = \"qemu-virt\""));
}

#[test]
fn without_an_emulator_the_doctor_and_the_device_say_what_is_missing() {
    let home = Home::new();
    let made = home.run(&["new", "lamp", "--board", "qemu-virt"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let nowhere = home.path("nowhere");
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env("OTARU_QEMU_RISCV32", &nowhere);
        home.ended(&command.output().unwrap())
    };
    let ill = run(&["-C", "lamp", "doctor"]);
    assert_eq!(ill.code, 1);
    assert!(
        ill.out
            .contains("✗ emulator   ~/nowhere cannot be started\n"),
        "{}",
        ill.out
    );
    let mut command = home.command(&["-C", "lamp", "device", "run", "--detach"]);
    // A search path without anything on it.
    command.env("PATH", &nowhere);
    let ended = home.ended(&command.output().unwrap());
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .err
            .contains("error: there is no qemu-system-riscv32 on this machine\n  next: install it"),
        "{}",
        ended.err
    );
}

#[test]
fn names_and_boards_that_cannot_work_are_refused_before_anything_is_made() {
    let home = Home::new();
    for (arguments, expected) in [
        (
            vec!["new", "Lamp"],
            "error: `Lamp` cannot be a project's name\n  next: use small letters, digits, `-` and `_`, beginning with a letter: `lamp`\n",
        ),
        (
            vec!["new", "7up"],
            "error: `7up` cannot be a project's name\n  next: use small letters, digits, `-` and `_`, beginning with a letter\n",
        ),
        (
            vec!["new", "lamp", "--board", "hots"],
            "error: there is no board `hots`\n  next: did you mean `host`?\n",
        ),
        (
            vec!["new", "lamp", "--mode", "twist"],
            "error: `twist` is not an install mode\n  next: modes: standby, swap\n",
        ),
    ] {
        let ended = home.run(&arguments);
        assert_eq!(
            (ended.code, ended.err.as_str(), ended.out.as_str()),
            (2, expected, "")
        );
        assert!(!home.path(arguments[1]).exists());
    }
    home.write("lamp/something", "");
    let ended = home.run(&["new", "lamp"]);
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.err,
        "error: lamp exists and is not empty\n  next: choose another name, or `--path`\n"
    );
}

#[test]
fn without_a_project_the_error_says_how_to_get_one() {
    let home = Home::new();
    let ended = home.run(&["build"]);
    assert_eq!(ended.code, 5);
    assert_eq!(
        ended.err,
        "error: there is no Otaru.toml in ~ or above it\n  next: go to the project's folder, or make a project with `otaru new my-product`\n"
    );
    let ended = home.run(&["build", "--json"]);
    assert_eq!(ended.code, 5);
    assert_eq!(ended.err, "");
    assert_eq!(
        ended.out,
        "{\"causes\":[],\"code\":\"no-project\",\"exit_code\":5,\"hint\":\"go to the project's folder, or make a project with `otaru new my-product`\",\"message\":\"there is no Otaru.toml in ~ or above it\",\"type\":\"error\"}\n"
    );
}

#[test]
fn problems_of_the_manifest_are_shown_with_their_lines() {
    let home = Home::new();
    home.write(
        "lamp/Otaru.toml",
        "[project]\nname = \"lamp\"\nbaord = \"host\"\n[signing]\nkey = 3\n",
    );
    let ended = home.run(&["-C", "lamp", "build"]);
    assert_eq!(ended.code, 5);
    assert_eq!(
        ended.err,
        "error[missing-required]: `board` is missing in `[project]`
 --> Otaru.toml:1:2
1 | [project]
  |  ^^^^^^^ add `board = \"host\"`

error[unknown-key]: unknown key `baord` in `[project]`
 --> Otaru.toml:3:1
3 | baord = \"host\"
  | ^^^^^ did you mean `board`?

error[type]: `key` must be a string, this is a whole number
 --> Otaru.toml:5:7
5 | key = 3
  |       ^

error: ~/lamp/Otaru.toml has errors
  next: what each key means stands in docs/manifest.md
"
    );
    let ended = home.run(&["-C", "lamp", "build", "--json"]);
    let codes: Vec<String> = ended
        .objects()
        .iter()
        .map(|object| format!("{}:{} {}", object["line"], object["column"], object["code"]))
        .collect();
    assert_eq!(
        codes,
        [
            "1:2 \"missing-required\"",
            "3:1 \"unknown-key\"",
            "5:7 \"type\"",
            "null:null \"manifest-invalid\""
        ]
    );
}

#[test]
fn a_build_shows_the_image_and_a_second_one_the_same() {
    let home = Home::new();
    home.project("http://127.0.0.1:1");
    let first = home.run(&["-C", "lamp", "build"]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(
        first.err.contains("✓ compiled lamp\n✓ image 1.2.3+1, "),
        "{}",
        first.err
    );
    let names: Vec<&str> = first
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["version", "size", "digest", "board", "key", "file"]);
    assert!(first.out.contains("\nkey      ") && first.out.contains(" (development)\n"));
    assert_eq!(home.run(&["-C", "lamp", "build"]).out, first.out);

    let json = home.run(&["-C", "lamp", "build", "--json", "--label", "party"]);
    let image = json.object("image");
    assert_eq!(image["label"], "party");
    assert_eq!(image["version"], "1.2.3");
    assert!(home.path("lamp/target/otaru/images/party.img").is_file());
}

#[test]
fn a_compile_error_is_shown_as_the_compiler_says_it() {
    let home = Home::new();
    home.project("http://127.0.0.1:1");
    home.write(
        "lamp/src/main.rs",
        "fn main() {\n    let x: u8 = \"text\";\n}\n",
    );
    let ended = home.run(&["-C", "lamp", "build"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .err
            .contains("error[E0308]: mismatched types\n --> src/main.rs:2:17"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.ends_with(
            "error: ~/lamp/src/main.rs:2:17: mismatched types\n  next: nothing was uploaded; repair it and try again\n"
        ),
        "{}",
        ended.err
    );
    let found = home
        .run(&["-C", "lamp", "build", "--json"])
        .object("diagnostic");
    assert_eq!((&found["line"], &found["column"]), (&2.into(), &17.into()));
}

#[test]
fn labels_that_cannot_be_are_refused() {
    let home = Home::new();
    home.project("http://127.0.0.1:1");
    let ended = home.run(&["-C", "lamp", "build", "--label", "two words"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("' ' cannot stand in a version"),
        "{}",
        ended.err
    );
}

#[test]
fn a_manager_that_is_not_there_has_its_own_exit_code() {
    let home = Home::new();
    // Port 1 of the loopback: nobody listens there.
    home.project("http://127.0.0.1:1");
    let ended = home.run(&["-C", "lamp", "upload"]);
    assert_eq!(ended.code, 4);
    assert!(
        ended
            .err
            .starts_with("error: the manager at http://127.0.0.1:1 does not answer\n")
    );
    assert!(
        ended
            .err
            .contains("next: start it with `otaru manager serve`"),
        "{}",
        ended.err
    );
    assert!(
        !home.path("lamp/target").exists(),
        "nothing was compiled for nothing"
    );
    let ended = home.run(&["-C", "lamp", "upload", "--manager", "localhost"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("`localhost` is no manager"),
        "{}",
        ended.err
    );
}

#[test]
fn wrong_usage_has_its_own_exit_code_and_suggests_the_right_word() {
    let home = Home::new();
    let ended = home.run(&["uplaod"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("upload"), "{}", ended.err);
    assert_eq!(home.run(&["--version"]).code, 0);
    let help = home.run(&["--help"]);
    assert_eq!(help.code, 0);
    for verb in [
        "new",
        "keys",
        "build",
        "clean",
        "size",
        "flash",
        "erase",
        "provision",
        "undo-provision",
        "upload",
        "fota",
        "device",
        "console",
        "manager",
        "login",
        "demo",
        "doctor",
    ] {
        assert!(help.out.contains(&format!("\n  {verb} ")), "{verb}");
    }
    assert!(!help.out.contains("host-chip"));
    for arguments in [
        vec!["fota", "--device", "a", "--fleet", "b"],
        vec!["fota", "--deadline", "0"],
        vec!["device", "power-cut", "--torn"],
    ] {
        assert_eq!(home.run(&arguments).code, 2, "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn devices_that_are_not_there_are_named() {
    let home = Home::new();
    let ended = home.run(&["device", "reset", "lamp"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("otaru device run"), "{}", ended.err);
    assert_eq!(home.run(&["device", "reset", "../lamp"]).code, 2);
    let ended = home.run(&["lab", "-d", "lamp"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("otaru device run"), "{}", ended.err);
    let ended = home.run(&["lab", "run", "flood", "-d", "lamp"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("there is no fault flood"),
        "{}",
        ended.err
    );
    let ended = home.run(&["device", "list"]);
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.err,
        "error: there are no devices\n  next: make one: `otaru flash` in a project\n"
    );
}

#[test]
fn development_keys_build_nothing_for_devices_in_the_field() {
    // A5: refused before anything is compiled, with the way out.
    let home = Home::new();
    home.project("http://127.0.0.1:1");
    let refused = |arguments: &[&str]| {
        let ended = home.run(&[&["-C", "lamp"], arguments].concat());
        assert_eq!(ended.code, 5, "{arguments:?}: {}", ended.err);
        let said = "keys/dev.pem is a development key, and this is for devices in the field";
        assert!(ended.err.contains(said), "{}", ended.err);
        assert!(
            ended.err.contains("otaru keys new --release FILE"),
            "{}",
            ended.err
        );
        assert!(!home.path("lamp/target").exists(), "nothing is compiled");
    };
    refused(&["build", "--release"]);
    refused(&["flash", "--release"]);
    let manifest = home.path("lamp/Otaru.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let release = text.replace("[signing]", "[signing]\nrelease = true");
    std::fs::write(&manifest, &release).unwrap();
    refused(&["build"]);
    refused(&["flash"]);

    let made = home.run(&["-C", "lamp", "keys", "new", "--release", "keys/field.pem"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let moved = release.replace("keys/dev.pem", "keys/field.pem");
    std::fs::write(&manifest, &moved).unwrap();
    let built = home.run(&["-C", "lamp", "--json", "build", "--release"]);
    assert_eq!(built.code, 0, "{}", built.err);
    assert_eq!(built.object("image")["development_key"], false);
    // The devices' key is one, too.
    let made = home.run(&[
        "-C",
        "lamp",
        "keys",
        "new",
        "--encryption",
        "keys/device.pem",
    ]);
    assert_eq!(made.code, 0, "{}", made.err);
    std::fs::write(
        &manifest,
        moved + "[encryption]\nkey = \"keys/device.pem\"\n",
    )
    .unwrap();
    let ended = home.run(&["-C", "lamp", "--json", "build"]);
    let error = ended.object("error");
    assert_eq!(error["code"], "dev-key-in-release", "{error}");
}
