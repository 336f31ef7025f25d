//! What we say of ourselves on a hop: Contact and Via; and the ids of calls.
//!
//! Shape:  text; the listener of the hop decides.
//! Errors: `None` for a listener that there is not.
//! Source: RFC 3261 §18.1.1, §19.1.1 (`transport`), RFC 1918, RFC 6598, RFC 4193 (private addresses).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::Endpoint;
use crate::flow::{Flow, Transport};
use crate::message::escape_user;

/// RFC 3261 §19.1.2.
pub(super) const SIP_PORT: u16 = 5060;

impl Endpoint {
    /// Our Contact on this hop.
    pub(super) fn contact(&self, flow: Flow, user: &str) -> String {
        let mut text = String::with_capacity(64);
        text.push_str("<sip:");
        // Into a string nothing fails.
        if !user.is_empty() {
            let _written = write!(text, "{}@", escape_user(user));
        }
        if let Some(address) = self.advertised(flow) {
            let _written = write!(text, "{address}");
        }
        text.push_str(match flow.transport {
            Transport::Udp => ">",
            Transport::Tcp => ";transport=tcp>",
        });
        text
    }

    /// A random UUID (RFC 9562 §5.4).
    pub(super) fn uuid(&mut self) -> String {
        let random = u128::from(self.tokens.word()) << 64 | u128::from(self.tokens.word());
        let id = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let mut text = String::with_capacity(36);
        for digit in 0..32 {
            if matches!(digit, 8 | 12 | 16 | 20) {
                text.push('-');
            }
            let value = (id >> (124 - 4 * digit)) as u32 & 0xf;
            text.extend(char::from_digit(value, 16));
        }
        text
    }

    /// What stands in Via and Contact of messages on this hop.
    pub(super) fn advertised(&self, flow: Flow) -> Option<SocketAddr> {
        self.config.listeners.get(usize::from(flow.listener.0)).map(|listener| listener.advertised)
    }
}

/// An address that means nothing outside its own network.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // RFC 6598: 100.64.0.0/10 of carrier NAT.
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
