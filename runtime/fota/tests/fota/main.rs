//! The slot engine on simulated devices: every function, every power cut, and signed images.

mod cuts;
mod functions;
mod signed;
mod trials;
mod world;
