//! The chip with real CPU processes.

mod boot;
mod cuts;
mod harness;
mod outside;
mod parts;
mod recovery;
mod resets;
