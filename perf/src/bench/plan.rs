//! `bench plan`: how many servers so many calls need, from what a packet, a call and a registration were measured to cost.
//!
//! ```text
//!   --from-report, or a short measurement ─▶ Costs ─┐
//!   --calls --mix --call-seconds --phones … ─▶ Wish ─┴▶ size ─▶ cores, servers, packets and bits of the network, memory, assumptions
//! ```
//! Shape:  sums only, one line each, in [`size`]; nothing is measured here but what `--from-report` does not give.
//! Units:  calls at once; microseconds of CPU; octets on the wire with Ethernet's preamble, gap and checksum (38 a frame).
//! Errors: text: a cost that is missing is named with the command that measures it, and never guessed.
//! Rule:   every figure that was assumed and not measured stands among the assumptions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{self, Kind};
use super::media::{self, Job, round};
use super::noise::Noise;
use super::options::Options;
use super::progress;
use crate::load::Codec;

/// What is to be carried.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Calls at once.
    pub calls: u64,
    /// Codec pairs and their parts of the calls; the rest relays PCMU.
    pub mix: Vec<(Codec, Codec, f64)>,
    /// Mean length of a call.
    pub call_seconds: f64,
    /// Registered phones.
    pub phones: u64,
    /// Seconds between two registrations of a phone.
    pub register_seconds: f64,
    /// Cores of a server.
    pub server_cores: u64,
    /// Of them, those that signal.
    pub signalling_cores: u64,
    /// Part of a core that is planned to be used.
    pub load: f64,
    /// Gigabits a second of a server's network card.
    pub nic_gbit: f64,
    /// Reports, or directories of them.
    pub reports: Vec<PathBuf>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            calls: 0,
            mix: Vec::new(),
            call_seconds: 180.0,
            phones: 0,
            register_seconds: 1800.0,
            server_cores: 16,
            signalling_cores: 1,
            load: 0.7,
            nic_gbit: 10.0,
            reports: Vec::new(),
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    /// Microseconds per packet of a bridge, by the words of its codecs.
    pub packet_us: BTreeMap<(&'static str, &'static str), f64>,
    /// Microseconds of a call's signalling and control.
    pub call_us: Option<f64>,
    /// Microseconds of a registration.
    pub register_us: Option<f64>,
    /// Bytes of a channel.
    pub channel_bytes: Option<f64>,
    /// Bytes of a registration.
    pub registration_bytes: Option<f64>,
    /// Cost of a packet on two cores over that on one.
    pub scaling: Option<f64>,
}

/// What is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// Cores that carry media.
    pub media_cores: f64,
    /// Cores that signal.
    pub signalling_cores: f64,
    /// Servers, without a spare one.
    pub servers: u64,
    /// What sets that number.
    pub set_by: &'static str,
    /// Packets a second, each way.
    pub packets: f64,
    /// Bits a second on the wire, each way.
    pub bits: f64,
    /// Bytes of memory.
    pub bytes: f64,
}

/// Preamble 8, header 14, checksum 4 and gap 12 of Ethernet; IP 20, UDP 8, RTP 12.
const WIRE_OCTETS: usize = 38 + 20 + 8 + 12;
/// A network card is planned to be filled so far.
const NIC_PART: f64 = 0.7;
/// Budget of docs/architecture.md for an answered dialog; a call has two.
const DIALOG_BYTES: f64 = 8192.0;

impl Wish {
    /// `pcmu:g722=0.3,pcmu:pcma=0.1`
    ///
    /// # Errors
    /// What is wrong, for the user.
    pub fn read_mix(text: &str) -> Result<Vec<(Codec, Codec, f64)>, String> {
        let one = |part: &str| {
            let (pair, share) = part.split_once('=')?;
            let (from, to) = pair.split_once(':')?;
            let share = share.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share))?;
            Some((Codec::named(from.trim())?, Codec::named(to.trim())?, share))
        };
        let mix: Option<Vec<_>> = text.split(',').map(|part| one(part.trim())).collect();
        let mix = mix.ok_or_else(|| format!("--mix {text}: must be such as pcmu:g722=0.3,pcmu:pcma=0.1"))?;
        let all: f64 = mix.iter().map(|(.., share)| share).sum();
        if all > 1.0 + 1e-9 { Err(format!("--mix {text}: more than all calls")) } else { Ok(mix) }
    }

    /// Pairs and parts, the rest included.
    fn pairs(&self) -> Vec<(Codec, Codec, f64)> {
        let rest = 1.0 - self.mix.iter().map(|(.., share)| share).sum::<f64>();
        let mut pairs = self.mix.clone();
        if rest > 1e-9 {
            pairs.push((Codec::Pcmu, Codec::Pcmu, rest));
        }
        pairs
    }
}

impl Costs {
    fn of(&self, from: Codec, to: Codec) -> Option<f64> {
        let known = |a: Codec, b: Codec| self.packet_us.get(&(a.name(), b.name())).copied();
        // A bridge is carried both ways: which side is named first does not matter.
        known(from, to).or_else(|| known(to, from))
    }

    fn take(&mut self, result: &Value) {
        let what = result["what"].as_str().unwrap_or_default();
        let levels = result["levels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let last = |key: &str| {
            levels
                .iter()
                .filter(|level| level["verdict"] != "generator" && level["verdict"] != "host")
                .filter_map(|level| level[key].as_f64())
                .next_back()
        };
        let pair = match what.split(' ').collect::<Vec<_>>().as_slice() {
            ["relay", codec] => Codec::named(codec).map(|codec| (codec, codec)),
            ["transcode", from, "to", to] => Codec::named(from).zip(Codec::named(to)),
            _ => None,
        };
        if let (Some((from, to)), Some(us)) = (pair, result["reference"]["ours_us"]["median"].as_f64()) {
            self.packet_us.insert((from.name(), to.name()), us);
            self.channel_bytes = most(self.channel_bytes, last("bytes_per_channel"));
        }
        match what {
            "calls" => self.call_us = last("cpu_us_per_call").or(self.call_us),
            "register with digest" => {
                self.register_us = last("cpu_us_each").or(self.register_us);
                self.registration_bytes = last("bytes_each").or(self.registration_bytes);
            }
            "scaling over media cores" => self.scaling = result["ratio"]["median"].as_f64().or(self.scaling),
            _ => {}
        }
    }

    /// From reports, or directories that hold them.
    fn read(paths: &[PathBuf]) -> Result<Self, String> {
        let mut costs = Self::default();
        for path in paths {
            for file in files(path) {
                let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                let report: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
                report["results"].as_array().into_iter().flatten().for_each(|result| costs.take(result));
            }
        }
        Ok(costs)
    }
}

fn most(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    a.into_iter().chain(b).reduce(f64::max)
}

/// `report.json` of a directory and of those in it; a file is itself.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let mut directories: Vec<PathBuf> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    directories.sort();
    directories.insert(0, path.to_owned());
    directories.into_iter().map(|directory| directory.join("report.json")).filter(|file| file.is_file()).collect()
}

/// The sums.
///
/// # Errors
/// A cost that is missing, with the command that measures it.
pub fn size(wish: &Wish, costs: &Costs, ptime_ms: u16) -> Result<Needs, String> {
    let (calls, per_second) = (wish.calls as f64, 1000.0 / f64::from(ptime_ms.max(1)));
    let (mut media_us, mut bits) = (0.0, 0.0);
    for (from, to, share) in wish.pairs() {
        let us = costs.of(from, to).ok_or_else(|| {
            let command = if from == to {
                format!("relay --from {}", from.name())
            } else {
                format!("transcode --from {} --to {}", from.name(), to.name())
            };
            format!("the report has no cost of {}:{}: mediaswitch bench {command}", from.name(), to.name())
        })?;
        // Two packets a ptime of each call: one from each side, and one to each.
        media_us += calls * share * 2.0 * per_second * us;
        bits +=
            calls * share * per_second * 8.0 * [from, to].map(|codec| (codec.octets(ptime_ms) + WIRE_OCTETS) as f64).iter().sum::<f64>();
    }
    let media_cores = media_us / 1e6 * costs.scaling.unwrap_or(1.0).max(1.0) / wish.load;
    let call_us = costs.call_us.ok_or("the report has no cost of a call: mediaswitch bench calls")?;
    let registrations = wish.phones as f64 / wish.register_seconds;
    let register_us = match costs.register_us {
        Some(us) => us,
        None if wish.phones == 0 => 0.0,
        None => return Err("the report has no cost of a registration: mediaswitch bench register".to_owned()),
    };
    let signalling_cores = (calls / wish.call_seconds * call_us + registrations * register_us) / 1e6 / wish.load;
    let media_of_a_server = wish.server_cores.saturating_sub(wish.signalling_cores).max(1);
    let by = [
        ("media", media_cores / media_of_a_server as f64),
        ("signalling", signalling_cores / wish.signalling_cores.max(1) as f64),
        ("the network", bits / (wish.nic_gbit * 1e9 * NIC_PART)),
    ];
    let (set_by, most) = by.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(("media", 0.0));
    let bytes = calls * 2.0 * (costs.channel_bytes.unwrap_or(DIALOG_BYTES) + DIALOG_BYTES)
        + wish.phones as f64 * costs.registration_bytes.unwrap_or(1024.0);
    Ok(Needs {
        media_cores,
        signalling_cores,
        servers: (most.ceil() as u64).max(1),
        set_by,
        packets: calls * 2.0 * per_second,
        bits,
        bytes,
    })
}

/// The plan, as the report has it.
///
/// # Errors
/// No `--calls`; a report that cannot be read or lacks a cost; a measurement that fails.
pub fn measure(options: &Options) -> Result<Value, String> {
    let wish = &options.plan;
    if wish.calls == 0 {
        return Err("plan: how many calls at once? --calls N".to_owned());
    }
    let costs = if wish.reports.is_empty() { quickly(options)? } else { Costs::read(&wish.reports)? };
    let needs = size(wish, &costs, options.ptime_ms)?;
    Ok(report(wish, &costs, &needs, options.ptime_ms))
}

/// A short measurement of what the wish needs.
fn quickly(options: &Options) -> Result<Costs, String> {
    const CHANNELS: usize = 200;
    const RATE: usize = 50;
    let mut costs = Costs::default();
    let short = Options { time: Duration::from_secs(2), rounds: 1, rate: Some(RATE), ..options.clone() };
    let mut noise = Noise::default();
    for (from, to, _) in options.plan.pairs() {
        let level = media::level(Job::Bridge(from, to), CHANNELS, &short, &mut noise)?;
        progress(&format!("plan: {}:{} {:.2} us a packet", from.name(), to.name(), level.cpu_us()));
        costs.packet_us.insert((from.name(), to.name()), level.cpu_us());
        costs.channel_bytes = most(costs.channel_bytes, Some(level.bytes_per_channel));
    }
    costs.take(&calls::measure(Kind::Whole, &short)?);
    if options.plan.phones > 0 {
        costs.take(&super::register::measure(&Options { rate: Some(1000), peers: false, ..short })?);
    }
    Ok(costs)
}

fn report(wish: &Wish, costs: &Costs, needs: &Needs, ptime_ms: u16) -> Value {
    let servers = needs.servers as f64;
    let mix = wish.pairs().into_iter().map(|(from, to, share)| json!({ "from": from.name(), "to": to.name(), "part": round(share, 4) }));
    let packet_us = costs.packet_us.iter().map(|((from, to), us)| (format!("{from}:{to}"), json!(round(*us, 3))));
    let mut assumptions = vec![
        format!("A core is used to {:.0} %; a server has {} cores like the one that was measured, {} of them signalling. Two threads of one core are not two cores.",
            wish.load * 100.0, wish.server_cores, wish.signalling_cores),
        match costs.scaling {
            Some(ratio) => format!("Cost per packet grows with the cores as it did from one to two ({ratio:.3} times), and no further: shards share nothing but memory and caches."),
            None => "Cost per packet does not grow with the cores: not measured in this report (mediaswitch bench scaling).".to_owned(),
        },
        "Costs are of loopback, where the sender pays for half of receiving; a network card moves that to the interrupts of its queues, which need CPU too.".to_owned(),
        format!("Packets of {ptime_ms} ms, no silence suppression, RTCP left out (1 packet in 250); calls of {:.0} s, spread evenly, both legs through these servers.", wish.call_seconds),
        format!("{:.0} % of {} Gbit/s of a network card each way.", NIC_PART * 100.0, wish.nic_gbit),
        format!("{} KiB of memory a dialog (budget), two a call; the kernel's socket buffers are not counted.", DIALOG_BYTES / 1024.0),
        "One server more than needed, so that one may be away.".to_owned(),
    ];
    if costs.channel_bytes.is_none() {
        assumptions.push("Memory of a channel was not measured: 8 KiB.".to_owned());
    }
    if wish.phones > 0 && costs.registration_bytes.is_none() {
        assumptions.push("Memory of a registration was not measured: 1 KiB.".to_owned());
    }
    json!({
        "what": "plan",
        "calls": wish.calls,
        "mix": mix.collect::<Vec<_>>(),
        "call_seconds": wish.call_seconds,
        "phones": wish.phones,
        "costs": { "packet_us": packet_us.collect::<serde_json::Map<_, _>>(), "call_us": costs.call_us, "register_us": costs.register_us,
            "channel_bytes": costs.channel_bytes, "registration_bytes": costs.registration_bytes, "scaling": costs.scaling },
        "media_cores": round(needs.media_cores, 2),
        "signalling_cores": round(needs.signalling_cores, 2),
        "servers": needs.servers,
        "servers_with_spare": needs.servers + 1,
        "set_by": needs.set_by,
        "packets_per_second": round(needs.packets, 0),
        "megabits_per_second": round(needs.bits / 1e6, 1),
        "memory_mib": round(needs.bytes / f64::from(1 << 20), 1),
        "per_server": { "calls": round(wish.calls as f64 / servers, 0), "packets_per_second": round(needs.packets / servers, 0),
            "megabits_per_second": round(needs.bits / servers / 1e6, 1), "memory_mib": round(needs.bytes / servers / f64::from(1 << 20), 1) },
        "assumptions": assumptions,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn costs() -> Costs {
        Costs {
            packet_us: [(("pcmu", "pcmu"), 5.0), (("pcmu", "g722"), 7.0)].into(),
            call_us: Some(1000.0),
            register_us: Some(100.0),
            channel_bytes: Some(8192.0),
            registration_bytes: Some(1000.0),
            scaling: None,
        }
    }

    pub fn example() -> Value {
        let wish = Wish { calls: 100_000, mix: Wish::read_mix("pcmu:g722=0.3").unwrap(), phones: 1_000_000, ..Wish::default() };
        report(&wish, &costs(), &size(&wish, &costs(), 20).unwrap(), 20)
    }

    fn wish(calls: u64, mix: &str) -> Wish {
        Wish { calls, mix: if mix.is_empty() { Vec::new() } else { Wish::read_mix(mix).unwrap() }, load: 0.5, ..Wish::default() }
    }

    #[test]
    fn a_thousand_relayed_calls_are_a_hundred_thousand_packets() {
        let needs = size(&wish(1000, ""), &costs(), 20).unwrap();
        // 1000 calls x 2 x 50 packets x 5 us = 0.5 s a second, at half load one core.
        assert!((needs.media_cores - 1.0).abs() < 1e-9 && (needs.packets - 100_000.0).abs() < 1e-6, "{needs:?}");
        // (160 + 78) octets x 8 x 100 000.
        assert!((needs.bits - 190.4e6).abs() < 1.0, "{needs:?}");
        // 1000 / 180 calls a second x 1 ms, at half load.
        assert!((needs.signalling_cores - 1000.0 / 180.0 * 0.002).abs() < 1e-9);
        assert!((needs.bytes - 1000.0 * 2.0 * 16_384.0).abs() < 1e-6);
        assert_eq!((needs.servers, needs.set_by), (1, "media"));
    }

    #[test]
    fn what_is_transcoded_costs_more_and_either_side_may_be_named_first() {
        let (a, b) = (size(&wish(1000, "pcmu:g722=0.3"), &costs(), 20).unwrap(), size(&wish(1000, "g722:pcmu=0.3"), &costs(), 20).unwrap());
        assert!((a.media_cores - (0.7 * 1.0 + 0.3 * 1.4)).abs() < 1e-9 && a == b, "{a:?}");
    }

    #[test]
    fn the_scarcest_thing_sets_the_number_of_servers() {
        let media = size(&wish(100_000, ""), &costs(), 20).unwrap();
        // 100 cores of media on servers of 15.
        assert_eq!((media.servers, media.set_by), (7, "media"));
        let thin = Wish { nic_gbit: 1.0, ..wish(100_000, "") };
        // 19.04 Gbit/s over 0.7 each.
        assert_eq!(size(&thin, &costs(), 20).map(|needs| (needs.servers, needs.set_by)), Ok((28, "the network")));
        let short = Wish { call_seconds: 5.0, ..wish(100_000, "") };
        // 20 000 calls a second x 1 ms, at half load 40 cores.
        assert_eq!(size(&short, &costs(), 20).map(|needs| (needs.servers, needs.set_by)), Ok((40, "signalling")));
        let slower = Costs { scaling: Some(1.2), ..costs() };
        assert_eq!(size(&wish(100_000, ""), &slower, 20).map(|needs| needs.servers), Ok(8));
    }

    #[test]
    fn a_cost_that_is_missing_is_named_with_its_command() {
        let error = size(&wish(10, "pcma:ilbc=0.1"), &costs(), 20).unwrap_err();
        assert!(error.ends_with("bench transcode --from pcma --to ilbc"), "{error}");
        assert!(size(&wish(10, ""), &Costs { call_us: None, ..costs() }, 20).unwrap_err().ends_with("bench calls"));
        let phones = Wish { phones: 5, ..wish(10, "") };
        assert!(size(&phones, &Costs { register_us: None, ..costs() }, 20).unwrap_err().ends_with("bench register"));
    }

    #[test]
    fn a_mix_is_read_and_cannot_be_more_than_all() {
        assert_eq!(Wish::read_mix("pcmu:g722=0.3, pcma:l16=0.1").unwrap().len(), 2);
        for wrong in ["", "pcmu", "pcmu:g722", "pcmu:opus=0.1", "pcmu:g722=2", "pcmu:g722=0.7,pcmu:pcma=0.7"] {
            assert!(Wish::read_mix(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn costs_come_from_reports() {
        let mut read = Costs::default();
        let level = |key: &str, us: f64| json!({ key: us, "verdict": "held", "bytes_per_channel": 9000.0, "bytes_each": 800.0 });
        for result in [
            json!({ "what": "relay pcmu", "levels": [level("x", 1.0)], "reference": { "ours_us": { "median": 5.5 } } }),
            json!({ "what": "transcode pcmu to g722", "levels": [], "reference": { "ours_us": { "median": 7.5 } } }),
            json!({ "what": "calls", "levels": [level("cpu_us_per_call", 900.0)] }),
            json!({ "what": "register with digest", "levels": [level("cpu_us_each", 80.0)] }),
            json!({ "what": "scaling over media cores", "ratio": { "median": 1.05 } }),
        ] {
            read.take(&result);
        }
        assert_eq!((read.of(Codec::Pcmu, Codec::Pcmu), read.of(Codec::G722, Codec::Pcmu)), (Some(5.5), Some(7.5)));
        assert_eq!((read.call_us, read.register_us, read.registration_bytes), (Some(900.0), Some(80.0), Some(800.0)));
        assert_eq!((read.channel_bytes, read.scaling), (Some(9000.0), Some(1.05)));
    }
}
