//! Prints its version and a counter every second, and updates itself over the air.

fn main() {}
