//! Reports of one channel: when ours are due, and what theirs said.
//!
//! ```text
//!   RTCP in ─▶ hear ─▶ RTT, loss and jitter they see      due(now) ─▶ report(…) ─▶ SR or RR
//! ```
//! Shape:  one interval per channel, 0.5 to 1.5 times the configured one, so that reports of many channels spread.
//! Units:  the driver's time; NTP as the wire has it.
//! Errors: none.
//! Source: RFC 3550 §6.2 (interval), §6.4.1 (LSR, DLSR, round trip).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::api::RtcpStats;
use crate::packet::rtcp::{Block, Report, Reports, SenderInfo, middle};
use crate::stream::{ReceiveStream, SendStream};

/// The state.
#[derive(Debug, Clone, Copy)]
pub struct RtcpState {
    next: Instant,
    /// Where the far end's reports come from, if from elsewhere than the port beside its RTP.
    pub remote: Option<SocketAddr>,
    /// Reports share the RTP port.
    pub mux: bool,
    /// Compound packets taken.
    pub count: u64,
    /// Last sender report: its time on their clock, and when it came.
    last_sr: Option<(u32, Instant)>,
    packets_reported: u64,
    stats: RtcpStats,
}

impl RtcpState {
    /// The first report is due at `next`.
    pub const fn new(next: Instant) -> Self {
        let stats = RtcpStats { rtt_ms: None, remote_lost: None, remote_jitter_ms: None };
        Self { next, remote: None, mux: false, count: 0, last_sr: None, packets_reported: 0, stats }
    }

    /// Takes what the far end said. `ntp` is our wall clock now.
    pub fn hear(&mut self, reports: &Reports, clock_rate_hz: u32, ntp: u64, now: Instant) {
        self.count += 1;
        if let Some(sender) = reports.sender_ntp {
            self.last_sr = Some((sender, now));
        }
        let Some(block) = &reports.about_us else { return };
        self.stats.remote_lost = Some(i64::from(block.cumulative_lost));
        self.stats.remote_jitter_ms = Some(f64::from(block.jitter_ticks) * 1000.0 / f64::from(clock_rate_hz.max(1)));
        if block.last_sr != 0 {
            // RFC 3550 §6.4.1: A - LSR - DLSR, in 2^-16 s. What is longer than a minute is a lie or a broken clock.
            let trip = middle(ntp).wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
            if trip < 60 << 16 {
                self.stats.rtt_ms = Some(f64::from(trip) * 1000.0 / 65536.0);
            }
        }
    }

    /// Whether a report is due; then the next one is set, at a random part of the interval.
    pub fn is_due(&mut self, interval: Duration, random: u32, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        // RFC 3550 §6.2: a factor of 0.5 to 1.5 keeps reports of many from meeting.
        self.next = now + interval.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX));
        true
    }

    /// The report, or `None` while nothing was sent or received.
    pub fn report(&mut self, sent: &SendStream, received: &mut ReceiveStream, ntp: u64, now: Instant) -> Option<Report> {
        let sender = match sent.timestamp_at(now) {
            Some(timestamp) if sent.packets() != self.packets_reported => {
                Some(SenderInfo { ntp, timestamp, packets: sent.packets() as u32, octets: sent.octets() as u32 })
            }
            _ => None,
        };
        self.packets_reported = sent.packets();
        let block = received.ssrc().map(|ssrc| {
            let loss = received.report();
            let (last_sr, delay) = self.last_sr.map_or((0, 0), |(sr, at)| (sr, units_16(now.saturating_duration_since(at))));
            Block {
                ssrc,
                fraction_lost: loss.fraction,
                cumulative_lost: i32::try_from(loss.cumulative).unwrap_or(i32::MAX),
                highest_sequence: received.highest(),
                jitter_ticks: received.jitter_ticks(),
                last_sr,
                delay_since_last_sr: delay,
            }
        });
        (sender.is_some() || block.is_some()).then_some(Report { ssrc: sent.ssrc(), sender, block })
    }

    /// What the far end says of our stream.
    pub const fn stats(&self) -> RtcpStats {
        self.stats
    }
}

/// A duration in 2^-16 s.
fn units_16(duration: Duration) -> u32 {
    u32::try_from((duration.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
}
