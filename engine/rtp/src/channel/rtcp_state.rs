//! Reports of one channel: when ours are due, and what theirs said.
//!
//! ```text
//!   RTCP in ─▶ hear ─▶ RTT, loss and jitter they see      due(now) ─▶ report(…) ─▶ SR or RR
//! ```
//! Shape:  one interval per channel, 0.5 to 1.5 times the configured one, so that reports of many channels spread.
//! Lies:   nothing is believed that cannot be: a round trip from a report that we never sent, more packets lost than were sent,
//!         a jitter of many seconds. Who speaks at all is judged before (`Reports::is_theirs`).
//! Units:  the driver's time; NTP as the wire has it.
//! Errors: none.
//! Source: RFC 3550 §6.2 (interval), §6.4.1 (LSR, DLSR, round trip), §6.6 (BYE); RFC 3611 §4.7.

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
    reported: bool,
    /// Middle of the NTP time of our last sender reports, newest first; 0 for none.
    told: [u32; TOLD],
    said: Remote,
}

/// What the far end says, as small as it can be: each channel has one.
#[derive(Debug, Clone, Copy, Default)]
struct Remote {
    rtt_ms: Option<f32>,
    lost: Option<i32>,
    jitter_ms: Option<f32>,
    loss_percent: Option<f32>,
    discard_percent: Option<f32>,
    burst_ms: Option<u16>,
    mos: Option<f32>,
    goodbye: bool,
}

/// Sender reports remembered: the far end answers each within its own interval, which may be three times ours.
const TOLD: usize = 4;
/// Jitter that is believed, ms: above it a stream is useless, and so is the figure.
const JITTER_MOST_MS: f64 = 10_000.0;

impl RtcpState {
    /// The first report is due at `next`.
    pub const fn new(next: Instant) -> Self {
        let said = Remote {
            rtt_ms: None,
            lost: None,
            jitter_ms: None,
            loss_percent: None,
            discard_percent: None,
            burst_ms: None,
            mos: None,
            goodbye: false,
        };
        Self { next, remote: None, mux: false, count: 0, last_sr: None, packets_reported: 0, reported: false, told: [0; TOLD], said }
    }

    /// Takes what the far end said of what was `sent`. `ntp` is our wall clock now.
    pub fn hear(&mut self, reports: &Reports, sent: &SendStream, ntp: u64, now: Instant) {
        self.count += 1;
        self.said.goodbye |= reports.bye;
        if let Some(sender) = reports.sender_ntp {
            self.last_sr = Some((sender, now));
        }
        if let Some(block) = &reports.about_us {
            self.hear_block(block, sent, ntp);
        }
        if let Some(voip) = &reports.voip {
            let said = &mut self.said;
            said.loss_percent = Some(voip.loss_percent as f32);
            said.discard_percent = Some(voip.discard_percent as f32);
            said.burst_ms = Some(voip.burst_ms);
            said.mos = voip.mos_lq.or(voip.mos_cq).map(|mos| mos as f32);
            // What we measure ourselves is better.
            said.rtt_ms = said.rtt_ms.or(voip.rtt_ms.map(f32::from));
        }
    }

    fn hear_block(&mut self, block: &Block, sent: &SendStream, ntp: u64) {
        // Duplicates make it negative (RFC 3550 §6.4.1), but there are not more of them or of losses than packets.
        if u64::from(block.cumulative_lost.unsigned_abs()) <= sent.packets() {
            self.said.lost = Some(block.cumulative_lost);
            if self.said.discard_percent.is_none() {
                self.said.loss_percent = Some(f32::from(block.fraction_lost) * 100.0 / 256.0);
            }
        }
        let jitter_ms = f64::from(block.jitter_ticks) * 1000.0 / f64::from(sent.clock_rate_hz().max(1));
        if jitter_ms <= JITTER_MOST_MS {
            self.said.jitter_ms = Some(jitter_ms as f32);
        }
        if block.last_sr != 0 && self.told.contains(&block.last_sr) {
            // RFC 3550 §6.4.1: A - LSR - DLSR, in 2^-16 s. What is longer than a minute is a lie or a broken clock.
            let trip = middle(ntp).wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
            if trip < 60 << 16 {
                self.said.rtt_ms = Some(trip as f32 * 1000.0 / 65536.0);
            }
        }
    }

    /// A packet of its stream came.
    pub const fn hear_media(&mut self) {
        self.said.goodbye = false;
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

    /// A report went out.
    pub const fn has_reported(&self) -> bool {
        self.reported
    }

    /// The report, or `None` while nothing was sent or received.
    pub fn report(&mut self, sent: &SendStream, received: &mut ReceiveStream, ntp: u64, now: Instant) -> Option<Report> {
        let sender = match sent.timestamp_at(now) {
            Some(timestamp) if sent.packets() != self.packets_reported => {
                Some(SenderInfo { ntp, timestamp, packets: sent.packets() as u32, octets: sent.octets() as u32 })
            }
            _ => None,
        };
        if sender.is_some() {
            self.told.rotate_right(1);
            self.told[0] = middle(ntp);
        }
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
        self.reported |= sender.is_some() || block.is_some();
        (sender.is_some() || block.is_some()).then_some(Report { ssrc: sent.ssrc(), sender, block })
    }

    /// What the far end says of our stream.
    pub fn stats(&self) -> RtcpStats {
        let said = &self.said;
        // To a thousandth: the figures are no better, and read well so.
        let figure = |value: Option<f32>| value.map(|value| (f64::from(value) * 1000.0).round() / 1000.0);
        RtcpStats {
            rtt_ms: figure(said.rtt_ms),
            remote_lost: said.lost.map(i64::from),
            remote_jitter_ms: figure(said.jitter_ms),
            remote_loss_percent: figure(said.loss_percent),
            remote_discard_percent: figure(said.discard_percent),
            remote_burst_ms: said.burst_ms,
            remote_mos: figure(said.mos),
            goodbye: said.goodbye,
        }
    }
}

/// A duration in 2^-16 s.
fn units_16(duration: Duration) -> u32 {
    u32::try_from((duration.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
}
