//! What the endpoint counts.
//!
//! Shape:  counters since start; gauges are asked of their tables when shown.
//! Errors: none. Everything that is dropped without an answer has a counter here.

use std::time::Instant;

use super::Endpoint;

/// Counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stats {
    /// Datagrams received.
    pub received: u64,
    /// Messages given to the shard that they belong to.
    pub handed_over: u64,
    /// Messages taken from other shards.
    pub handed_in: u64,
    /// Keep-alives: nothing but line ends.
    pub keepalives: u64,
    /// Neither request nor response.
    pub garbage: u64,
    /// Requests answered because they could not be read.
    pub rejected: u64,
    /// Responses that nobody asked for.
    pub strays: u64,
    /// Requests answered without state.
    pub stateless: u64,
    /// ACKs that belong to nothing: those of answers without state, of every 401 to an INVITE for one.
    pub acks_lost: u64,
    /// Messages of ours that could not be written.
    pub unwritable: u64,
    /// Requests refused because a table was full.
    pub shed: u64,
    /// Registrations, subscriptions and the like that were told to come later.
    pub put_off: u64,
    /// Calls refused because we, or their control server, were too far behind.
    pub calls_put_off: u64,
    /// Transactions that ended because nobody answered within 64 × T1.
    pub timeouts: u64,
    /// Transactions that ended because their transport did, or could not be had.
    pub transport_failures: u64,
    /// Calls ever made or received.
    pub calls: u64,
    /// Calls answered.
    pub answered: u64,
}

impl Endpoint {
    /// Everything `GET /status` shows of the SIP core.
    pub(super) fn status(&self, now: Instant) -> Vec<(&'static str, u64)> {
        let (domains, users) = self.directory.len();
        let watchers = self.watchers.stats();
        let guard = self.guard.stats();
        let (trunks, trunks_up) = self.trunks.count(now);
        let (auth, registrar, stats) = (self.auth.stats(), self.registrar.stats(), &self.stats);
        vec![
            ("calls", self.calls.len() as u64),
            ("callsmax", self.config.calls_max as u64),
            ("callstotal", stats.calls),
            ("callsanswered", stats.answered),
            ("transactions", self.layer.len() as u64),
            ("transactionbytes", self.layer.bytes() as u64),
            ("timeouts_total", stats.timeouts),
            ("transportfailures_total", stats.transport_failures),
            ("domains", domains as u64),
            ("users", users as u64),
            ("registrations", registrar.bindings),
            ("registeredusers", registrar.aors),
            ("registrationsmade", registrar.made),
            ("registrationsrefreshed", registrar.refreshed),
            ("registrationsexpired", registrar.expired),
            ("registrationslost", registrar.lost),
            ("pings", registrar.pings),
            ("challenges", auth.challenged),
            ("authaccepted", auth.accepted),
            ("authstale", auth.stale),
            ("authrefused", auth.refused),
            ("authslowed", auth.slowed),
            ("nonces", auth.nonces),
            ("subscriptions", watchers.subscriptions),
            ("subscriptionsmade", watchers.made),
            ("subscriptionslost", watchers.lost),
            ("notifies", watchers.notified),
            ("publications", self.publications.len() as u64),
            ("mailboxes", self.mailboxes.len() as u64),
            ("received", stats.received),
            ("handedover_total", stats.handed_over),
            ("handedin_total", stats.handed_in),
            ("keepalives", stats.keepalives),
            ("garbage", stats.garbage),
            ("rejected", stats.rejected),
            ("strays", stats.strays),
            ("stateless", stats.stateless),
            ("lostacks", stats.acks_lost),
            ("unwritable", stats.unwritable),
            ("shed", stats.shed),
            ("dropped_total", guard.dropped),
            ("scanners_total", guard.scanners),
            ("late_total", guard.late),
            ("offences_total", guard.offences),
            ("trunks", trunks as u64),
            ("trunksup", trunks_up as u64),
            ("streams", self.streams.len() as u64),
            ("illtargets", self.health.len() as u64),
            ("putoff", stats.put_off),
            ("callsputoff", stats.calls_put_off),
            ("lagms", u64::try_from(self.lag.as_millis()).unwrap_or(u64::MAX)),
            ("draining", u64::from(self.draining)),
        ]
    }
}
