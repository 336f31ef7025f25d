//! A channel as the API shows it.
//!
//! Shape:  owned copies; made on request and at the end of a channel, never on the packet path.
//! Null:   what this channel has no means to know (`buffer_ms` without buffer, `mos` before a second was heard) is `None`.

use super::{Channel, quality};
use crate::api::{InStats, OutStats, RemoteStats, Stats};
use crate::format::Codec;

impl Channel {
    /// Figures so far; `tick` is the driver's to fill.
    pub fn stats(&self) -> Stats {
        let late = self.clock.as_ref().map_or(0, |clock| clock.jitter.counts().late);
        let buffer_ms = self.clock.as_ref().map(|clock| clock.jitter.waiting_ms());
        let mos = quality::mos(&quality::Heard {
            played: self.counts.packets.saturating_sub(late),
            missing: self.received.lost() + late,
            codec: self.codec_in,
            conceals: self.clock.is_some(),
            rtt_ms: self.rtcp.stats().rtt_ms,
            buffer_ms,
        });
        Stats {
            input: InStats {
                count: self.counts.packets,
                bytes: self.counts.bytes,
                lost: self.received.lost(),
                late: self.received.late + late,
                duplicate: self.received.duplicate,
                reordered: self.received.reordered,
                badsource: self.counts.badsource,
                jitter_ms: self.received.jitter_ms(),
                buffer_ms,
                concealed: self.clock.as_ref().map(|clock| u64::from(self.concealed_before) + clock.concealed()),
                mos,
            },
            output: OutStats { count: self.sent.packets(), bytes: self.sent.bytes(), skipped: self.counts.skipped },
            rtcp: self.rtcp.stats(),
            codec_in: self.codec_in.map(Codec::name),
            codec_out: self.codec_out.map(Codec::name),
            tick: None,
            remote: RemoteStats { address: self.source.destination().or(self.source.source()), latched: self.source.is_locked() },
        }
    }
}
