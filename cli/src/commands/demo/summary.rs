//! The table at the end of the demo.

use crate::output::{Output, grouped};
use otaru_lsp_build::image::BuiltImage;
use otaru_lsp_build::manager::{Action, ActionStatus};
use serde_json::json;
use std::time::{Duration, Instant};

/// Milliseconds that an nRF52840 needs to erase a page of 4 KiB (product specification, typical).
const ERASE_MS: u64 = 85;
/// Microseconds that it needs to program a word of 4 bytes.
const WORD_US: u64 = 41;
/// Bytes of a word.
const WORD_LEN: u64 = 4;

/// One update with what was measured of it.
pub(super) struct Measured {
    /// What was installed.
    pub(super) image: BuiltImage,
    /// How it ended.
    pub(super) action: Action,
    /// When it was asked for: the click.
    pub(super) clicked: Instant,
    /// When the manager had taken it.
    pub(super) asked: Instant,
    /// When each status was reached.
    pub(super) steps: Vec<(ActionStatus, Instant)>,
    /// What was done to the execution slot.
    pub(super) work: FlashWork,
}

/// Work on the execution slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FlashWork {
    /// Sectors of 4 KiB erased.
    pub(super) erases: u64,
    /// Bytes programmed.
    pub(super) bytes: u64,
}

impl FlashWork {
    /// How long an nRF52840 would take for the same.
    pub(super) fn on_nrf52840(&self) -> Duration {
        let erases = Duration::from_millis(self.erases.saturating_mul(ERASE_MS));
        let words = self.bytes.div_ceil(WORD_LEN);
        erases + Duration::from_micros(words.saturating_mul(WORD_US))
    }
}

impl Measured {
    /// How long the update stayed in a status, if it was there at all.
    fn time_in(&self, wanted: ActionStatus) -> Option<Duration> {
        let at = self
            .steps
            .iter()
            .position(|(status, _)| *status == wanted)?;
        let begun = self.steps.get(at)?.1;
        let ended = self.steps.get(at + 1)?.1;
        Some(ended.saturating_duration_since(begun))
    }

    /// From the click to the end.
    fn whole(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |(_, ended)| {
            ended.saturating_duration_since(self.clicked)
        })
    }
}

const PHASES: [(ActionStatus, &str); 6] = [
    (ActionStatus::Pending, "waiting for the device"),
    (ActionStatus::Downloading, "downloading"),
    (ActionStatus::Verifying, "verifying"),
    (ActionStatus::Parked, "parked"),
    (ActionStatus::Installing, "installing"),
    (ActionStatus::Trial, "on trial"),
];

/// Shows it: one column per update.
pub(super) fn show(output: &Output, updates: &[&Measured]) {
    for measured in updates {
        let phases: Vec<_> = PHASES
            .iter()
            .filter_map(|(status, _)| {
                let seconds = measured.time_in(*status)?.as_secs_f64();
                Some(json!({ "phase": status.as_str(), "seconds": seconds }))
            })
            .collect();
        output.object(
            "summary",
            json!({
                "from_version": measured.action.from_version,
                "version": measured.image.label,
                "status": measured.action.status.as_str(),
                "reason": measured.action.reason,
                "seconds": measured.whole().as_secs_f64(),
                "phases": phases,
                "image_bytes": measured.image.size,
                "sectors_erased": measured.work.erases,
                "bytes_programmed": measured.work.bytes,
                "nrf52840_seconds": measured.work.on_nrf52840().as_secs_f64(),
            }),
        );
    }
    if output.is_json() {
        return;
    }
    let mut rows = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Measured) -> String| {
        let cells = updates.iter().map(|measured| cell(measured));
        rows.push(
            std::iter::once(name.to_owned())
                .chain(cells)
                .collect::<Vec<String>>(),
        );
    };
    row("upload", &|m| {
        seconds(m.asked.saturating_duration_since(m.clicked))
    });
    for (status, name) in PHASES {
        row(name, &|m| {
            m.time_in(status).map_or_else(|| "–".to_owned(), seconds)
        });
    }
    row("click to end", &|m| seconds(m.whole()));
    row("image", &|m| format!("{} bytes", grouped(m.image.size)));
    row("chunks erased", &|m| counted(m, grouped(m.work.erases)));
    row("bytes programmed", &|m| counted(m, grouped(m.work.bytes)));
    row("the same on an nRF52840", &|m| {
        counted(m, seconds(m.work.on_nrf52840()))
    });
    let headings: Vec<String> = updates
        .iter()
        .map(|m| {
            format!(
                "{} → {}",
                m.action.from_version.as_deref().unwrap_or("?"),
                m.image.label
            )
        })
        .collect();
    let headings: Vec<&str> = std::iter::once("phase")
        .chain(headings.iter().map(String::as_str))
        .collect();
    output.table("phase", &headings, &rows);
    output.text("");
}

/// The text, or a dash where nobody counted: an emulated machine does not tell what it does to its
/// flash, and no install does nothing.
fn counted(measured: &Measured, text: String) -> String {
    if measured.work == FlashWork::default() {
        "–".to_owned()
    } else {
        text
    }
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_counts_pages_and_words() {
        let work = FlashWork {
            erases: 10,
            bytes: 40_960,
        };
        // 10 · 85 ms + 10,240 · 41 µs
        assert_eq!(work.on_nrf52840(), Duration::from_micros(850_000 + 419_840));
        assert_eq!(FlashWork::default().on_nrf52840(), Duration::ZERO);
    }

    #[test]
    fn times_are_shown_in_a_fitting_unit() {
        assert_eq!(seconds(Duration::from_millis(83)), "83 ms");
        assert_eq!(seconds(Duration::from_millis(5_340)), "5.3 s");
    }
}
