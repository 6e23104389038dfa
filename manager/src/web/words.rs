//! Words for people: states, reasons, times, sizes.

use crate::api::views::Install;
use crate::config::rfc3339;
use askama::Template;
use askama::filters::HtmlSafe;
use otaru_ddi::Reason;
use otaru_manager_rollout::{Cause, Status};
use std::borrow::Borrow;
use std::time::UNIX_EPOCH;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hex digits of a digest that are shown.
const DIGEST_LEN: usize = 12;

/// A time, shown relative to now, with the exact one on demand. The page keeps it up to date.
#[derive(Debug, Clone, Template)]
#[template(
    ext = "html",
    source = r#"<time datetime="{{ exact }}" title="{{ title }}">{{ relative }}</time>"#
)]
pub(super) struct Moment {
    exact: String,
    title: String,
    relative: String,
}

// Its own template has escaped it.
impl HtmlSafe for Moment {}

impl Moment {
    /// From the text of the public API.
    pub(super) fn new(exact: &str, now_ms: i64) -> Self {
        let at_ms = parse(exact).unwrap_or(now_ms);
        let title = rfc3339(at_ms);
        let title = title.get(..19).unwrap_or(&title).replace('T', " ");
        Self {
            exact: exact.to_owned(),
            title: format!("{title} UTC"),
            relative: relative(now_ms.saturating_sub(at_ms)),
        }
    }
}

/// Milliseconds since 1970 of a time of the public API.
pub(super) fn parse(time: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// How long ago; assets/app.js says the same words later.
fn relative(ago_ms: i64) -> String {
    let count = |unit_ms: i64, name: &str| {
        let n = ago_ms / unit_ms;
        format!("{n} {name}{} ago", if n == 1 { "" } else { "s" })
    };
    match ago_ms {
        ..10_000 => "just now".to_owned(),
        10_000..MINUTE_MS => count(SECOND_MS, "second"),
        MINUTE_MS..HOUR_MS => count(MINUTE_MS, "minute"),
        HOUR_MS..DAY_MS => count(HOUR_MS, "hour"),
        DAY_MS.. => count(DAY_MS, "day"),
    }
}

/// A length of time, as exact as people care for.
pub(super) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..SECOND_MS => format!("{ms} ms"),
        SECOND_MS..MINUTE_MS => format!("{}.{} s", ms / SECOND_MS, ms % SECOND_MS / 100),
        MINUTE_MS..HOUR_MS => {
            format!("{} min {} s", ms / MINUTE_MS, ms % MINUTE_MS / SECOND_MS)
        }
        HOUR_MS..DAY_MS => format!("{} h {} min", ms / HOUR_MS, ms % HOUR_MS / MINUTE_MS),
        _ => format!("{} d {} h", ms / DAY_MS, ms % DAY_MS / HOUR_MS),
    }
}

/// The time between two texts of the public API.
pub(super) fn between(start: &str, end: &str) -> String {
    match (parse(start), parse(end)) {
        (Some(start), Some(end)) => duration(end.saturating_sub(start)),
        _ => String::new(),
    }
}

/// A number of bytes.
pub(super) fn size(bytes: impl Borrow<i64>) -> String {
    const KIB: i64 = 1 << 10;
    const MIB: i64 = 1 << 20;
    let bytes = *bytes.borrow();
    let tenths = |unit: i64| {
        let whole = bytes / unit;
        format!("{whole}.{}", bytes % unit * 10 / unit)
    };
    match bytes {
        ..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", tenths(KIB)),
        MIB.. => format!("{} MiB", tenths(MIB)),
    }
}

/// The beginning of a digest or a key.
pub(super) fn short(hex: &str) -> &str {
    hex.get(..DIGEST_LEN).unwrap_or(hex)
}

/// Who did something: an API key has a name, a session of the web app has none.
pub(super) fn who(name: &str) -> String {
    if name == "web" {
        "in the web app".to_owned()
    } else {
        format!("by {name}")
    }
}

/// "1 device", "2 devices".
pub(super) fn count(n: impl Borrow<i64>, thing: &str) -> String {
    let n = *n.borrow();
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// The figures of an install in a sentence without an end; nothing if the device gave none.
pub(super) fn install(install: &Install) -> Option<String> {
    let chunks = install.chunks?;
    let ms = install.ms.map(|ms| format!(" in {}", duration(ms)));
    let cuts = install.cuts.filter(|cuts| *cuts > 0);
    let cuts = cuts.map(|cuts| format!(", {} survived", count(cuts, "reset")));
    Some(format!(
        "{} copied{}{}",
        count(chunks, "chunk"),
        ms.unwrap_or_default(),
        cuts.unwrap_or_default()
    ))
}

/// How an action's status is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusWord {
    /// For people.
    pub(super) text: &'static str,
    /// Class of its colour: `idle`, `busy`, `good`, `bad` or `off`.
    pub(super) tone: &'static str,
    /// It may still change by itself.
    pub(super) is_open: bool,
    /// A cancel may be asked for.
    pub(super) may_cancel: bool,
    /// Another attempt may be started.
    pub(super) may_retry: bool,
}

impl StatusWord {
    /// The word for a status of the public API.
    pub(super) fn new(name: &str) -> Self {
        let status = Status::from_name(name).unwrap_or(Status::Pending);
        let (text, tone) = match status {
            Status::Pending => ("Pending", "idle"),
            Status::Downloading => ("Downloading", "busy"),
            Status::Verifying => ("Verifying", "busy"),
            Status::Parked => ("Parked", "busy"),
            Status::Installing => ("Installing", "busy"),
            Status::Trial => ("On trial", "busy"),
            Status::Canceling => ("Canceling", "idle"),
            Status::Succeeded => ("Succeeded", "good"),
            Status::Failed => ("Failed", "bad"),
            Status::Reverted => ("Reverted", "bad"),
            Status::Canceled => ("Canceled", "off"),
            Status::TimedOut => ("Timed out", "bad"),
        };
        Self {
            text,
            tone,
            is_open: !status.is_terminal(),
            may_cancel: !status.is_terminal() && status != Status::Canceling,
            may_retry: status.is_terminal() && status != Status::Succeeded,
        }
    }
}

/// A reason of the public API in a sentence; the code itself if nobody knows it.
pub(super) fn reason(code: &str) -> String {
    let Some(cause) = Cause::from_name(code) else {
        return format!("Reason: {code}.");
    };
    let text = match cause {
        Cause::Device(reason) => device_reason(reason),
        Cause::Unproven => {
            "The device reported success without proving that it runs this version, so it does not \
             count."
        }
        Cause::Silent => "The device has not reported for too long.",
        Cause::Superseded => "A newer update of this device took its place.",
        Cause::Operator => "Canceled by somebody in this workspace.",
    };
    text.to_owned()
}

fn device_reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Interrupted => {
            "The device was reset while it received or verified the image. It still runs its old \
             version; try again."
        }
        Reason::DownloadFailed => "The device could not download the image.",
        Reason::SizeMismatch => "The image does not fit into the device's slot.",
        Reason::DigestMismatch => "What the device has stored is not the image that was sent.",
        Reason::MalformedImage => "The image is damaged, or no image at all.",
        Reason::SignatureInvalid => "The signature does not match the image.",
        Reason::KeyUnknown => "The image is signed by a key that this device does not know.",
        Reason::KeyRevoked => "The image is signed by a key that was revoked.",
        Reason::WrongBoard => "The image is made for another board.",
        Reason::WrongSlot => "The image is linked for another slot or layout.",
        Reason::SecurityCounter => {
            "The image's security counter is below what the device has already confirmed."
        }
        Reason::RefusedByApplication => "The application on the device refused the install.",
        Reason::Unhealthy => {
            "The new firmware's health check failed. The device went back to its old version."
        }
        Reason::ConfirmDeadline => {
            "The new firmware did not reach the manager in time. The device went back to its old \
             version."
        }
        Reason::TrialReset => {
            "The device was reset while the new firmware was on trial, and went back to its old \
             version."
        }
        Reason::TrialWatchdog => {
            "The new firmware hung until the watchdog reset it. The device went back to its old \
             version."
        }
        Reason::TrialCrash => "The new firmware crashed. The device went back to its old version.",
        Reason::Withdrawn => "The update was withdrawn by the manager.",
        Reason::InstallFailed => "The bootloader could not install the image; the old one runs.",
        Reason::StorageFailed => "The device's flash failed.",
        Reason::BackupMissing => {
            "The device has no complete copy of its running image, so nothing may be installed."
        }
        Reason::Busy => "The device was busy with another update.",
        Reason::MalformedDeployment => "The device could not understand the deployment.",
        Reason::NoArtifact => "This version holds no image for this device.",
        Reason::Unsupported => {
            "The device cannot take images of this kind, or the image is encrypted and the device \
             was flashed without a key."
        }
        Reason::Recovered => {
            "Somebody uploaded an image over the device's console; that took the update's place."
        }
        Reason::DependencyUnmet => "The image needs another image that the device does not have.",
        Reason::NotDecryptable => "The image is encrypted for another device.",
        Reason::RevokesOwnKey => {
            "The image would revoke the key that signed it, and could not be started again."
        }
    }
}

/// Why a device of a fleet was left out of a deployment.
pub(super) fn skipped(code: &str) -> &str {
    match code {
        "device-never-connected" => "has never connected",
        "device-not-approved" => "waits for approval",
        "foreign-artifact" => "is an Otaru device, and this version is a foreign file",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_sentence_and_unknown_ones_are_shown() {
        for reason in Reason::ALL {
            let text = super::reason(reason.name());
            assert!(text.ends_with('.') && !text.contains("Reason:"), "{text}");
        }
        for cause in ["unproven", "silent", "superseded", "canceled-by-operator"] {
            assert!(!reason(cause).contains("Reason:"), "{cause}");
        }
        assert_eq!(reason("odd-thing"), "Reason: odd-thing.");
    }

    #[test]
    fn times_and_sizes_are_as_exact_as_people_care_for() {
        for (ms, text) in [
            (-5, "just now"),
            (11_000, "11 seconds ago"),
            (MINUTE_MS, "1 minute ago"),
            (3 * HOUR_MS, "3 hours ago"),
            (49 * HOUR_MS, "2 days ago"),
        ] {
            assert_eq!(relative(ms), text);
        }
        assert_eq!(duration(1_540), "1.5 s");
        assert_eq!(duration(61_000), "1 min 1 s");
        assert_eq!(duration(-1), "0 ms");
        assert_eq!(size(1_048_576), "1.0 MiB");
        assert_eq!(size(1_500), "1.4 KiB");
        assert_eq!(
            between("1970-01-01T00:00:01Z", "1970-01-01T00:00:03.25Z"),
            "2.2 s"
        );
        assert_eq!(between("x", "y"), "");
    }

    #[test]
    fn figures_of_an_install_are_shown_if_there_are_any() {
        let with = |chunks, cuts, ms| {
            super::install(&Install {
                from: None,
                to: None,
                chunks,
                cuts,
                ms,
            })
        };
        assert_eq!(with(None, Some(1), Some(2)), None);
        assert_eq!(with(Some(1), None, None).as_deref(), Some("1 chunk copied"));
        assert_eq!(
            with(Some(12), Some(0), Some(345)).as_deref(),
            Some("12 chunks copied in 345 ms")
        );
        assert_eq!(
            with(Some(12), Some(2), Some(1_500)).as_deref(),
            Some("12 chunks copied in 1.5 s, 2 resets survived")
        );
    }

    #[test]
    fn a_moment_escapes_what_it_shows() {
        let moment = Moment::new("\"><b>", 5_000).to_string();
        assert!(!moment.contains("<b>"), "{moment}");
        assert!(moment.contains("1970-01-01 00:00:05 UTC"), "{moment}");
    }
}
