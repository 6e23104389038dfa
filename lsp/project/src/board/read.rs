//! Reads a board file into the model.

use super::geometry;
use super::{Area, Board, BoardDefaults, BoardFlash, BoardTarget, ImageKind, Mode};
use crate::check::hex;
use crate::problem::{Code, Edit, Problem, Repair};
use crate::reader::{Reader, Span, Spanned};

/// An area that was read, with the places to report problems at and to repair.
pub(super) struct Found {
    pub(super) area: Area,
    /// Its offset.
    pub(super) span: Span,
    /// Its length.
    pub(super) len_span: Span,
}

pub(super) fn read_board(root: &mut Reader<'_>) -> Option<Board> {
    let head = root.table("board", read_head);
    let flash = root.table("flash", read_flash);
    let areas = root.table("areas", |table| {
        ["device_block", "identity", "record", "execution"]
            .map(|name| table.table(name, |area| read_area(area, name)))
    });
    let (standby, swap) = root.table("modes", read_modes);
    let has_mode = [standby.is_some(), swap.is_some()];
    let defaults = root.table("defaults", |table| read_defaults(table, has_mode));
    let flash = flash?;
    let areas = all(areas)?;
    let standby = match standby {
        Some(pair) => Some(all(pair)?),
        None => None,
    };
    let swap = match swap {
        Some(secondary) => Some(all(secondary)?),
        None => None,
    };
    let image = head.as_ref().map(|head| head.image);
    let found = geometry::Areas {
        common: &areas,
        standby: standby.as_ref(),
        swap: swap.as_ref().map(|[secondary]| secondary),
    };
    for problem in geometry::check(flash, image, &found) {
        root.report(problem);
    }
    let head = head?;
    let defaults = defaults?;
    Some(Board {
        name: head.name,
        vendor: head.vendor,
        description: head.description,
        vid: head.vid,
        cid: head.cid,
        target: head.target,
        image: head.image,
        flash,
        areas: areas.map(|found| found.area),
        standby: standby.map(|pair| pair.map(|found| found.area)),
        swap: swap.map(|[secondary]| secondary.area),
        defaults,
    })
}

/// All or nothing.
fn all<const N: usize>(items: [Option<Found>; N]) -> Option<[Found; N]> {
    let found: Vec<Found> = items.into_iter().flatten().collect();
    found.try_into().ok()
}

struct Head {
    name: String,
    vendor: String,
    description: String,
    vid: String,
    cid: String,
    target: BoardTarget,
    image: ImageKind,
}

/// The areas of a mode, as far as they could be read; nothing if the board does not have it.
type ModeAreas<const N: usize> = Option<[Option<Found>; N]>;

fn read_modes(table: &mut Reader<'_>) -> (ModeAreas<2>, ModeAreas<1>) {
    if !table.has("standby") && !table.has("swap") {
        let span = table.place().span.clone();
        let hint = "add `[modes.standby.storage_0]` and `storage_1`, or `[modes.swap.secondary]`";
        table.report(
            Problem::error(Code::MissingRequired, span, "no install mode is described")
                .with_hint(hint),
        );
    }
    let standby = table.has("standby").then(|| {
        table.table("standby", |mode| {
            ["storage_0", "storage_1"].map(|name| mode.table(name, |area| read_area(area, name)))
        })
    });
    let swap = table.has("swap").then(|| {
        table.table("swap", |mode| {
            ["secondary"].map(|name| mode.table(name, |area| read_area(area, name)))
        })
    });
    (standby, swap)
}

fn read_head(table: &mut Reader<'_>) -> Option<Head> {
    let image = table
        .string("image")
        .and_then(|word| match word.value.as_str() {
            "elf" => Some(ImageKind::Elf),
            "flat" => Some(ImageKind::Flat),
            _unknown => None,
        });
    let text = |key| table.string(key).map(|text| text.value);
    Some(Head {
        name: text("name")?,
        vendor: text("vendor")?,
        description: text("description")?,
        vid: text("vid")?,
        cid: text("cid")?,
        target: match text("target")? {
            word if word == "host" => BoardTarget::Host,
            triple => BoardTarget::Triple(triple),
        },
        image: image?,
    })
}

fn read_flash(table: &mut Reader<'_>) -> Option<BoardFlash> {
    let number = |key| table.number(key).map(|number| number.value);
    Some(BoardFlash {
        len: number("len")?,
        write_unit: number("write_unit")?,
        erased: u8::try_from(number("erased")?).ok()?,
        overwrite: table.flag("overwrite").is_some_and(|flag| flag.value),
        chunk_len: number("chunk_len")?,
        address: number("address").unwrap_or(0),
    })
}

fn read_area(table: &mut Reader<'_>, name: &'static str) -> Option<Found> {
    let offset = table.number("offset")?;
    let len = table.number("len")?;
    let area = Area {
        name,
        offset: offset.value,
        len: len.value,
        sector: table.number("sector")?.value,
    };
    if !area.offset.is_multiple_of(area.sector) || !area.len.is_multiple_of(area.sector) {
        let message = format!(
            "{name} does not begin and end on its sectors of {:#x} bytes",
            area.sector
        );
        table.report(
            Problem::error(Code::AreaUnaligned, offset.span.clone(), message)
                .with_hint("make `offset` and `len` multiples of `sector`")
                .with_repairs(rounded(&area, &offset, &len)),
        );
    }
    Some(Found {
        area,
        span: offset.span,
        len_span: len.span,
    })
}

/// The area with both ends on sectors, neither of them moved into what it held before.
fn rounded(area: &Area, offset: &Spanned<u32>, len: &Spanned<u32>) -> Option<Repair> {
    let new_offset = area.offset.checked_next_multiple_of(area.sector)?;
    let new_len = area.len.checked_next_multiple_of(area.sector)?;
    let changes = [(offset, new_offset), (len, new_len)];
    let edits: Vec<Edit> = changes
        .into_iter()
        .filter(|(old, new)| old.value != *new)
        .map(|(old, new)| Edit {
            span: old.span.clone(),
            text: hex(new),
        })
        .collect();
    let title = "Round up to whole sectors".to_owned();
    Some(Repair { title, edits })
}

fn read_defaults(table: &mut Reader<'_>, [standby, swap]: [bool; 2]) -> Option<BoardDefaults> {
    let mode = read_mode(table, "mode");
    if let Some(mode) = &mode {
        let (there, other) = match mode.value {
            Mode::Standby => (standby, swap.then_some(Mode::Swap)),
            Mode::Swap => (swap, standby.then_some(Mode::Standby)),
        };
        // With no mode at all, that is what has been reported.
        if !there && (standby || swap) {
            let message = format!(
                "this board does not describe the slots of mode `{}`",
                mode.value.as_str()
            );
            let repair = other.map(|other| {
                let text = format!("\"{}\"", other.as_str());
                Repair::change(mode.span.clone(), &text)
            });
            table.report(
                Problem::error(Code::ModeUnsupported, mode.span.clone(), message)
                    .with_repairs(repair),
            );
        }
    }
    let number = |key| table.number(key).map(|number| number.value);
    Some(BoardDefaults {
        mode: mode?.value,
        trials: number("trials")?,
        deadline_s: number("deadline_s")?,
        watchdog_ms: number("watchdog_ms")?,
    })
}

/// Takes an install mode.
pub(crate) fn read_mode(table: &Reader<'_>, key: &'static str) -> Option<Spanned<Mode>> {
    let word = table.string(key)?;
    let mode = Mode::named(&word.value)?;
    Some(word.with(mode))
}
