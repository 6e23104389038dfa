//! The model of Otaru.toml and board.toml, with spans. No IO.
