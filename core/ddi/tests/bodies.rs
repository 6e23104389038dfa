//! C6, C22: what the device sends is JSON whatever its texts hold, its length is known before,
//! and a buffer that is too small is an error.

use otaru_ddi::{
    ATTRIBUTE_LEN_MAX, CancelFeedback, ConfigData, DETAIL_LEN_MAX, DETAILS_MAX, Detail, DetailLine,
    Feedback, Overflow, Phase, Reason, body_len, write_body,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn written(body: &impl core::fmt::Display) -> Value {
    let len = body_len(body);
    let mut buffer = vec![0xAA; len];
    let text = write_body(body, &mut buffer).expect("it was measured");
    assert_eq!(text.len(), len);
    serde_json::from_slice(text).expect("it is JSON")
}

fn check_feedback(line: DetailLine<'_>, execution: &str, finished: &str, code: u16) {
    let feedback = Feedback::new(8, line, core::iter::empty());
    assert_eq!(
        written(&feedback),
        json!({"id": "8", "status": {
            "execution": execution,
            "result": {"finished": finished},
            "code": code,
            "details": [line.to_string()],
        }})
    );
}

#[test]
fn each_phase_and_each_reason_is_sent_as_the_table_says() {
    check_feedback(DetailLine::new(Phase::Downloading), "download", "none", 10);
    check_feedback(DetailLine::new(Phase::Verifying), "proceeding", "none", 20);
    check_feedback(DetailLine::new(Phase::Parked), "downloaded", "none", 30);
    check_feedback(DetailLine::new(Phase::Installing), "proceeding", "none", 40);
    check_feedback(DetailLine::new(Phase::Trial), "proceeding", "none", 50);
    check_feedback(DetailLine::new(Phase::Confirmed), "closed", "success", 60);
    for &phase in Phase::ALL {
        for &reason in Reason::ALL {
            let line = DetailLine {
                reason: Some(reason),
                ..DetailLine::new(phase)
            };
            check_feedback(line, "closed", "failure", reason.code());
        }
    }
}

#[test]
fn progress_is_percent_of_the_phase() {
    let line = DetailLine::new(Phase::Downloading);
    let feedback = Feedback::new(u64::MAX, line, core::iter::empty()).with_percent(255);
    let body = written(&feedback);
    assert_eq!(body["id"], "18446744073709551615");
    assert_eq!(
        body["status"]["result"],
        json!({"finished": "none", "progress": {"cnt": 100, "of": 100}})
    );
}

#[test]
fn a_cancel_is_answered_as_the_table_says() {
    let accepted = CancelFeedback {
        action: 11,
        accepted: true,
        text: "stopped",
    };
    assert_eq!(
        written(&accepted),
        json!({"id": "11", "status": {
            "execution": "closed", "result": {"finished": "success"}, "details": ["stopped"],
        }})
    );
    let late = CancelFeedback {
        accepted: false,
        text: "the install runs",
        ..accepted
    };
    assert_eq!(
        written(&late),
        json!({"id": "11", "status": {
            "execution": "rejected", "result": {"finished": "none"},
            "details": ["the install runs"],
        }})
    );
}

#[test]
fn attributes_are_merged_and_a_trial_shows_in_the_version() {
    let data = ConfigData {
        version: "1.1.0+7",
        trial: true,
        digest: [0xA0; 32],
        board: "host",
        boot: "0.1.0",
        engine: "native",
        mode: "standby",
    };
    assert_eq!(
        written(&data),
        json!({"mode": "merge", "data": {
            "otaru.version": "testing-1.1.0+7",
            "otaru.digest": "a0".repeat(32),
            "otaru.board": "host",
            "otaru.boot": "0.1.0",
            "otaru.engine": "native",
            "otaru.mode": "standby",
        }})
    );
    let factory = ConfigData {
        version: "Factory",
        trial: false,
        board: &"€".repeat(99),
        ..data
    };
    let body = written(&factory);
    assert_eq!(body["data"]["otaru.version"], "Factory");
    assert_eq!(
        body["data"]["otaru.board"],
        "€".repeat(ATTRIBUTE_LEN_MAX / 3)
    );
}

#[test]
fn only_the_first_details_are_sent() {
    let texts: Vec<String> = (0..DETAILS_MAX * 2)
        .map(|number| number.to_string())
        .collect();
    let details = texts.iter().map(|text| Detail::Console(text));
    let body = written(&Feedback::new(1, DetailLine::new(Phase::Trial), details));
    let sent = body["status"]["details"].as_array().unwrap();
    assert_eq!(sent.len(), DETAILS_MAX);
    assert_eq!(sent[0], "otaru phase=trial");
    assert_eq!(sent[1], "console: 0");
}

#[test]
fn every_buffer_that_is_too_small_is_an_error() {
    let details = [Detail::Refusal("door open: \"näch \u{1}\"\\")];
    let line = DetailLine {
        reason: Some(Reason::RefusedByApplication),
        ..DetailLine::new(Phase::Parked)
    };
    let feedback = Feedback::new(8, line, details.into_iter());
    let len = body_len(&feedback);
    for short in 0..len {
        assert_eq!(
            write_body(&feedback, &mut vec![0; short]),
            Err(Overflow),
            "{short} bytes"
        );
    }
    assert_eq!(
        write_body(&feedback, &mut vec![0; len]).map(<[u8]>::len),
        Ok(len)
    );
}

#[test]
fn the_longest_line_for_machines_is_not_cut() {
    let version = "v".repeat(1000);
    let line = DetailLine {
        phase: Phase::Downloading,
        reason: Some(Reason::RefusedByApplication),
        digest: Some([0xFF; 32]),
        from: Some([0xFF; 8]),
        to: Some([0xFF; 8]),
        version: Some(&version),
        bytes: Some(u32::MAX),
        erases: Some(u32::MAX),
        programs: Some(u32::MAX),
        chunks: Some(u32::MAX),
        cuts: Some(u32::MAX),
        ms: Some(u32::MAX),
    };
    let body = written(&Feedback::new(1, line, core::iter::empty()));
    let sent = body["status"]["details"][0].as_str().unwrap();
    assert!(sent.len() <= DETAIL_LEN_MAX, "{} bytes", sent.len());
    let read = DetailLine::parse(sent).unwrap();
    assert_eq!(
        read,
        DetailLine {
            version: Some(&version[..96]),
            ..line
        }
    );
}

fn detail(kind: u8, text: &str) -> Detail<'_> {
    match kind {
        0 => Detail::Text(text),
        1 => Detail::Console(text),
        _ => Detail::Refusal(text),
    }
}

proptest! {
    #[test]
    fn any_text_arrives_shortened_to_the_limit(
        texts in prop::collection::vec((0_u8..3, ".{0,30}|[\\x00-\\x7f€😀]{160,300}"), 0..5),
    ) {
        let details = texts.iter().map(|(kind, text)| detail(*kind, text));
        let feedback = Feedback::new(3, DetailLine::new(Phase::Trial), details.clone());
        let body = written(&feedback);
        let sent: Vec<&str> = body["status"]["details"]
            .as_array()
            .unwrap()
            .iter()
            .skip(1)
            .map(|line| line.as_str().unwrap())
            .collect();
        let expected: Vec<String> = details
            .map(|detail| {
                let mut line = detail.to_string();
                line.truncate(line.floor_char_boundary(DETAIL_LEN_MAX));
                line
            })
            .collect();
        prop_assert_eq!(sent, expected);
    }

    #[test]
    fn a_line_for_machines_reads_back(
        codes in (0..Phase::ALL.len(), prop::option::of(0..Reason::ALL.len())),
        digest: Option<[u8; 32]>,
        images: [Option<[u8; 8]>; 2],
        version in prop::option::of("[!-~ä€]{0,24}"),
        counts: [Option<u32>; 6],
    ) {
        let line = DetailLine {
            phase: Phase::ALL[codes.0],
            reason: codes.1.map(|index| Reason::ALL[index]),
            digest,
            from: images[0],
            to: images[1],
            version: version.as_deref(),
            bytes: counts[0],
            erases: counts[1],
            programs: counts[2],
            chunks: counts[3],
            cuts: counts[4],
            ms: counts[5],
        };
        let text = line.to_string();
        prop_assert_eq!(DetailLine::parse(&text), Ok(line));
    }

    #[test]
    fn any_line_is_parsed_without_a_panic(
        line in ".*|otaru( (phase|reason|digest|from|to|bytes|ms|x)=?[a-z0-9+-]{0,66}){0,5}",
    ) {
        if let Ok(read) = DetailLine::parse(&line) {
            prop_assert!(line.starts_with("otaru "));
            let again = read.to_string();
            let again = DetailLine::parse(&again).unwrap();
            prop_assert_eq!(again.phase, read.phase);
            prop_assert_eq!(again.digest, read.digest);
            prop_assert_eq!((again.from, again.to), (read.from, read.to));
        }
    }
}
