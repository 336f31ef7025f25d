//! What a core that is full still does.
//!
//! ```text
//!   not accepting (no headroom)   no call begins: a channel is opened beside one that has a far end (`near`), and no other
//!   saturated                     no channel is opened
//!   whatever the load             who has a channel gets its far end and is served: mixed, played to, recorded, closed
//! ```
//! Shape:  one question about a channel that is to be opened.
//! Errors: none; the answer is 503 (`CommandError::Unavailable`).
//! Why so: who has a channel belongs to a call that was let in. When the far end of it is told, somebody has picked up: to refuse that,
//!         or the channel of who called, hangs up on both. To refuse the first channel of another call costs one that nobody has heard
//!         yet. Past the second limit even the other end costs all calls more than one call is worth.

use crate::tick::Ticker;

/// Whether a channel is opened; `is_beside_call` if it is for who is to hear a channel that has a far end.
pub(super) fn admits(ticker: &Ticker, is_beside_call: bool) -> bool {
    ticker.is_accepting() || (is_beside_call && !ticker.is_saturated())
}
