//! The Otaru device updates from another DDI server: goosebit, unchanged.
// Done-list 3 of the first issue; landing mark (a)

use otaru_lsp_project::Mode;
use otaru_tests_scenarios::{Device, PATIENCE, image_of};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

fn interop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/goosebit_server.py")
}

async fn event(
    lines: &mut Lines<BufReader<ChildStdout>>,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let mut seen = Vec::new();
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = line else {
            panic!("goosebit ended or went silent: {seen:#?}")
        };
        let value: Value = serde_json::from_str(&line).expect("one JSON object a line");
        if wanted(&value) {
            return value;
        }
        seen.push(value);
    }
}

#[tokio::test]
#[ignore = "needs goosebit; cargo xtask test runs it"]
async fn otaru_device_completes_an_update_from_goosebit() {
    let python = std::env::var_os("OTARU_VENV_PYTHON").expect("cargo xtask test sets it");
    let dir = TempDir::new().expect("a temporary folder");
    let key = otaru_image::SigningKey::from_seed([42; 32]);
    let (old, new) = (image_of("1.0.0", 1, &key), image_of("2.0.0", 2, &key));
    let file = dir.path().join("scenario-2.0.0.img");
    std::fs::write(&file, &new).expect("the image can be written");
    let mut goosebit = Command::new(python)
        .arg(interop())
        .arg("--image")
        .arg(&file)
        .args([
            "--version",
            "2.0.0",
            "--device",
            "kitchen",
            "--token",
            "4c2f",
            "--registered",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python starts");
    let stdout = goosebit.stdout.take().expect("stdout is a pipe");
    let mut lines = BufReader::new(stdout).lines();
    let ready = event(&mut lines, |value| value["event"] == "ready").await;
    let url = ready["ddi_url"].as_str().expect("an address").to_owned();

    let mut device = Device::start(&dir.path().join("device"), Mode::Standby);
    device.flash(&old, &key);
    device.provision("kitchen", "4c2f", &url);
    let finished = |value: &Value| value["event"] == "feedback" && value["execution"] == "closed";
    let feedback = event(&mut lines, finished).await;
    assert_eq!(feedback["finished"], "success", "{feedback:#}");
    event(&mut lines, |value| {
        value["event"] == "state" && value["state"] == "Finished"
    })
    .await;
    device.console().wait_for("confirmed: version 2.0.0 stays");
    assert!(
        device.execution_slot(new.len()) == new,
        "the device runs another image"
    );
}
