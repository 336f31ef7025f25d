//! RTP of many phones: tells, hears, checks to the packet, and says when it was itself the limit.
//!
//! ```text
//!   sound (codec) ─▶ generator ─▶ [faults] ─▶ sockets ─▶ switch or forwarder ─▶ sockets ─▶ check per stream ─▶ Outcome
//!                       └ one thread, slots of 1 ms, phases dealt over the ptime
//! ```
//! Shape:  a [`generator::Generator`] of up to 25 000 streams on loopback; blocking nowhere but in its own sleep.
//! Units:  microseconds unless a name says otherwise.
//! Errors: `io::Error` of the sockets at the start; later what is refused is counted.
//! Checks: every told packet heard once, in order, in time, its payload untouched where nothing transcodes; a few streams are
//!         listened to: tone, level, noise.

pub mod calls;
pub mod check;
pub mod codec;
pub mod datagrams;
pub mod faults;
pub mod forwarder;
pub mod generator;
pub mod histogram;
pub mod kernel;
pub mod outcome;
pub mod registrations;
pub mod sip;

#[cfg(test)]
mod tests;

pub use codec::{Codec, What};
pub use faults::{Faults, PutIn};
pub use generator::{Generator, Leg};
pub use histogram::Histogram;
pub use outcome::{Audio, Counts, Outcome};
