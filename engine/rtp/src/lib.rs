//! RTP media as state machines: channels, streams, source check, bridges. No I/O, no clock.
#![forbid(unsafe_code)]

pub mod api;
pub mod media;
