//! Who is listened to: a budget of fruitless requests per source, and known scanners.
//!
//! ```text
//!   401 costs 1, other refusals 10, garbage 20 ─► bucket of the source ─► empty: no answer, but to what belongs to a call
//!   a proven request gives 1 back                                                and to what answers a challenge of ours
//! ```
//! Shape:  a table of fixed size, 4 ways × 4096 sets × 40 bytes = 640 KiB; of four in a set the one with the fullest bucket gives way,
//!         so that a flood of invented sources cannot wash out one that is in debt.
//! Units:  points; a bucket holds 10 000 and gains 100 a second: 1000 unknown users, or 10 000 phones that come back at once.
//!         Trusted peers have ten times that.
//! Errors: none. Who is not heard is told as an [`Offence`] once a minute and source, a wrong password each time.
//! Sources: one address of IPv4, since offices and providers put many phones behind one, and its neighbours are others; a /64 of
//!         IPv6, which one subscriber has, with 2^64 addresses to send from.
//! Not here: guessing of passwords (`auth`), connections (`transport`), lag and full tables (`endpoint`).

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WAYS: usize = 4;
const SETS: usize = 4096;
const BUCKET: u32 = 10_000;
const GAIN_PER_S: u32 = 100;
const TRUSTED_FACTOR: u32 = 10;
const TELL_EVERY: Duration = Duration::from_secs(60);
/// Offences that wait to be told; more at once are only counted.
const OFFENCES_MAX: usize = 64;
/// Lines for wrong passwords in a second, of all sources: 120 bytes each, so a log grows by less than 650 MiB a day whoever guesses.
const PASSWORD_LINES: u32 = 64;

/// Parts of the User-Agent of programs that look for open servers, in lower case.
const SCANNERS: &[&str] =
    &["friendly-scanner", "sipvicious", "sundayddr", "sip-scan", "sipcli", "pplsip", "iwar", "smap", "vaxsipuseragent"];

/// What a source did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It had to be asked for a password.
    Challenged,
    /// It asked for what is not there or not allowed.
    Refused,
    /// It sent what is no SIP.
    Garbage,
    /// It is a known scanner.
    Scanner,
    /// It sent a wrong password.
    Password,
    /// It tries passwords, and they are not looked at any more.
    Guessing,
}

/// Something for the log: a source that gets no answers any more, or sent a wrong password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence {
    /// Who.
    pub source: IpAddr,
    /// What it did last.
    pub fault: Fault,
}

/// Counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardStats {
    /// Requests of known scanners.
    pub scanners: u64,
    /// Sources that got no answers any more, each once a minute.
    pub offences: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    points: u32,
    at: Instant,
    told_at: Option<Instant>,
}

/// The guard of a shard.
#[derive(Debug)]
pub struct Guard {
    sets: Vec<[Option<Entry>; WAYS]>,
    secret: u64,
    offences: VecDeque<Offence>,
    /// Lines for wrong passwords in the second that began then.
    told: Option<(Instant, u32)>,
    stats: GuardStats,
}

impl Fault {
    const fn cost(self) -> u32 {
        match self {
            // A wrong password is answered by a challenge, which is charged.
            Self::Password => 0,
            Self::Challenged => 1,
            Self::Refused | Self::Guessing => 10,
            Self::Garbage => 20,
            Self::Scanner => BUCKET,
        }
    }

    /// The word of the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Challenged => "unproven",
            Self::Refused => "refused",
            Self::Garbage => "garbage",
            Self::Scanner => "scanner",
            Self::Password => "password",
            Self::Guessing => "guessing",
        }
    }
}

impl Guard {
    /// Nobody is known. `secret` keeps others from choosing who shares a set.
    #[must_use]
    pub fn new(secret: u64) -> Self {
        Self { sets: vec![[None; WAYS]; SETS], secret, offences: VecDeque::new(), told: None, stats: GuardStats::default() }
    }

    /// Whether a source is in no debt.
    pub fn admits(&mut self, source: IpAddr, trusted: bool, now: Instant) -> bool {
        let (key, size) = (self.key(source), size(trusted));
        self.set(key).iter().flatten().find(|entry| entry.key == key).is_none_or(|entry| points(entry, size, now) > 0)
    }

    /// A source did something fruitless.
    pub fn charge(&mut self, source: IpAddr, trusted: bool, fault: Fault, now: Instant) {
        let (key, size) = (self.key(source), size(trusted));
        let entry = self.entry(key, size, now);
        entry.points = points(entry, size, now).saturating_sub(fault.cost());
        entry.at = now;
        let untold = entry.told_at.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY);
        // A guesser is not heard before its bucket is empty.
        if (entry.points == 0 || fault == Fault::Guessing) && untold {
            entry.told_at = Some(now);
            self.stats.offences += 1;
            self.note(Offence { source, fault });
        }
    }

    /// A source sent a wrong password. How many are looked at is limited where they are (`auth`); their lines are here, for all together.
    pub fn wrong_password(&mut self, source: IpAddr, now: Instant) {
        let told = self.told.filter(|(began, _)| now.saturating_duration_since(*began) < Duration::from_secs(1));
        let (began, lines) = told.unwrap_or((now, 0));
        if lines < PASSWORD_LINES {
            self.told = Some((began, lines + 1));
            self.note(Offence { source, fault: Fault::Password });
        }
    }

    fn note(&mut self, offence: Offence) {
        if self.offences.len() < OFFENCES_MAX {
            self.offences.push_back(offence);
        }
    }

    /// A source proved itself: what its challenge cost comes back.
    pub fn credit(&mut self, source: IpAddr, trusted: bool, now: Instant) {
        let (key, size) = (self.key(source), size(trusted));
        if let Some(entry) = self.set(key).iter_mut().flatten().find(|entry| entry.key == key) {
            (entry.points, entry.at) = ((points(entry, size, now) + Fault::Challenged.cost()).min(size), now);
        }
    }

    /// Whether a User-Agent is that of a scanner; it is charged for it.
    pub fn is_scanner(&mut self, agent: &str, source: IpAddr, trusted: bool, now: Instant) -> bool {
        let known = names_scanner(agent);
        if known && !trusted {
            self.stats.scanners += 1;
            self.charge(source, trusted, Fault::Scanner, now);
        }
        known && !trusted
    }

    /// The next line for the log.
    pub fn poll_offence(&mut self) -> Option<Offence> {
        self.offences.pop_front()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> GuardStats {
        self.stats
    }

    fn key(&self, source: IpAddr) -> u64 {
        let prefix = match source.to_canonical() {
            IpAddr::V4(v4) => u64::from(u32::from(v4)),
            IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64 ^ 1 << 63,
        };
        // The finish of splitmix64: every bit of the source reaches every bit of the set.
        let mixed = (prefix ^ self.secret).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn set(&mut self, key: u64) -> &mut [Option<Entry>; WAYS] {
        // The remainder is below the number of sets, which is fixed.
        &mut self.sets[(key % SETS as u64) as usize]
    }

    fn entry(&mut self, key: u64, size: u32, now: Instant) -> &mut Entry {
        let set = self.set(key);
        let known = set.iter().position(|entry| entry.is_some_and(|entry| entry.key == key));
        let at = known.or_else(|| set.iter().position(Option::is_none)).unwrap_or_else(|| {
            let fullest = set.iter().enumerate().max_by_key(|(_, entry)| entry.map_or(0, |entry| points(&entry, BUCKET, now)));
            fullest.map_or(0, |(at, _)| at)
        });
        let fresh = Entry { key, points: size, at: now, told_at: None };
        let slot = &mut set[at.min(WAYS - 1)];
        if known.is_none() {
            *slot = None;
        }
        slot.get_or_insert(fresh)
    }
}

fn size(trusted: bool) -> u32 {
    if trusted { BUCKET * TRUSTED_FACTOR } else { BUCKET }
}

/// What is in a bucket now. Gain goes with the size.
fn points(entry: &Entry, size: u32, now: Instant) -> u32 {
    let waited_ms = u64::try_from(now.saturating_duration_since(entry.at).as_millis()).unwrap_or(u64::MAX);
    let gain = waited_ms.saturating_mul(u64::from(GAIN_PER_S * (size / BUCKET))) / 1000;
    u32::try_from(u64::from(entry.points).saturating_add(gain)).unwrap_or(u32::MAX).min(size)
}

/// Whether it holds the name of a scanner. One pass: at most places the letter begins none of them.
fn names_scanner(agent: &str) -> bool {
    let bytes = agent.as_bytes();
    bytes.iter().enumerate().any(|(at, byte)| {
        let part = |name: &&str| bytes.get(at..at + name.len()).is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes()));
        INITIALS >> (byte & 31) & 1 == 1 && SCANNERS.iter().any(part)
    })
}

/// A bit for each letter that begins a name of [`SCANNERS`]: the low five bits of a letter are the same in both cases.
const INITIALS: u32 = {
    let (mut set, mut at) = (0, 0);
    while at < SCANNERS.len() {
        set |= 1 << (SCANNERS[at].as_bytes()[0] & 31);
        at += 1;
    }
    set
};
