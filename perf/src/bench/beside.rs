//! Ours beside the least that forwarding costs, and beside rtpengine: one load, by turns, round by round.
//!
//! ```text
//!   round:  ours ─▶ bare forwarder ─▶ rtpengine (--peers)          ratio of each round ─▶ median, least, most
//! ```
//! Shape:  at half of what held, or at the load that was given.
//! Units:  microseconds of CPU per packet that came back, kernel included.
//! Errors: text of the first round that could not be played; later ones end the rounds, and those before stay.
//! Not here: how a load is played (`media`), how a peer is started (`peers`).

use serde_json::{Value, json};

use super::media::{FAULTS_SEED, Job, WARM_UP, leg, level, per_packet, round, spread, tell};
use super::noise::Noise;
use super::options::Options;
use super::peers::rtpengine::RtpEngine;
use super::peers::{Missing, Rounds, missing};
use super::server::{own_loopback, phones_loopback};
use super::usage::Usage;
use super::{codecs, pinned, progress};
use crate::load::forwarder::{Forwarder, Spoil};
use crate::load::{Codec, Generator, Leg, What};

/// Ours and the bare forwarder at one load, by turns.
///
/// # Errors
/// The first round could not be played.
pub fn compare(job: Job, channels: usize, options: &Options, noise: &mut Noise) -> Result<Value, String> {
    let mut rounds = Vec::new();
    let mut peer = Peered::new(job, options);
    for _ in 0..options.rounds {
        let round = level(job, channels, options, noise).and_then(|ours| Ok((ours, bare(channels, options)?)));
        let (ours, bare) = match round {
            Ok(round) => round,
            Err(why) if rounds.is_empty() => return Err(why),
            Err(why) => {
                progress(&format!("{}: no more rounds: {why}", job.name()));
                break;
            }
        };
        tell(&job, &ours);
        rounds.push((ours.cpu_us(), bare));
        peer.round(job, channels, ours.cpu_us(), options);
    }
    let peers = peer.json();
    let ours = spread(rounds.iter().map(|(ours, _)| *ours));
    let bare = spread(rounds.iter().map(|(_, bare)| *bare));
    // Round by round: what disturbs one disturbs both its turns.
    let ratio = spread(rounds.iter().map(|(ours, bare)| ours / bare));
    let codec = match job {
        Job::Bridge(from, to) if from != to => Some(codecs::per_packet(from, to, options)),
        Job::Bridge(..) | Job::Mix(..) => None,
    };
    Ok(json!({
        "channels": channels,
        "rounds": rounds.len(),
        "ours_us": ours,
        "bare_us": bare,
        "ratio": ratio,
        "codec_us": codec.map(|codec| round(codec, 3)),
        "ratio_with_codec": codec.map(|codec| spread(rounds.iter().map(|(ours, bare)| ours / (bare + codec)))),
        "peers": peers,
    }))
}

/// rtpengine beside us, round by round.
struct Peered {
    rounds: Rounds,
    note: String,
    missing: Option<Missing>,
    is_wanted: bool,
}

impl Peered {
    const NAME: &'static str = "rtpengine, user space";

    fn new(job: Job, options: &Options) -> Self {
        let is_wanted = options.peers && matches!(job, Job::Bridge(..));
        Self { rounds: Rounds::default(), note: String::new(), missing: None, is_wanted }
    }

    fn round(&mut self, job: Job, channels: usize, ours: f64, options: &Options) {
        if !self.is_wanted || self.missing.is_some() {
            return;
        }
        match theirs(job, channels, options) {
            Ok((cpu_us, fault)) => {
                let how = fault.as_ref().map_or_else(|| "held".to_owned(), |fault| format!("did not hold: {fault}"));
                progress(&format!("{}: {channels} channels at rtpengine, {cpu_us:.2} us a packet: {how}", job.name()));
                self.rounds.push(ours, cpu_us);
                self.note = fault.map_or(std::mem::take(&mut self.note), |fault| format!("rtpengine at this load: {fault}."));
            }
            Err(missing) => self.missing = Some(missing),
        }
    }

    fn json(&self) -> Vec<Value> {
        match &self.missing {
            _ if !self.is_wanted => Vec::new(),
            Some(why) => vec![missing(Self::NAME, why)],
            None => vec![self.rounds.json(Self::NAME, &self.note)],
        }
    }
}

/// Microseconds of rtpengine's CPU per packet, and what of it did not hold.
fn theirs(job: Job, channels: usize, options: &Options) -> Result<(f64, Option<String>), Missing> {
    let broken = |error: String| Missing::Broken(error);
    let ip = own_loopback();
    let mut engine = RtpEngine::start(ip, options.media_cpu)?;
    let mut load = Generator::bind(phones_loopback(), options.ptime_ms).map_err(|error| broken(error.to_string()))?;
    load.set_faults(options.faults, FAULTS_SEED);
    for n in (0..channels).step_by(2) {
        let phone = |n: usize| load.address(n).map(|at| (at, job.codec(n))).ok_or_else(|| broken("no phone".to_owned()));
        let ports = engine.bridge(n / 2, phone(n)?, phone(n + 1)?, options.ptime_ms).map_err(broken)?;
        for (side, at) in ports.into_iter().enumerate() {
            load.add(leg(job, n + side, at));
        }
    }
    let pids = [engine.id()];
    let (mut start, mut end) = (Usage::default(), Usage::default());
    let usage = || Usage::of_processes(&pids);
    let outcome = pinned(options.load_cpu, || load.run(WARM_UP, options.time, || start = usage(), || end = usage()));
    if outcome.counts.heard == 0 {
        return Err(broken("nothing came through: perhaps its build does not transcode this pair (`rtpengine --codecs`)".to_owned()));
    }
    Ok((per_packet(end.since(start), &outcome), outcome.generator_limit().or_else(|| outcome.fault())))
}

/// The least that forwarding costs at this load: microseconds per packet.
fn bare(channels: usize, options: &Options) -> Result<f64, String> {
    let ip = own_loopback();
    let mut load = Generator::bind(phones_loopback(), options.ptime_ms).map_err(|error| error.to_string())?;
    load.set_faults(options.faults, FAULTS_SEED);
    let phones = (0..channels).filter_map(|n| load.address(n)).collect();
    let forwarder = Forwarder::start(ip, phones, Some(options.media_cpu), usize::from(options.ptime_ms), Spoil::default());
    let forwarder = forwarder.map_err(|error| format!("bare forwarder: {error}"))?;
    for (n, to) in forwarder.addresses().iter().enumerate() {
        let leg = Leg { to: *to, sends: Codec::Pcmu, hears: Codec::Pcmu, says: What::Speech, partner: Some(n ^ 1), listens: None };
        load.add(leg);
    }
    let look = || Usage::of_task(forwarder.task()).unwrap_or_default();
    let (mut start, mut end) = (Usage::default(), Usage::default());
    let outcome = pinned(options.load_cpu, || load.run(WARM_UP, options.time, || start = look(), || end = look()));
    if outcome.counts.heard == 0 {
        return Err("nothing came through the bare forwarder".to_owned());
    }
    Ok(per_packet(end.since(start), &outcome))
}
