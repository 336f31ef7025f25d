//! The SIP sockets of a process, bound together and dealt out to its shards.
//!
//! ```text
//!   listeners ─► bind each, UDP and TCP, once per shard ─► SipSockets of shard 0, of shard 1 …
//! ```
//! Shape:  ids of listeners are the same on all shards: first UDP, which all of them share, then TCP of shard 0, of shard 1 …, so
//!         that a flow says which shard has the connection.
//! Errors: [`NodeError::Bind`].

use std::net::SocketAddr;

use rt::{BoundTcp, BoundUdp};
use sip::flow::{ListenerId, Transport};
use sip::shard::ShardId;

use crate::net::RECEIVE_BUFFER;
use crate::node::NodeError;
use crate::settings::config::SipConfig;

/// Sockets of one shard, ready to be sent there.
#[derive(Debug)]
pub struct SipSockets {
    /// One for each listener.
    pub udp: Vec<BoundUdp>,
    /// The same.
    pub tcp: Vec<BoundTcp>,
    /// Addresses that the far end can reach.
    pub advertised: Vec<SocketAddr>,
}

impl SipSockets {
    /// Binds those of all shards.
    ///
    /// # Errors
    /// A port is in use, or an address is not ours.
    pub async fn bind(config: &SipConfig, shards: usize) -> Result<Vec<Self>, NodeError> {
        let mut all: Vec<Self> = (0..shards).map(|_| Self { udp: Vec::new(), tcp: Vec::new(), advertised: Vec::new() }).collect();
        for (bind, ip) in &config.listeners {
            let udp = rt::bind_udp(*bind, RECEIVE_BUFFER, shards).await?;
            // Port 0 of a test: the connection-oriented twin takes the port that the kernel chose.
            let address = udp.first().map_or(*bind, BoundUdp::local_addr);
            let tcp = rt::bind_tcp(address, shards).await?;
            for ((sockets, udp), tcp) in all.iter_mut().zip(udp).zip(tcp) {
                sockets.udp.push(udp);
                sockets.tcp.push(tcp);
                sockets.advertised.push(SocketAddr::new(*ip, address.port()));
            }
        }
        Ok(all)
    }

    /// Listeners as the endpoints of `shards` shards know them.
    pub fn listeners(&self, shards: u8) -> Vec<sip::endpoint::Listener> {
        let with = |transport| self.advertised.iter().map(move |advertised| sip::endpoint::Listener { advertised: *advertised, transport });
        with(Transport::Udp).chain((0..shards).flat_map(|_| with(Transport::Tcp))).collect()
    }
}

/// Id of a TCP listener of a shard; `count` is the number of addresses.
pub fn tcp_id(count: usize, shard: ShardId, index: usize) -> ListenerId {
    ListenerId(u16::try_from((1 + usize::from(shard.0)) * count + index).unwrap_or(u16::MAX))
}

/// The shard that has the connections of a listener; `None` if it is one of UDP.
pub fn shard_of(count: usize, listener: ListenerId) -> Option<usize> {
    (usize::from(listener.0) / count.max(1)).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_whose_connection_it_is() {
        for (count, shard, index, id) in [(1, 0, 0, 1), (1, 1, 0, 2), (3, 0, 2, 5), (3, 2, 1, 10)] {
            assert_eq!(tcp_id(count, ShardId(shard), index), ListenerId(id));
            assert_eq!(shard_of(count, ListenerId(id)), Some(usize::from(shard)));
        }
        assert_eq!((shard_of(3, ListenerId(2)), shard_of(1, ListenerId(0))), (None, None));
    }
}
