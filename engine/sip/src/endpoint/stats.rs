//! What the endpoint counts.
//!
//! Shape:  counters since start; gauges are asked of their tables when shown.
//! Errors: none. Everything that is dropped without an answer has a counter here.

use std::time::Instant;

use super::Endpoint;
use super::handover::MOVED_MAX;
use super::idempotency::KEYS_MAX;
use crate::locate::KNOWN_MAX;
use crate::trunk::TRUNKS_MAX;

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
    /// Requests that got no answer because their source was in debt.
    pub dropped: u64,
    /// Requests refused because a table was full.
    pub shed: u64,
    /// Registrations, subscriptions and the like that were told to come later, because we are late or nearly full.
    pub put_off: u64,
    /// Calls refused because we, or their control server, were too far behind, or we nearly full.
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
            ("transactionsmax", self.config.limits.transactions as u64),
            ("transactionbytes", self.layer.bytes() as u64),
            ("transactionbytesmax", self.config.limits.bytes as u64),
            ("timeouts_total", stats.timeouts),
            ("transportfailures_total", stats.transport_failures),
            ("domains", domains as u64),
            ("domainsmax", self.config.directory.domains_max as u64),
            ("users", users as u64),
            ("usersmax", self.config.directory.users_max as u64),
            ("registrations", registrar.bindings),
            ("registrationsmax", self.config.registrar.bindings_max as u64),
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
            ("noncesmax", self.config.auth.nonces_max as u64),
            ("subscriptions", watchers.subscriptions),
            ("subscriptionsmax", self.config.watchers.subscriptions_max as u64),
            ("subscriptionsmade", watchers.made),
            ("subscriptionslost", watchers.lost),
            ("notifies", watchers.notified),
            ("publications", self.publications.len() as u64),
            ("publicationsmax", self.config.publications.publications_max as u64),
            // One for each user at most.
            ("mailboxes", self.mailboxes.len() as u64),
            // One for each side of a call, of all shards.
            ("notedcalls", self.noted_calls.len() as u64),
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
            ("dropped_total", stats.dropped),
            ("scanners_total", guard.scanners),
            ("offences_total", guard.offences),
            ("trunks", trunks as u64),
            ("trunksmax", TRUNKS_MAX as u64),
            ("trunksup", trunks_up as u64),
            ("streams", self.streams.len() as u64),
            ("illtargets", self.health.len() as u64),
            ("illtargetsmax", KNOWN_MAX as u64),
            ("idempotencykeys", self.keys.len() as u64),
            ("idempotencykeysmax", KEYS_MAX as u64),
            ("movedusers", self.moved.len() as u64),
            ("movedusersmax", MOVED_MAX as u64),
            // No more than had events waiting.
            ("controlsbehind", self.behind.len() as u64),
            ("putoff", stats.put_off),
            ("callsputoff", stats.calls_put_off),
            ("lagms", u64::try_from(self.lag.worst(now).as_millis()).unwrap_or(u64::MAX)),
            ("draining", u64::from(self.draining)),
        ]
    }
}
