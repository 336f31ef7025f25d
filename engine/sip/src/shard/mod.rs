//! Which signalling shard a call, a user or a response belongs to, and what shards tell each other.
//!
//! ```text
//!   call ─► keyed hash of Call-ID      REGISTER, SUBSCRIBE, PUBLISH ─► keyed hash of user@domain
//!   response ─► letter behind the cookie of our branch      SUBSCRIBE in a dialog ─► first letter of our tag
//! ```
//! Shape:  [`Sharding`] is small and `Copy`; all shards of a process have the same key and count, each its own number. Messages
//!         are [`PeerMessage`]s, carried by the driver in order, between each two shards.
//! Units:  shards are counted from 0, at most [`SHARDS_MAX`].
//! Errors: none. What a driver cannot carry (a full queue) is lost as a datagram would be; which may not be lost, see
//!         [`PeerMessage::may_be_lost`].
//! Why keyed: nobody outside can choose Call-IDs that all fall on one shard.
//! Not here: queues and sockets (`engine`), what is done with a message (`endpoint`).

mod command;
mod peer;

pub(crate) use command::called_domain;
pub use command::{Destination, Gathered, destination};
pub use peer::{Handed, PeerMessage, Replaceable, TrunkSources};

use crate::directory::domain_name;
use crate::message::{MAGIC_COOKIE, Message, Method, Request, Uri};
use crate::token::{letter, letter_value};
use crate::transaction::SipHash;

/// A letter of a branch or a tag names one of them.
pub const SHARDS_MAX: u8 = 32;

/// Number of a signalling shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u8);

/// How the signalling of a process is divided, seen from one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharding {
    me: ShardId,
    count: u8,
    key: [u64; 2],
}

impl Sharding {
    /// All on one shard.
    #[must_use]
    pub const fn single() -> Self {
        Self { me: ShardId(0), count: 1, key: [0, 0] }
    }

    /// Shard `me` out of `count`, with the key that all of them have.
    ///
    /// # Panics
    /// If `me` is not below `count`, or `count` is above [`SHARDS_MAX`].
    #[must_use]
    pub fn new(me: ShardId, count: u8, key: [u64; 2]) -> Self {
        assert!(me.0 < count && count <= SHARDS_MAX, "shard {} of {count}", me.0);
        Self { me, count, key }
    }

    /// This shard.
    #[must_use]
    pub const fn me(&self) -> ShardId {
        self.me
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// There are others.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.count > 1
    }

    /// The others.
    pub fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.me;
        (0..self.count).map(ShardId).filter(move |shard| *shard != me)
    }

    /// The shard of a call.
    #[must_use]
    pub fn of_call(&self, call_id: &str) -> ShardId {
        if !self.is_shared() {
            return self.me;
        }
        let mut hash = SipHash::new(self.key);
        hash.bytes(call_id.as_bytes());
        self.spread(hash)
    }

    /// The shard of a user: its bindings, those who watch it, its mailbox.
    #[must_use]
    pub fn of_user(&self, user: &str, domain: &str) -> ShardId {
        if !self.is_shared() {
            return self.me;
        }
        let mut hash = SipHash::new(self.key);
        // A zero stands in no domain.
        hash.bytes(domain_name(domain).as_bytes());
        hash.bytes(&[0]);
        hash.bytes(user.as_bytes());
        self.spread(hash)
    }

    /// The shard of `user@domain`.
    #[must_use]
    pub fn of_resource(&self, resource: &str) -> ShardId {
        let (user, domain) = resource.rsplit_once('@').unwrap_or((resource, ""));
        self.of_user(user, domain)
    }

    /// Letter that begins the random part of branches and tags of this shard; none where there is only one.
    #[must_use]
    pub fn mark(&self) -> Option<u8> {
        self.is_shared().then(|| letter(self.me.0))
    }

    /// The shard that a message belongs to; this one where nothing says otherwise.
    #[must_use]
    pub fn owner(&self, message: &Message<'_>) -> ShardId {
        match message {
            _ if !self.is_shared() => self.me,
            Message::Response(response) => self.of_branch(response.via().branch.unwrap_or_default()),
            Message::Request(request) => self.of_request(request),
        }
    }

    fn of_request(&self, request: &Request<'_>) -> ShardId {
        match (request.method(), request.to().tag) {
            (Method::Register, _) => self.of_uri(&request.to().uri),
            // Within a subscription, which is where its user is; Request-URI and To of a phone need not say it any more.
            (Method::Subscribe, Some(tag)) => self.of_mark(tag.as_bytes().first().copied()),
            (Method::Subscribe | Method::Publish, None) => self.of_uri(request.uri()),
            // Answered without state, as well here as there.
            (Method::Options, None) => self.me,
            _ => self.of_call(request.call_id()),
        }
    }

    fn of_uri(&self, uri: &Uri<'_>) -> ShardId {
        match (uri.user(), uri.host()) {
            (Some(user), Some(host)) => self.of_user(&user, &host.to_string()),
            // It is refused, by whomever.
            (None, _) | (_, None) => self.me,
        }
    }

    fn of_branch(&self, branch: &str) -> ShardId {
        let Some(random) = branch.strip_prefix(MAGIC_COOKIE) else { return self.me };
        self.of_mark(random.as_bytes().first().copied())
    }

    fn of_mark(&self, mark: Option<u8>) -> ShardId {
        match mark.and_then(letter_value) {
            Some(shard) if shard < self.count => ShardId(shard),
            // No branch or tag of ours.
            Some(_) | None => self.me,
        }
    }

    fn spread(&self, hash: SipHash) -> ShardId {
        let word = (hash.finish() >> 64) as u64;
        // The product's upper half: as even as a division, and cheaper.
        ShardId(((u128::from(word) * u128::from(self.count)) >> 64) as u8)
    }
}

impl Default for Sharding {
    fn default() -> Self {
        Self::single()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parse;

    fn three(me: u8) -> Sharding {
        Sharding::new(ShardId(me), 3, [7, 9])
    }

    fn request(method: &str, uri: &str, to: &str, call_id: &str) -> String {
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn owner(sharding: Sharding, text: &str) -> ShardId {
        sharding.owner(&parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn all_shards_agree_and_share_evenly() {
        let mut calls = [0_u32; 3];
        for n in 0..3000 {
            let call_id = format!("{n}@phone");
            let shard = three(0).of_call(&call_id);
            assert!((1..3).all(|me| three(me).of_call(&call_id) == shard));
            calls[usize::from(shard.0)] += 1;
        }
        assert!(calls.iter().all(|count| (900..1100).contains(count)), "{calls:?}");
    }

    #[test]
    fn one_shard_owns_everything() {
        let single = Sharding::single();
        assert_eq!(owner(single, &request("INVITE", "sip:a@b", "<sip:a@b>", "1")), ShardId(0));
        assert_eq!((single.mark(), single.others().count()), (None, 0));
    }

    #[test]
    fn registrations_follow_the_user_however_it_is_written() {
        let shard = three(0).of_user("10 00", "example.com");
        for to in ["<sip:10%2000@EXAMPLE.com>", "\"A\" <sip:10%2000@example.com.:5060>;tag=7", "sip:10%2000@example.com"] {
            assert_eq!(owner(three(1), &request("REGISTER", "sip:example.com", to, "x")), shard, "{to}");
        }
        let uri = "sip:10%2000@example.com;transport=tcp";
        assert_eq!(owner(three(1), &request("SUBSCRIBE", uri, "<sip:other@b>", "x")), shard);
        assert_eq!(three(2).of_resource("10 00@Example.com"), shard);
    }

    #[test]
    fn subscriptions_and_responses_carry_their_shard() {
        let mark = |shard: u8| char::from(three(shard).mark().unwrap());
        for shard in 0..3 {
            let to = format!("<sip:a@b>;tag={}abc", mark(shard));
            assert_eq!(owner(three(0), &request("SUBSCRIBE", "sip:a@192.0.2.9", &to, "x")), ShardId(shard));
            let response = format!(
                "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}xyz\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n\
                 Call-ID: 7\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                mark(shard)
            );
            assert_eq!(owner(three(0), &response), ShardId(shard));
        }
        assert_eq!(owner(three(1), &request("SUBSCRIBE", "sip:a@192.0.2.9", "<sip:a@b>;tag=9zz", "x")), ShardId(1));
    }

    #[test]
    fn what_belongs_to_a_call_follows_its_call_id() {
        let shard = three(0).of_call("call-7");
        for method in ["INVITE", "ACK", "CANCEL", "BYE", "NOTIFY", "PRACK"] {
            assert_eq!(owner(three(2), &request(method, "sip:a@b", "<sip:a@b>;tag=1", "call-7")), shard);
        }
    }
}
