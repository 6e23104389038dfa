//! Target `ddi`: everything that parses text from a manager, and the bodies that answer it.
//!
//! The first byte says into how long pieces the rest, the text, is cut.
//!
//! What has to hold: no answer depends on how a document arrives; our JSON reader accepts nothing
//! that another one refuses, and everything within its limits that the other one accepts; bodies
//! are JSON whatever text is in them; what was parsed means the same when it is written and parsed
//! again.

use otaru_ddi::json::{DEPTH_MAX, Fault, Reader, Scalar, Visitor};
use otaru_ddi::{
    CancelAction, CancelError, CancelFeedback, CancelReader, ConfigData, Deployment,
    DeploymentError, DeploymentReader, Detail, DetailLine, Feedback, PollError, PollReader,
    PollReply, Url, body_len, write_body,
};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Runs the target.
///
/// # Panics
/// If something does not hold: that is a finding.
pub fn run(data: &[u8]) {
    let (cut, document) = data.split_first().unwrap_or((&0, &[]));
    let piece = usize::from(*cut).max(1);
    json(document, piece);
    assert_eq!(poll(document, document.len()), poll(document, piece));
    for http in [false, true] {
        let whole = deployment(document, document.len(), http);
        assert_eq!(whole, deployment(document, piece, http));
    }
    assert_eq!(cancel(document, document.len()), cancel(document, piece));
    let text = String::from_utf8_lossy(document);
    lines(&text);
    urls(&text);
    bodies(&text, *cut);
}

/// Visits everything and counts it.
#[derive(Default)]
struct Everything(usize);

impl Visitor for Everything {
    type Node = ();

    fn root(&mut self) {}

    fn member(&mut self, (): (), key: &str) -> Option<()> {
        self.0 += key.len();
        Some(())
    }

    fn element(&mut self, (): ()) -> Option<()> {
        Some(())
    }

    fn scalar(&mut self, (): (), value: Scalar<'_>) {
        self.0 += match value {
            Scalar::String(text) | Scalar::Number(text) => text.text.len(),
            Scalar::Bool(_) | Scalar::Null => 1,
        };
    }
}

fn json(document: &[u8], piece: usize) {
    let read = |piece: usize| {
        let mut reader: Reader<Everything, 32> = Reader::new(Everything::default());
        for piece in document.chunks(piece.max(1)) {
            reader.push(piece)?;
        }
        reader.finish().map(|seen| seen.0)
    };
    let ours = read(document.len());
    assert_eq!(ours, read(piece), "the pieces matter");
    let theirs = serde_json::from_slice::<Value>(document);
    match ours {
        // The other one builds numbers, and so refuses some that are too large for it.
        Ok(_) => {
            let skipped = serde_json::from_slice::<IgnoredAny>(document);
            assert!(skipped.is_ok(), "we accept what is no JSON: {skipped:?}");
            assert!(std::str::from_utf8(document).is_ok());
        }
        Err(error) if error.fault == Fault::Depth => {
            let opened = document.iter().filter(|byte| matches!(byte, b'{' | b'['));
            assert!(opened.count() > DEPTH_MAX);
        }
        Err(error) => assert!(theirs.is_err(), "we refuse what is JSON: {error}"),
    }
}

fn poll(document: &[u8], piece: usize) -> Result<PollReply, PollError> {
    let mut reader = PollReader::new();
    for piece in document.chunks(piece.max(1)) {
        reader.push(piece)?;
    }
    reader.finish()
}

fn deployment(document: &[u8], piece: usize, http: bool) -> Result<Deployment, DeploymentError> {
    let mut reader = if http {
        DeploymentReader::preferring_http()
    } else {
        DeploymentReader::new()
    };
    for piece in document.chunks(piece.max(1)) {
        reader.push(piece)?;
    }
    let deployment = reader.finish()?;
    assert!(deployment.size > 0 && deployment.trials.is_none_or(|trials| trials > 0));
    Ok(deployment)
}

fn cancel(document: &[u8], piece: usize) -> Result<CancelAction, CancelError> {
    let mut reader = CancelReader::new();
    for piece in document.chunks(piece.max(1)) {
        reader.push(piece)?;
    }
    reader.finish()
}

fn lines(text: &str) {
    assert_eq!(Detail::parse(text).to_string(), text);
    if let Ok(line) = DetailLine::parse(text) {
        // A version may be written shorter than it was; after that nothing changes any more.
        let written = line.to_string();
        let again = DetailLine::parse(&written).expect("what we write we understand");
        let same = DetailLine {
            version: again.version,
            ..line
        };
        assert_eq!((again, again.to_string()), (same, written.clone()));
    }
}

fn urls(text: &str) {
    let base = Url::parse("http://m:8080/T/controller/v1/d").expect("a URL");
    for url in [Url::parse(text), base.resolve(text)].into_iter().flatten() {
        let written = url.to_string();
        assert_eq!(Url::parse(&written), Ok(url), "{written}");
        assert!(url.is_same_origin(&url));
        assert!(url.path.starts_with('/'));
        // It stands in a request line and in a header.
        assert!(written.bytes().all(|byte| byte > b' ' && byte < 0x7F));
    }
}

fn bodies(text: &str, number: u8) {
    let line = DetailLine::parse(text).unwrap_or(DetailLine::new(
        otaru_ddi::Phase::ALL[usize::from(number) % 6],
    ));
    let details = text.lines().map(Detail::parse);
    let feedback = Feedback::new(u64::from(number), line, details).with_percent(number);
    is_json(&feedback);
    let cancel = CancelFeedback {
        action: u64::MAX,
        accepted: number & 1 == 0,
        text,
    };
    is_json(&cancel);
    let attributes = ConfigData {
        version: text,
        trial: number & 1 == 0,
        digest: [number; 32],
        board: text,
        boot: text,
        engine: text,
        mode: text,
    };
    is_json(&attributes);
}

fn is_json(body: &impl std::fmt::Display) {
    let len = body_len(body);
    let mut buffer = vec![0; len];
    let written = write_body(body, &mut buffer).expect("it has the length it said");
    assert_eq!(written.len(), len);
    if let Err(error) = serde_json::from_slice::<Value>(written) {
        panic!("{error}: {}", String::from_utf8_lossy(written));
    }
    let mut short = vec![0; len - 1];
    assert!(write_body(body, &mut short).is_err());
}
