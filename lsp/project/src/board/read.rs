//! Reads a board file into the model.

use super::geometry;
use super::{Area, Board, BoardDefaults, BoardFlash, BoardTarget, ImageKind, Mode};
use crate::problem::{Code, Problem};
use crate::reader::{Reader, Span, Spanned};

/// An area that was read, with the place to report problems at.
pub(super) struct Found {
    pub(super) area: Area,
    pub(super) span: Span,
}

pub(super) fn read_board(root: &mut Reader<'_>) -> Option<Board> {
    let head = root.table("board", read_head);
    let flash = root.table("flash", read_flash);
    let areas = root.table("areas", |table| {
        ["device_block", "identity", "record", "execution"]
            .map(|name| table.table(name, |area| read_area(area, name)))
    });
    let modes_present = root.has("modes");
    let (standby, swap) = root.table("modes", |table| {
        if !modes_present || !(table.has("standby") || table.has("swap")) {
            let span = table.place().span.clone();
            table.report(
                Problem::error(Code::MissingRequired, span, "no install mode is described")
                    .with_hint("add `[modes.standby.storage_0]` and `storage_1`, or `[modes.swap.secondary]`"),
            );
        }
        let standby = table.has("standby").then(|| {
            table.table("standby", |mode| {
                ["storage_0", "storage_1"].map(|name| mode.table(name, |area| read_area(area, name)))
            })
        });
        let swap = table.has("swap").then(|| {
            table.table("swap", |mode| mode.table("secondary", |area| read_area(area, "secondary")))
        });
        // Taken above only if present; both names are known either way.
        table.know(&["standby", "swap"]);
        (standby, swap)
    });
    let defaults = root.table("defaults", read_defaults);
    let flash = flash?;
    let areas = all(areas)?;
    let standby = match standby {
        Some(pair) => Some(all(pair)?),
        None => None,
    };
    let swap = match swap {
        Some(area) => Some(area?),
        None => None,
    };
    for problem in geometry::check(flash, &areas, standby.as_ref(), swap.as_ref()) {
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
        swap: swap.map(|found| found.area),
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

fn read_head(table: &mut Reader<'_>) -> Option<Head> {
    let mut text = |key: &'static str, why: &str| {
        let value = table.string(key);
        table.require(key, value.as_ref(), why);
        value
    };
    let name = text("name", "the name of the directory under `boards/`");
    let vendor = text("vendor", "who makes the board");
    let description = text("description", "one line about the board");
    let vid = text(
        "vid",
        "the name of the vendor UUID, for example a domain you own",
    );
    let cid = text(
        "cid",
        "the name of the class UUID, one for each kind of board",
    );
    let target = text("target", "`\"host\"` or a rustc target triple");
    let image = text("image", "`\"elf\"` or `\"flat\"`");
    let image = image.and_then(|word| match word.value.as_str() {
        "elf" => Some(ImageKind::Elf),
        "flat" => Some(ImageKind::Flat),
        other => {
            table.report(
                Problem::error(
                    Code::Value,
                    word.span.clone(),
                    format!("`{other}` is not an image kind"),
                )
                .with_nearest(other, &["elf", "flat"]),
            );
            None
        }
    });
    Some(Head {
        name: name?.value,
        vendor: vendor?.value,
        description: description?.value,
        vid: vid?.value,
        cid: cid?.value,
        target: match target?.value {
            word if word == "host" => BoardTarget::Host,
            triple => BoardTarget::Triple(triple),
        },
        image: image?,
    })
}

fn read_flash(table: &mut Reader<'_>) -> Option<BoardFlash> {
    let mut number = |key: &'static str, max: u32, why: &str| {
        let value = table.number(key, 1..=max);
        table.require(key, value.as_ref(), why);
        value
    };
    let len = number("len", u32::MAX, "the length of the flash in bytes");
    let write_unit = number("write_unit", 512, "bytes that are programmed together");
    let chunk_len = number(
        "chunk_len",
        1 << 20,
        "bytes that an install copies at a time",
    );
    let erased = table.number("erased", 0..=0xFF);
    table.require("erased", erased.as_ref(), "the value of an erased byte");
    if let Some(erased) = &erased
        && erased.value != 0
        && erased.value != 0xFF
    {
        let span = erased.span.clone();
        table.report(Problem::error(
            Code::Value,
            span,
            "an erased byte is 0x00 or 0xFF",
        ));
    }
    let overwrite = table.flag("overwrite").is_some_and(|flag| flag.value);
    let address = table.number("address", 0..=u32::MAX);
    Some(BoardFlash {
        len: len?.value,
        address: address.map_or(0, |address| address.value),
        write_unit: write_unit?.value,
        erased: u8::try_from(erased?.value).ok()?,
        overwrite,
        chunk_len: chunk_len?.value,
    })
}

fn read_area(table: &mut Reader<'_>, name: &'static str) -> Option<Found> {
    let offset = table.number("offset", 0..=u32::MAX);
    table.require(
        "offset",
        offset.as_ref(),
        "where the area begins in the flash",
    );
    let len = table.number("len", 1..=u32::MAX);
    table.require("len", len.as_ref(), "how long the area is, in bytes");
    let sector = table.number("sector", 1..=1 << 24);
    table.require("sector", sector.as_ref(), "bytes that are erased together");
    let span = offset
        .as_ref()
        .map_or_else(|| table.place().span.clone(), |at| at.span.clone());
    let area = Area {
        name,
        offset: offset?.value,
        len: len?.value,
        sector: sector?.value,
    };
    if !area.offset.is_multiple_of(area.sector) || !area.len.is_multiple_of(area.sector) {
        table.report(
            Problem::error(
                Code::AreaUnaligned,
                span.clone(),
                format!(
                    "{name} does not begin and end on its sectors of {:#x} bytes",
                    area.sector
                ),
            )
            .with_hint("make `offset` and `len` multiples of `sector`"),
        );
    }
    Some(Found { area, span })
}

fn read_defaults(table: &mut Reader<'_>) -> Option<BoardDefaults> {
    let mode = read_mode(table, "mode");
    table.require("mode", mode.as_ref(), "`\"standby\"` or `\"swap\"`");
    let trials = table.number("trials", 1..=16);
    table.require(
        "trials",
        trials.as_ref(),
        "how often a new firmware may start",
    );
    let deadline_s = table.number("deadline_s", 1..=65_535);
    table.require(
        "deadline_s",
        deadline_s.as_ref(),
        "seconds to reach the manager",
    );
    let watchdog_ms = table.number("watchdog_ms", 0..=600_000);
    table.require(
        "watchdog_ms",
        watchdog_ms.as_ref(),
        "milliseconds that a firmware may hang, 0 for ever",
    );
    Some(BoardDefaults {
        mode: mode?.value,
        trials: trials?.value,
        deadline_s: deadline_s?.value,
        watchdog_ms: watchdog_ms?.value,
    })
}

/// Takes an install mode; an unknown word is reported.
pub(crate) fn read_mode(table: &mut Reader<'_>, key: &'static str) -> Option<Spanned<Mode>> {
    let word = table.string(key)?;
    let mode = Mode::named(&word.value);
    if mode.is_none() {
        table.report(
            Problem::error(
                Code::Value,
                word.span.clone(),
                format!("`{}` is not an install mode", word.value),
            )
            .with_nearest(&word.value, &Mode::ALL.map(Mode::as_str)),
        );
    }
    mode.map(|mode| word.with(mode))
}
