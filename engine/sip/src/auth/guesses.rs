//! Wrong passwords by source: who sends many is slowed, whoever else shares the table is not.
//!
//! ```text
//!   wrong ─► one interval is added to (source, user) and to (source)        more than the burst ahead of now ─► slowed
//! ```
//! Shape:  4096 sets of 4 entries of 16 bytes = 256 KiB, fixed. In a full set the entry that is nearest to forgiven gives way.
//!         A source is an IPv4 address or an IPv6 /64, which is what one subscriber has.
//! Units:  milliseconds of the told clock.
//! Errors: none; `true` means "not now".
//! Why two: one phone with an old password behind the NAT of an office tries again and again; only that user is slowed for it,
//!         and the office as a whole only at a rate that no misconfigured phone reaches.
//! Source: generic cell rate algorithm (ITU-T I.371 annex A): the entry is the theoretical arrival time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

const SETS: usize = 4096;
const WAYS: usize = 4;

/// How many wrong passwords come through at once, and how many per time after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessLimit {
    /// At once.
    pub burst: u32,
    /// One more after each such time.
    pub every: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Hash of who it is; 0 is nobody.
    who: u64,
    /// When all is forgiven, milliseconds.
    until_ms: u64,
}

/// The table.
pub(super) struct Guesses {
    sets: Box<[[Entry; WAYS]]>,
    secret: u64,
    per_user: GuessLimit,
    per_source: GuessLimit,
}

impl Guesses {
    pub fn new(secret: u64, per_user: GuessLimit, per_source: GuessLimit) -> Self {
        Self { sets: vec![[Entry::default(); WAYS]; SETS].into(), secret, per_user, per_source }
    }

    /// Whether a password of this user from this source is not looked at now.
    pub fn slowed(&self, source: IpAddr, user: &str, now_ms: u64) -> bool {
        let over = |who: u64, limit: &GuessLimit| self.until(who) > now_ms.saturating_add(millis(limit) * u64::from(limit.burst));
        over(self.key(source, None), &self.per_source) || over(self.key(source, Some(user)), &self.per_user)
    }

    /// A wrong password.
    pub fn wrong(&mut self, source: IpAddr, user: &str, now_ms: u64) {
        for (user, limit) in [(None, self.per_source), (Some(user), self.per_user)] {
            let who = self.key(source, user);
            let until_ms = self.until(who).max(now_ms).saturating_add(millis(&limit));
            let Some(set) = self.sets.get_mut(set_of(who)) else { return };
            let known = set.iter().position(|entry| entry.who == who);
            let place = known.or_else(|| (0..WAYS).min_by_key(|way| set.get(*way).map_or(0, |entry| entry.until_ms)));
            if let Some(entry) = place.and_then(|place| set.get_mut(place)) {
                *entry = Entry { who, until_ms };
            }
        }
    }

    fn until(&self, who: u64) -> u64 {
        let set = self.sets.get(set_of(who)).map(<[Entry; WAYS]>::as_slice).unwrap_or_default();
        set.iter().find(|entry| entry.who == who).map_or(0, |entry| entry.until_ms)
    }

    fn key(&self, source: IpAddr, user: Option<&str>) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        match source.to_canonical() {
            IpAddr::V4(address) => address.hash(&mut hasher),
            IpAddr::V6(address) => (address.to_bits() >> 64).hash(&mut hasher),
        }
        user.hash(&mut hasher);
        hasher.finish().max(1)
    }
}

fn millis(limit: &GuessLimit) -> u64 {
    u64::try_from(limit.every.as_millis()).unwrap_or(u64::MAX)
}

/// The low bits; the whole hash tells the entries of a set apart.
fn set_of(who: u64) -> usize {
    usize::try_from(who % SETS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: GuessLimit = GuessLimit { burst: 5, every: Duration::from_secs(10) };
    const SOURCE: GuessLimit = GuessLimit { burst: 60, every: Duration::from_millis(500) };

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_user_is_slowed_after_the_burst_and_then_one_at_a_time() {
        let mut table = Guesses::new(1, USER, SOURCE);
        let (office, home) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..5 {
            table.wrong(office, "1000", 0);
            assert!(!table.slowed(office, "1000", 0));
        }
        table.wrong(office, "1000", 0);
        assert!(table.slowed(office, "1000", 0));
        assert!(!table.slowed(office, "1001", 0), "a colleague");
        assert!(!table.slowed(home, "1000", 0), "the same user elsewhere");
        assert!(table.slowed(office, "1000", 9_999));
        assert!(!table.slowed(office, "1000", 10_000));
        table.wrong(office, "1000", 10_000);
        assert!(table.slowed(office, "1000", 10_001));
    }

    #[test]
    fn a_source_that_tries_many_users_is_slowed_as_a_whole() {
        let mut table = Guesses::new(1, USER, SOURCE);
        let scanner = address("2001:db8::1");
        for user in 0..61 {
            table.wrong(scanner, &user.to_string(), 0);
        }
        assert!(table.slowed(address("2001:db8::2"), "anybody", 0), "the same /64");
        assert!(!table.slowed(address("2001:db8:0:1::1"), "anybody", 0));
        assert!(!table.slowed(scanner, "anybody", 500));
    }

    #[test]
    fn a_flood_of_sources_does_not_forgive_the_worst() {
        let mut table = Guesses::new(1, USER, SOURCE);
        let worst = address("192.0.2.1");
        for _ in 0..100 {
            table.wrong(worst, "1000", 0);
        }
        for source in 0..200_000_u32 {
            table.wrong(IpAddr::V4((source << 8).into()), "1000", 0);
        }
        assert!(table.slowed(worst, "1000", 0));
    }
}
