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

use super::siphash::SipHash;

/// What begins a branch that is unique by itself (RFC 3261 §8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// Top Via of a message, as far as it names a transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopVia<'a> {
    /// Host of sent-by as written.
    pub host: &'a [u8],
    /// Port of sent-by; `None` if not written.
    pub port: Option<u16>,
    /// Branch parameter.
    pub branch: Option<&'a [u8]>,
}

/// The fields of a request that name its transaction.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'a> {
    /// Method of the start line.
    pub method: &'a [u8],
    /// Request-URI as written.
    pub uri: &'a [u8],
    /// Top Via.
    pub via: TopVia<'a>,
    /// Tag of From; old peers may have none.
    pub from_tag: Option<&'a [u8]>,
    /// Tag of To.
    pub to_tag: Option<&'a [u8]>,
    /// Call-ID.
    pub call_id: &'a [u8],
    /// Number of CSeq.
    pub cseq: u32,
}

/// The fields of a response that name its transaction, and what the transaction needs of it.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// Status code.
    pub status: u16,
    /// Branch of the top Via.
    pub branch: Option<&'a [u8]>,
    /// Method of CSeq.
    pub method: &'a [u8],
    /// Whole value of To: the ACK of a failure repeats it.
    pub to: &'a [u8],
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
    pub fn client(&self, branch: &[u8], method: &[u8]) -> Key {
        if method == b"CANCEL" {
            return self.cancel_of(self.client(branch, b"INVITE"));
        }
        let mut hash = self.begin(Kind::Client);
        fold(&mut hash, branch);
        exact(&mut hash, method);
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
        self.server_as(request, if request.method == b"ACK" { b"INVITE" } else { request.method })
    }

    /// Key of the INVITE that a CANCEL wants to end (RFC 3261 §9.2).
    #[must_use]
    pub fn cancelled(&self, cancel: &RequestHead<'_>) -> Key {
        self.server_as(cancel, b"INVITE")
    }

    fn server_as(&self, request: &RequestHead<'_>, method: &[u8]) -> Key {
        let via = &request.via;
        let unique = via.branch.filter(|branch| has_cookie(branch));
        let mut hash = self.begin(if unique.is_some() { Kind::Server } else { Kind::ServerOld });
        fold(&mut hash, via.branch.unwrap_or_default());
        fold(&mut hash, via.host);
        exact(&mut hash, &via.port.unwrap_or(0).to_be_bytes());
        exact(&mut hash, method);
        if unique.is_none() {
            exact(&mut hash, request.uri);
            fold(&mut hash, request.from_tag.unwrap_or_default());
            exact(&mut hash, request.call_id);
            exact(&mut hash, &request.cseq.to_be_bytes());
            // The ACK has the To tag of our response, its INVITE and CANCEL had none: CSeq number and method separate enough.
            if method != b"INVITE" && request.method != b"CANCEL" {
                fold(&mut hash, request.to_tag.unwrap_or_default());
            }
        }
        Key(hash.finish())
    }

    fn begin(&self, kind: Kind) -> SipHash {
        let mut hash = SipHash::new(self.secret);
        hash.byte(kind as u8);
        hash
    }
}

/// Whether a branch is unique by itself.
fn has_cookie(branch: &[u8]) -> bool {
    branch.get(..MAGIC_COOKIE.len()).is_some_and(|head| head.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()))
        && branch.len() > MAGIC_COOKIE.len()
}

/// Length first, so that neighbours cannot lend each other bytes.
fn exact(hash: &mut SipHash, field: &[u8]) {
    hash.bytes(&(field.len() as u32).to_be_bytes());
    hash.bytes(field);
}

fn fold(hash: &mut SipHash, field: &[u8]) {
    hash.bytes(&(field.len() as u32).to_be_bytes());
    for byte in field {
        hash.byte(byte.to_ascii_lowercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKER: KeyMaker = KeyMaker::new([1, 2]);

    fn invite() -> RequestHead<'static> {
        RequestHead {
            method: b"INVITE",
            uri: b"sip:bob@example.com",
            via: TopVia { host: b"192.0.2.1", port: Some(5060), branch: Some(b"z9hG4bKabc") },
            from_tag: Some(b"f1"),
            to_tag: None,
            call_id: b"c1",
            cseq: 1,
        }
    }

    fn old() -> RequestHead<'static> {
        RequestHead { via: TopVia { branch: Some(b"1"), ..invite().via }, ..invite() }
    }

    #[test]
    fn an_ack_has_the_key_of_its_invite() {
        // RFC 3261 §17.2.3: only branch, sent-by and method count when there is a cookie.
        let ack = RequestHead { method: b"ACK", to_tag: Some(b"t1"), uri: b"sip:other", cseq: 7, ..invite() };
        assert_eq!(MAKER.server(&ack), MAKER.server(&invite()));
        let ack = RequestHead { method: b"ACK", to_tag: Some(b"t1"), ..old() };
        assert_eq!(MAKER.server(&ack), MAKER.server(&old()));
    }

    #[test]
    fn a_cancel_has_its_own_key_and_finds_its_invite() {
        for invite in [invite(), old()] {
            let cancel = RequestHead { method: b"CANCEL", ..invite };
            assert_ne!(MAKER.server(&cancel), MAKER.server(&invite));
            assert_eq!(MAKER.cancelled(&cancel), MAKER.server(&invite));
        }
    }

    #[test]
    fn sent_by_separates_equal_branches() {
        // RFC 3261 §17.2.3: another client may have chosen the same branch.
        for via in [TopVia { host: b"192.0.2.2", ..invite().via }, TopVia { port: None, ..invite().via }] {
            assert_ne!(MAKER.server(&RequestHead { via, ..invite() }), MAKER.server(&invite()));
        }
    }

    #[test]
    fn branch_and_host_compare_without_case_and_the_method_with_it() {
        let via = TopVia { branch: Some(b"Z9HG4BKABC"), ..invite().via };
        assert_eq!(MAKER.server(&RequestHead { via, ..invite() }), MAKER.server(&invite()));
        assert_ne!(MAKER.server(&RequestHead { method: b"invite", ..invite() }), MAKER.server(&invite()));
    }

    #[test]
    fn every_field_separates_requests_of_old_peers() {
        let base = RequestHead { method: b"BYE", to_tag: Some(b"t"), ..old() };
        let others = [
            RequestHead { uri: b"sip:x", ..base },
            RequestHead { from_tag: None, ..base },
            RequestHead { to_tag: None, ..base },
            RequestHead { call_id: b"C1", ..base },
            RequestHead { cseq: 2, ..base },
            RequestHead { via: TopVia { branch: None, ..base.via }, ..base },
        ];
        for other in others {
            assert_ne!(MAKER.server(&other), MAKER.server(&base), "{other:?}");
        }
    }

    #[test]
    fn the_cookie_alone_is_no_unique_branch() {
        let via = TopVia { branch: Some(b"z9hG4bK"), ..invite().via };
        let (a, b) = (RequestHead { via, ..invite() }, RequestHead { via, call_id: b"c2", ..invite() });
        assert_ne!(MAKER.server(&a), MAKER.server(&b));
    }

    #[test]
    fn client_and_server_keys_never_meet() {
        assert_ne!(MAKER.client(b"z9hG4bKabc", b"INVITE"), MAKER.server(&invite()));
        assert_ne!(MAKER.client(b"z9hG4bKabc", b"INVITE"), MAKER.client(b"z9hG4bKabc", b"CANCEL"));
    }
}
