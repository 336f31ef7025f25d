//! RTP media as state machines: channels, streams, source check, bridges. No I/O, no clock.
//!
//! ```text
//!   api ◄──► media (one shard: slots of 1 ms) ──► channel ──► source (check), stream (numbers), format (payload types)
//!                                             └─► packet (the wire)                dsp (samples)
//! ```
//! Shape:  told the time, its seed and what arrives; gives packets, events and answers.
//! Errors: packets by counter, commands by [`api::CommandError`].
#![forbid(unsafe_code)]

pub mod api;
mod channel;
pub mod clock;
pub mod format;
pub mod jitter;
pub mod media;
pub mod packet;
pub mod play;
pub mod record;
pub mod sound;
pub mod soup;
pub mod source;
pub mod stream;
pub mod telephone_event;
pub mod wav;
