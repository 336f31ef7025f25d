//! A channel as the API shows it.
//!
//! Shape:  owned copies; made on request and at the end of a channel, never on the packet path.
//! Null:   what this channel has no means to know (`buffer_ms` without buffer, `mos` before a second was heard) is `None`.

use std::num::NonZeroU32;

use super::{Channel, quality};
use crate::api::{InStats, OutStats, RemoteStats, Stats};
use crate::format::Codec;

impl Channel {
    /// Figures so far; `tick` is the driver's to fill.
    pub fn stats(&self) -> Stats {
        let late = self.late();
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
                concealed: self.concealed(),
                mos,
            },
            output: OutStats { count: self.sent.packets(), bytes: self.sent.bytes(), skipped: self.counts.skipped.into() },
            rtcp: self.rtcp.stats(),
            codec_in: self.codec_in.map(Codec::name),
            codec_out: self.codec_out.map(Codec::name),
            tick: None,
            remote: RemoteStats { address: self.source.destination().or(self.source.source()), latched: self.source.is_locked() },
        }
    }

    /// Packets that came too late for the clocks that it had and has.
    fn late(&self) -> u64 {
        u64::from(self.counts.late_before) + self.clock.as_ref().map_or(0, |clock| clock.jitter.counts().late)
    }

    /// Frames that they made up; `None` if it never had one.
    fn concealed(&self) -> Option<u64> {
        let now = self.clock.as_ref().map(|clock| clock.concealed());
        let before = self.concealed_before.map(|before| u64::from(before.get()) - 1);
        before.into_iter().chain(now).reduce(|before, now| before + now)
    }

    /// Its clock goes; what it counted stays.
    pub fn keep_figures(&mut self) {
        let kept = |figure| u32::try_from(figure).unwrap_or(u32::MAX);
        self.counts.late_before = kept(self.late());
        self.concealed_before = self.concealed().and_then(|concealed| NonZeroU32::new(kept(concealed.saturating_add(1))));
    }
}
