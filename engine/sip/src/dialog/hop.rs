//! The Via of a request of ours.
//! Shape:  transport, the address that the far end can reach, a fresh branch; always with `rport`.
//! Units:  none.
//! Errors: none.
//! Source: RFC 3261 §18.1.1, §20.42; RFC 3581 §3.

use std::fmt;
use std::net::SocketAddr;

use crate::flow::Transport;
use crate::token::Branch;

/// Max-Forwards of requests that begin with us (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

/// Where a request of ours leaves: its Display is the value of Via.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// Protocol of the listener.
    pub transport: Transport,
    /// Address of the listener as the far end sees it.
    pub sent_by: SocketAddr,
    /// Branch of this request alone.
    pub branch: &'a Branch,
}

impl Hop<'_> {
    /// A request that was written for another hop, for this one; `None` if it has not that Via.
    #[must_use]
    pub fn instead_of(&self, other: &Self, request: &[u8]) -> Option<Vec<u8>> {
        let via = other.to_string();
        let at = request.windows(via.len()).position(|window| window == via.as_bytes())?;
        let mut out = Vec::with_capacity(request.len() + 32);
        out.extend_from_slice(request.get(..at)?);
        out.extend_from_slice(self.to_string().as_bytes());
        out.extend_from_slice(request.get(at + via.len()..)?);
        Some(out)
    }
}

impl fmt::Display for Hop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {};branch={};rport", self.transport.via(), self.sent_by, self.branch.as_str())
    }
}
