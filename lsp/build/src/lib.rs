//! The build backend: compile, pack, sign, upload, flash. The only place that spawns processes.
