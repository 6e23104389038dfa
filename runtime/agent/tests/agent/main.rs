//! The agent from outside: its session against every order of events, its driver against a real
//! TCP server. The requirement that a test covers stands in its first line.

mod chaos;
mod cloud;
mod life;
mod session;
mod world;
