//! What a run found.
//!
//! Shape:  [`Counts`] over all streams, histograms of delay and of the generator's own pacing, what was heard of some streams.
//! Units:  microseconds; jitter of RFC 3550 as the mean and the worst of the streams.
//! Errors: [`Outcome::generator_limit`] says why the run tells nothing about the switch.
//! Rule:   a generator that was late, out of CPU, refused by its own kernel buffers or overrun was the limit; no capacity follows from it.

use super::faults::PutIn;
use super::histogram::Histogram;
use crate::ear::Heard;

/// Packets of all streams since the anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets told, those lost on purpose included.
    pub told: u64,
    /// Packets that should have been heard: one per told, or one per ptime of a clocked stream.
    pub due: u64,
    /// Different packets heard.
    pub heard: u64,
    /// Due and never heard.
    pub lost: u64,
    /// Heard again.
    pub duplicates: u64,
    /// Heard after a later one.
    pub reordered: u64,
    /// Too old to know.
    pub late: u64,
    /// Payload not the one that was told, where nothing transcodes.
    pub corrupt: u64,
    /// From a channel's port, but no RTP of the codec.
    pub foreign: u64,
    /// Changes of SSRC.
    pub ssrc_changes: u64,
    /// Timestamps that do not follow the sequence.
    pub timestamp_jumps: u64,
    /// Streams that never heard anything.
    pub mute: u64,
}

/// One stream that was listened to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Audio {
    /// Stream.
    pub stream: usize,
    /// What its partner told, Hz.
    pub told_hz: f64,
    /// Signal-to-noise ratio wanted.
    pub snr_least_db: f64,
    /// What was heard.
    pub heard: Option<Heard>,
}

impl Audio {
    /// Why the tone is not the one that was told: frequency within 2 Hz, level within 1.5 dB, noise.
    pub fn fault(&self) -> Option<String> {
        let Some(heard) = self.heard else { return Some(format!("stream {} heard nothing", self.stream)) };
        let good = (heard.tone_hz - self.told_hz).abs() < 2.0 && (heard.level_dbov + 15.05).abs() < 1.5 && heard.snr_db > self.snr_least_db;
        (!good).then(|| {
            format!(
                "stream {} heard {:.1} Hz at {:.1} dBov, {:.1} dB over the noise, and not {:.0} Hz at -15.05 dBov, {:.0} dB",
                self.stream, heard.tone_hz, heard.level_dbov, heard.snr_db, self.told_hz, self.snr_least_db
            )
        })
    }
}

/// Result of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Length of the run.
    pub seconds: f64,
    /// Packets.
    pub counts: Counts,
    /// Faults that the load itself put in.
    pub put_in: PutIn,
    /// Its streams are clocked by the switch (a mix): none of what was put in may show in them.
    pub is_clocked: bool,
    /// From the n-th told to the n-th heard; empty for clocked streams.
    pub delay_us: Histogram,
    /// Inter-arrival jitter: mean over the streams, and the worst of them.
    pub jitter_us: (f64, f64),
    /// How late the generator's slots began.
    pub lag_us: Histogram,
    /// CPU seconds of the generator's thread.
    pub cpu_seconds: f64,
    /// Sends that the kernel refused.
    pub refused: u64,
    /// Packets that the kernel dropped at the generator's own sockets.
    pub overrun: u64,
    /// Streams that were listened to.
    pub audio: Vec<Audio>,
}

/// A slot may begin so late, for 99 of 100.
const LAG_P99_US: u64 = 2000;
/// And so late at the most: a packet later than its next one is not the load that was asked for.
const LAG_MAX_US: u64 = 40_000;
/// Share of its core that the generator may use.
const CPU_MOST: f64 = 0.9;

impl Outcome {
    /// Share of one core that the generator used.
    pub fn core(&self) -> f64 {
        if self.seconds > 0.0 { self.cpu_seconds / self.seconds } else { 0.0 }
    }

    /// Why the generator, and not what it measured, was the limit.
    pub fn generator_limit(&self) -> Option<String> {
        self.generator_busy().or_else(|| self.generator_late().map(|why| format!("its {why}")))
    }

    /// Why the generator could load no more.
    pub fn generator_busy(&self) -> Option<String> {
        if self.refused > 0 {
            return Some(format!("its kernel refused {} of its packets", self.refused));
        }
        if self.overrun > 0 {
            return Some(format!("{} packets were dropped at its own sockets", self.overrun));
        }
        if self.core() > CPU_MOST {
            return Some(format!("it used {:.0} % of its core", self.core() * 100.0));
        }
        None
    }

    /// How late the generator was, if so late that the load was not the one asked for: by its own work, or stalled by the host.
    pub fn generator_late(&self) -> Option<String> {
        let (p99, max) = (self.lag_us.quantile(0.99), self.lag_us.max());
        let is_late = p99 > LAG_P99_US || max > LAG_MAX_US;
        is_late.then(|| format!("slots began {:.1} ms late for 1 in 100, {:.1} ms at worst", p99 as f64 / 1e3, max as f64 / 1e3))
    }

    /// The first thing that is wrong with what was heard, beside what was put in: of that as many packets must be missing, and as many
    /// overtaken, as were; copies and changed octets may be heard again, or be taken out, or be lost in transcoding.
    pub fn fault(&self) -> Option<String> {
        let counts = self.counts;
        let put_in = if self.is_clocked { PutIn::default() } else { self.put_in };
        let out_of_order = counts.reordered + counts.late;
        let wrong = [
            (counts.mute, 0, "streams heard nothing"),
            (counts.lost, put_in.lost, "packets lost"),
            (counts.corrupt, put_in.corrupt, "packets with another payload"),
            (counts.duplicates, put_in.twice, "packets heard twice"),
            (out_of_order, put_in.overtaken, "packets out of order"),
            (counts.foreign, 0, "packets that are no RTP of the codec"),
            (counts.ssrc_changes, 0, "changes of SSRC"),
            (counts.timestamp_jumps, 0, "jumps of the timestamp"),
        ];
        let counted = wrong.iter().find(|(count, put_in, _)| count > put_in).map(|(count, put_in, what)| {
            let beside = if *put_in > 0 { format!(", beside {put_in} that were put in") } else { String::new() };
            format!("{} {what} of {}{beside}", count - put_in, counts.due)
        });
        let fewer = [(counts.lost, put_in.lost, "lost"), (out_of_order, put_in.overtaken, "out of order")];
        let fewer = fewer.iter().find(|(count, put_in, _)| count < put_in);
        let fewer = fewer.map(|(count, put_in, what)| format!("{count} packets {what} where {put_in} were put in"));
        counted.or(fewer).or_else(|| self.audio.iter().filter(|_| !self.spoils_sound()).find_map(Audio::fault))
    }

    /// What was put in changes what is heard: then no tone is judged.
    fn spoils_sound(&self) -> bool {
        let put_in = self.put_in;
        put_in.lost + put_in.overtaken + put_in.corrupt > 0 || (self.is_clocked && put_in.held > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_that_was_late_or_busy_or_overrun_is_the_limit() {
        let mut good = Outcome { seconds: 1.0, cpu_seconds: 0.5, ..Outcome::default() };
        (0..1000).for_each(|_| good.lag_us.record(100));
        assert_eq!(good.generator_limit(), None);
        let busy = Outcome { cpu_seconds: 0.95, ..good.clone() };
        assert!(busy.generator_limit().is_some_and(|why| why.contains("95 % of its core")));
        let overrun = Outcome { overrun: 3, ..good.clone() };
        assert!(overrun.generator_limit().is_some_and(|why| why.contains("3 packets were dropped")));
        let refused = Outcome { refused: 1, ..good.clone() };
        assert!(refused.generator_limit().is_some());
        (0..20).for_each(|_| good.lag_us.record(5000));
        assert!(good.generator_limit().is_some_and(|why| why.contains("5.0 ms late")));
        assert!(good.generator_busy().is_none() && good.generator_late().is_some());
    }

    #[test]
    fn faults_put_in_are_no_faults_of_the_switch_and_their_number_must_be_right() {
        let put_in = PutIn { lost: 7, overtaken: 3, twice: 2, corrupt: 0, held: 3 };
        let counts = Counts { due: 1000, lost: 7, reordered: 3, ..Counts::default() };
        let good = Outcome { counts, put_in, ..Outcome::default() };
        assert_eq!(good.fault(), None, "copies were taken out");
        let fault = |counts: Counts| Outcome { counts, ..good.clone() }.fault().unwrap_or_default();
        assert_eq!(fault(Counts { lost: 9, ..counts }), "2 packets lost of 1000, beside 7 that were put in");
        assert_eq!(fault(Counts { lost: 6, ..counts }), "6 packets lost where 7 were put in");
        assert_eq!(fault(Counts { reordered: 2, ..counts }), "2 packets out of order where 3 were put in");
        assert_eq!(fault(Counts { duplicates: 3, ..counts }), "1 packets heard twice of 1000, beside 2 that were put in");
        assert!(Outcome { is_clocked: true, ..good.clone() }.fault().is_some_and(|why| why.contains("7 packets lost of 1000")));
        assert_eq!(Outcome { is_clocked: true, counts: Counts::default(), ..good }.fault(), None);
    }

    #[test]
    fn a_wrong_tone_is_a_fault() {
        let heard = Heard { tone_hz: 440.0, level_dbov: -15.0, snr_db: 33.0 };
        let audio = Audio { stream: 1, told_hz: 440.0, snr_least_db: 30.0, heard: Some(heard) };
        assert_eq!(audio.fault(), None);
        for wrong in [Heard { tone_hz: 450.0, ..heard }, Heard { level_dbov: -20.0, ..heard }, Heard { snr_db: 20.0, ..heard }] {
            assert!(Audio { heard: Some(wrong), ..audio }.fault().is_some());
        }
        let outcome = Outcome { audio: vec![Audio { heard: None, ..audio }], ..Outcome::default() };
        assert_eq!(outcome.fault().as_deref(), Some("stream 1 heard nothing"));
    }
}
