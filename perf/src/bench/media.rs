//! `bench relay`, `transcode` and `mix`: RTP through the switch at a load, and the search for the highest that holds.
//!
//! ```text
//!   level(n):  mediaswitch ─▶ n channels in bridges or conferences ─▶ 0.6 s of warm-up ─▶ measured ─▶ Level
//!   measure:   search of levels ─▶ rounds at half the capacity: ours, bare forwarder, by turns ─▶ ratios
//! ```
//! Shape:  a fresh process for each level; 50 packets a second and channel at 20 ms; four streams carry tones and are listened to.
//! Units:  microseconds of CPU of the whole process, kernel included, per packet that came back.
//! Errors: text; a server that refuses its set-up ends the measurement.
//! Limits: see [`fault`].
//! Not here: how a figure is shown (`report`), what is measured beside it (`beside`).

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::noise::{Noise, Stolen};
use super::options::Options;
use super::search::{self, Found};
use super::server::{Channel, Look, Switch, channels_max, phones_loopback};
use super::spoiled::{self, Saw};
use super::usage::Usage;
use super::verdict::{Signs, Verdict};
use super::{beside, pinned, progress};
use crate::load::{Codec, Generator, Leg, Outcome, What};

/// What the channels do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Bridges of two, with the codec of each side.
    Bridge(Codec, Codec),
    /// Conferences of so many, all with one codec.
    Mix(usize, Codec),
}

impl Job {
    /// Channels of one bridge or conference.
    const fn group(self) -> usize {
        match self {
            Self::Bridge(..) => 2,
            Self::Mix(parties, _) => parties,
        }
    }

    /// What the phone of a channel speaks.
    pub fn codec(self, channel: usize) -> Codec {
        match self {
            Self::Bridge(even, odd) => {
                if channel.is_multiple_of(2) {
                    even
                } else {
                    odd
                }
            }
            Self::Mix(_, codec) => codec,
        }
    }

    /// What the report calls it.
    pub fn name(self) -> String {
        match self {
            Self::Bridge(from, to) if from == to => format!("relay {}", from.name()),
            Self::Bridge(from, to) => format!("transcode {} to {}", from.name(), to.name()),
            Self::Mix(parties, codec) => format!("mix of {parties}, {}", codec.name()),
        }
    }
}

/// Before what is measured.
pub const WARM_UP: Duration = Duration::from_millis(600);
/// Bridges or conferences that carry a tone: two bridges are four streams.
const LISTENED_GROUPS: usize = 2;
/// Delay that 99 of 100 packets of a bridge must keep: one ptime.
const DELAY_P99_US: u64 = 20_000;
/// The load's slots may be so late at the most, and a ptime for 99 of 100: what was asked for in a second is told in that second.
const LAG_MOST_US: u64 = 100_000;
/// Part of the time that others may have kept our server from its CPU before a figure is called disturbed.
const DISTURBED_PART: f64 = 0.01;

/// One load and what became of it.
#[derive(Debug, Clone)]
pub struct Level {
    /// Open channels, each with a phone.
    pub channels: usize,
    /// As the phones saw it.
    pub outcome: Outcome,
    /// As the server and the kernel saw it.
    pub look: Look,
    /// Bytes of resident memory per channel.
    pub bytes_per_channel: f64,
    /// Late slots that it may have on this host.
    pub late_allowed: u64,
    /// What the switch tells of the faults that were put in; `None` without any.
    pub saw: Option<Saw>,
    /// What the hypervisor took meanwhile.
    pub stolen: Stolen,
    /// How it went.
    pub verdict: Verdict,
}

impl Level {
    /// Microseconds of CPU per packet.
    pub fn cpu_us(&self) -> f64 {
        per_packet(self.look.usage, &self.outcome)
    }

    fn core(&self) -> f64 {
        self.look.usage.run.as_secs_f64() / self.outcome.seconds.max(1e-9)
    }

    fn disturbed(&self) -> bool {
        self.look.usage.wait.as_secs_f64() > self.outcome.seconds * DISTURBED_PART
    }

    fn json(&self) -> Value {
        let Self { outcome, look, .. } = self;
        let (counts, delay) = (outcome.counts, &outcome.delay_us);
        json!({
            "channels": self.channels,
            "verdict": self.verdict.word(),
            "why": self.verdict.why(),
            "seconds": round(outcome.seconds, 3),
            "packets": { "told": counts.told, "due": counts.due, "heard": counts.heard, "lost": counts.lost, "duplicates": counts.duplicates,
                "reordered": counts.reordered + counts.late, "changed": counts.corrupt, "foreign": counts.foreign, "mute_streams": counts.mute },
            "put_in": outcome.put_in.any().then(|| spoiled::done(outcome.put_in)),
            "switch_saw": self.saw.map(Saw::json),
            "packets_per_second": round(counts.heard as f64 / outcome.seconds.max(1e-9), 0),
            "cpu_us_per_packet": round(self.cpu_us(), 3),
            "kernel_part": look.usage.kernel_part().map(|part| round(part, 3)),
            "core": round(self.core(), 4),
            "waited_for_cpu": round(look.usage.wait.as_secs_f64() / outcome.seconds.max(1e-9), 5),
            "disturbed": self.disturbed(),
            "stolen": self.stolen.json(),
            "slots": { "count": look.slots, "late": look.late, "late_allowed": self.late_allowed, "late_p50_us": look.lateness.quantile(0.5),
                "late_p99_us": look.lateness.quantile(0.99), "late_p999_us": look.lateness.quantile(0.999), "late_histogram": look.lateness.json(),
                "missed": look.missed, "work_p99_us": look.work_p99_us },
            "delay_us": (delay.count() > 0).then(|| json!({ "p50": delay.quantile(0.5), "p99": delay.quantile(0.99), "p999": delay.quantile(0.999), "max": delay.max() })),
            "delay_histogram": delay.places().collect::<Vec<_>>(),
            "jitter_us": { "mean": round(outcome.jitter_us.0, 0), "worst": round(outcome.jitter_us.1, 0) },
            "dropped_at_server": look.dropped,
            "unsent_by_server": look.unsent,
            "resident_bytes": look.resident,
            "bytes_per_channel": round(self.bytes_per_channel, 0),
            "generator": { "core": round(outcome.core(), 3), "lag_p99_us": outcome.lag_us.quantile(0.99), "lag_max_us": outcome.lag_us.max(),
                "lag_histogram": outcome.lag_us.places().collect::<Vec<_>>() },
            "audio": outcome.audio.iter().map(|audio| json!({ "stream": audio.stream, "told_hz": audio.told_hz,
                "heard_hz": audio.heard.map(|heard| round(heard.tone_hz, 1)), "level_dbov": audio.heard.map(|heard| round(heard.level_dbov, 2)),
                "snr_db": audio.heard.map(|heard| round(heard.snr_db, 1)) })).collect::<Vec<_>>(),
        })
    }
}

/// To so many places.
pub fn round(value: f64, places: i32) -> f64 {
    let scale = 10_f64.powi(places);
    (value * scale).round() / scale
}

/// Microseconds of CPU per packet that came back.
pub fn per_packet(usage: Usage, outcome: &Outcome) -> f64 {
    usage.run.as_secs_f64() * 1e6 / outcome.counts.heard.max(1) as f64
}

/// The first limit that did not hold.
pub fn fault(outcome: &Outcome, look: &Look, noise: &Noise) -> Option<String> {
    if let Some(fault) = outcome.fault() {
        return Some(if look.dropped > 0 { format!("{fault} ({} dropped at the server's sockets)", look.dropped) } else { fault });
    }
    if look.missed > noise.missed_allowed(look.slots) {
        return Some(format!("{} slots missed", look.missed));
    }
    let allowed = noise.late_allowed(look.slots);
    if look.late > allowed {
        return Some(format!("{} of {} slots began 1 ms late or more; {allowed} may on this host", look.late, look.slots));
    }
    let p99 = outcome.delay_us.quantile(0.99);
    (p99 > DELAY_P99_US).then(|| format!("1 in 100 packets took {:.1} ms or more", p99 as f64 / 1e3))
}

/// Plays one level.
///
/// # Errors
/// The server does not start, or refuses.
pub fn level(job: Job, channels: usize, options: &Options, noise: &mut Noise) -> Result<Level, String> {
    noise.again(options);
    let mut switch = Switch::start(&options.cores, channels)?;
    let mut load = Generator::bind(phones_loopback(), options.ptime_ms).map_err(|error| error.to_string())?;
    load.set_faults(options.faults, FAULTS_SEED);
    let before = switch.look()?.resident;
    open_all(job, channels, options, &mut switch, &mut load)?;
    let nothing = || Ok((Look::default(), Stolen::default()));
    let mut looks = [nothing(), nothing()];
    let [start, end] = &mut looks;
    let switch = std::sync::Mutex::new(switch);
    let look = || {
        let mut switch = switch.lock().map_err(|_| "the load panicked".to_owned())?;
        switch.look().map(|look| (look, Stolen::now(options.media_cpu, options.load_cpu)))
    };
    let (outcome, saw) = spoiled::watched(options.faults.any().then_some(&switch), |told| {
        pinned(options.load_cpu, || {
            load.run(
                WARM_UP,
                options.time,
                || *start = look(),
                || {
                    *end = look();
                    told();
                },
            )
        })
    });
    let [start, end] = looks;
    let ((before_it, before_stolen), (after_it, after_stolen), saw) = (start?, end?, saw?);
    let (look, stolen) = (after_it.since(before_it), after_stolen.since(before_stolen));
    let wrong = saw.and_then(|saw| spoiled::fault(outcome.put_in, saw, options.ptime_ms));
    let verdict = signs(&outcome, &look, noise, stolen, wrong).verdict();
    let bytes_per_channel = look.resident.saturating_sub(before) as f64 / channels.max(1) as f64;
    Ok(Level { channels, outcome, look, bytes_per_channel, late_allowed: noise.late_allowed(look.slots), saw, stolen, verdict })
}

/// The same seed puts the same faults into each load of a run.
pub const FAULTS_SEED: u64 = 1;

/// What the verdict is made of.
fn signs(outcome: &Outcome, look: &Look, noise: &Noise, stolen: Stolen, spoiled: Option<String>) -> Signs {
    // What the phones heard is told first, then what the switch tells of it.
    let wrong = outcome.fault().map_or(spoiled, |_| fault(outcome, look, noise));
    Signs {
        busy: outcome.generator_busy(),
        late: outcome.generator_late(),
        far_too_late: outcome.lag_us.quantile(0.99) > DELAY_P99_US || outcome.lag_us.max() > LAG_MOST_US,
        load_core: outcome.core(),
        load_stolen: stolen.load,
        is_of_time: wrong.is_none(),
        fault: wrong.or_else(|| fault(outcome, look, noise)),
        switch_core: look.usage.run.as_secs_f64() / outcome.seconds.max(1e-9),
        switch_stolen: stolen.switch,
    }
}

/// Opens the channels, and gives the load a phone for each.
///
/// # Errors
/// The server refuses.
pub fn open_all(job: Job, channels: usize, options: &Options, switch: &mut Switch, load: &mut Generator) -> Result<(), String> {
    let mut group: Vec<Channel> = Vec::new();
    for n in 0..channels {
        let channel = switch.open(group.first())?;
        let phone = load.address(n).ok_or("no phone")?;
        switch.target(&channel, phone, job.codec(n), options.ptime_ms)?;
        load.add(leg(job, n, channel.at));
        if let Some(first) = group.first() {
            switch.mix(&channel, first)?;
        }
        group.push(channel);
        if group.len() == job.group() {
            group.clear();
        }
    }
    Ok(())
}

/// What phone `n` does. In a listened conference the first speaks and the others hear it; in a listened bridge each hears the other.
pub fn leg(job: Job, n: usize, to: SocketAddr) -> Leg {
    let (group, place) = (n / job.group(), n % job.group());
    let listened = group < LISTENED_GROUPS;
    let tone = |n: usize| 500.0 + 100.0 * (n % 8) as f64;
    let codec = job.codec(n);
    let leg = Leg { to, sends: codec, hears: codec, says: What::Speech, partner: None, listens: None };
    match job {
        Job::Bridge(even, odd) => {
            let least = if even == odd { even.snr_least_db() } else { even.snr_least_db().min(odd.snr_least_db()) - 5.0 };
            Leg {
                says: if listened { What::Tone(tone(n)) } else { What::Speech },
                partner: Some(n ^ 1),
                listens: listened.then(|| (tone(n ^ 1), least)),
                ..leg
            }
        }
        Job::Mix(..) if listened && place == 0 => Leg { says: What::Tone(tone(group)), ..leg },
        // Decoded, mixed and encoded again.
        Job::Mix(..) if listened => {
            Leg { says: What::Silence, listens: Some((tone(group), (codec.snr_least_db() - 5.0).min(30.0))), ..leg }
        }
        Job::Mix(..) => leg,
    }
}

/// The whole measurement, as the report has it.
///
/// # Errors
/// As [`level`].
pub fn measure(job: Job, options: &Options) -> Result<Value, String> {
    let step = job.group() * 2;
    let (mut levels, mut unmeasured): (Vec<Level>, Vec<(usize, String)>) = (Vec::new(), Vec::new());
    let mut noise = Noise::first(options);
    let mut play = |channels: usize| {
        // A switch that a stall made late refuses channels for a while: once more, before it is called impossible.
        let first = level(job, channels, options, &mut noise);
        let level = first.or_else(|_| level(job, channels, options, &mut noise)).map_err(|why| one_line(&why)).inspect_err(|why| {
            progress(&format!("{}: {channels} channels could not be measured: {why}", job.name()));
            unmeasured.push((channels, why.clone()));
        })?;
        tell(&job, &level);
        let verdict = level.verdict.clone();
        levels.push(level);
        Ok::<_, String>(verdict)
    };
    let quick = if options.quick && options.channels.is_empty() { vec![QUICK_CHANNELS] } else { Vec::new() };
    let fixed: Vec<usize> = options.channels.iter().chain(&quick).map(|channels| channels.div_ceil(step) * step).collect();
    let most = channels_max();
    let found = if fixed.is_empty() {
        search::highest(search::Range { start: START_CHANNELS, most: most - most % step, step }, play)
    } else {
        Found::of_given(fixed.iter().map(|channels| (*channels, play(*channels))))
    };
    if levels.is_empty() {
        return Err(unmeasured.into_iter().next().map_or_else(|| "no load was given".to_owned(), |(_, why)| why));
    }
    // Of several that were given, the middle one: few channels share out what a slot costs badly.
    let given = levels.get(levels.len() / 2).map(|level| level.channels).filter(|_| !fixed.is_empty());
    let compared = given.unwrap_or_else(|| compared(&levels, found.held, step));
    let reference = beside::compare(job, compared, options, &mut noise).unwrap_or_else(|why| {
        unmeasured.push((compared, why));
        Value::Null
    });
    let capacity = if fixed.is_empty() { found.capacity().filter(|held| *held > 0) } else { None };
    Ok(json!({
        "what": job.name(),
        "ptime_ms": options.ptime_ms,
        "faults": spoiled::asked(options.faults),
        "group": job.group(),
        "cores": options.cores,
        "capacity_channels": capacity,
        "held_channels": found.held,
        "ended": found.end.text("channels", !fixed.is_empty()),
        "disturbed": levels.iter().any(Level::disturbed),
        "attempts": attempts(levels.iter().map(|level| &level.verdict)),
        "unmeasured": unmeasured_json(&unmeasured),
        "levels": levels.iter().map(Level::json).collect::<Vec<_>>(),
        "host_lateness": noise.json(),
        "reference": reference,
    }))
}

/// Half of what held; where nothing did, of the highest load that did not fail.
fn compared(levels: &[Level], held: usize, step: usize) -> usize {
    let undecided = levels.iter().filter(|level| !matches!(level.verdict, Verdict::Failed(_))).map(|level| level.channels).max();
    let half = if held > 0 { held } else { undecided.unwrap_or(0) } / 2;
    (half / step).max(1) * step
}

/// A text of several lines, such as a program's last words, as one.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How many loads were played, and how many of them had no verdict.
pub fn attempts<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> Value {
    let (mut all, mut by_load, mut by_host) = (0, 0, 0);
    for verdict in verdicts {
        all += 1;
        match verdict {
            Verdict::Held | Verdict::Failed(_) => {}
            Verdict::Limited(_) => by_load += 1,
            Verdict::Disturbed(_) => by_host += 1,
        }
    }
    json!({ "all": all, "generator_was_limit": by_load, "stalled_by_host": by_host })
}

/// Loads that could not be measured, and why.
pub fn unmeasured_json(unmeasured: &[(usize, String)]) -> Vec<Value> {
    unmeasured.iter().map(|(load, why)| json!({ "load": load, "why": why })).collect()
}

/// First load of a search.
const START_CHANNELS: usize = 120;
/// Load of `--quick`.
const QUICK_CHANNELS: usize = 24;

/// Median, least and most.
pub fn spread(values: impl Iterator<Item = f64>) -> Value {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |n: usize| values.get(n).map(|value| round(*value, 3));
    json!({ "median": at(values.len() / 2), "least": at(0), "most": values.last().map(|value| round(*value, 3)) })
}

/// A line of progress.
pub fn tell(job: &Job, level: &Level) {
    let verdict = &level.verdict;
    let disturbed = if level.disturbed() { ", disturbed by other processes" } else { "" };
    progress(&format!(
        "{}: {} channels, {:.2} us a packet, core {:.1} %, load {:.1} %{disturbed}: {verdict}",
        job.name(),
        level.channels,
        level.cpu_us(),
        level.core() * 100.0,
        level.outcome.core() * 100.0
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_fails_a_level() {
        let good = Look { slots: 3000, late: 2, ..Look::default() };
        let mut outcome = Outcome::default();
        let quiet = Noise::default();
        let fault = |outcome: &Outcome, look: &Look| fault(outcome, look, &quiet);
        assert_eq!(fault(&outcome, &good), None);
        assert!(fault(&outcome, &Look { late: 4, ..good }).is_some_and(|why| why.contains("4 of 3000 slots")));
        assert!(fault(&outcome, &Look { missed: 1, ..good }).is_some_and(|why| why.contains("1 slots missed")));
        (0..100).for_each(|n| outcome.delay_us.record(n * 250));
        assert!(fault(&outcome, &good).is_some_and(|why| why.contains("1 in 100 packets")));
        outcome.counts.lost = 1;
        assert!(fault(&outcome, &Look { dropped: 1, ..good }).is_some_and(|why| why.contains("dropped at the server")));
    }

    #[test]
    fn phones_of_a_bridge_hear_each_other_and_those_of_a_conference_its_first() {
        let channel = SocketAddr::from(([127, 0, 0, 1], 9));
        let bridge = Job::Bridge(Codec::Pcmu, Codec::G722);
        let (even, odd) = (leg(bridge, 0, channel), leg(bridge, 1, channel));
        assert_eq!((even.hears, odd.hears, even.partner), (Codec::Pcmu, Codec::G722, Some(1)));
        assert_eq!(odd.listens.map(|(hz, _)| What::Tone(hz)), Some(even.says));
        assert_eq!(leg(bridge, 4, channel).listens, None);
        let mix = Job::Mix(3, Codec::Pcmu);
        assert_eq!(leg(mix, 4, channel).listens.map(|(hz, _)| What::Tone(hz)), Some(leg(mix, 3, channel).says));
        assert_eq!((leg(mix, 3, channel).listens, leg(mix, 5, channel).says), (None, What::Silence));
    }

    #[test]
    fn last_words_are_one_line() {
        assert_eq!(one_line("it ended:\n  RLIMIT_NOFILE is 1024.\n\n"), "it ended: RLIMIT_NOFILE is 1024.");
    }

    #[test]
    fn a_spread_is_median_least_and_most() {
        let spread = spread([3.0, 1.0, 2.0].into_iter());
        assert_eq!(spread, json!({ "median": 2.0, "least": 1.0, "most": 3.0 }));
    }
}
