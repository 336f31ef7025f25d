//! The RTP ports of a shard: a pool for each of its addresses, since a pair that is in use on one is free on another.
//!
//! ```text
//!   192.0.2.1    ─▶ pool: 10000, 10004, …        a channel has the address that it asked for, and a pair of that pool
//!   2001:db8::1  ─▶ pool: 10000, 10004, …        two addresses: twice the channels
//! ```
//! Shape:  a list, as short as the list of addresses; two shards have the same addresses and unlike pairs.
//! Units:  pairs of ports.
//! Errors: `None` for an address that was not given.
//! Not here: which address a channel gets (`media`), how long a pair rests (`ports`).

use super::ports::PortPool;
use std::net::IpAddr;
use std::time::Instant;

/// Port pools by address.
#[derive(Debug)]
pub struct Pools(Vec<(IpAddr, PortPool)>);

impl Pools {
    /// Each of the addresses, named once or more, with the pairs of `pool`.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>, pool: &PortPool) -> Self {
        let mut pools: Vec<(IpAddr, PortPool)> = Vec::new();
        for ip in addresses {
            if !pools.iter().any(|(known, _)| *known == ip) {
                pools.push((ip, pool.clone()));
            }
        }
        Self(pools)
    }

    /// The pool of an address.
    pub fn of(&mut self, ip: IpAddr) -> Option<&mut PortPool> {
        self.0.iter_mut().find(|(known, _)| *known == ip).map(|(_, pool)| pool)
    }

    /// Puts a pair that was taken, and is not used after all, back into the pool of its address.
    pub fn give_back(&mut self, ip: IpAddr, port: u16, now: Instant) {
        if let Some(pool) = self.of(ip) {
            pool.give_back(port, now);
        }
    }

    /// How many pairs there are, used or free.
    pub fn pairs(&self) -> usize {
        self.0.iter().map(|(_, pool)| pool.pairs()).sum()
    }

    /// How many pairs are not in use, those that rest included.
    pub fn free(&self) -> usize {
        self.0.iter().map(|(_, pool)| pool.free()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_address_has_all_pairs_and_is_empty_for_itself() {
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let now = Instant::now();
        let mut pools = Pools::new([a, b, a], &PortPool::new(10_000..=10_003, 0, 1, Duration::ZERO));
        assert_eq!((pools.pairs(), pools.free()), (4, 4));
        for _ in 0..2 {
            pools.of(a).unwrap().take(now).unwrap();
        }
        assert!(pools.of(a).unwrap().take(now).is_err());
        assert_eq!(pools.of(b).unwrap().take(now), Ok(10_000));
        assert_eq!((pools.pairs(), pools.free()), (4, 1));
        pools.give_back(a, 10_002, now);
        assert_eq!(pools.of(a).unwrap().take(now), Ok(10_002));
        assert!(pools.of(IpAddr::from([127, 0, 0, 3])).is_none());
    }
}
