//! What signalling shards tell each other.
//!
//! ```text
//!   Message ─► its owner      FindReplaced ─► owner of the old call ─► FoundReplaced ─► back      Replaced ─► it ends
//!   Call ─► the user's shard, for those who watch      Trunks, Moved ─► all      Locate ─► the user's shard ─► Located
//! ```
//! Shape:  owned data; [`Endpoint`](crate::endpoint::Endpoint) makes them as outputs and takes them by `handle_peer`.
//! Units:  none.
//! Errors: none. See [`PeerMessage::may_be_lost`].

use std::net::SocketAddr;
use std::sync::Arc;

use crate::api::TrunkConfig;
use crate::flow::{Flow, Transport};
use crate::message::StatusCode;
use crate::package::CallNote;

/// A message of the network on its way to the shard that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Where it came in, and from whom.
    pub flow: Flow,
    /// The whole message.
    pub bytes: Box<[u8]>,
}

/// What an INVITE with Replaces found: the domain of the call that it names, and whether that call may be taken over.
pub type Replaceable = Option<(String, Result<(), StatusCode>)>;

/// Addresses, each with a trunk that sends from it: by address, then priority, then name.
pub type TrunkSources = Vec<(SocketAddr, Arc<TrunkConfig>)>;

/// A word between two shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// This is yours.
    Message(Handed),
    /// An INVITE of mine wants to take over a call of yours (RFC 3891): may it?
    FindReplaced(Handed),
    /// The answer, with the INVITE.
    FoundReplaced(Handed, Replaceable),
    /// A call of yours was taken over: it ends.
    Replaced {
        /// Which.
        callid: Box<str>,
    },
    /// A call of a user of yours changed.
    Call {
        /// `user@domain`.
        resource: Box<str>,
        /// How it is now.
        note: Box<CallNote>,
    },
    /// All addresses that trunks send from, in place of those told before.
    Trunks(TrunkSources),
    /// A user is registered over this connection now; its calls may be on any shard.
    Moved {
        /// `user@domain`.
        resource: Box<str>,
        /// The connection.
        flow: Flow,
    },
    /// Where is this user of yours? The call waits.
    Locate {
        /// Names the call.
        call: u64,
        /// User.
        user: Box<str>,
        /// Domain.
        domain: Box<str>,
    },
    /// The answer.
    Located {
        /// Names the call.
        call: u64,
        /// Its best contact: Request-URI, hop and Path.
        phone: Option<(Box<str>, Flow, Option<Box<str>>)>,
    },
}

impl PeerMessage {
    /// A datagram, which its sender repeats. Everything else arrives, or the shard that it goes to is beyond help.
    #[must_use]
    pub fn may_be_lost(&self) -> bool {
        match self {
            Self::Message(handed) | Self::FindReplaced(handed) | Self::FoundReplaced(handed, _) => handed.flow.transport == Transport::Udp,
            Self::Replaced { .. } | Self::Call { .. } | Self::Trunks(_) | Self::Moved { .. } => false,
            Self::Locate { .. } | Self::Located { .. } => false,
        }
    }
}
