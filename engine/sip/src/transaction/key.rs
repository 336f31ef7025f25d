//! Which transaction a message belongs to.
//!
//! ```text
//!   response            branch, CSeq method                                              RFC 3261 §17.1.3
//!   request, cookie     branch, sent-by, method                                          RFC 3261 §17.2.3
//!   request, no cookie  Request-URI, From tag, To tag, Call-ID, CSeq, top Via            RFC 3261 §17.2.3 (RFC 2543 peers)
//!   ACK                 as its INVITE;  CANCEL: its own, and as its INVITE to find it    RFC 3261 §9.2
//! ```
//! Shape:  [`RequestHead`] and [`ResponseHead`] borrow the few fields needed; a [`Key`] is their keyed hash, 16 bytes.
//! Units:  none.
//! Errors: none: a message without these fields is the parser's to refuse.
//! Source: the sections above; §7.3.1 (parameters and hosts compare without case; method, Call-ID and URI with it).

use std::hash::Hasher;

use super::siphash::SipHash;
use crate::message::{HeaderName, Host, MAGIC_COOKIE, Method, Request, Response, StatusCode, Via};

/// The fields of a request that name its transaction; `RequestHead::from(&request)`.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Method of the start line.
    pub method: Method<'a>,
    /// Request-URI as written.
    pub uri: &'a str,
    /// Host of the top Via's sent-by.
    pub host: Host<'a>,
    /// Port of the top Via's sent-by; `None` if not written.
    pub port: Option<u16>,
    /// Branch of the top Via.
    pub branch: Option<&'a str>,
    /// Tag of From; old peers may have none.
    pub from_tag: Option<&'a str>,
    /// Tag of To.
    pub to_tag: Option<&'a str>,
    /// Call-ID.
    pub call_id: &'a str,
    /// Number of CSeq.
    pub cseq: u32,
}

/// The fields of a response that name its transaction, and what the transaction needs of it; `ResponseHead::from(&response)`.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Status code.
    pub status: StatusCode,
    /// Branch of the top Via.
    pub branch: Option<&'a str>,
    /// Method of CSeq.
    pub method: Method<'a>,
    /// Whole value of To as it came: the ACK of a failure repeats it.
    pub to: &'a str,
}

impl<'a> From<&Request<'a>> for RequestHead<'a> {
    fn from(request: &Request<'a>) -> Self {
        let &Via { host, port, branch, .. } = request.via();
        let (from_tag, to_tag) = (request.from().tag, request.to().tag);
        Self {
            method: request.method(),
            uri: request.uri().as_str(),
            host,
            port,
            branch,
            from_tag,
            to_tag,
            call_id: request.call_id(),
            cseq: request.cseq().number,
        }
    }
}

impl<'a> From<&Response<'a>> for ResponseHead<'a> {
    fn from(response: &Response<'a>) -> Self {
        let to = response.headers().header(HeaderName::To).unwrap_or_default();
        Self { status: response.status(), branch: response.via().branch, method: response.cseq().method, to }
    }
}

/// Identity of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub(super) u128);

/// Makes keys; one secret per shard.
#[derive(Debug, Clone)]
pub struct KeyMaker {
    secret: [u64; 2],
}

/// Kinds of identity never mix: each begins its hash with its own byte.
#[derive(Clone, Copy)]
enum Kind {
    Client = 1,
    Server = 2,
    ServerOld = 3,
    ClientCancel = 4,
}

impl KeyMaker {
    /// Keys under this secret.
    #[must_use]
    pub const fn new(secret: [u64; 2]) -> Self {
        Self { secret }
    }

    /// Key of a client transaction: our branch and the method. Branches of ours always begin with the cookie.
    #[must_use]
    pub fn client(&self, branch: &str, method: Method<'_>) -> Key {
        if method == Method::Cancel {
            return self.cancel_of(self.client(branch, Method::Invite));
        }
        let mut hash = self.begin(Kind::Client);
        fold(&mut hash, branch);
        exact(&mut hash, method.as_str().as_bytes());
        Key(hash.finish())
    }

    /// Key of the client CANCEL that ends the client INVITE of `invite`: both have one branch, which nobody has to keep.
    #[must_use]
    pub fn cancel_of(&self, invite: Key) -> Key {
        let mut hash = self.begin(Kind::ClientCancel);
        hash.bytes(&invite.0.to_be_bytes());
        Key(hash.finish())
    }

    /// Key of the server transaction of a request. An ACK gets that of its INVITE.
    #[must_use]
    pub fn server(&self, request: &RequestHead<'_>) -> Key {
        self.server_as(request, if request.method == Method::Ack { Method::Invite } else { request.method })
    }

    /// Key of the INVITE that a CANCEL wants to end (RFC 3261 §9.2).
    #[must_use]
    pub fn cancelled(&self, cancel: &RequestHead<'_>) -> Key {
        self.server_as(cancel, Method::Invite)
    }

    fn server_as(&self, request: &RequestHead<'_>, method: Method<'_>) -> Key {
        let unique = request.branch.is_some_and(has_cookie);
        let mut hash = self.begin(if unique { Kind::Server } else { Kind::ServerOld });
        fold(&mut hash, request.branch.unwrap_or_default());
        host(&mut hash, &request.host);
        exact(&mut hash, &request.port.unwrap_or(0).to_be_bytes());
        exact(&mut hash, method.as_str().as_bytes());
        if !unique {
            exact(&mut hash, request.uri.as_bytes());
            fold(&mut hash, request.from_tag.unwrap_or_default());
            exact(&mut hash, request.call_id.as_bytes());
            exact(&mut hash, &request.cseq.to_be_bytes());
            // The ACK has the To tag of our response, its INVITE and CANCEL had none: CSeq number and method separate enough.
            if method != Method::Invite && method != Method::Cancel {
                fold(&mut hash, request.to_tag.unwrap_or_default());
            }
        }
        Key(hash.finish())
    }

    fn begin(&self, kind: Kind) -> SipHash {
        let mut hash = SipHash::new(self.secret);
        hash.bytes(&[kind as u8]);
        hash
    }
}

/// Whether a branch is unique by itself (RFC 3261 §8.1.1.7).
fn has_cookie(branch: &str) -> bool {
    let cookie = branch.as_bytes().get(..MAGIC_COOKIE.len());
    branch.len() > MAGIC_COOKIE.len() && cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()))
}

fn host(hash: &mut SipHash, host: &Host<'_>) {
    match host {
        Host::Name(name) => fold(hash, name),
        Host::Ip(std::net::IpAddr::V4(address)) => exact(hash, &address.octets()),
        Host::Ip(std::net::IpAddr::V6(address)) => exact(hash, &address.octets()),
    }
}

/// Length first, so that neighbours cannot lend each other bytes.
fn exact(hash: &mut SipHash, field: &[u8]) {
    hash.bytes(&(field.len() as u32).to_be_bytes());
    hash.bytes(field);
}

fn fold(hash: &mut SipHash, field: &str) {
    hash.bytes(&(field.len() as u32).to_be_bytes());
    for piece in field.as_bytes().chunks(64) {
        let mut buffer = [0; 64];
        if let Some(lower) = buffer.get_mut(..piece.len()) {
            lower.copy_from_slice(piece);
            lower.make_ascii_lowercase();
            hash.bytes(lower);
        }
    }
}

/// Keys are hashes already: the map takes their low half.
#[derive(Debug, Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKER: KeyMaker = KeyMaker::new([1, 2]);

    fn invite() -> RequestHead<'static> {
        RequestHead {
            method: Method::Invite,
            uri: "sip:bob@example.com",
            host: Host::Name("a.example.com"),
            port: Some(5060),
            branch: Some("z9hG4bKabc"),
            from_tag: Some("f1"),
            to_tag: None,
            call_id: "c1",
            cseq: 1,
        }
    }

    fn old() -> RequestHead<'static> {
        RequestHead { branch: Some("1"), ..invite() }
    }

    #[test]
    fn an_ack_has_the_key_of_its_invite() {
        // RFC 3261 §17.2.3: only branch, sent-by and method count when there is a cookie.
        let ack = RequestHead { method: Method::Ack, to_tag: Some("t1"), uri: "sip:other", cseq: 7, ..invite() };
        assert_eq!(MAKER.server(&ack), MAKER.server(&invite()));
        let ack = RequestHead { method: Method::Ack, to_tag: Some("t1"), ..old() };
        assert_eq!(MAKER.server(&ack), MAKER.server(&old()));
    }

    #[test]
    fn a_cancel_has_its_own_key_and_finds_its_invite() {
        for invite in [invite(), old()] {
            let cancel = RequestHead { method: Method::Cancel, ..invite };
            assert_ne!(MAKER.server(&cancel), MAKER.server(&invite));
            assert_eq!(MAKER.cancelled(&cancel), MAKER.server(&invite));
        }
    }

    #[test]
    fn sent_by_separates_equal_branches() {
        // RFC 3261 §17.2.3: another client may have chosen the same branch.
        let others = [RequestHead { host: Host::Name("b.example.com"), ..invite() }, RequestHead { port: None, ..invite() }];
        for other in others {
            assert_ne!(MAKER.server(&other), MAKER.server(&invite()));
        }
    }

    #[test]
    fn branch_and_host_compare_without_case_and_the_method_with_it() {
        let other = RequestHead { branch: Some("Z9HG4BKABC"), host: Host::Name("A.Example.com"), ..invite() };
        assert_eq!(MAKER.server(&other), MAKER.server(&invite()));
        assert_ne!(MAKER.server(&RequestHead { method: Method::Other("invite"), ..invite() }), MAKER.server(&invite()));
    }

    #[test]
    fn every_field_separates_requests_of_old_peers() {
        let base = RequestHead { method: Method::Bye, to_tag: Some("t"), ..old() };
        let others = [
            RequestHead { uri: "sip:x", ..base },
            RequestHead { from_tag: None, ..base },
            RequestHead { to_tag: None, ..base },
            RequestHead { call_id: "C1", ..base },
            RequestHead { cseq: 2, ..base },
            RequestHead { branch: None, ..base },
        ];
        for other in others {
            assert_ne!(MAKER.server(&other), MAKER.server(&base), "{other:?}");
        }
    }

    #[test]
    fn the_cookie_alone_is_no_unique_branch() {
        let a = RequestHead { branch: Some("z9hG4bK"), ..invite() };
        let b = RequestHead { call_id: "c2", ..a };
        assert_ne!(MAKER.server(&a), MAKER.server(&b));
    }

    #[test]
    fn client_and_server_keys_never_meet() {
        assert_ne!(MAKER.client("z9hG4bKabc", Method::Invite), MAKER.server(&invite()));
        assert_ne!(MAKER.client("z9hG4bKabc", Method::Invite), MAKER.client("z9hG4bKabc", Method::Cancel));
    }
}
