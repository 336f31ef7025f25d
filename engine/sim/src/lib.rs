//! Seeded lossy link and virtual clock for tests of the state machines.
#![forbid(unsafe_code)]
