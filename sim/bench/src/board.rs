//! The layout of a `board.toml`.

use anyhow::{Context as _, Result, anyhow, bail};
use otaru_flash::{Area, Layout, Mode};
use otaru_lsp_project::Board;
use otaru_record::Geometry;

/// The layout of the board whose file has this text.
///
/// # Errors
/// If the file has a mistake, the board lacks the mode, or the layout cannot work.
pub(crate) fn layout(text: &str, mode: Mode) -> Result<Layout> {
    let parsed = Board::parse(text);
    let Some(board) = parsed.model else {
        let messages: Vec<&str> = parsed.problems.iter().map(|p| p.message.as_str()).collect();
        bail!("{}", messages.join("; "));
    };
    let area = |area: &otaru_lsp_project::Area| Area::new(area.offset, area.len, area.sector);
    let lacks = || format!("the board has no mode `{}`", mode.name());
    let storage = match mode {
        Mode::Standby => {
            let [first, second] = board.standby.as_ref().with_context(lacks)?;
            [area(first), area(second)]
        }
        Mode::Swap => [
            area(board.swap.as_ref().with_context(lacks)?),
            Area::default(),
        ],
    };
    let [device_block, identity, record, execution] = &board.areas;
    let layout = Layout {
        flash_len: board.flash.len,
        write_unit: u16::try_from(board.flash.write_unit)?,
        erased: board.flash.erased,
        overwrite: board.flash.overwrite,
        mode,
        chunk_len: board.flash.chunk_len,
        device_block: area(device_block),
        identity: area(identity),
        record: area(record),
        execution: area(execution),
        storage,
    };
    layout.check().map_err(|error| anyhow!("{error}"))?;
    Geometry::new(&layout).map_err(|error| anyhow!("{error}"))?;
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_file_becomes_a_layout() {
        let text = include_str!("../../../boards/host/board.toml");
        let swap = layout(text, Mode::Swap).unwrap();
        assert_eq!(swap.storage[0].len, swap.execution.len + swap.chunk_len);
        assert_eq!(swap.storage[1], Area::default());
        let standby = layout(text, Mode::Standby).unwrap();
        assert_eq!(standby.storage[1].len, standby.execution.len);
        assert_eq!(standby.write_unit, 8);
    }

    #[test]
    fn a_mistake_in_the_file_is_told() {
        let error = layout("[board]\nname = 1\n", Mode::Swap).unwrap_err();
        assert!(!error.to_string().is_empty());
        let text = include_str!("../../../boards/host/board.toml");
        let without = text.replace("[modes.swap.secondary]", "[modes.other.secondary]");
        assert!(layout(&without, Mode::Swap).is_err());
    }
}
