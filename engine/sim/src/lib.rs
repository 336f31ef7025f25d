//! Seeded lossy link and virtual clock: whole exchanges between state machines, in no time and repeatable.
//!
//! ```text
//!   Node a ──poll_transmit──► Link (loss, delay, jitter, reorder, duplicates) ──handle_datagram──► Node b
//!                      World moves the Clock straight to the next arrival or deadline
//! ```
//! Shape:  [`World`] drives any number of [`Node`]s; [`Link`] and [`Clock`] work alone as well.
//! Units:  `Instant` and `Duration`; chances in parts per thousand.
//! Errors: a run that does not come to rest, and a node that asks to be woken in the past, panic: this is test code.
//! Seeds:  [`seeds`] runs one closure for many seeds and prints the seed of the one that fails; `SIM_SEED=n` repeats it,
//!         `SIM_FIRST=n` starts the series elsewhere (nightly runs take fresh ones).
//! Not here: sockets, wall-clock time, threads.
#![forbid(unsafe_code)]

mod clock;
mod link;
mod seed;
mod world;

pub use clock::Clock;
pub use link::{Datagram, Link, LinkProfile};
pub use seed::{SeedGuard, SimRng, seeds};
pub use world::{Node, World};
