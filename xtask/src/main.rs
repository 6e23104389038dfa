//! Project automation: test, tidy, firmware, setup, bench.

fn main() {}
