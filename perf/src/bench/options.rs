//! The command line of `mediaswitch bench`.
//!
//! Shape:  one word, then options; `--help` is [`HELP`].
//! Units:  channels, seconds, milliseconds of ptime.
//! Errors: text for the user, with what would be right.
//! Limits: 25 000 channels, one port pair each from 10 000 to 60 000.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::plan::Wish;
use crate::load::{Codec, Faults};

/// Text of `--help`.
pub const HELP: &str = "\
Measures what this host carries, beside the least that it could cost, in the same run.

Usage: mediaswitch bench WHAT [options]

  relay      bridges of two, same codec: packets only
  transcode  bridges of two, another codec on each side
  mix        conferences
  codecs     every codec at every SIMD level of this CPU, without packets
  http       GET /status of the RTP API
  channels   channels opened, pointed at a phone and closed through the RTP API
  register   phones that register with digest
  calls      calls through the switch and its call script, from a caller to a callee
  direct-calls  the same, but the phones send to each other: signalling and script alone
  sip-calls  calls that end in an answerer of the load: SIP and its events alone
  scaling    the same load per media core on one core and on two
  all        all of these

  plan       sizes a fleet from these costs: --calls N [--mix pcmu:g722=0.3,…] [--from-report FILE] …

relay, transcode and mix start this program as a switch on loopback, load it with RTP, double the load until a limit fails, and halve
the gap to 5 %. Limits: no packet lost, doubled, out of order or changed; the tones of four streams heard clean; no slot missed; 999
of 1000 slots begin less than 1 ms late, or as many as those of an idle thread of this host in the same run. Of faults that were put
in (--loss, …) a bridge must pass on exactly what is left, a conference must conceal them, and the switch must count them right. register, calls,
direct-calls and sip-calls do the same with rates: everyone served, before a phone would ask again. If the load generator was the limit, no capacity
is told; a load that the host stalled is tried again, up to three times, and never counts as held. Exit code 1: something was not measured.

Options:
  --from CODEC      of one side: pcmu pcma g722 ilbc l16 [pcmu]
  --to CODEC        of the other side [relay: as --from; transcode: g722]
  --parties N       of each conference [3]
  --channels N|max  a fixed load, several (500,1000,2000), or the search [max]
  --rate N|max      calls or registrations a second: fixed, or the search [max]
  --hold MS         of each call, from its answer to its BYE [1000]
  --ring MS         of each call, from 180 to 200 [50]
  --peers           beside programs of the field, where they are installed
  --refresh         register: phones that are registered register again
  --rtp             calls: both ends of each call talk and are listened to
  --ptime MS        10, 20, 40 or 60 [20]
  --loss PERCENT    relay, transcode, mix: so many of the phones' packets are never sent, such as 1% or 0.05%
  --jitter MS       the same: each packet is sent up to so much later than it should be, such as 20ms
  --reorder PERCENT the same: so many are sent 45 ms later, after those that follow them
  --duplicate PERCENT  the same: so many are sent twice
  --seconds S       of each measurement [4]
  --rounds N        of the comparison with the bare forwarder [3]
  --cores LIST      CPUs of the server as its own --cores: the first signals, the others carry media [first and last]
  --load-cpu N      CPU of the load generator [first]
  --report DIR      write report.json, report.md and plots there
  --json            print report.json instead of report.md
  --quick           tiny loads, under a minute for `all`: shows that all works, measures nothing
  -h, --help        this text

Options of plan:
  --calls N             calls at once
  --mix PAIR=PART,…     parts of the calls whose sides speak two codecs, such as pcmu:g722=0.3; the rest relays pcmu
  --call-seconds S      mean length of a call [180]
  --phones N            registered phones [0], each registering every --register-seconds S [1800]
  --server-cores N      cores of a server [16], --signalling-cores N of them for signalling [1], each used to --load PERCENT [70]
  --nic GBIT            of a server's network card [10]
  --from-report PATH    report.json, or a directory of reports; may be repeated [a short measurement here]
";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Bridges of one codec.
    Relay,
    /// Bridges of two codecs.
    Transcode,
    /// Conferences.
    Mix,
    /// Kernels alone.
    Codecs,
    /// The API.
    Http,
    /// Channels through the API.
    Channels,
    /// Registrations.
    Register,
    /// One core and two.
    Scaling,
    /// Sums.
    Plan,
    /// Calls through the call script.
    Calls,
    /// The same with direct media.
    DirectCalls,
    /// Calls that the load itself controls.
    SipCalls,
    /// Everything.
    All,
}

impl What {
    /// All words.
    pub const WORDS: [(&'static str, Self); 13] = [
        ("relay", Self::Relay),
        ("transcode", Self::Transcode),
        ("mix", Self::Mix),
        ("codecs", Self::Codecs),
        ("http", Self::Http),
        ("channels", Self::Channels),
        ("register", Self::Register),
        ("calls", Self::Calls),
        ("direct-calls", Self::DirectCalls),
        ("sip-calls", Self::SipCalls),
        ("scaling", Self::Scaling),
        ("plan", Self::Plan),
        ("all", Self::All),
    ];
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What to measure.
    pub what: What,
    /// Codec of one side.
    pub from: Codec,
    /// Codec of the other side.
    pub to: Option<Codec>,
    /// Size of a conference.
    pub parties: usize,
    /// Fixed loads; none searches.
    pub channels: Vec<usize>,
    /// Fixed rate of calls or registrations; `None` searches.
    pub rate: Option<usize>,
    /// From a call's answer to its BYE.
    pub hold: Duration,
    /// From a call's 180 to its 200.
    pub ring: Duration,
    /// Programs of the field are measured too.
    pub peers: bool,
    /// Phones register twice, and the second time counts.
    pub refresh: bool,
    /// Calls carry media.
    pub rtp: bool,
    /// Put into what the phones send.
    pub faults: Faults,
    /// Milliseconds of a packet.
    pub ptime_ms: u16,
    /// Length of a measurement.
    pub time: Duration,
    /// Comparisons.
    pub rounds: usize,
    /// `--cores` of the server.
    pub cores: String,
    /// CPU of the server that signals and serves HTTP.
    pub front_cpu: usize,
    /// CPU of the server that carries media, where the bare loops run too.
    pub media_cpu: usize,
    /// CPU of the generator.
    pub load_cpu: usize,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// JSON on standard output.
    pub json: bool,
    /// Tiny loads.
    pub quick: bool,
    /// What `plan` is to size.
    pub plan: Wish,
}

impl Options {
    /// CPU for a load on the signalling core: not that core, if there is another.
    pub const fn front_load_cpu(&self) -> usize {
        if self.load_cpu == self.front_cpu { self.media_cpu } else { self.load_cpu }
    }
}

/// Highest load: one pair of ports each.
pub const CHANNELS_MAX: usize = 25_000;

/// The options, or `None` if help was asked for.
///
/// # Errors
/// What is wrong, for the user.
pub fn read(words: impl IntoIterator<Item = OsString>, cpus: &[usize]) -> Result<Option<Options>, String> {
    use lexopt::prelude::{Long, Short, Value};
    let (first, last) = cpus.first().copied().zip(cpus.last().copied()).unwrap_or((0, 0));
    let mut options = Options {
        what: What::All,
        from: Codec::Pcmu,
        to: None,
        parties: 3,
        channels: Vec::new(),
        rate: None,
        hold: Duration::from_secs(1),
        ring: Duration::from_millis(50),
        peers: false,
        refresh: false,
        rtp: false,
        faults: Faults::default(),
        ptime_ms: 20,
        time: Duration::from_secs(4),
        rounds: 3,
        cores: if first == last { format!("{first}-{first}") } else { format!("{first},{last}") },
        front_cpu: first,
        media_cpu: last,
        load_cpu: first,
        report: None,
        json: false,
        quick: false,
        plan: Wish::default(),
    };
    let (mut what, mut time, mut rounds, mut hold) = (None, None, None, None);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let argument = match argument {
            Short('h') | Long("help") => return Ok(None),
            Value(word) if what.is_none() => {
                let word = word.to_string_lossy().into_owned();
                let known = What::WORDS.into_iter().find(|(name, _)| *name == word);
                what = Some(known.ok_or_else(|| format!("bench {word}: {}", one_of(What::WORDS.map(|(name, _)| name))))?.1);
                continue;
            }
            Value(word) => return Err(format!("one thing at a time: `{}` is too many", word.to_string_lossy())),
            Short(letter) => return Err(format!("unknown option -{letter}; see --help")),
            Long("json") => {
                options.json = true;
                continue;
            }
            Long("peers") => {
                options.peers = true;
                continue;
            }
            Long("refresh") => {
                options.refresh = true;
                continue;
            }
            Long("rtp") => {
                options.rtp = true;
                continue;
            }
            Long("quick") => {
                options.quick = true;
                continue;
            }
            Long(name) => name.to_owned(),
        };
        let value = parser.value().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
        let codec = || Codec::named(&value).ok_or_else(|| format!("--{argument} {value}: {}", one_of(Codec::ALL.map(Codec::name))));
        let number = |least: usize, most: usize| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("--{argument} {value}: must be {least} to {most}"))
        };
        match argument.as_str() {
            "from" => options.from = codec()?,
            "to" => options.to = Some(codec()?),
            "parties" => options.parties = number(3, 64)?,
            "channels" if value == "max" => options.channels = Vec::new(),
            "channels" => {
                let loads = value.split(',').map(|load| load.parse().ok().filter(|load| (2..=CHANNELS_MAX).contains(load)));
                let loads = loads.collect::<Option<Vec<usize>>>();
                options.channels =
                    loads.ok_or_else(|| format!("--channels {value}: must be 2 to {CHANNELS_MAX}, or several with commas"))?;
            }
            "rate" if value == "max" => options.rate = None,
            "rate" => options.rate = Some(number(1, 100_000)?),
            "hold" => hold = Some(Duration::from_millis(number(10, 30_000)? as u64)),
            "ring" => options.ring = Duration::from_millis(number(1, 30_000)? as u64),
            "ptime" => {
                let known = [10, 20, 40, 60].into_iter().find(|ptime: &u16| ptime.to_string() == value);
                options.ptime_ms = known.ok_or_else(|| format!("--ptime {value}: must be 10, 20, 40 or 60"))?;
            }
            "loss" => options.faults.loss_ppm = ppm(&argument, &value)?,
            "reorder" => options.faults.reorder_ppm = ppm(&argument, &value)?,
            "duplicate" => options.faults.duplicate_ppm = ppm(&argument, &value)?,
            "jitter" => {
                let ms = value.strip_suffix("ms").unwrap_or(&value).parse().ok().filter(|ms| (1..=JITTER_MS_MAX).contains(ms));
                options.faults.jitter_slots = ms.ok_or_else(|| format!("--jitter {value}: must be 1ms to {JITTER_MS_MAX}ms"))?;
            }
            "seconds" => {
                let seconds = value.parse::<f64>().ok().filter(|seconds| (0.2..=3600.0).contains(seconds));
                time = Some(Duration::from_secs_f64(seconds.ok_or_else(|| format!("--seconds {value}: must be 0.2 to 3600"))?));
            }
            "rounds" => rounds = Some(number(1, 100)?),
            "cores" => {
                (options.front_cpu, options.media_cpu) = cores(&value)?;
                options.cores.clone_from(&value);
            }
            "load-cpu" => options.load_cpu = number(0, 4095)?,
            "calls" => options.plan.calls = number(1, 100_000_000)? as u64,
            "mix" => options.plan.mix = Wish::read_mix(&value)?,
            "call-seconds" => options.plan.call_seconds = number(1, 100_000)? as f64,
            "phones" => options.plan.phones = number(0, 1_000_000_000)? as u64,
            "register-seconds" => options.plan.register_seconds = number(1, 1_000_000)? as f64,
            "server-cores" => options.plan.server_cores = number(2, 1024)? as u64,
            "signalling-cores" => options.plan.signalling_cores = number(1, 64)? as u64,
            "load" => options.plan.load = number(10, 100)? as f64 / 100.0,
            "nic" => options.plan.nic_gbit = number(1, 1000)? as f64,
            "from-report" => options.plan.reports.push(PathBuf::from(&value)),
            "report" => options.report = Some(PathBuf::from(&value)),
            _ => return Err(format!("unknown option --{argument}; see --help")),
        }
    }
    options.what = what.ok_or_else(|| format!("bench what? {}", one_of(What::WORDS.map(|(name, _)| name))))?;
    options.time = time.unwrap_or(if options.quick { Duration::from_millis(500) } else { options.time });
    options.hold = hold.unwrap_or(if options.quick { Duration::from_millis(300) } else { options.hold });
    options.rounds = rounds.unwrap_or(if options.quick { 1 } else { options.rounds });
    if [options.from, options.to.unwrap_or(options.from)].contains(&Codec::Ilbc) && options.ptime_ms < 20 {
        return Err("--ptime 10: a frame of iLBC is 20 ms".to_owned());
    }
    if options.what == What::Plan && options.plan.calls == 0 {
        return Err("plan: how many calls at once? --calls N".to_owned());
    }
    if options.faults.any() && !matches!(options.what, What::Relay | What::Transcode | What::Mix) {
        return Err("--loss, --jitter, --reorder and --duplicate are for relay, transcode and mix".to_owned());
    }
    Ok(Some(options))
}

/// More than any network's, and less than the load waits for its last packets.
const JITTER_MS_MAX: u32 = 200;

/// `0.5%`, or `0.5`, in parts of a million.
fn ppm(name: &str, value: &str) -> Result<u32, String> {
    let percent = value.strip_suffix('%').unwrap_or(value).parse::<f64>().ok().filter(|percent| (0.0001..=50.0).contains(percent));
    percent.map(|percent| (percent * 1e4).round() as u32).ok_or_else(|| format!("--{name} {value}: must be 0.0001% to 50%"))
}

/// First and last CPU of the list.
fn cores(list: &str) -> Result<(usize, usize), String> {
    let mut cpus = list.split([',', '-']).map(|cpu| cpu.trim().parse::<usize>().ok());
    let (first, last) = (cpus.next().flatten(), cpus.next_back().flatten());
    first.zip(last).ok_or_else(|| format!("--cores {list}: must be a list of CPUs such as 0,3 or 2-5; a single one is 3-3"))
}

fn one_of<const N: usize>(names: [&str; N]) -> String {
    format!("must be one of {}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &str) -> Result<Option<Options>, String> {
        read(words.split_whitespace().map(OsString::from), &[0, 1, 2, 3])
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let options = options("relay").unwrap().unwrap();
        assert_eq!((options.cores.as_str(), options.media_cpu, options.load_cpu), ("0,3", 3, 0));
        assert_eq!((options.from, options.channels.clone(), options.time), (Codec::Pcmu, Vec::new(), Duration::from_secs(4)));
    }

    #[test]
    fn what_is_said_is_taken() {
        let options = options("transcode --from pcma --to ilbc --channels 200,400 --cores 1,2 --load-cpu 3 --seconds 1.5 --report x")
            .unwrap()
            .unwrap();
        assert_eq!((options.from, options.to, options.channels), (Codec::Pcma, Some(Codec::Ilbc), vec![200, 400]));
        assert_eq!((options.media_cpu, options.load_cpu, options.time), (2, 3, Duration::from_millis(1500)));
    }

    #[test]
    fn faults_are_parts_and_times() {
        let options = options("mix --loss 1% --jitter 20ms --reorder 0.5 --duplicate 0.05%").unwrap().unwrap();
        let faults = Faults { loss_ppm: 10_000, jitter_slots: 20, reorder_ppm: 5000, duplicate_ppm: 500, corrupt_ppm: 0 };
        assert_eq!(options.faults, faults);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        for (words, right) in [
            ("", "relay transcode mix"),
            ("relays", "relay transcode mix"),
            ("relay mix", "one thing at a time"),
            ("relay --from opus", "pcmu pcma g722"),
            ("relay --channels 30000", "2 to 25000"),
            ("relay --cores 3", "3-3"),
            ("relay --ptime 30", "10, 20, 40 or 60"),
            ("transcode --to ilbc --ptime 10", "20 ms"),
            ("relay --sdp x", "unknown option --sdp"),
            ("relay --loss 60%", "0.0001% to 50%"),
            ("relay --jitter 1s", "1ms to 200ms"),
            ("plan", "--calls N"),
            ("calls --loss 1%", "are for relay, transcode and mix"),
        ] {
            let error = options(words).unwrap_err();
            assert!(error.contains(right), "{words}: {error}");
        }
        assert_eq!(options("relay --help"), Ok(None));
    }

    #[test]
    fn help_names_every_word() {
        for (word, _) in What::WORDS {
            assert!(HELP.contains(&format!("\n  {word} ")), "{word}");
        }
    }
}
