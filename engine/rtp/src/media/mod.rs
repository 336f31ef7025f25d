//! The media of one shard: every channel it owns, driven in slots of one millisecond.
//!
//! ```text
//!   begin(now) ─▶ receive(key, port, from, &mut packet) … ─▶ run() ─▶ transmits() ─▶ poll_output() …
//!                  │ demux: STUN | DTLS | RTCP | RTP         │ batches: decode, rate, encode,
//!                  │ source check, statistics                │ one kernel call per codec pair
//!                  └ relay, PCMU ↔ PCMA: rewritten in        └ timers: time-outs, RTCP; a share of
//!                    place, `Verdict::Forward` at once         the channels in each slot
//! ```
//! Driver: drains `poll_output` after every command and every slot; sends what `Verdict::Forward` names from the receive
//!         buffer, untouched, before it gives that buffer back; sends `transmits()` before the next `begin`.
//! Shape:  channels in a slab, named by [`ChannelKey`] (slot and generation) on the packet path, by `ChannelId` outside.
//! Memory: all of it at construction and at `open`; none between `begin` and the next `begin`.
//! Errors: packets fail by counter; commands by `CommandError`.
//! Not here: sockets, ports, clocks (`engine`); samples (`dsp`).

mod io;

pub use io::{ChannelKey, Config, Forward, Local, Output, Port, Start, Transmit, Verdict};
