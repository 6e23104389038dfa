//! C22: the manager understands the lines of a device, and tells them from text for people.

use otaru_ddi::{Detail, DetailError, DetailLine, Phase, Reason};

#[test]
fn a_line_with_every_key_is_understood() {
    let digest = "0123456789abcdef".repeat(4);
    let text = format!(
        "otaru phase=installing reason=install-failed digest={digest} \
         from=0102030405060708 to=1112131415161718 version=testing-1.1.0+7 \
         bytes=1 erases=2 programs=3 chunks=4 cuts=5 ms=4294967295"
    );
    let line = DetailLine::parse(&text).unwrap();
    assert_eq!(line.phase, Phase::Installing);
    assert_eq!(line.reason, Some(Reason::InstallFailed));
    assert_eq!(line.digest.unwrap()[..2], [0x01, 0x23]);
    assert_eq!(line.from, Some([1, 2, 3, 4, 5, 6, 7, 8]));
    assert_eq!(line.to.unwrap()[..2], [0x11, 0x12]);
    assert_eq!(line.version, Some("testing-1.1.0+7"));
    assert_eq!(
        (line.bytes, line.erases, line.programs),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(
        (line.chunks, line.cuts, line.ms),
        (Some(4), Some(5), Some(u32::MAX))
    );
    assert_eq!(line.to_string(), text);
}

#[test]
fn a_newer_device_may_say_more() {
    let line = DetailLine::parse("otaru moon=full phase=trial loose").unwrap();
    assert_eq!(line, DetailLine::new(Phase::Trial));
    let twice = DetailLine::parse("otaru phase=trial bytes=1 bytes=2").unwrap();
    assert_eq!(twice.bytes, Some(2));
}

#[test]
fn text_for_people_and_broken_lines_are_told_apart() {
    let check = |line, error| assert_eq!(DetailLine::parse(line), Err(error), "{line}");
    check("", DetailError::NotOtaru);
    check("otarux phase=trial", DetailError::NotOtaru);
    check("console: otaru phase=trial", DetailError::NotOtaru);
    check("otaru", DetailError::NoPhase);
    check("otaru bytes=1", DetailError::NoPhase);
    check("otaru phase=", DetailError::Invalid { key: "phase" });
    check(
        "otaru phase=trial reason=bored",
        DetailError::Invalid { key: "reason" },
    );
    check(
        "otaru phase=trial digest=00",
        DetailError::Invalid { key: "digest" },
    );
    check(
        "otaru phase=trial from=0102",
        DetailError::Invalid { key: "from" },
    );
    check(
        "otaru phase=trial to=010203040506070g",
        DetailError::Invalid { key: "to" },
    );
    check(
        "otaru phase=trial bytes=+1",
        DetailError::Invalid { key: "bytes" },
    );
    check(
        "otaru phase=trial bytes=4294967296",
        DetailError::Invalid { key: "bytes" },
    );
}

#[test]
fn a_version_cannot_forge_another_key() {
    let line = DetailLine {
        version: Some("1.0 phase=confirmed\nreason=withdrawn"),
        ..DetailLine::new(Phase::Trial)
    };
    let text = line.to_string();
    let read = DetailLine::parse(&text).unwrap();
    assert_eq!((read.phase, read.reason), (Phase::Trial, None));
    assert_eq!(read.version, Some("1.0_phase=confirmed_reason=withdrawn"));
}

#[test]
fn kinds_of_text_are_told_apart() {
    for detail in [
        Detail::Text("a: b"),
        Detail::Console("panicked"),
        Detail::Refusal("door"),
    ] {
        assert_eq!(Detail::parse(&detail.to_string()), detail);
    }
}
