//! What is due by time alone: media time-outs, idle channels, RTCP.
//!
//! ```text
//!   run ─▶ the next n channels, n = channels × time passed / 1 s ─▶ watch, idle, report
//! ```
//! Shape:  each channel is looked at once a second, a thousandth of them in each slot: no timer per channel, no burst.
//! Units:  the driver's time; all limits here are seconds, so a second's grain does not matter.
//! Bounds: at most [`REPORTS_MAX`] reports a slot; a report that does not fit waits for the next look.
//! Source: RFC 3550 §6.2, §6.4.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use rand_core::Rng;

use super::goodbye::rtcp_path;
use super::{ChannelKey, Media, Port, Transmit};
use crate::api::CloseReason;
use crate::packet::rtcp::REPORT_MAX;

/// Within this time every channel is looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Reports of a slot: 5000 channels / 5 s × 1 ms = 1; for the slot after a stall of 64 ms.
const REPORTS_MAX: usize = 64;

/// Packets of a slot that are made one by one: RTCP, and events.
#[derive(Debug)]
pub(super) struct Reports {
    bytes: Vec<u8>,
    list: Vec<(ChannelKey, Port, SocketAddr, Range<usize>)>,
    max: usize,
    len_max: usize,
}

impl Reports {
    /// Empty, with all its memory.
    pub fn new() -> Self {
        Self::with_room(REPORTS_MAX, REPORT_MAX)
    }

    /// Empty, with memory for `max` packets of at most `len_max` bytes.
    pub fn with_room(max: usize, len_max: usize) -> Self {
        Self { bytes: Vec::with_capacity(max * len_max), list: Vec::with_capacity(max), max, len_max }
    }

    /// Forgets the last slot.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
    }

    /// No other packet fits.
    pub fn is_full(&self) -> bool {
        self.list.len() >= self.max
    }

    /// Adds a packet that `write` makes; `None` of it makes none.
    pub fn push(&mut self, via: ChannelKey, port: Port, to: SocketAddr, write: impl FnOnce(&mut [u8]) -> Option<usize>) {
        let start = self.bytes.len();
        self.bytes.resize(start + self.len_max, 0);
        let len = self.bytes.get_mut(start..).and_then(write).unwrap_or(0);
        self.bytes.truncate(start + len);
        if len > 0 {
            self.list.push((via, port, to, start..start + len));
        }
    }

    /// The packets made.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.list.iter().filter_map(|(via, port, to, range)| {
            let bytes = self.bytes.get(range.clone())?;
            Some(Transmit { via: *via, port: *port, to: *to, bytes })
        })
    }
}

impl Media {
    /// Looks at the channels whose turn it is.
    pub(super) fn sweep(&mut self) {
        let slots = self.table.slots();
        let passed = self.now.saturating_duration_since(self.swept).min(ROUND);
        let due = slots as u128 * passed.as_micros() / ROUND.as_micros();
        if due == 0 {
            // Few channels: the time is kept until it makes one.
            return;
        }
        self.swept = self.now;
        for _ in 0..due {
            let slot = self.cursor;
            self.cursor = if slot as usize + 1 < slots { slot + 1 } else { 0 };
            self.look_at(slot);
        }
    }

    fn look_at(&mut self, slot: u32) {
        let (now, ntp) = (self.now, self.ntp());
        let Some(key) = self.table.key(slot) else { return };
        let Some(channel) = self.table.get_mut(slot) else { return };
        let expects = channel.expects_media();
        // Without an expectation of media a channel has twice as long: hold is a state one forgets.
        let idle = self.config.idle_timeout;
        let patience = match channel.is_targeted() {
            false => self.config.aimless_timeout.min(idle),
            true if expects => idle,
            true => 2 * idle,
        };
        let active = channel.watch.last_packet().max(channel.identity.touched);
        if now.saturating_duration_since(active) >= patience {
            self.close_slot(slot, CloseReason::Idle);
            return;
        }
        if let Some(event) = channel.watch.check(expects, self.config.media_timeout, now) {
            self.tell_media(key, event);
        }
        self.report(slot, key, ntp);
    }

    fn report(&mut self, slot: u32, key: ChannelKey, ntp: u64) {
        let now = self.now;
        let Some(channel) = self.table.get_mut(slot) else { return };
        let Some((port, to)) = rtcp_path(channel) else { return };
        if self.reports.is_full() || !channel.rtcp.is_due(self.config.rtcp_interval, self.rng.next_u32(), now) {
            return;
        }
        let Some(report) = channel.rtcp.report(&channel.sent, &mut channel.received, ntp, now) else { return };
        self.reports.push(key, port, to, |out| report.write(&self.config.cname, out));
    }
}
