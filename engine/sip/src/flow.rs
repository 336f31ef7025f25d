//! Where a message came from and where its answer goes: listener, peer, transport.
//! Shape:  small `Copy` values; a TCP connection is its listener and its peer address, as a UDP path is.
//! Units:  none.
//! Errors: none.
//! Not here: sockets, which the engine owns, and the choice of a destination (RFC 3261 §18.2.2, RFC 3581).

use std::net::SocketAddr;

/// A SIP socket of the driver: index into its list of listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

/// Transport protocol of a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

impl Transport {
    /// The word of the contract: `udp`, `tcp`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// The word of a Via header: `UDP`, `TCP` (RFC 3261 §20.42).
    #[must_use]
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether the transport delivers by itself, so that retransmission timers stay off (RFC 3261 §17).
    #[must_use]
    pub const fn reliability(self) -> Reliability {
        match self {
            Self::Udp => Reliability::Unreliable,
            Self::Tcp => Reliability::Reliable,
        }
    }
}

/// What the transaction timers ask of a transport (RFC 3261 §17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Messages may be lost, doubled and reordered: UDP.
    Unreliable,
    /// The transport repeats by itself: TCP, TLS, SCTP.
    Reliable,
}

/// One hop: through which of our sockets to which address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Our socket.
    pub listener: ListenerId,
    /// The far end.
    pub peer: SocketAddr,
    /// Protocol of both.
    pub transport: Transport,
}
