//! Deterministic world for tests: a flash that tears, devices, links, one seed.
