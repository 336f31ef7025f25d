//! What the driver hands to the endpoint and takes from it.
//!
//! Shape:  datagrams come borrowed and go owned, because the driver sends many at once.
//! Units:  `Instant` for the next wake-up.
//! Errors: [`LocateError`](crate::locate::LocateError) is the driver's word on a name.

use std::net::SocketAddr;
use std::time::Instant;

use crate::api;
use crate::flow::ListenerId;
use crate::locate::Wish;

/// A received datagram, or a message that came over a connection.
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
        /// What to look for (RFC 3263).
        wish: Wish,
    },
    /// Nothing more now. Call `handle_timeout` at this time, or never.
    Wait(Option<Instant>),
}
