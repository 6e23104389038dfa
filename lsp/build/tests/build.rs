//! Builds real projects with the real cargo.
// Issue 2, section 3: cargo as a child process, ELF to image, automatic build number, signing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use otaru_image::{SigningKey, inspect, installed_form};
use otaru_lsp_build::cargo::{Level, target_dir};
use otaru_lsp_build::image::{BuildOptions, BuiltImage, build};
use otaru_lsp_build::keys::{Algorithm, DeviceKey, ProjectKey};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{Explain as _, Job, JobEvent, Phase};
use otaru_lsp_project::Label;
use sha2::{Digest as _, Sha256};
use std::path::Path;

const MAIN: &str = "fn main() { println!(\"{}\", std::panic::Location::caller()); }\n";

/// Writes a small firmware project into a folder.
fn project(folder: &Path, main: &str) -> OpenProject {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[package]\nname = \"lamp\"\nversion = \"1.2.3\"\nedition = \"2024\"\n[workspace]\n",
    );
    write("src/main.rs", main);
    write(
        "Otaru.toml",
        "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"keys/dev.pem\"\n",
    );
    if !folder.join("keys/dev.pem").exists() {
        ProjectKey::create(&folder.join("keys/dev.pem"), Algorithm::Ed25519, true).unwrap();
    }
    OpenProject::open(folder).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap())
        .collect()
}

async fn built(project: &OpenProject) -> BuiltImage {
    build(project, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_project_becomes_a_signed_image_with_a_label() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    let (job, mut events) = Job::new();
    let image = build(&project, &BuildOptions::default(), &job)
        .await
        .unwrap();
    drop(job);
    assert_eq!(image.label, "1.2.3+1");
    assert!(image.development_key);
    let bytes = std::fs::read(&image.path).unwrap();
    assert_eq!(u64::try_from(bytes.len()).unwrap(), image.size);
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    assert_eq!(image.digest, hex(&digest));
    let info = inspect(&mut bytes.as_slice(), u32::MAX).unwrap();
    assert_eq!(
        info.label.as_ref().map(otaru_image::Label::as_str),
        Some("1.2.3+1")
    );
    let about = std::fs::read(image.path.with_extension("json")).unwrap();
    let mut about: BuiltImage = serde_json::from_slice(&about).unwrap();
    about.path.clone_from(&image.path);
    about.executable.clone_from(&image.executable);
    assert_eq!(about, image);

    let mut phases = Vec::new();
    while let Some(event) = events.recv().await {
        if let JobEvent::Finished { phase, .. } = event {
            phases.push(phase);
        }
    }
    assert_eq!(phases, [Phase::Compile, Phase::Pack]);
}

#[tokio::test]
async fn only_an_edit_gives_a_new_number_and_going_back_gives_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    let first = built(&project).await;
    let again = built(&project).await;
    assert_eq!((&first.label, &first.digest), (&again.label, &again.digest));

    std::fs::write(
        folder.path().join("src/main.rs"),
        "fn main() { println!(\"new\"); }",
    )
    .unwrap();
    let edited = built(&project).await;
    assert_eq!(edited.label, "1.2.3+2");

    std::fs::write(folder.path().join("src/main.rs"), MAIN).unwrap();
    let back = built(&project).await;
    assert_eq!((back.label, back.digest), (first.label, first.digest));
}

#[tokio::test]
async fn the_same_source_gives_the_same_bytes_in_every_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (
        folder.path().join("one"),
        folder.path().join("deeper/down/two"),
    );
    let first = project(&one, MAIN);
    std::fs::create_dir_all(two.join("keys")).unwrap();
    std::fs::copy(one.join("keys/dev.pem"), two.join("keys/dev.pem")).unwrap();
    let second = project(&two, MAIN);
    let (first, second) = (built(&first).await, built(&second).await);
    assert_eq!(first.digest, second.digest);
    let bytes = std::fs::read(&first.path).unwrap();
    let path = folder.path().to_str().unwrap().as_bytes();
    assert!(
        !bytes.windows(path.len()).any(|window| window == path),
        "a path of this machine"
    );
}

#[tokio::test]
async fn an_image_of_the_next_key_revokes_the_old_one() {
    // Several keys, moving to a key provisioned in advance, revocation.
    let folder = tempfile::tempdir().unwrap();
    let before = project(folder.path(), MAIN);
    let plain = built(&before).await;
    ProjectKey::create(
        &folder.path().join("keys/next.pem"),
        Algorithm::Ed25519,
        true,
    )
    .unwrap();
    let signing = |lines: &str| {
        let text = format!(
            "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\n\
             key_table = [\"keys/dev.pem\", \"keys/next.pem\"]\n{lines}\n"
        );
        std::fs::write(folder.path().join("Otaru.toml"), text).unwrap();
        OpenProject::open(folder.path()).unwrap()
    };
    let revoked = |image: &BuiltImage| {
        let bytes = std::fs::read(&image.path).unwrap();
        inspect(&mut bytes.as_slice(), u32::MAX).unwrap().revoke
    };
    // A table alone changes nothing in the image.
    let same = built(&signing("key = \"keys/dev.pem\"")).await;
    assert_eq!(
        (same.digest, same.label),
        (plain.digest.clone(), plain.label)
    );
    let moving = signing("key = \"keys/next.pem\"\nrevoke = [\"keys/dev.pem\"]");
    let moved = built(&moving).await;
    assert_eq!((moved.revoke, revoked(&moved)), (1, 1));
    // What it revokes is part of what makes two builds different.
    let staying = built(&signing("key = \"keys/next.pem\"")).await;
    assert_eq!((staying.revoke, revoked(&staying)), (0, 0));
    assert_ne!(staying.label, moved.label);
    // The same key under another name: found before anything is compiled.
    std::fs::copy(
        folder.path().join("keys/next.pem"),
        folder.path().join("keys/twin.pem"),
    )
    .unwrap();
    let own = signing("key = \"keys/twin.pem\"\nrevoke = [\"keys/next.pem\"]");
    let error = build(&own, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "revokes-own-key", "{error}");
}

#[tokio::test]
async fn a_compile_error_is_told_with_its_place_and_makes_no_image() {
    // A41: a build error stops the chain and shows that step's error.
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), "fn main() {\n    let x: u8 = \"text\";\n}\n");
    let (job, mut events) = Job::new();
    let error = build(&project, &BuildOptions::default(), &job)
        .await
        .unwrap_err();
    drop(job);
    assert_eq!(error.code(), "compile-failed");
    assert!(error.to_string().contains("src/main.rs:2:17"), "{error}");
    let mut errors = Vec::new();
    while let Some(event) = events.recv().await {
        if let JobEvent::Diagnostic(found) = event
            && found.level == Level::Error
        {
            errors.push(found);
        }
    }
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].code.as_deref(), Some("E0308"));
    assert_eq!(errors[0].range[..2], [2, 17]);
    assert_eq!(
        errors[0].file.as_deref(),
        Some(folder.path().join("src/main.rs").as_path())
    );
    assert!(!target_dir(folder.path()).join("images").exists());
    assert!(
        !folder.path().join(".otaru/builds.json").exists(),
        "no number was used up"
    );
}

#[tokio::test]
async fn a_broken_cargo_toml_is_told_in_cargos_words() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    std::fs::write(folder.path().join("Cargo.toml"), "[package]\nname = 1\n").unwrap();
    let error = build(&project, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "cargo-metadata");
    assert!(error.to_string().contains("Cargo.toml"), "{error}");
}

#[tokio::test]
async fn a_missing_key_is_told_before_anything_is_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    std::fs::remove_file(folder.path().join("keys/dev.pem")).unwrap();
    let error = build(&project, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "key-missing");
    assert!(!target_dir(folder.path()).exists());
}

#[tokio::test]
async fn another_key_gives_another_number() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    let first = built(&project).await;
    std::fs::remove_file(folder.path().join("keys/dev.pem")).unwrap();
    SigningKey::generate()
        .unwrap()
        .save_new(&folder.path().join("keys/dev.pem"))
        .unwrap();
    let second = built(&project).await;
    assert_eq!(
        (first.label.as_str(), second.label.as_str()),
        ("1.2.3+1", "1.2.3+2")
    );
    assert!(!second.development_key);
}

#[tokio::test]
async fn a_label_of_ones_own_replaces_the_automatic_one() {
    // A37: a default version is proposed and can be overridden with free text.
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    let options = BuildOptions {
        label: Some(Label::new("summer-party").unwrap()),
        ..Default::default()
    };
    let image = build(&project, &options, &Job::new().0).await.unwrap();
    assert_eq!(image.label, "summer-party");
    assert!(!image.automatic && image.path.ends_with("summer-party.img"));
}

/// Processes whose command line mentions a text.
#[cfg(target_os = "linux")]
fn processes_mentioning(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(line);
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_cancelled_build_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), MAIN);
    // A build script that never ends, so that cargo has a grandchild when it is cancelled.
    std::fs::write(
        folder.path().join("build.rs"),
        "fn main() { eprintln!(\"forever\"); loop { std::thread::park(); } }",
    )
    .unwrap();
    let (job, mut events) = Job::new();
    let work = tokio::spawn({
        let job = job.clone();
        async move { build(&project, &BuildOptions::default(), &job).await }
    });
    let marker = target_dir(folder.path()).to_str().unwrap().to_owned();
    // The build script runs once its executable shows up as a process beside cargo.
    let script_runs = async {
        loop {
            let script =
                |line: &String| line.contains("build-script-build") && !line.contains("rustc");
            if processes_mentioning(&marker).iter().any(script) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(2), script_runs)
        .await
        .expect("the build script starts");
    job.cancel();
    let error = work.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "cancelled");
    // Killed processes are gone once their parent, or init, has collected them.
    let gone = async {
        while !processes_mentioning(&marker).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), gone)
        .await
        .unwrap_or_else(|_| panic!("left behind: {:?}", processes_mentioning(&marker)));
    events.close();
}

#[tokio::test]
async fn parts_of_the_manifest_go_into_the_file() {
    // Multi-image: firmware plus further images in one signed file.
    let folder = tempfile::tempdir().unwrap();
    let before = project(folder.path(), MAIN);
    let plain = built(&before).await;
    assert_eq!(plain.parts, []);
    let manifest = "[project]\nname = \"lamp\"\nboard = \"host\"\nneeds = [\"fonts 2.0.0\"]\n\
        [signing]\nkey = \"keys/dev.pem\"\nsecurity_counter = 4\n\
        [[part]]\nname = \"fonts\"\nindex = 2\nfile = \"fonts.bin\"\nversion = \"2.1.0\"\n\
        needs = [\"firmware 1.2.0\"]\n";
    std::fs::write(folder.path().join("Otaru.toml"), manifest).unwrap();
    let project = OpenProject::open(folder.path()).unwrap();
    let missing = build(&project, &BuildOptions::default(), &Job::new().0).await;
    assert_eq!(missing.unwrap_err().code(), "storage");
    std::fs::write(folder.path().join("fonts.bin"), []).unwrap();
    let empty = build(&project, &BuildOptions::default(), &Job::new().0).await;
    assert_eq!(empty.unwrap_err().code(), "part-empty");

    std::fs::write(folder.path().join("fonts.bin"), [7; 9000]).unwrap();
    let with = built(&project).await;
    let bytes = std::fs::read(&with.path).unwrap();
    let info = inspect(&mut bytes.as_slice(), u32::MAX).unwrap();
    assert_eq!(u64::from(info.len), with.size);
    let part = *info.parts.get(2).unwrap();
    assert!(
        part.offset
            .is_multiple_of(project.settings.board.flash.chunk_len)
    );
    assert_eq!(hex(&part.digest), with.parts[0].digest);
    assert_eq!(
        (with.parts[0].index, with.parts[0].name.as_str()),
        (2, "fonts")
    );
    let about = otaru_image::inspect_part(&mut bytes.as_slice(), &part).unwrap();
    assert_eq!(about.header.version.to_string(), "2.1.0+0");
    assert_eq!((about.index(), about.security_counter), (Some(2), 4));
    let key = SigningKey::load(&folder.path().join("keys/dev.pem")).unwrap();
    let keys = [otaru_image::Key {
        public: key.public().to_bytes(),
        kind: key.public().kind(),
        revoked: false,
    }];
    let expect = otaru_image::Expectation {
        keys: &keys,
        len: Some(info.len),
        ..otaru_image::Expectation::default()
    };
    let verdict = otaru_image::verify(&mut bytes.as_slice(), info.len, &expect, &mut [0; 4096]);
    assert_eq!(verdict.unwrap().signers().count(), 2);

    // Only the part changes: a new number. It changes back: the old one.
    std::fs::write(folder.path().join("fonts.bin"), [8; 9000]).unwrap();
    assert_ne!(built(&project).await.build, with.build);
    std::fs::write(folder.path().join("fonts.bin"), [7; 9000]).unwrap();
    assert_eq!(built(&project).await.digest, with.digest);
}

/// The project with these lines at the end of its manifest.
fn with_lines(folder: &Path, signing: &str, lines: &str) -> OpenProject {
    let text = format!(
        "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"keys/{signing}\"\n{lines}\n"
    );
    std::fs::write(folder.join("Otaru.toml"), text).unwrap();
    OpenProject::open(folder).unwrap()
}

#[tokio::test]
async fn an_image_is_signed_with_a_p256_key_and_built_twice_the_same() {
    // A5 with ECDSA P-256: signatures are deterministic, so building again changes nothing.
    let folder = tempfile::tempdir().unwrap();
    project(folder.path(), MAIN);
    let key =
        ProjectKey::create(&folder.path().join("keys/p256.pem"), Algorithm::P256, true).unwrap();
    let project = with_lines(folder.path(), "p256.pem", "");
    let (first, second) = (built(&project).await, built(&project).await);
    assert_eq!(
        (&first.digest, &first.label),
        (&second.digest, &second.label)
    );
    assert_eq!(first.key, key.signing.public().to_hex());
    let bytes = std::fs::read(&first.path).unwrap();
    let info = inspect(&mut bytes.as_slice(), u32::MAX).unwrap();
    assert!(matches!(info.signature, otaru_image::Signature::P256(_)));
    assert_eq!(info.key_hash, key.signing.public().key_hash());
}

#[tokio::test]
async fn an_encrypted_image_is_encrypted_once_for_each_content() {
    let folder = tempfile::tempdir().unwrap();
    let plain = built(&project(folder.path(), MAIN)).await;
    let key = DeviceKey::create(&folder.path().join("keys/device.pem"), true).unwrap();
    let lines = "[encryption]\nkey = \"keys/device.pem\"\naes = 256";
    let project = with_lines(folder.path(), "dev.pem", lines);
    let first = built(&project).await;
    assert_ne!(first.label, plain.label, "another content");
    let encryption = first.encryption.clone().unwrap();
    assert_eq!(encryption.algorithm(), "aes-256");
    assert!(encryption.development_key);
    let sent = std::fs::read(&first.path).unwrap();
    let installed = installed_form(&sent, &key.private.clone().unwrap()).unwrap();
    let code = MAIN.split('"').nth(1).unwrap().as_bytes();
    assert_ne!(sent, installed);
    assert!(!code.is_empty() && installed.starts_with(&sent[..0x200]));
    // The same file again, whatever else was built meanwhile, with the public half alone.
    std::fs::write(folder.path().join("keys/device.pub"), key.public.to_pem()).unwrap();
    let public = lines.replace("device.pem", "device.pub");
    let second = built(&with_lines(folder.path(), "dev.pem", &public)).await;
    assert_eq!(
        (&second.label, &second.digest),
        (&first.label, &first.digest)
    );
    let again = built(&with_lines(folder.path(), "dev.pem", lines)).await;
    assert_eq!((&again.label, &again.digest), (&first.label, &first.digest));
    // A file that is not what was built is not taken for it.
    std::fs::write(&again.path, b"something else").unwrap();
    let repaired = built(&with_lines(folder.path(), "dev.pem", lines)).await;
    assert_eq!(std::fs::read(&repaired.path).unwrap().len(), sent.len());
    assert_ne!(repaired.digest, first.digest, "encrypted with a fresh key");
    let missing = with_lines(
        folder.path(),
        "dev.pem",
        &lines.replace("device.pem", "none.pem"),
    );
    let error = build(&missing, &BuildOptions::default(), &Job::new().0)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "key-missing");
}
