//! Host names to addresses, by the system's resolver on the helper thread, remembered for a while.
//!
//! ```text
//!   lookup(host, port) ──► literal? ─► cache? ─► getaddrinfo (helper thread) ──► [SocketAddr]
//!   lookup_anew(host) ──────────────────────────► getaddrinfo (helper thread) ──► [IpAddr]
//! ```
//! Shape:  at most `NAMES_MAX` names kept, `ADDRESSES_MAX` addresses of each, `LOOKUPS_MAX` questions under way.
//! Units:  an answer is kept for 30 s, a failure for 2 s: the system's resolver tells no TTL.
//! Errors: [`ResolveError`].
//! Not here: SRV and NAPTR, which SIP asks for itself.
//! Source: `docs/runtime.md`, rule 5: the executor is given addresses only.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver knows none, or failed.
    #[error("the name cannot be resolved")]
    Unknown,
    /// The resolver did not answer in time.
    #[error("the resolver does not answer")]
    Timeout,
    /// Too many questions are under way.
    #[error("too many names are being resolved")]
    Busy,
}

/// A cache in front of the system's resolver.
#[derive(Debug, Default)]
pub struct Resolver {
    names: RefCell<HashMap<String, Known>>,
    under_way: Cell<usize>,
}

#[derive(Debug)]
struct Known {
    addresses: Result<Vec<IpAddr>, ResolveError>,
    until: Instant,
}

impl Resolver {
    /// Addresses of `host`, never empty, in the system's order of preference. A literal address, with or without
    /// brackets, is its own answer and asks nobody.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn lookup(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
        let with_port = |ips: &[IpAddr]| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(with_port(&[ip]));
        }
        let host = host.to_ascii_lowercase();
        if let Some(known) = self.names.borrow().get(&host).filter(|known| known.until > Instant::now()) {
            return known.addresses.as_ref().map(|ips| with_port(ips)).map_err(|error| *error);
        }
        let addresses = self.ask(host.clone(), ADDRESSES_MAX).await;
        let answer = addresses.as_ref().map(|ips| with_port(ips)).map_err(|error| *error);
        if addresses != Err(ResolveError::Busy) {
            self.remember(host, addresses);
        }
        answer
    }

    /// All addresses of `host` as they are now: what was remembered is not asked, for a name may stand for servers that come and go.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn lookup_anew(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.ask(host.to_ascii_lowercase(), ADDRESSES_ALL_MAX).await
    }

    async fn ask(&self, host: String, max: usize) -> Result<Vec<IpAddr>, ResolveError> {
        if self.under_way.get() >= LOOKUPS_MAX {
            return Err(ResolveError::Busy);
        }
        let _place = Place::take(&self.under_way);
        let question =
            rt::spawn_blocking(move || (host.as_str(), 0).to_socket_addrs().map(|found| found.take(max).map(|a| a.ip()).collect()));
        let addresses: Vec<IpAddr> = match rt::timeout(PATIENCE, question).await {
            Ok(answer) => answer.map_err(|_| ResolveError::Unknown)?,
            Err(_) => return Err(ResolveError::Timeout),
        };
        if addresses.is_empty() { Err(ResolveError::Unknown) } else { Ok(addresses) }
    }

    fn remember(&self, host: String, addresses: Result<Vec<IpAddr>, ResolveError>) {
        let now = Instant::now();
        let mut names = self.names.borrow_mut();
        if names.len() >= NAMES_MAX {
            names.retain(|_, known| known.until > now);
        }
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        let until = now + if addresses.is_ok() { KEPT } else { FAILURE_KEPT };
        names.insert(host, Known { addresses, until });
    }
}

/// One of the questions under way; given back even when the asker is dropped.
struct Place<'a>(&'a Cell<usize>);

impl<'a> Place<'a> {
    fn take(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// 256 names × (255 bytes + 8 addresses) ≈ 100 KiB.
const NAMES_MAX: usize = 256;
const ADDRESSES_MAX: usize = 8;
/// Servers behind one name, of a headless service say: 256 × 17 bytes while they are handed over.
const ADDRESSES_ALL_MAX: usize = 256;
/// The helper thread answers one after the other: 16 × 5 s is the longest anyone could wait, and `PATIENCE` ends it before.
const LOOKUPS_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);
const KEPT: Duration = Duration::from_secs(30);
const FAILURE_KEPT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::Resolver;

    #[test]
    fn literals_are_their_own_answer_and_names_are_asked_for() {
        rt::run_test(async {
            let resolver = Resolver::default();
            for (host, address) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7"), ("[::1]", "[::1]:7")] {
                assert_eq!(resolver.lookup(host, 7).await, Ok(vec![address.parse().unwrap()]));
            }
            assert!(resolver.names.borrow().is_empty());
            assert!(resolver.lookup("localhost", 7).await.unwrap().iter().all(|address| address.ip().is_loopback()));
            assert!(resolver.lookup("LOCALHOST", 8).await.is_ok());
            assert_eq!(resolver.names.borrow().len(), 1);
            assert!(resolver.lookup("no such name", 7).await.is_err());
            assert!(resolver.lookup_anew("localhost").await.unwrap().iter().all(std::net::IpAddr::is_loopback));
            assert!(resolver.lookup_anew("no such name").await.is_err());
        });
    }
}
