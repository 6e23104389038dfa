//! Recovery over the simulated flash: the shipped bootloader, the shipped session, a client.

mod cuts;
mod hostile;
mod parts;
mod refuse;
mod upload;
mod world;
