//! Events on their way to control servers: in order per call, retried, and none held up by another's control server.
//!
//! ```text
//!   sip::api::Event, rtp::api::Event ──► EventQueue (sans-IO) ──► Delivery ──► Client ──► PUT {control}/dialog/{callid}
//!                                        ▲  lane per call, registration, channel      │
//!                                        └──────────── status or failure ◄────────────┘
//! ```
//! Shape:  a lane sends one event at a time; what a newer snapshot makes needless is replaced before it is sent; `hangup`
//!         and `close` never are. Lanes of one control server share `in_flight_per_control` requests, taking turns.
//! Units:  [`EventConfig`] has every time and bound with its sum.
//! Errors: a new call whose control server cannot be reached in time comes out as [`Output::Failed`]; every other event
//!         that is given up is counted. A control server that cannot keep up is told of by [`Output::Behind`].
//! Not here: what becomes of the failed call, and of new calls for a control server that is behind (`sip::endpoint`, 503).
//! Source: `docs/openapi.yaml`, events.

mod control;
mod driver;
#[cfg(test)]
mod driver_tests;
mod item;
mod lane;
mod pipe;
#[cfg(test)]
mod pipe_tests;
mod queue;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;

use std::time::Duration;

pub use driver::{Events, Trouble};
pub use item::Event;
pub use queue::{Delivery, EventQueue, EventStats, Outcome, Output};

/// Bounds and times of an event queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventConfig {
    /// Lanes: calls, registrations and channels with something to tell. The last eighth takes only ends of calls.
    /// 16 384 lanes × 3 KiB of a usual snapshot = 48 MiB when every control server is down.
    pub lanes_max: usize,
    /// Events waiting in all lanes together: 32 768 × 3 KiB = 96 MiB at worst.
    pub items_max: usize,
    /// Requests at once to one control server; registrations take at most half of them, so that calls always pass.
    pub in_flight_per_control: usize,
    /// Requests at once to all: 8 dead control servers × 32 leave half for those that live.
    pub in_flight_max: usize,
    /// How long one attempt may take.
    pub attempt: Duration,
    /// A control server is behind when every event waited so long for its turn …
    pub behind_wait: Duration,
    /// … in a period so long: a queue that stands, not a burst or one stall (RFC 8289 §3). It is not while it fails: calls wait for a
    /// restart.
    pub behind_for: Duration,
    /// How long delivery of a new call is tried. The caller's INVITE waits for it: less than 64 × T1 = 32 s
    /// (RFC 3261 §17.1.1.2), less than callers' patience.
    pub new_call: Duration,
    /// How long delivery of any other event is tried.
    pub other: Duration,
    /// How long the end of a call or channel is tried: a control server that restarts should still learn of it.
    pub end: Duration,
    /// First pause after a failure; it doubles up to `pause_max`.
    pub pause_min: Duration,
    /// Longest pause between two attempts.
    pub pause_max: Duration,
}

impl Default for EventConfig {
    /// 8 s for a new call, 30 s for others, 120 s for ends; pauses of 0.25 to 8 s; an attempt takes up to 4 s. Behind is who leaves
    /// events waiting for 100 ms during 200 ms: a call takes ten events and commands until the callee rings.
    fn default() -> Self {
        Self {
            lanes_max: 16_384,
            items_max: 32_768,
            in_flight_per_control: 32,
            in_flight_max: 512,
            behind_wait: Duration::from_millis(100),
            behind_for: Duration::from_millis(200),
            attempt: Duration::from_secs(4),
            new_call: Duration::from_secs(8),
            other: Duration::from_secs(30),
            end: Duration::from_secs(120),
            pause_min: Duration::from_millis(250),
            pause_max: Duration::from_secs(8),
        }
    }
}
