//! Replies: what a command is answered with, and why it is refused.
//!
//! Shape:  one [`Reply`] per kind of answer; the views are what GET shows.
//! Units:  expiry in seconds, `registered` in seconds since 1970.
//! Errors: [`CommandError`], one variant per HTTP status of the contract.
//! Source: docs/openapi.yaml, project-sip.

use std::net::SocketAddr;

use super::{ControlUrl, Mailbox, Policy, Snapshot, TrunkView};

/// Answer to a [`Command`](super::Command).
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// Done, and something new was made (201).
    Created,
    /// Names of all domains.
    Domains(Vec<String>),
    /// One domain.
    Domain(DomainView),
    /// One user exists.
    User {
        /// Domain.
        domain: String,
        /// User name.
        username: String,
    },
    /// Number of live registrations.
    RegCount(u64),
    /// Registrations of a domain.
    Registrations(RegistrationsView),
    /// What waits in a mailbox.
    Mailbox(Mailbox),
    /// Call-ID of a call just originated.
    Originated(String),
    /// Live dialogs, and how many were ever made.
    DialogCount {
        /// Live now.
        count: u64,
        /// Made since start.
        counter: u64,
    },
    /// The live calls of one control server; the counts are of all.
    Dialogs {
        /// Live now.
        count: u64,
        /// Made since start.
        counter: u64,
        /// Call-IDs, at most as many as there may be calls.
        callids: Vec<String>,
    },
    /// One call.
    Dialog(Box<Snapshot>),
    /// Trunks, by name.
    Trunks(Vec<TrunkView>),
    /// Named gauges and counters, in the order they are shown.
    Status(Vec<(&'static str, u64)>),
}

/// Why a [`Command`](super::Command) was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such domain, user or call: 404.
    #[error("{0} is not known here")]
    NotFound(String),
    /// The call is in the wrong state for this: 409.
    #[error("{0}")]
    WrongState(&'static str),
    /// Understood but impossible: 422.
    #[error("{0}")]
    Impossible(String),
    /// A field has a value that cannot be: 400.
    #[error("{0}")]
    Bad(String),
    /// The call cannot be routed; the number is the SIP status (404, 480).
    #[error("cannot route the call: SIP {0}")]
    Unroutable(u16),
    /// No new calls, for the server is about to stop: 503.
    #[error("draining: no new calls")]
    Draining,
    /// A table is full: 503.
    #[error("{what} is full: {max} in use")]
    Full {
        /// Which table.
        what: &'static str,
        /// Its size.
        max: usize,
    },
}

/// `GET /dir/{domain}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainView {
    /// Name.
    pub domain: String,
    /// Control server.
    pub control: Option<ControlUrl>,
    /// User names.
    pub users: Vec<String>,
    /// Full names of sub domains.
    pub domains: Vec<String>,
    /// Whom it asks for passwords, and how.
    pub policy: Policy,
}

/// `GET /reg/{domain}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationsView {
    /// Domain.
    pub domain: String,
    /// Users in the directory.
    pub count: u64,
    /// Of those listed, how many are registered.
    pub registered: u64,
    /// The users.
    pub users: Vec<RegisteredUser>,
}

/// One user in `GET /reg/{domain}`; no contacts means not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredUser {
    /// User name.
    pub username: String,
    /// Live bindings, newest first.
    pub contacts: Vec<BindingView>,
}

/// One live binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingView {
    /// Contact URI as registered.
    pub contact: String,
    /// Preference among the contacts of the user, in thousandths.
    pub q: u16,
    /// Route to it, if it registered through proxies.
    pub path: Option<String>,
    /// Source of the last REGISTER.
    pub remote: SocketAddr,
    /// User-Agent of the phone.
    pub agent: Option<String>,
    /// `udp`, `tcp`.
    pub transport: &'static str,
    /// Granted lifetime, seconds.
    pub expires: u32,
    /// What is left of it, seconds.
    pub expiresin: u32,
    /// OPTIONS sent and not answered.
    pub outstandingping: u32,
    /// First registration of the run, unix seconds.
    pub registered: u64,
}
