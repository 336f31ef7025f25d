//! What the driver hands to the endpoint and takes from it.
//!
//! Shape:  datagrams come borrowed and go owned, because the driver sends many at once.
//! Units:  `Instant` for the next wake-up.
//! Errors: [`ResolveError`] is the driver's word on a name.

use std::net::SocketAddr;
use std::time::Instant;

use crate::api;
use crate::flow::ListenerId;

/// A received datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Socket that it came in on.
    pub listener: ListenerId,
    /// Sender.
    pub from: SocketAddr,
    /// Payload.
    pub bytes: &'a [u8],
}

/// Names a pending name lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResolveId(pub u64);

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address.
    #[error("name not found")]
    NotFound,
    /// The name servers did not answer.
    #[error("name lookup failed")]
    Failed,
}

/// What the endpoint wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// From this socket.
        listener: ListenerId,
        /// To this address.
        to: SocketAddr,
        /// Payload.
        bytes: Vec<u8>,
    },
    /// Tell a control server.
    Event(api::Event),
    /// Look up a name and answer with `handle_resolved`.
    Resolve {
        /// To be given back.
        id: ResolveId,
        /// The name; never an address.
        host: String,
        /// Port that the URI names. None: SRV of `_sip._udp` first, else 5060 (RFC 3263 §4.2).
        port: Option<u16>,
    },
    /// Nothing more now. Call `handle_timeout` at this time, or never.
    Wait(Option<Instant>),
}
