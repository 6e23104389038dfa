//! The command line of Otaru.

fn main() {}
