//! Which of the connected probes a request means. Pure.

use crate::backend::ProbeInfo;
use crate::failure::{Code, Failure, GET_ACCESS};

/// Picks the probe called `wanted`, or the only one.
///
/// `wanted` is the `probe` of `list`, its beginning up to the serial number (`VID:PID`), or the serial
/// number alone; letter case does not matter.
///
/// # Errors
/// `no_probe`, `probe_not_found`, `several_probes` (each with what is connected), or
/// `permission_denied`.
pub(crate) fn choose(probes: Vec<ProbeInfo>, wanted: Option<&str>) -> Result<ProbeInfo, Failure> {
    let names: Vec<String> = probes.iter().map(|probe| probe.probe.clone()).collect();
    if probes.is_empty() {
        let hint = "connect a debug probe by USB; a cable that only charges is not enough";
        return Err(Failure::new(
            Code::NoProbe,
            "no debug probe is connected",
            hint,
        ));
    }
    let mut fitting: Vec<ProbeInfo> = match wanted {
        Some(wanted) => probes
            .into_iter()
            .filter(|probe| is_called(probe, wanted))
            .collect(),
        None => probes,
    };
    let Some(probe) = fitting.pop() else {
        return Err(Failure::new(
            Code::ProbeNotFound,
            "the named probe is not connected",
            format!("connected: {}", names.join(", ")),
        )
        .with("probes", names));
    };
    if !fitting.is_empty() {
        return Err(Failure::new(
            Code::SeveralProbes,
            format!("{} debug probes are connected", fitting.len() + 1),
            format!("name one of them as `probe`: {}", names.join(", ")),
        )
        .with("probes", names));
    }
    if !probe.accessible {
        return Err(denied(&probe.probe));
    }
    Ok(probe)
}

/// The failure for a probe that this process may not open.
pub(crate) fn denied(probe: &str) -> Failure {
    let message = format!("the system refuses access to the probe {probe}");
    Failure::new(Code::PermissionDenied, message, GET_ACCESS).with("probe", probe)
}

fn is_called(probe: &ProbeInfo, wanted: &str) -> bool {
    let kind_of_device: Vec<&str> = probe.probe.splitn(3, ':').take(2).collect();
    probe.probe.eq_ignore_ascii_case(wanted)
        || kind_of_device.join(":").eq_ignore_ascii_case(wanted)
        || probe
            .serial
            .as_deref()
            .is_some_and(|serial| serial.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(name: &str, serial: Option<&str>) -> ProbeInfo {
        ProbeInfo {
            probe: name.into(),
            name: "a probe".into(),
            kind: "test".into(),
            serial: serial.map(Into::into),
            accessible: true,
        }
    }

    #[test]
    fn a_probe_is_found_by_each_of_its_names() {
        let probes = vec![
            probe("0483:374b:0669FF", Some("0669FF")),
            probe("1366:1015:000683", Some("000683")),
            probe("1366:1016", None),
        ];
        for (wanted, index) in [
            ("0483:374B:0669ff", 0),
            ("0483:374b", 0),
            ("0669ff", 0),
            ("000683", 1),
            ("1366:1016", 2),
        ] {
            let found = choose(probes.clone(), Some(wanted)).unwrap();
            assert_eq!(found, probes[index], "{wanted}");
        }
        for wanted in ["", "1366", "0483:374b:", "nothing"] {
            let failure = choose(probes.clone(), Some(wanted)).unwrap_err();
            assert_eq!(failure.code, Code::ProbeNotFound, "{wanted:?}");
        }
    }

    #[test]
    fn two_probes_of_one_kind_need_a_serial_number() {
        let probes = vec![probe("1:2:a", Some("a")), probe("1:2:b", Some("b"))];
        for wanted in [None, Some("1:2")] {
            let failure = choose(probes.clone(), wanted).unwrap_err();
            assert_eq!(failure.code, Code::SeveralProbes);
            assert!(failure.hint.contains("1:2:a, 1:2:b"), "{}", failure.hint);
        }
    }
}
