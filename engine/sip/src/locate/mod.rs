//! Where a SIP URI is served: the targets of a name in order, and which of them answer.
//!
//! ```text
//!   Wish (host, port, transport) ─► Search ─► NAPTR? ─► SRV? ─► A, AAAA ─► [Target] ─► Health::order ─► tried one by one
//! ```
//! Shape:  [`Search`] asks one [`Question`] at a time and is given the [`Answer`]; the engine has the name servers.
//! Units:  `Instant`, `Duration`.
//! Errors: [`LocateError`].
//! Bounds: 16 targets of a name, 16 records of an answer, 12 questions of a search, 4096 targets known to be ill.
//! Not here: DNS itself and its cache, which are the resolver's; TLS targets are passed over until there is TLS.
//! Source: RFC 3263 §4; RFC 2782 (weights); RFC 3261 §18.1.1, §19.1.2 (default port).

mod health;
mod search;
#[cfg(test)]
mod tests;

pub use health::{Health, KNOWN_MAX};
pub use search::{Answer, LocateError, Naptr, Question, Search, Srv, Wish};

use std::net::SocketAddr;

use crate::flow::Transport;

/// One place to send a request to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// Address.
    pub peer: SocketAddr,
    /// Over this.
    pub transport: Transport,
}

impl Target {
    /// Over UDP.
    #[must_use]
    pub const fn udp(peer: SocketAddr) -> Self {
        Self { peer, transport: Transport::Udp }
    }
}

/// Targets of one name that are tried.
pub const TARGETS_MAX: usize = 16;
