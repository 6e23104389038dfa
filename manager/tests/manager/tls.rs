//! TLS, with a certificate of a test CA (`tls/`, worthless anywhere else). A2, C48.

use crate::support::{PATIENCE, TestManager};
use otaru_manager::TlsFiles;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/manager/tls")
        .join(name)
}

fn client(trusts_our_ca: bool) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    if trusts_our_ca {
        let ca = CertificateDer::from_pem_file(file("ca.pem")).expect("the test CA");
        roots.add(ca).expect("it is a CA");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn with_a_certificate_only_tls_is_spoken_and_links_are_https() {
    let manager = TestManager::start_with(|config| {
        config.tls = Some(TlsFiles {
            certificate: file("cert.pem"),
            key: file("key.pem"),
        });
    })
    .await;
    let address = manager
        .url
        .strip_prefix("https://")
        .expect("an https address")
        .to_owned();
    let name = ServerName::try_from("localhost").expect("a name");

    let stream = TcpStream::connect(&address).await.expect("it listens");
    let mut tls = client(true)
        .connect(name.clone(), stream)
        .await
        .expect("a handshake");
    let request = format!(
        "POST /api/v1/devices HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 2\r\nConnection: close\r\n\r\n{{}}",
        manager.api_key
    );
    tls.write_all(request.as_bytes())
        .await
        .expect("it takes the request");
    let mut answer = String::new();
    let read = tls.read_to_string(&mut answer);
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("in time")
        .expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(
        answer.contains(&format!("\"ddi_url\":\"https://{address}/DEFAULT/")),
        "{answer}"
    );

    let stream = TcpStream::connect(&address).await.expect("it listens");
    let stranger = client(false).connect(name, stream).await;
    stranger.expect_err("a client that does not trust the CA goes away");
    let plain = manager.http.get(format!("http://{address}/")).send().await;
    plain.expect_err("plain HTTP is not spoken");
}
