//! One trunk: a provider that we register at, watch, and call through.
//!
//! ```text
//!   Locating ─► Registering ─200─► Up ── 3/4 of the lifetime ─► Registering          expires 0: Locating ─► Up, OPTIONS only
//!       ▲            └─ 401: again with a proof   503, silence: next target              │ OPTIONS each 30 s
//!       └──── Waiting: 5 s, 10 s … 5 min ◄── refused, all targets dead ◄─────────────────┘ unanswered: next target
//! ```
//! Shape:  at most 256 trunks, each below 4 KiB; one request at a time.
//! Units:  lifetimes in seconds, dates as `Instant`.
//! Errors: none: what fails is in the view, and tried again.
//! Driving: [`Trunk::handle_timeout`] at [`Trunk::due`]; every call may give a [`Step`] to do.
//! Not here: the messages (`endpoint`), names (`locate`).
//! Source: RFC 3261 §10.2 (registration of a client), §10.2.4 (refresh), §10.2.8 (423); RFC 3263 §4.3.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::{TrunkConfig, TrunkView};
use crate::locate::{LocateError, Target, Wish};
use crate::message::StatusCode;

/// Trunks of a shard.
pub const TRUNKS_MAX: usize = 256;
const PROBE_EVERY: Duration = Duration::from_secs(30);
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LONGEST: Duration = Duration::from_secs(300);
/// Longer than any transaction (64 × T1 = 32 s): its end is told, this is only for the case that it was not.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// A 423 may ask for this much, and no more.
const EXPIRES_S_MAX: u32 = 86_400;

/// What is to be done for a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Find its targets and tell [`Trunk::handle_targets`].
    Locate(Wish),
    /// REGISTER with this lifetime at this target.
    Register {
        /// Where.
        target: Target,
        /// Seconds.
        expires_s: u32,
    },
    /// OPTIONS to this target.
    Probe(Target),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Locating,
    Registering,
    Up { refresh_at: Option<Instant>, probe_at: Instant, probing: bool },
    Waiting,
}

/// One trunk.
#[derive(Debug)]
pub struct Trunk {
    config: Arc<TrunkConfig>,
    state: State,
    due: Instant,
    targets: Vec<Target>,
    at: usize,
    expires_s: u32,
    until: Option<Instant>,
    failures: u32,
    rounds: u8,
    last: (u16, String),
}

impl Trunk {
    /// One that is due at once.
    #[must_use]
    pub fn new(config: TrunkConfig, now: Instant) -> Self {
        let expires_s = config.expires_s;
        Self {
            config: Arc::new(config),
            state: State::Waiting,
            due: now,
            targets: Vec::new(),
            at: 0,
            expires_s,
            until: None,
            failures: 0,
            rounds: 0,
            last: (0, String::new()),
        }
    }

    /// Takes the time.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        if now < self.due {
            return None;
        }
        match self.state {
            State::Waiting => Some(self.locate(now)),
            // Nobody told how it ended.
            State::Locating | State::Registering => self.handle_failure(StatusCode::REQUEST_TIMEOUT, "No Answer", now),
            State::Up { refresh_at: Some(at), .. } if at <= now => self.register(now),
            State::Up { refresh_at, .. } => {
                let target = self.target()?;
                self.up(refresh_at, true, now);
                Some(Step::Probe(target))
            }
        }
    }

    /// The targets of the name, best first.
    pub fn handle_targets(&mut self, found: Result<Vec<Target>, LocateError>, now: Instant) -> Option<Step> {
        if self.state != State::Locating {
            return None;
        }
        match found {
            Ok(targets) if !targets.is_empty() => {
                (self.targets, self.at) = (targets, 0);
                self.begin(now)
            }
            Ok(_) | Err(_) => {
                self.last = (0, "Name Not Resolved".to_owned());
                self.wait(now);
                None
            }
        }
    }

    /// The REGISTER was taken: for so long, or as long as we asked for if the answer does not say.
    pub fn handle_registered(&mut self, granted_s: Option<u32>, now: Instant) {
        let granted_s = granted_s.unwrap_or(self.expires_s).max(1);
        let lifetime = Duration::from_secs(granted_s.into());
        (self.failures, self.rounds, self.last) = (0, 0, (200, "OK".to_owned()));
        self.until = Some(now + lifetime);
        self.up(Some(now + lifetime * 3 / 4), false, now);
    }

    /// The lifetime was too short (423).
    pub fn handle_too_brief(&mut self, least_s: Option<u32>, now: Instant) -> Option<Step> {
        match least_s {
            Some(least_s) if least_s > self.expires_s && least_s <= EXPIRES_S_MAX => {
                self.expires_s = least_s;
                self.register(now)
            }
            _ => self.handle_failure(StatusCode::INTERVAL_TOO_BRIEF, StatusCode::INTERVAL_TOO_BRIEF.phrase(), now),
        }
    }

    /// A challenge was answered: the same again. `None`: too often.
    pub fn handle_challenged(&mut self, now: Instant) -> Option<Step> {
        self.rounds += 1;
        if self.rounds > 3 {
            return self.handle_failure(StatusCode::UNAUTHORIZED, "Credentials Refused", now);
        }
        self.register(now)
    }

    /// The REGISTER was refused, or nobody answered.
    pub fn handle_failure(&mut self, status: StatusCode, phrase: &str, now: Instant) -> Option<Step> {
        self.rounds = 0;
        self.last = (status.code(), phrase.to_owned());
        // RFC 3263 §4.3: silence, a dead transport and 503 lead to the next target; anything else is the word of the provider.
        if matches!(status.code(), 408 | 503) {
            (self.at, self.until) = (self.at + 1, None);
            if self.target().is_some() {
                return self.begin(now);
            }
        }
        self.wait(now);
        None
    }

    /// An OPTIONS was answered, or not. Gives what follows from it.
    pub fn handle_probed(&mut self, answered: bool, now: Instant) -> Option<Step> {
        let State::Up { refresh_at, probing: true, .. } = self.state else { return None };
        if answered {
            self.failures = 0;
            if refresh_at.is_none() {
                self.last = (200, "OK".to_owned());
            }
            self.up(refresh_at, false, now);
            return None;
        }
        self.handle_failure(StatusCode::REQUEST_TIMEOUT, "No Answer To OPTIONS", now)
    }

    /// The connection to a target is gone: a registration over it is made anew.
    pub fn handle_flow_lost(&mut self, target: Target, now: Instant) {
        if let State::Up { refresh_at: Some(_), .. } = self.state
            && self.target() == Some(target)
        {
            self.up(Some(now), false, now);
        }
    }

    /// When [`Trunk::handle_timeout`] is wanted.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &Arc<TrunkConfig> {
        &self.config
    }

    /// Whether calls may go through it: registered, or without registration and answering.
    #[must_use]
    pub fn is_up(&self, now: Instant) -> bool {
        match self.state {
            State::Up { refresh_at: None, .. } => self.failures == 0,
            State::Up { .. } | State::Registering | State::Locating | State::Waiting => self.until.is_some_and(|until| until > now),
        }
    }

    /// Targets, the one in use first.
    pub fn targets(&self) -> impl Iterator<Item = Target> + '_ {
        let (before, from) = self.targets.split_at(self.at.min(self.targets.len()));
        from.iter().chain(before).copied()
    }

    /// What `GET /trunk` shows.
    #[must_use]
    pub fn view(&self, now: Instant) -> TrunkView {
        let up = self.is_up(now);
        let state = match self.state {
            State::Locating => "locating",
            State::Registering => "registering",
            State::Up { refresh_at: None, .. } if up => "reachable",
            State::Up { .. } if up => "registered",
            State::Up { .. } | State::Waiting => "waiting",
        };
        TrunkView {
            name: self.config.name.clone(),
            domain: self.config.domain.clone(),
            user: self.config.user.clone(),
            proxy: self.config.proxy.clone(),
            control: self.config.control.clone(),
            priority: self.config.priority,
            state,
            up,
            remote: self.target().map(|target| target.peer),
            transport: self.target().map(|target| target.transport.word()),
            expires_in_s: self.until.map_or(0, |until| u32::try_from(until.saturating_duration_since(now).as_secs()).unwrap_or(u32::MAX)),
            failures: self.failures,
            status: self.last.0,
            reason: self.last.1.clone(),
        }
    }

    fn target(&self) -> Option<Target> {
        self.targets.get(self.at).copied()
    }

    fn locate(&mut self, now: Instant) -> Step {
        (self.state, self.due) = (State::Locating, now + STEP_WITHIN);
        let place = self.config.proxy.as_deref().unwrap_or(&self.config.domain);
        Step::Locate(wish(place))
    }

    /// What a target is first asked.
    fn begin(&mut self, now: Instant) -> Option<Step> {
        if self.config.expires_s > 0 {
            return self.register(now);
        }
        let target = self.target()?;
        self.up(None, true, now);
        Some(Step::Probe(target))
    }

    fn register(&mut self, now: Instant) -> Option<Step> {
        let target = self.target()?;
        (self.state, self.due) = (State::Registering, now + STEP_WITHIN);
        Some(Step::Register { target, expires_s: self.expires_s })
    }

    fn up(&mut self, refresh_at: Option<Instant>, probing: bool, now: Instant) {
        let probe_at = now + if probing { STEP_WITHIN } else { PROBE_EVERY };
        self.state = State::Up { refresh_at, probe_at, probing };
        self.due = refresh_at.map_or(probe_at, |at| at.min(probe_at));
    }

    fn wait(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let pause = RETRY_FIRST.saturating_mul(1 << (self.failures - 1).min(10)).min(RETRY_LONGEST);
        (self.state, self.due, self.at, self.until) = (State::Waiting, now + pause, 0, None);
    }
}

/// `host`, `host:port`, either with `;transport=tcp`.
pub(crate) fn wish(place: &str) -> Wish {
    let (place, params) = place.split_at(place.find(';').unwrap_or(place.len()));
    let transport = params.split(';').find_map(|param| param.strip_prefix("transport="));
    let transport = transport.and_then(|word| {
        [crate::flow::Transport::Udp, crate::flow::Transport::Tcp].into_iter().find(|known| known.word().eq_ignore_ascii_case(word))
    });
    let port = |text: &str| text.parse().ok();
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').and_then(port)),
        None => match place.split_once(':') {
            Some((host, rest)) if !rest.contains(':') => (host, port(rest)),
            _ => (place, None),
        },
    };
    Wish { host: host.to_owned(), port, transport }
}
