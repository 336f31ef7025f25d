//! What the nodes of signalling shards tell each other.
//!
//! Shape:  what the endpoints say ([`PeerMessage`]), and what belongs to the sockets: who has which connection.
//! Errors: none.

use std::net::SocketAddr;

use sip::flow::ListenerId;
use sip::shard::PeerMessage;

/// A word between two nodes.
#[derive(Debug)]
pub enum Word {
    /// For the endpoint.
    Peer(PeerMessage),
    /// Send this over a connection of yours; open one if there is none.
    Send {
        /// Your listener.
        listener: ListenerId,
        /// The far end.
        to: SocketAddr,
        /// A whole message.
        bytes: Vec<u8>,
    },
    /// A connection of mine is there.
    Opened {
        /// My listener.
        listener: ListenerId,
        /// The far end.
        peer: SocketAddr,
    },
    /// A connection of mine is gone, or could not be had.
    Closed {
        /// My listener.
        listener: ListenerId,
        /// The far end.
        peer: SocketAddr,
    },
}

impl Word {
    /// A datagram, which its sender repeats.
    pub fn may_be_lost(&self) -> bool {
        match self {
            Self::Peer(message) => message.may_be_lost(),
            Self::Send { .. } | Self::Opened { .. } | Self::Closed { .. } => false,
        }
    }
}
