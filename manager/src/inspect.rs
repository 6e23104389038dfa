//! Checks an uploaded file: its hash, and for an image its form and signature.

use crate::api::views::Part;
use crate::app::App;
use crate::error::ApiError;
use crate::public_key::PublicKey;
use crate::store::uploads::UploadRow;
use crate::{secret, store};
use md5::Md5;
use otaru_image::{
    Expectation, ImageInfo, ReadAt, VerifyError, inspect, inspect_part, verify, verify_stated,
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

const BLOCK_LEN: usize = 64 << 10;

/// What is worth knowing about a file.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) sha1: String,
    pub(crate) md5: String,
    /// Class UUID of the board.
    pub(crate) board: Option<String>,
    pub(crate) security_counter: Option<i64>,
    /// Public key that signed it, hex.
    pub(crate) signing_key: Option<String>,
    /// The further images in it.
    pub(crate) parts: Vec<Part>,
    /// Its encryption. The payload was not checked then.
    pub(crate) encryption: Option<&'static str>,
}

/// Checks the complete file of an upload.
///
/// # Errors
/// 422 with the reason if it is not what was announced, or not an acceptable image.
pub(crate) async fn file(
    app: &App,
    workspace: &str,
    upload: &UploadRow,
    path: PathBuf,
) -> Result<Facts, ApiError> {
    let mut conn = app.store.reader().await?;
    let ring = store::access::signing_keys(&mut conn, workspace).await?;
    drop(conn);
    let keys: Vec<_> = ring
        .iter()
        .filter_map(|row| PublicKey::of_stored(&row.public_key))
        .collect();
    let upload = upload.clone();
    // Hashing a large file takes long enough to hold up everything else on this thread.
    tokio::task::spawn_blocking(move || check(&upload, &keys, File::open(path)?))
        .await
        .map_err(ApiError::internal)?
}

fn check(upload: &UploadRow, keys: &[PublicKey], mut file: File) -> Result<Facts, ApiError> {
    let (mut sha256, mut sha1, mut md5) = (Sha256::new(), Sha1::new(), Md5::new());
    let mut block = vec![0; BLOCK_LEN];
    loop {
        let len = file.read(&mut block)?;
        if len == 0 {
            break;
        }
        sha256.update(&block[..len]);
        sha1.update(&block[..len]);
        md5.update(&block[..len]);
    }
    let digest: [u8; 32] = sha256.finalize().into();
    if secret::hex(&digest) != upload.sha256 {
        return Err(ApiError::unprocessable(
            "digest-mismatch",
            "what has arrived does not have the announced SHA-256",
        )
        .hint("send it again from the beginning"));
    }
    let mut facts = Facts {
        sha1: secret::hex(&sha1.finalize()),
        md5: secret::hex(&md5.finalize()),
        board: None,
        security_counter: None,
        signing_key: None,
        parts: Vec::new(),
        encryption: None,
    };
    if upload.is_foreign {
        return Ok(facts);
    }
    let mut source = FileSource(file);
    let verified = verify_image(upload, keys, (&mut source, digest))?;
    let info = verified.info;
    if let Some(label) = info.label.filter(|label| label.as_str() != upload.version) {
        return Err(ApiError::unprocessable(
            "version-mismatch",
            format!(
                "the image calls itself {label}, the upload {}",
                upload.version
            ),
        )
        .hint("sign it with the version as its label, so that devices report what people see"));
    }
    facts.board = info.cid().map(|cid| cid.to_string());
    facts.security_counter = Some(i64::from(info.security_counter));
    facts.signing_key = keys.get(verified.key_index).map(|key| key.to_hex());
    facts.encryption = info
        .encryption
        .map(|key| if key.is_256() { "aes-256" } else { "aes-128" });
    facts.parts = parts(&verified, keys, &mut source)?;
    Ok(facts)
}

/// What the image says, and which keys signed it and its parts.
struct Genuine {
    info: ImageInfo,
    key_index: usize,
    part_keys: Vec<usize>,
}

/// What is worth knowing about the parts of a file that is verified with them.
fn parts(
    verified: &Genuine,
    keys: &[PublicKey],
    source: &mut FileSource,
) -> Result<Vec<Part>, ApiError> {
    let parts = verified.info.parts.iter().zip(&verified.part_keys);
    parts
        .map(|(part, &signer)| {
            let about = inspect_part(source, part).map_err(ApiError::internal)?;
            Ok(Part {
                index: i64::from(part.index),
                version: about.header.version.to_string(),
                label: about.label.map(|label| label.to_string()),
                size: i64::from(part.len),
                digest: secret::hex(&part.digest),
                security_counter: i64::from(about.security_counter),
                key: keys.get(signer).map(|key| key.to_hex()),
            })
        })
        .collect()
}

/// Verifies the image and its parts.
///
/// The hash that is signed is over the plain text, so of an encrypted image it is taken as the image
/// states it. The digest has been checked, and the devices check the rest.
fn verify_image(
    upload: &UploadRow,
    keys: &[PublicKey],
    (source, digest): (&mut FileSource, [u8; 32]),
) -> Result<Genuine, ApiError> {
    let len = u32::try_from(upload.size).map_err(|_too_large| {
        ApiError::unprocessable("size-mismatch", "an image has less than 4 GiB")
    })?;
    let keys: Vec<_> = keys.iter().map(|key| key.to_key()).collect();
    let expect = Expectation {
        keys: &keys,
        board: None,
        slot_address: None,
        security_floor: 0,
        digest: Some(digest),
        len: Some(len),
        ..Expectation::default()
    };
    if inspect(source, len).is_ok_and(|info| info.encryption.is_some()) {
        // An encrypted image has no parts.
        let stated = verify_stated(source, len, &expect).map_err(refused)?;
        let (info, key_index) = stated;
        let part_keys = Vec::new();
        return Ok(Genuine {
            info,
            key_index,
            part_keys,
        });
    }
    let mut buf = vec![0; BLOCK_LEN];
    let verified = verify(source, len, &expect, &mut buf).map_err(refused)?;
    Ok(Genuine {
        info: *verified.info(),
        key_index: verified.key_index(),
        part_keys: verified.signers().skip(1).collect(),
    })
}

fn refused(error: VerifyError<io::Error>) -> ApiError {
    let code = match &error {
        VerifyError::Malformed(_) => "malformed-image",
        VerifyError::TooLarge { .. } | VerifyError::LengthMismatch { .. } => "size-mismatch",
        VerifyError::HashMismatch | VerifyError::DigestMismatch => "digest-mismatch",
        VerifyError::KeyUnknown => {
            return ApiError::unprocessable(
                "key-unknown",
                "the image is signed by a key that this workspace does not know",
            )
            .hint("register its public key with `POST /api/v1/keys`, then upload again");
        }
        VerifyError::KeyRevoked => "key-revoked",
        VerifyError::SignatureInvalid => "signature-invalid",
        VerifyError::WrongBoard => "wrong-board",
        VerifyError::WrongSlot { .. } => "wrong-slot",
        VerifyError::SecurityCounter { .. } => "security-counter",
        VerifyError::NotDecryptable => "not-decryptable",
        VerifyError::DependencyUnmet(_) => "dependency-unmet",
        VerifyError::Unsupported(_) => "unsupported",
        VerifyError::Read(_) => return ApiError::internal(error),
    };
    let message = error.to_string();
    let error = ApiError::unprocessable(code, message);
    if code == "malformed-image" {
        return error.hint("a file for other clients is uploaded with `\"foreign\": true`");
    }
    error
}

struct FileSource(File);

impl ReadAt for FileSource {
    type Error = io::Error;

    fn read_at(&mut self, offset: u32, buf: &mut [u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(u64::from(offset)))?;
        self.0.read_exact(buf)
    }
}
