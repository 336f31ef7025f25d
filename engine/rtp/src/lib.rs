//! RTP media as state machines: channels, streams, source check, bridges.
#![forbid(unsafe_code)]
