//! Runs real modules, good and hostile, on the real engine. B23, B26 and the limits of the VM: a trap,
//! an endless loop or a budget that is used up is a failure that the firmware learns about.

mod firmware;
mod hostile;
mod modules;
mod placement;
mod running;
