//! The way of an image to a manager, as far as it can be seen without one that has a store. How
//! numbers are skipped and keys registered in a real manager is shown by the tests of the command
//! line, which goes this same way.
// A16: an image does not take a version that exists; A5: keys are registered on purpose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use otaru_lsp_build::handover::{HandoverError, free_image, register_key};
use otaru_lsp_build::image::{BuildOptions, BuiltImage, Provenance};
use otaru_lsp_build::keys::{Algorithm, ProjectKey};
use otaru_lsp_build::manager::{ManagerClient, ManagerError};
use otaru_lsp_build::project::OpenProject;
use otaru_lsp_build::{ErrorClass, Explain, Job, JobEvent};
use otaru_lsp_project::ManagerUrl;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const KEY: &str = "aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11";
/// How long anything may take before the test says that it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

fn project(folder: &Path) -> OpenProject {
    ProjectKey::create(&folder.join("keys/dev.pem"), Algorithm::Ed25519, true).unwrap();
    // There is nothing to compile: whoever tries gets another error than the one expected.
    std::fs::write(
        folder.join("Otaru.toml"),
        "[project]\nname = \"lamp\"\nboard = \"host\"\n[signing]\nkey = \"keys/dev.pem\"\n",
    )
    .unwrap();
    OpenProject::open(folder).unwrap()
}

fn image() -> BuiltImage {
    BuiltImage {
        path: PathBuf::from("lamp.img"),
        label: "1.2.3+1".to_owned(),
        version: "1.2.3".to_owned(),
        build: 1,
        automatic: true,
        digest: "bb".to_owned(),
        size: 1,
        board: "host".to_owned(),
        security_counter: 0,
        revoke: 0,
        key: KEY.to_owned(),
        development_key: true,
        encryption: None,
        content: String::new(),
        parts: Vec::new(),
        provenance: Provenance::default(),
        executable: None,
    }
}

fn client(listener: &TcpListener) -> ManagerClient {
    let url = format!("http://{}", listener.local_addr().unwrap());
    ManagerClient::new(ManagerUrl::parse(&url).unwrap(), Some("key")).unwrap()
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A peer that has exactly these keys, and takes down what it is asked.
async fn ring(known: &'static str) -> (ManagerClient, Arc<Mutex<Vec<String>>>) {
    let listener = listen().await;
    let client = client(&listener);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let request = read_request(&mut stream).await;
            let added = "{\"id\":\"key-1\",\"name\":\"lamp\",\"public_key\":\"aa\"}";
            let body = if request.starts_with("GET") {
                known
            } else {
                added
            };
            log.lock().unwrap().push(request);
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (client, asked)
}

/// The request line and the body.
async fn read_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if body.len() >= length {
                return format!("{}\n{body}", head.lines().next().unwrap());
            }
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{text}");
    }
}

#[tokio::test]
async fn a_manager_that_is_not_there_costs_no_compilation() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let listener = listen().await;
    let client = client(&listener);
    drop(listener);
    let (job, mut events) = Job::new();
    let error = free_image(&project, &client, &BuildOptions::default(), &job)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "manager-unreachable");
    assert_eq!(error.class(), ErrorClass::Unreachable);
    drop(job);
    let told: Option<JobEvent> = events.recv().await;
    assert!(told.is_none(), "no work was begun, but: {told:?}");
}

#[tokio::test]
async fn a_silent_manager_does_not_keep_the_work_from_being_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path());
    let listener = listen().await;
    let client = client(&listener);
    let (job, _events) = Job::new();
    let stop = job.clone();
    let asked = tokio::spawn(async move {
        let connection = listener.accept().await.unwrap();
        stop.cancel();
        connection
    });
    let options = BuildOptions::default();
    let ended = tokio::time::timeout(PATIENCE, free_image(&project, &client, &options, &job));
    let error = ended.await.unwrap().unwrap_err();
    assert!(
        matches!(error, HandoverError::Manager(ManagerError::Cancelled)),
        "{error}"
    );
    assert_eq!(error.class(), ErrorClass::Refused);
    drop(asked.await.unwrap());
}

#[tokio::test]
async fn a_known_key_is_neither_asked_about_nor_registered() {
    let known = "[{\"id\":\"key-1\",\"name\":\"lamp\",\"public_key\":\
                 \"AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11AA11\"}]";
    let (client, asked) = ring(known).await;
    let question = || -> Result<(), ManagerError> { panic!("nobody is to be asked") };
    let registered = register_key(&client, "lamp", &image(), question).await;
    assert!(!registered.unwrap());
    assert_eq!(*asked.lock().unwrap(), ["GET /api/v1/keys HTTP/1.1\n"]);
}

#[tokio::test]
async fn an_unknown_key_is_registered_only_if_the_user_agrees() {
    let (client, asked) = ring("[]").await;
    let refused = register_key(&client, "lamp", &image(), || Err(ManagerError::Cancelled)).await;
    assert!(matches!(refused, Err(ManagerError::Cancelled)));
    assert_eq!(*asked.lock().unwrap(), ["GET /api/v1/keys HTTP/1.1\n"]);

    let agreed = || Ok::<(), ManagerError>(());
    assert!(
        register_key(&client, "lamp", &image(), agreed)
            .await
            .unwrap()
    );
    let asked = asked.lock().unwrap().clone();
    let (line, body) = asked.last().unwrap().split_once('\n').unwrap();
    assert_eq!(line, "POST /api/v1/keys HTTP/1.1");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "name": "lamp", "algorithm": "ed25519", "public_key": KEY, "development": true,
        })
    );
}
