//! The chip with real CPU processes.

mod cuts;
mod harness;
mod outside;
mod resets;
