//! The last report of a channel that is closed, with its BYE, and the end of its sockets after it.
//!
//! ```text
//!   close ─▶ BYE is made, the place is kept ─▶ run, transmits: it goes out ─▶ Closed, the place is free
//! ```
//! Shape:  a channel that never sent anything says nothing, and is gone at once.
//! Memory: of commands: a packet of under 400 bytes for each channel closed, until the end of the next slot.
//! Errors: none; a channel without destination says nothing.
//! Source: RFC 3550 §6.3.7 (only who has sent says goodbye), §6.6; RFC 5761 §5.1.3 (which port).

use std::net::SocketAddr;

use super::{ChannelKey, Media, Output, Port, Transmit};
use crate::channel::Channel;
use crate::packet::rtcp::{GOODBYE_MAX, Report};

#[derive(Debug)]
struct Goodbye {
    via: ChannelKey,
    port: Port,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Channels that are closed and have a last packet to send.
#[derive(Debug, Default)]
pub(super) struct Goodbyes {
    list: Vec<Goodbye>,
    /// A slot has sent them.
    sent: bool,
}

impl Goodbyes {
    /// Forgets those that went out.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.sent) {
            self.list.clear();
        }
    }

    /// The packets.
    pub fn transmits(&self) -> impl Iterator<Item = Transmit<'_>> {
        self.list.iter().map(|bye| Transmit { via: bye.via, port: bye.port, to: bye.to, bytes: &bye.bytes })
    }
}

impl Media {
    /// Lets a channel that was taken out of the table say goodbye, or lets it go.
    pub(super) fn leave_with_goodbye(&mut self, key: ChannelKey, mut channel: Channel) {
        let ntp = self.ntp();
        let has_spoken = channel.sent.packets() > 0 || channel.rtcp.has_reported();
        if let Some((port, to)) = rtcp_path(&channel).filter(|_| has_spoken) {
            let report = channel.rtcp.report(&channel.sent, &mut channel.received, ntp, self.now);
            let report = report.unwrap_or(Report { ssrc: channel.sent.ssrc(), sender: None, block: None });
            let mut bytes = vec![0; GOODBYE_MAX];
            if let Some(len) = report.write_goodbye(&self.config.cname, &mut bytes) {
                bytes.truncate(len);
                self.goodbyes.clear();
                self.goodbyes.list.push(Goodbye { via: key, port, to, bytes });
                return;
            }
        }
        self.gone(key);
    }

    fn gone(&mut self, key: ChannelKey) {
        self.table.release(key.slot);
        self.push_output(Output::Closed(key));
    }

    /// The end of a slot: what is said now is the last of its channels.
    pub(super) fn run_goodbyes(&mut self) {
        if self.goodbyes.sent {
            return;
        }
        for index in 0..self.goodbyes.list.len() {
            if let Some(key) = self.goodbyes.list.get(index).map(|bye| bye.via) {
                self.gone(key);
            }
        }
        self.goodbyes.sent = true;
    }
}

/// Where the reports of a channel go, and from which port.
pub(super) fn rtcp_path(channel: &Channel) -> Option<(Port, SocketAddr)> {
    let rtp = channel.source.destination()?;
    if channel.rtcp.mux {
        return Some((Port::Rtp, rtp));
    }
    let beside = rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
    channel.rtcp.remote.or(beside).map(|to| (Port::Rtcp, to))
}
