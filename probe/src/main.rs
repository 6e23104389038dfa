//! Debug probes: the only crate that links probe-rs.

fn main() {}
