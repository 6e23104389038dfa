//! The boards that this build of Otaru knows: every `boards/*/board.toml`, embedded.

use crate::board::Board;
use std::sync::OnceLock;

/// Name and text of each board file.
const FILES: &[(&str, &str)] = &[
    ("host", include_str!("../../../boards/host/board.toml")),
    (
        "nrf52840",
        include_str!("../../../boards/nrf52840/board.toml"),
    ),
    (
        "qemu-virt",
        include_str!("../../../boards/qemu-virt/board.toml"),
    ),
];

fn all() -> &'static [Board] {
    static BOARDS: OnceLock<Vec<Board>> = OnceLock::new();
    BOARDS.get_or_init(|| {
        FILES
            .iter()
            .filter_map(|(_, text)| Board::parse(text).model)
            .collect()
    })
}

/// The board of this name.
pub fn board(name: &str) -> Option<&'static Board> {
    all().iter().find(|board| board.name == name)
}

/// The names of all boards.
pub fn board_names() -> Vec<&'static str> {
    all().iter().map(|board| board.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_board_file_is_sound_and_named_like_its_directory() {
        for (directory, text) in FILES {
            let read = Board::parse(text);
            assert_eq!(read.problems, [], "boards/{directory}/board.toml");
            assert_eq!(read.model.expect("read without problems").name, *directory);
        }
    }
}
