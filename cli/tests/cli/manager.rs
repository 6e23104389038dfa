//! The verbs that speak with a manager, against a real one.

use crate::support::{Cutter, Home, Manager, api_key, readable_by_others};

#[test]
fn an_upload_needs_a_known_key_and_a_second_one_changes_nothing() {
    // A13, A14, A16: upload from the command line; it updates nothing; a version is never replaced.
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let refused = home.run(&["-C", "lamp", "upload"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(
        refused
            .err
            .contains("this needs an answer, and nobody can be asked here")
    );

    let first = home.run(&["-C", "lamp", "upload", "--yes"]);
    assert_eq!(first.code, 0, "{}", first.err);
    assert!(
        first.err.contains("registered the development key "),
        "{}",
        first.err
    );
    assert!(
        first
            .out
            .starts_with("version 1.2.3+1 of lamp is uploaded\nno device was updated;")
    );
    let second = home.run(&["-C", "lamp", "upload"]);
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(
        second
            .out
            .starts_with("version 1.2.3+1 of lamp is there already\n"),
        "{}",
        second.out
    );

    let third = home.run(&["-C", "lamp", "--json", "upload"]);
    let version = third.object("version");
    assert_eq!(
        (&version["version"], &version["already_there"]),
        (&"1.2.3+1".into(), &true.into())
    );
}

#[test]
fn an_edit_gives_a_new_version_and_a_number_used_elsewhere_is_skipped() {
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let upload = |arguments: &[&str]| {
        let all: Vec<&str> = ["-C", "lamp", "--json", "--yes", "upload"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        home.run(&all)
    };
    assert_eq!(upload(&[]).object("version")["version"], "1.2.3+1");
    home.write(
        "lamp/src/main.rs",
        "fn main() { println!(\"more light\"); }\n",
    );
    assert_eq!(upload(&[]).object("version")["version"], "1.2.3+2");
    // Another checkout of the same project counts from the beginning.
    std::fs::remove_dir_all(home.path("lamp/.otaru")).unwrap();
    home.write(
        "lamp/src/main.rs",
        "fn main() { println!(\"much more light\"); }\n",
    );
    assert_eq!(upload(&[]).object("version")["version"], "1.2.3+3");
    // A label of one's own is never changed behind one's back.
    assert_eq!(upload(&["--label", "party"]).code, 0);
    home.write(
        "lamp/src/main.rs",
        "fn main() { println!(\"darkness\"); }\n",
    );
    let taken = upload(&["--label", "party"]);
    assert_eq!(taken.code, 1);
    assert_eq!(taken.object("error")["code"], "version-exists");
    assert_eq!(
        taken.object("error")["message"],
        "version party exists already and has another content"
    );
    // People are told why the number is not the one they expect.
    std::fs::remove_dir_all(home.path("lamp/.otaru")).unwrap();
    let told = home.run(&["-C", "lamp", "upload"]);
    assert!(
        told.err.contains(
            "1.2.3+1 was used on another machine for another image; taking a new number\n"
        ),
        "{}",
        told.err
    );
    assert!(
        told.out
            .starts_with("version 1.2.3+4 of lamp is uploaded\n")
    );
}

#[test]
fn an_upload_goes_on_where_a_broken_connection_left_off() {
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let key = api_key(&home, &manager.url);
    let cutter = Cutter::start(&manager.url, 3, 100_000);
    let output = home
        .command(&[
            "-C",
            "lamp",
            "--json",
            "--yes",
            "upload",
            "--manager",
            &cutter.url,
        ])
        .env("OTARU_API_KEY", key)
        .output()
        .unwrap();
    let ended = home.ended(&output);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    assert_eq!(cutter.cuts(), 3);
    assert_eq!(ended.object("version")["already_there"], false);
    assert!(ended.objects().iter().any(|object| {
        object["type"] == "line"
            && object["text"]
                .as_str()
                .is_some_and(|text| text.contains("connection broke"))
    }));
}

#[test]
fn a_key_that_the_manager_does_not_accept_has_its_own_exit_code() {
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let with_key = |key: &str| {
        let mut command = home.command(&["-C", "lamp", "upload"]);
        home.ended(&command.env("OTARU_API_KEY", key).output().unwrap())
    };
    let ended = with_key("wrong");
    assert_eq!(ended.code, 6, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("does not accept the API key\n  next: log in with `otaru login")
    );
    assert_eq!(with_key("umlaut-ä\u{7f}").code, 6);
    std::fs::remove_file(home.path("config/credentials.json")).unwrap();
    let ended = home.run(&["-C", "lamp", "upload"]);
    assert_eq!(ended.code, 6);
    assert!(
        ended.err.starts_with("error: there is no API key for "),
        "{}",
        ended.err
    );
}

#[test]
fn logging_in_takes_a_key_from_standard_input_and_keeps_it_private() {
    let home = Home::new();
    let manager = Manager::start(&home);
    let key = api_key(&home, &manager.url);
    let stored = home.path("config/credentials.json");
    assert!(!readable_by_others(&stored));
    std::fs::remove_file(&stored).unwrap();
    let login = |key: &str| {
        let mut command = home.command(&["login", &manager.url]);
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), key.as_bytes()).unwrap();
        home.ended(&child.wait_with_output().unwrap())
    };
    let ended = login("nonsense\n");
    assert_eq!(ended.code, 6, "{}", ended.err);
    assert!(!stored.exists(), "a key that does not work is not kept");
    assert_eq!(login("").code, 2);
    let ended = login(&format!("{key}\n"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        !ended.out.contains(&key) && !ended.err.contains(&key),
        "the key is never shown"
    );
    assert_eq!(api_key(&home, &manager.url), key);
    assert!(!readable_by_others(&stored));
}

#[test]
fn an_admin_link_logs_in_once() {
    let home = Home::new();
    let data = home.path("manager");
    let mut process = home
        .command(&[
            "--json",
            "manager",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(&data)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = process.stdout.as_mut().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let link = told["admin_link"].as_str().unwrap().to_owned();
    std::fs::remove_file(home.path("config/credentials.json")).unwrap();
    let first = home.run(&["login", &link]);
    let second = home.run(&["login", &link]);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(first.code, 0, "{}", first.err);
    assert_ne!(second.code, 0);
}

#[test]
fn plans_of_updates_that_would_fail_for_certain_are_refused_before_the_upload() {
    // A38: refused with a clear reason.
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let ended = home.run(&["-C", "lamp", "fota", "--yes", "--device", "kitchen"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended
            .err
            .contains("error: there is no device `kitchen`\n  next: "),
        "{}",
        ended.err
    );
    let ended = home.run(&["-C", "lamp", "fota", "--yes", "--fleet", "hall"]);
    assert!(
        ended.err.contains("error: there is no fleet `hall`"),
        "{}",
        ended.err
    );
    let ended = home.run(&[
        "-C",
        "lamp",
        "fota",
        "--yes",
        "--existing",
        "9.9.9",
        "--device",
        "x",
    ]);
    assert_eq!(ended.code, 1);
    let again = home.run(&["-C", "lamp", "--json", "--yes", "upload"]);
    assert_eq!(
        again.object("version")["already_there"],
        false,
        "the plans uploaded nothing"
    );
}

#[test]
fn a_second_manager_on_the_same_folder_or_port_is_refused() {
    let home = Home::new();
    let manager = Manager::start(&home);
    let data = home.path("manager");
    let data = data.to_str().unwrap();
    let ended = home.run(&[
        "manager",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data,
    ]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("another manager works on the folder"),
        "{}",
        ended.err
    );
    let port = manager.url.trim_start_matches("http://");
    let ended = home.run(&[
        "--json", "manager", "serve", "--listen", port, "--data", "other",
    ]);
    assert_eq!(ended.code, 1);
    assert_eq!(ended.object("error")["code"], "port-taken");
    let ended = home.run(&[
        "--json",
        "manager",
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--data",
        "third",
    ]);
    assert_eq!(ended.object("error")["code"], "manager-insecure");
}

#[test]
fn the_doctor_names_what_needs_repair_and_how() {
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let well = home.run(&["-C", "lamp", "doctor"]);
    assert_eq!(well.code, 0, "{}", well.out);
    assert!(
        well.out.contains("✓ project    lamp, board host\n"),
        "{}",
        well.out
    );
    std::fs::remove_file(home.path("lamp/keys/dev.pem")).unwrap();
    let ill = home.run(&["-C", "lamp", "doctor"]);
    assert_eq!(ill.code, 1);
    assert!(ill.out.contains("✗ key        the signing key ~/lamp/keys/dev.pem does not exist\n             next: make one with `otaru keys new"), "{}", ill.out);
}

#[test]
fn version_signed_with_a_development_key_is_not_for_devices_in_the_field() {
    // A5. What the manager has already: `device.rs`.
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let run =
        |arguments: &[&str]| home.run(&[&["-C", "lamp", "--json", "--yes"], arguments].concat());
    assert_eq!(run(&["upload"]).code, 0);
    assert_eq!(run(&["upload", "--release"]).code, 5);
    let error = |arguments: &[&str]| run(arguments).object("error")["code"].clone();
    assert_eq!(error(&["fota", "--release"]), "dev-key-in-release");
}

#[cfg(unix)]
#[test]
fn an_identity_is_taken_away_and_a_device_erased_only_on_a_yes() {
    let home = Home::new();
    let manager = Manager::start(&home);
    home.project(&manager.url);
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = ["-C", "lamp", "--json"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        home.run(&all)
    };
    let missing = run(&["erase", "--yes"]);
    assert_eq!(missing.code, 1, "{}", missing.out);
    assert_eq!(run(&["flash"]).code, 0);
    let unknown = run(&["undo-provision", "--yes"]);
    assert_eq!(unknown.code, 1, "{}", unknown.out);
    assert!(unknown.out.contains("not-provisioned"), "{}", unknown.out);
    assert_eq!(run(&["provision"]).code, 0);
    for verb in ["erase", "undo-provision"] {
        let asked = run(&[verb]);
        assert_eq!(asked.code, 3, "{verb}: {}", asked.out);
        assert!(asked.out.contains("not-confirmed"), "{}", asked.out);
    }
    let done = run(&["undo-provision", "--yes"]);
    assert_eq!(done.code, 0, "{}", done.out);
    let id = done.object("unprovisioned")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(id.starts_with("dev-"), "{id}");
    let listed = run(&["device", "list"]);
    assert!(!listed.out.contains(&id), "{}", listed.out);
    assert_eq!(
        run(&["undo-provision", "--yes"]).code,
        1,
        "it has none any more"
    );
    assert_eq!(run(&["erase", "--yes"]).code, 0);
    // Without a device block there is nowhere to keep an identity.
    let refused = run(&["provision"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.out.contains("otaru flash"), "{}", refused.out);
    assert_eq!(run(&["device", "stop"]).code, 0);
}

#[test]
fn a_build_is_measured_and_cleaned_up() {
    let home = Home::new();
    home.project("http://127.0.0.1:9");
    let sized = home.run(&["-C", "lamp", "--json", "size"]);
    assert_eq!(sized.code, 0, "{}", sized.err);
    let size = sized.object("size");
    let pieces: u64 = size["pieces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| piece[1].as_u64().unwrap())
        .sum();
    assert_eq!(size["image_len"], pieces);
    let sections = size["sections"].as_array().unwrap();
    assert!(sections.iter().any(|section| section["name"] == ".text"));
    let cleaned = home
        .run(&["-C", "lamp", "--json", "clean"])
        .object("cleaned");
    assert!(cleaned["files"].as_u64().unwrap() > 0);
    assert!(!home.path("lamp/target/otaru").exists());
    assert!(home.path("lamp/.otaru/builds.json").is_file());
    let again = home.run(&["-C", "lamp", "--json", "size"]).object("size");
    assert_eq!(
        again["version"], size["version"],
        "the same content, the same number"
    );
}
