//! Servers of this executor, asked without a connection: a request goes to its handler as it is, and the answer comes back.
//!
//! ```text
//!   serve ─► offer(address)        client ─► find(url) ─► ask(request) ─► handler ─► then(answer)
//! ```
//! Shape:  what is asked and answered is the same as over a socket, token and limits included; only nobody writes and reads the
//!         bytes of a head, and a body moves instead of being copied.
//! Errors: no answer is `None`: it did not come in time, or the server ended.
//! Why:    SIP and the call script of `mediaswitch` are tasks of one thread. Over loopback a request is four system calls, a
//!         turn of the ring and two heads written and parsed.
//! Not here: other threads and other processes, which are reached over sockets.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::client::Url;
use crate::wire::{Request, Response};

/// What is to be done with the answer.
pub(crate) type Then = Box<dyn FnOnce(Option<Response>)>;

/// A server, as clients of its executor see it.
pub(crate) trait Local {
    /// Has `request` answered. `then` is called once: from within when the answer is there at once, else later, after `limit`
    /// with nothing.
    fn ask(self: Rc<Self>, request: Request, limit: Duration, then: Then);
}

thread_local! {
    /// The servers of this thread. One or two of each program: at most a dozen, looked through one by one.
    static SERVERS: RefCell<Vec<(SocketAddr, Rc<dyn Local>)>> = RefCell::default();
}

/// A server that can be asked within the thread until this is dropped.
#[derive(Debug)]
pub(crate) struct Offer(SocketAddr);

/// Lets tasks of this thread ask the server that listens on `address`.
pub(crate) fn offer(address: SocketAddr, server: Rc<dyn Local>) -> Offer {
    SERVERS.with_borrow_mut(|servers| servers.push((address, server)));
    Offer(address)
}

impl Drop for Offer {
    fn drop(&mut self) {
        // The thread's own end may have taken the table already. What is removed is dropped outside the borrow.
        let removed = SERVERS.try_with(|servers| {
            let mut servers = servers.borrow_mut();
            let place = servers.iter().position(|(address, _)| *address == self.0);
            place.map(|place| servers.swap_remove(place))
        });
        drop(removed);
    }
}

/// The server that `url` leads to, if it is one of this thread. Names but `localhost` (RFC 6761 §6.3) are left to the resolver.
pub(crate) fn find(url: &Url) -> Option<Rc<dyn Local>> {
    let ip = match url.host() {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().ok()?,
    };
    let everywhere = match ip {
        IpAddr::V4(ip) => ip.is_loopback().then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(ip) => ip.is_loopback().then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    SERVERS.with_borrow(|servers| {
        let at = |ip: IpAddr| servers.iter().find(|(address, _)| *address == SocketAddr::new(ip, url.port()));
        at(ip).or_else(|| at(everywhere?)).map(|(_, server)| Rc::clone(server))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Local for Nobody {
        fn ask(self: Rc<Self>, _: Request, _: Duration, then: Then) {
            then(None);
        }
    }

    #[test]
    fn a_server_is_found_by_its_address_while_it_offers_itself() {
        let is_found = |authority: &str| find(&Url::parse(&format!("http://{authority}/x")).unwrap()).is_some();
        assert!(!is_found("127.0.0.1:7"));
        let all = offer("0.0.0.0:7".parse().unwrap(), Rc::new(Nobody));
        for (authority, found) in [
            ("127.0.0.1:7", true),
            ("localhost:7", true),
            ("127.0.0.1:8", false),
            ("192.0.2.1:7", false),
            ("[::1]:7", false),
            ("example.invalid:7", false),
        ] {
            assert_eq!(is_found(authority), found, "{authority}");
        }
        let one = offer("[::1]:9".parse().unwrap(), Rc::new(Nobody));
        assert!(is_found("[::1]:9") && !is_found("127.0.0.1:9"));
        drop((one, all));
        assert!(!is_found("127.0.0.1:7") && !is_found("[::1]:9"));
    }
}
