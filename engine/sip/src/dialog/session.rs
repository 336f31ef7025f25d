//! Session timer: a call whose far end has gone without a word ends.
//!
//! ```text
//!   2xx ─► running ──half of the interval, we refresh──► Refresh ─► refreshed │ failed: again in 10 s
//!             └──the end of the interval comes near──► Expired: BYE
//! ```
//! Shape:  [`SessionOffer`] is what a request says, [`Agreed`] what its 2xx says, [`SessionTimer`] the clock between them.
//! Units:  seconds on the wire, `Instant` inside.
//! Errors: none; a Session-Expires that cannot be read is none at all.
//! Driving: told of every 2xx to an INVITE or UPDATE; [`SessionTimer::deadline`] says when to call `handle_timeout`.
//! Source: RFC 4028 §4 (422), §7 (UAC), §9 and table 2 (UAS), §10 (refresh at half, BYE a third or 32 s before the end).

use std::time::{Duration, Instant};

use crate::message::{HeaderName, Headers};

/// Least interval that anybody may ask for, seconds (RFC 4028 §4).
pub const MIN_SE_S: u32 = 90;
/// Longest that we agree to: a day, so that the sum with the time of now always exists.
const INTERVAL_S_MAX: u32 = 86_400;
/// A refresh that was refused is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// A side of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who sent the request.
    Uac,
    /// Who answered it.
    Uas,
}

/// What an INVITE or UPDATE says about the session timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOffer {
    /// `timer` in Supported or Require.
    pub supported: bool,
    /// Session-Expires, seconds.
    pub interval_s: Option<u32>,
    /// Its `refresher`.
    pub refresher: Option<Side>,
    /// Min-SE, seconds.
    pub min_s: u32,
}

/// What the 2xx says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Seconds until the session ends without a refresh.
    pub interval_s: u32,
    /// Who refreshes.
    pub refresher: Side,
    /// Said on the wire. If not, the far end knows no timers, and we look after the session alone (RFC 4028 §7.2, §9).
    pub mutual: bool,
}

impl SessionOffer {
    /// Reads the headers of a request.
    #[must_use]
    pub fn read(headers: &Headers<'_>) -> Self {
        let supported = headers.has_token(HeaderName::Supported, "timer") || headers.has_token(HeaderName::Require, "timer");
        let (interval_s, refresher) = headers.header(HeaderName::SessionExpires).and_then(session_expires).unzip();
        let min_s = headers.header(HeaderName::MinSe).and_then(seconds).unwrap_or(0);
        Self { supported, interval_s, refresher: refresher.flatten(), min_s: min_s.clamp(MIN_SE_S, INTERVAL_S_MAX) }
    }

    /// To be answered 422 with Min-SE: too short for us, and the sender knows what to do about it (RFC 4028 §9).
    #[must_use]
    pub fn is_too_small(&self) -> bool {
        self.supported && self.interval_s.is_some_and(|interval| interval < MIN_SE_S)
    }

    /// What our 2xx says. `wanted_s` is our own wish.
    #[must_use]
    pub fn answer(&self, wanted_s: u32) -> Agreed {
        let wanted = wanted_s.clamp(self.min_s, INTERVAL_S_MAX);
        match self.interval_s {
            // RFC 4028 table 2: a sender without support cannot refresh; one that leaves it open has asked, so it does.
            Some(interval) => {
                let refresher = if self.supported { self.refresher.unwrap_or(Side::Uac) } else { Side::Uas };
                Agreed { interval_s: interval.max(MIN_SE_S).min(wanted), refresher, mutual: true }
            }
            None => Agreed { interval_s: wanted, refresher: Side::Uas, mutual: self.supported },
        }
    }
}

impl Agreed {
    /// What a 2xx to our request says. `asked_s` is what we asked for.
    #[must_use]
    pub fn heard(headers: &Headers<'_>, asked_s: u32) -> Self {
        match headers.header(HeaderName::SessionExpires).and_then(session_expires) {
            Some((interval, refresher)) => {
                Self { interval_s: interval.clamp(MIN_SE_S, INTERVAL_S_MAX), refresher: refresher.unwrap_or(Side::Uac), mutual: true }
            }
            None => Self { interval_s: asked_s, refresher: Side::Uac, mutual: false },
        }
    }

    /// Value of Session-Expires for the 2xx, if it says one.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        self.mutual.then(|| expires_value(self.interval_s, self.refresher))
    }

    /// The 2xx needs `Require: timer` (RFC 4028 §9).
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.mutual && matches!(self.refresher, Side::Uac)
    }
}

/// Value of Session-Expires.
#[must_use]
pub fn expires_value(interval_s: u32, refresher: Side) -> String {
    let word = match refresher {
        Side::Uac => "uac",
        Side::Uas => "uas",
    };
    format!("{interval_s};refresher={word}")
}

/// What the time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionDue {
    /// Nothing yet.
    Quiet,
    /// Send a re-INVITE or UPDATE.
    Refresh,
    /// Nobody refreshed: BYE.
    Expired,
}

/// The clock of one session.
#[derive(Debug, Clone, Copy)]
pub struct SessionTimer {
    interval: Duration,
    ours: bool,
    mutual: bool,
    refresh_at: Instant,
    end_at: Instant,
}

impl SessionTimer {
    /// Starts with a 2xx. `side` is ours in its transaction.
    #[must_use]
    pub fn new(agreed: Agreed, side: Side, now: Instant) -> Self {
        let interval = Duration::from_secs(agreed.interval_s.into());
        let ours = agreed.refresher == side;
        let mut timer = Self { interval, ours, mutual: agreed.mutual, refresh_at: now, end_at: now };
        timer.refreshed(now);
        timer
    }

    /// The session was refreshed.
    pub fn refreshed(&mut self, now: Instant) {
        self.refresh_at = now + self.interval / 2;
        // RFC 4028 §10: a third of the interval or 32 s before its end, whichever is less.
        self.end_at = now + self.interval - (self.interval / 3).min(Duration::from_secs(32));
    }

    /// Our refresh was refused, or could not go. A far end without timers has at least shown that it is there.
    pub fn failed(&mut self, answered: bool, now: Instant) {
        if answered && !self.mutual {
            self.refreshed(now);
        } else {
            self.refresh_at = now + AGAIN;
        }
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) -> SessionDue {
        if self.end_at <= now {
            return SessionDue::Expired;
        }
        if !self.ours || self.refresh_at > now {
            return SessionDue::Quiet;
        }
        // Until its answer; a request without one ends by its own timer.
        self.refresh_at = self.end_at;
        SessionDue::Refresh
    }

    /// When [`SessionTimer::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        if self.ours { self.refresh_at.min(self.end_at) } else { self.end_at }
    }

    /// We refresh.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.ours
    }

    /// Both sides know of it.
    #[must_use]
    pub const fn is_mutual(&self) -> bool {
        self.mutual
    }

    /// Seconds.
    #[must_use]
    pub const fn interval_s(&self) -> u64 {
        self.interval.as_secs()
    }
}

/// `1800;refresher=uas`.
fn session_expires(value: &str) -> Option<(u32, Option<Side>)> {
    let (head, params) = value.split_once(';').unwrap_or((value, ""));
    let refresher = params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("refresher") {
            return None;
        }
        match value.trim() {
            side if side.eq_ignore_ascii_case("uac") => Some(Side::Uac),
            side if side.eq_ignore_ascii_case("uas") => Some(Side::Uas),
            _ => None,
        }
    });
    Some((seconds(head)?, refresher))
}

fn seconds(value: &str) -> Option<u32> {
    value.split(';').next().unwrap_or_default().trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(supported: bool, interval_s: Option<u32>, refresher: Option<Side>) -> SessionOffer {
        SessionOffer { supported, interval_s, refresher, min_s: MIN_SE_S }
    }

    #[test]
    fn the_refresher_is_chosen_by_table_2_of_rfc_4028() {
        use Side::{Uac, Uas};
        let mut table = String::new();
        for supported in [true, false] {
            for refresher in [None, Some(Uac), Some(Uas)] {
                for interval in [None, Some(120)] {
                    let agreed = offer(supported, interval, refresher).answer(1800);
                    let said = agreed.header().unwrap_or_else(|| "-".into());
                    table += &format!("timer={supported} asked={interval:?}/{refresher:?}: {said} require={}\n", agreed.is_required());
                }
            }
        }
        assert_eq!(
            table,
            "timer=true asked=None/None: 1800;refresher=uas require=false\n\
             timer=true asked=Some(120)/None: 120;refresher=uac require=true\n\
             timer=true asked=None/Some(Uac): 1800;refresher=uas require=false\n\
             timer=true asked=Some(120)/Some(Uac): 120;refresher=uac require=true\n\
             timer=true asked=None/Some(Uas): 1800;refresher=uas require=false\n\
             timer=true asked=Some(120)/Some(Uas): 120;refresher=uas require=false\n\
             timer=false asked=None/None: - require=false\n\
             timer=false asked=Some(120)/None: 120;refresher=uas require=false\n\
             timer=false asked=None/Some(Uac): - require=false\n\
             timer=false asked=Some(120)/Some(Uac): 120;refresher=uas require=false\n\
             timer=false asked=None/Some(Uas): - require=false\n\
             timer=false asked=Some(120)/Some(Uas): 120;refresher=uas require=false\n"
        );
    }

    #[test]
    fn only_who_knows_timers_is_told_that_the_interval_is_too_small() {
        assert!(offer(true, Some(89), None).is_too_small());
        assert!(!offer(true, Some(90), None).is_too_small() && !offer(false, Some(30), None).is_too_small());
        assert_eq!(offer(false, Some(30), None).answer(1800).interval_s, 90);
    }

    #[test]
    fn a_refresh_is_due_at_half_and_the_end_32_s_or_a_third_before() {
        let clock = sim::Clock::new();
        let now = clock.now();
        let at = |s: u64| now + Duration::from_secs(s);
        let mut timer = SessionTimer::new(Agreed { interval_s: 1800, refresher: Side::Uac, mutual: true }, Side::Uac, now);
        assert_eq!(timer.deadline(), at(900));
        assert_eq!(timer.handle_timeout(at(899)), SessionDue::Quiet);
        assert_eq!(timer.handle_timeout(at(900)), SessionDue::Refresh);
        assert_eq!((timer.handle_timeout(at(901)), timer.deadline()), (SessionDue::Quiet, at(1768)));
        timer.failed(true, at(902));
        assert_eq!(timer.handle_timeout(at(912)), SessionDue::Refresh);
        timer.refreshed(at(913));
        assert_eq!(timer.handle_timeout(at(1768)), SessionDue::Quiet);
        let mut theirs = SessionTimer::new(Agreed { interval_s: 90, refresher: Side::Uas, mutual: true }, Side::Uac, now);
        assert_eq!((theirs.deadline(), theirs.handle_timeout(at(59))), (at(60), SessionDue::Quiet));
        assert_eq!(theirs.handle_timeout(at(60)), SessionDue::Expired);
    }

    #[test]
    fn values_are_read_with_and_without_parameters() {
        assert_eq!(session_expires("1800;refresher=UAS"), Some((1800, Some(Side::Uas))));
        assert_eq!(session_expires(" 90 ; x=1 ; refresher = uac"), Some((90, Some(Side::Uac))));
        assert_eq!(session_expires("90;refresher=me"), Some((90, None)));
        for bad in ["", "x", "-1", "99999999999"] {
            assert_eq!(session_expires(bad), None, "{bad}");
        }
    }
}
