//! One endpoint among several: what it gives to the others, and takes from them.
//!
//! ```text
//!   received ─► owner? ─► here │ PeerMessage::Message ─► owner ─► dispatch
//!   INVITE with Replaces of a call elsewhere ─► FindReplaced ─► there ─► FoundReplaced ─► here again, with the verdict
//!   contact of a 3xx that is a user elsewhere ─► Locate ─► there ─► Located ─► INVITE
//! ```
//! Shape:  nothing waits for an answer but a call that is being set up, which ends by its own time.
//! Errors: none; with one shard nothing here is ever done.
//! Driving: drain [`Endpoint::poll_peer`] together with `poll_output`.
//! Not kept in common: budgets of sources, guesses and nonces. A nonce of another shard is stale here, which costs one more round.
//! Source: docs/architecture.md, "Several signalling shards".

use std::time::Instant;

use super::call::{Ending, Phase};
use super::calls::CallKey;
use super::leg::Leg;
use super::originate::without_headers;
use super::{Datagram, Endpoint, ResolveId};
use crate::flow::{Flow, Transport};
use crate::message::{HeaderName, Message, Method, Replaces, StatusCode, parse};
use crate::package::CallNote;
use crate::registrar::Binding;
use crate::shard::{Handed, PeerMessage, Replaceable, ShardId};

/// Users whose connection is known on all shards: 65 536 × 100 bytes = 6.5 MiB a shard. It is a help, not a record.
pub(super) const MOVED_MAX: usize = 1 << 16;

impl Endpoint {
    /// The next word for another shard; drain until `None`.
    pub fn poll_peer(&mut self) -> Option<(ShardId, PeerMessage)> {
        self.peers.pop_front()
    }

    /// Takes a word of another shard.
    pub fn handle_peer(&mut self, from: ShardId, message: PeerMessage, now: Instant) {
        match message {
            PeerMessage::Message(handed) => {
                self.stats.handed_in += 1;
                self.dispatch_here(datagram(&handed), handed.flow.transport, now);
            }
            PeerMessage::FindReplaced(handed) => {
                let verdict = self.find_replaced(&handed);
                self.peers.push_back((from, PeerMessage::FoundReplaced(handed, verdict)));
            }
            PeerMessage::FoundReplaced(handed, verdict) => {
                self.found = Some(verdict);
                self.dispatch_here(datagram(&handed), handed.flow.transport, now);
                self.found = None;
            }
            PeerMessage::Replaced { callid } => {
                if let Some(key) = self.calls.find(&callid) {
                    self.end_replaced(key, now);
                }
            }
            PeerMessage::Call { resource, note } => self.note_call(&resource, *note),
            PeerMessage::Trunks(sources) => self.trunks.told(sources),
            PeerMessage::Moved { resource, flow } => {
                self.note_moved(resource, flow);
            }
            PeerMessage::Locate { call, user, domain } => {
                let best = |binding: &Binding| (without_headers(binding.contact()).into(), binding.flow(), binding.path().map(Box::from));
                let phone = self.registrar.bindings(&user, &domain).next().map(best);
                self.peers.push_back((from, PeerMessage::Located { call, phone }));
            }
            PeerMessage::Located { call, phone } => self.located(CallKey::from_word(call), phone, now),
        }
        self.settle(now);
    }

    /// Gives a message away that others have to deal with, or to look at first. False: it is to be dealt with here.
    pub(super) fn hands_over(&mut self, message: &Message<'_>, received: &Datagram<'_>, transport: Transport, handed: bool) -> bool {
        let sharding = self.config.shard;
        if !sharding.is_shared() {
            return false;
        }
        let owner = if handed { sharding.me() } else { sharding.owner(message) };
        let flow = Flow { listener: received.listener, peer: received.from, transport };
        let copy = || Handed { flow, bytes: received.bytes.into() };
        if owner != sharding.me() {
            self.stats.handed_over += 1;
            self.peers.push_back((owner, PeerMessage::Message(copy())));
            return true;
        }
        let elsewhere = |callid| Some(sharding.of_call(callid)).filter(|shard| *shard != sharding.me());
        if self.found.is_none()
            && let Some(shard) = replaces_of(message).and_then(|replaces| elsewhere(replaces.call_id))
        {
            self.peers.push_back((shard, PeerMessage::FindReplaced(copy())));
            return true;
        }
        false
    }

    /// A call of this shard that another one has taken over.
    pub(super) fn replaced_elsewhere(&mut self, callid: &str) {
        let owner = self.config.shard.of_call(callid);
        if owner != self.config.shard.me() {
            self.peers.push_back((owner, PeerMessage::Replaced { callid: callid.into() }));
        }
    }

    /// What a call does is news to those who watch its user, wherever they are.
    pub(super) fn tell_watchers(&mut self, resource: &str, note: CallNote) {
        let owner = self.config.shard.of_resource(resource);
        if owner == self.config.shard.me() {
            self.note_call(resource, note);
        } else {
            self.peers.push_back((owner, PeerMessage::Call { resource: resource.into(), note: Box::new(note) }));
        }
    }

    /// All shards learn over which connection a user is reached, once for each connection.
    pub(super) fn tell_moved(&mut self, user: &str, domain: &str, flow: Flow) {
        if !self.config.shard.is_shared() || flow.transport != Transport::Tcp {
            return;
        }
        let resource: Box<str> = format!("{user}@{domain}").into();
        if self.note_moved(resource.clone(), flow) {
            self.tell_others(&PeerMessage::Moved { resource, flow });
        }
    }

    /// Addresses of trunks are known on all shards: calls that come from them fall on any.
    pub(super) fn tell_trunks(&mut self) {
        if self.config.shard.is_shared()
            && let Some(sources) = self.trunks.news()
        {
            self.tell_others(&PeerMessage::Trunks(sources));
        }
    }

    /// Asks the shard of a user where it is. The call waits for [`PeerMessage::Located`].
    pub(super) fn locate_elsewhere(&mut self, key: CallKey, user: &str, domain: &str) -> ResolveId {
        let shard = self.config.shard.of_user(user, domain);
        self.peers.push_back((shard, PeerMessage::Locate { call: key.word(), user: user.into(), domain: domain.into() }));
        ResolveId(key.word())
    }

    fn located(&mut self, key: CallKey, phone: Option<(Box<str>, Flow, Option<Box<str>>)>, now: Instant) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if !matches!(call.phase, Phase::Resolving(..)) {
            return;
        }
        let Phase::Resolving(mut outgoing, _) = std::mem::replace(&mut call.phase, Phase::Ending(Ending::Gone)) else { return };
        // The leg that waited was made without knowing where it goes.
        let found = phone.zip(outgoing.legs.pop());
        let at = outgoing.legs.len();
        let flow = found.as_ref().map(|((_, flow, _), _)| *flow);
        if let Some(((target, flow, path), waited)) = found {
            let invitation = waited.invitation.retargeted(&target);
            let invitation = match path {
                Some(path) => invitation.with_route(path.into()),
                None => invitation,
            };
            outgoing.legs.push(Leg::new(invitation, flow));
        }
        call.phase = Phase::Calling(outgoing);
        let sent = match flow {
            Some(flow) => {
                self.aim(key, at, flow);
                self.send_invite(key, at, now)
            }
            None => false,
        };
        if !sent {
            let status = StatusCode::TEMPORARILY_UNAVAILABLE;
            self.leg_failed(key, at, status, status.phrase(), now);
        }
        self.calls.settle(key);
    }

    fn find_replaced(&self, handed: &Handed) -> Replaceable {
        let message = parse(&handed.bytes).ok()?;
        self.replaceable(&replaces_of(&message)?)
    }

    /// True if that is new.
    fn note_moved(&mut self, resource: Box<str>, flow: Flow) -> bool {
        if self.moved.len() >= MOVED_MAX {
            self.moved.clear();
        }
        self.moved.insert(resource, flow) != Some(flow)
    }

    fn tell_others(&mut self, message: &PeerMessage) {
        self.peers.extend(self.config.shard.others().map(|shard| (shard, message.clone())));
    }
}

/// What an INVITE outside a dialog wants to take over.
fn replaces_of<'a>(message: &Message<'a>) -> Option<Replaces<'a>> {
    let Message::Request(request) = message else { return None };
    if request.method() != Method::Invite || request.to().tag.is_some() {
        return None;
    }
    Replaces::parse(request.headers().header(HeaderName::Replaces)?).ok()
}

fn datagram(handed: &Handed) -> Datagram<'_> {
    Datagram { listener: handed.flow.listener, from: handed.flow.peer, bytes: &handed.bytes }
}
