//! All transactions of a shard: finds the one a message belongs to, runs their timers, absorbs what is a repeat.
//!
//! ```text
//!   handle_request  ──► Incoming: New ──► accept ──► respond …      | Repeat (dealt with) | Ack (for the dialog)
//!   request ──► handle_response ──► Matched: Deliver | Absorbed | Unmatched         cancel: waits for the 1xx by itself
//!   poll_output ──► Transmit (flow, bytes) | Event (TimedOut, TransportFailed, Terminated) | Wait
//! ```
//! Shape:  slab of slots, a map from 16-byte key to slot, one wheel entry per slot; `U` is what the caller wants back
//!         with everything that concerns its transaction, e.g. the index of a call. A request other than INVITE that has its
//!         final response leaves its slot for the queue of [`Finished`], and nothing is told of it any more.
//! Units:  `Instant`; [`Limits`] in transactions and bytes.
//! Errors: [`StartError`], [`AcceptError`]; what a peer sends is never an error, only unmatched.
//! Driving: after every `handle_*` and every command drain [`Layer::poll_output`] until `Wait`. A stateless answer (401 to
//!         nobody, 503 when full) is the caller's: it sends it and does not `accept`.
//! Not here: parsing, the choice of a flow for a response (RFC 3581), the 100 Trying, 2xx and ACK of dialogs.
//! Source: RFC 3261 §17.1.3, §17.2.3, §9; RFC 6026 §8.9 (a response that matches nothing goes nowhere).

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::time::Instant;

use slab::Slab;

use super::client_invite::{ClientInvite, ClientInviteState};
use super::client_non_invite::{ClientNonInvite, ClientNonInviteState};
use super::finished::{Answered, FINISHED, Finished};
use super::found::{Cancels, Incoming, LayerOutput, Matched, NewRequest};
use super::key::{Key, KeyHasher, KeyMaker, RequestHead, ResponseHead};
use super::limits::{AcceptError, Limits, StartError, Work};
use super::output::{Disposition, Event, Step};
use super::server_invite::{ServerInvite, ServerInviteState};
use super::server_non_invite::ServerNonInvite;
use super::slot::{Machine, Otherwise, Slot, TransactionId};
use super::timing::Timing;
use crate::flow::{Flow, Reliability};
use crate::message::{Method, StatusCode};
use crate::timer::Wheel;
use crate::token::{Branch, Tokens};

/// The transactions of a shard.
#[derive(Debug)]
pub struct Layer<U> {
    slots: Slab<Slot<U>>,
    finished: Finished,
    /// By key, the index of a slot or the name of what is finished.
    index: HashMap<Key, u32, BuildHasherDefault<KeyHasher>>,
    wheel: Wheel<u32>,
    ready: VecDeque<u32>,
    keys: KeyMaker,
    tokens: Tokens,
    timing: Timing,
    limits: Limits,
    stamp: u32,
    bytes: usize,
    /// Live transactions on connections.
    connected: usize,
}

impl<U: Copy> Layer<U> {
    /// An empty table. `seed` makes branches and the secret of the keys.
    #[must_use]
    pub fn new(limits: Limits, timing: Timing, seed: [u8; 32], now: Instant) -> Self {
        let mut tokens = Tokens::new(seed);
        let keys = KeyMaker::new([tokens.word(), tokens.word()]);
        let (slots, index, ready) = (Slab::new(), HashMap::default(), VecDeque::new());
        let finished = Finished::default();
        Self { slots, finished, index, wheel: Wheel::new(now), ready, keys, tokens, timing, limits, stamp: 0, bytes: 0, connected: 0 }
    }

    /// The same, with branches that begin with a letter of ours (see [`shard`](crate::shard)).
    #[must_use]
    pub fn marked(self, mark: Option<u8>) -> Self {
        Self { tokens: self.tokens.marked(mark), ..self }
    }

    /// Takes a request of the network.
    pub fn handle_request(&mut self, request: &RequestHead<'_>, now: Instant) -> Incoming<U> {
        let key = self.keys.server(request);
        let ack = request.method == Method::Ack;
        let Some(&index) = self.index.get(&key) else {
            return if ack {
                Incoming::Ack { invite: None }
            } else {
                let new = NewRequest { key, invite: request.method == Method::Invite };
                Incoming::New { request: new, cancels: self.cancels(request) }
            };
        };
        let Some(slot) = self.slots.get_mut(index as usize) else {
            // Nothing but what is finished has a name that is no slot's.
            self.ready.push_back(index);
            return Incoming::Repeat;
        };
        let disposition = match &mut slot.machine {
            Machine::InviteServer(machine) if ack => machine.handle_ack(now),
            Machine::InviteServer(machine) => machine.handle_repeat(),
            Machine::Server(machine) => machine.handle_repeat(),
            Machine::InviteClient(_) | Machine::Client(_) => Disposition::Absorb,
        };
        let owner = (TransactionId { index, stamp: slot.stamp }, slot.user);
        self.queue(index);
        match disposition {
            Disposition::Deliver => Incoming::Ack { invite: Some(owner) },
            Disposition::Absorb => Incoming::Repeat,
        }
    }

    /// Takes a response of the network.
    pub fn handle_response(&mut self, response: &ResponseHead<'_>, now: Instant) -> Matched<U> {
        let Some(branch) = response.branch else { return Matched::Unmatched };
        let key = self.keys.client(branch, response.method);
        let Some(&index) = self.index.get(&key) else { return Matched::Unmatched };
        let Some(slot) = self.slots.get_mut(index as usize) else { return Matched::Unmatched };
        let disposition = match &mut slot.machine {
            Machine::InviteClient(machine) => machine.handle_response(response.status, response.to, now),
            Machine::Client(machine) => machine.handle_response(response.status, now),
            Machine::InviteServer(_) | Machine::Server(_) => return Matched::Unmatched,
        };
        let (id, user, internal) = (TransactionId { index, stamp: slot.stamp }, slot.user, slot.internal);
        self.queue(index);
        self.send_cancel(index, now);
        match disposition {
            Disposition::Deliver if !internal => Matched::Deliver(id, user),
            Disposition::Deliver | Disposition::Absorb => Matched::Absorbed,
        }
    }

    /// Takes the time that was asked for.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(index) = self.wheel.pop(now) {
            if let Some(slot) = self.slots.get_mut(index as usize) {
                slot.timer = None;
                slot.machine.handle_timeout(now);
                self.queue(index);
            }
        }
        while let Some((name, answered)) = self.finished.expire(now) {
            self.forget(name, &answered);
        }
    }

    /// A message to this flow could not be sent, or its connection is gone: every transaction on it is told, but those that
    /// have heard nothing and may go another way.
    pub fn handle_transport_failed(&mut self, flow: Flow, now: Instant) {
        // One walk over the slots, at most `Limits::transactions` steps, and none for the connections of phones that sleep.
        if flow.transport.reliability() == Reliability::Reliable && self.connected == 0 {
            return;
        }
        let hit: Vec<u32> = self.slots.iter().filter(|(_, slot)| slot.flow == flow).map(|(index, _)| index as u32).collect();
        for index in hit {
            if !self.turn(index, now)
                && let Some(slot) = self.slots.get_mut(index as usize)
            {
                slot.machine.handle_transport_failed();
            }
            self.queue(index);
        }
    }

    /// A client transaction is to go on over `flow` with this `request`, which has the same branch, if its own flow fails
    /// before anything was heard (RFC 3261 §18.1.1: back to UDP). Its bytes count until the transaction is over.
    pub fn otherwise(&mut self, id: TransactionId, flow: Flow, request: Vec<u8>) {
        let bytes = request.len();
        let Some(slot) = self.slot(id) else { return };
        if slot.otherwise.is_none() {
            slot.otherwise = Some(Box::new(Otherwise { flow, request }));
            self.bytes += bytes;
        }
    }

    /// Begins a client transaction again on its other flow; false if it has none, or has heard something.
    fn turn(&mut self, index: u32, now: Instant) -> bool {
        let Some(slot) = self.slots.get_mut(index as usize) else { return false };
        let Some(otherwise) = slot.otherwise.take() else { return false };
        self.bytes -= otherwise.request.len();
        let Otherwise { flow, request } = *otherwise;
        let (reliability, timing) = (flow.transport.reliability(), self.timing);
        let machine = match &slot.machine {
            Machine::Client(machine) if machine.state() == ClientNonInviteState::Trying => {
                Machine::Client(ClientNonInvite::new(request, reliability, timing, now))
            }
            Machine::InviteClient(machine) if machine.state() == ClientInviteState::Calling && !machine.is_cancelled() => {
                let Ok(machine) = ClientInvite::new(request, reliability, timing, now) else { return false };
                Machine::InviteClient(machine)
            }
            Machine::Client(_) | Machine::InviteClient(_) | Machine::InviteServer(_) | Machine::Server(_) => return false,
        };
        slot.machine = machine;
        let before = std::mem::replace(&mut slot.flow, flow);
        self.connected -= usize::from(before.transport.reliability() == Reliability::Reliable);
        self.connected += usize::from(reliability == Reliability::Reliable);
        true
    }

    /// Makes a server transaction of a request. `flow` is where its responses go (RFC 3261 §18.2.2, RFC 3581 §4).
    ///
    /// # Errors
    /// [`AcceptError::Full`] at the limit; [`AcceptError::Exists`] if it was accepted before, e.g. by an earlier copy.
    pub fn accept(&mut self, request: NewRequest, flow: Flow, user: U) -> Result<TransactionId, AcceptError> {
        if self.index.contains_key(&request.key) {
            return Err(AcceptError::Exists);
        }
        if !self.make_room() {
            return Err(AcceptError::Full { max: self.limits.transactions });
        }
        let reliability = flow.transport.reliability();
        let machine = if request.invite {
            Machine::InviteServer(ServerInvite::new(reliability, self.timing))
        } else {
            Machine::Server(ServerNonInvite::new(reliability, self.timing))
        };
        Ok(self.insert(machine, request.key, flow, user, false))
    }

    /// Sends a response. False if it is not sent: the transaction is over, or has its final response.
    pub fn respond(&mut self, id: TransactionId, status: StatusCode, response: Vec<u8>, now: Instant) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let sent = match &mut slot.machine {
            Machine::InviteServer(machine) => machine.respond(status, response, now),
            Machine::Server(machine) => machine.respond(status, response, now),
            Machine::InviteClient(_) | Machine::Client(_) => false,
        };
        self.queue(id.index);
        sent
    }

    /// Forgets a server transaction that will never get its response, e.g. because none can be written: nothing else would
    /// end it, for a server without a final response has no timer.
    pub fn abandon(&mut self, id: TransactionId) {
        if self.slot(id).is_some_and(|slot| matches!(slot.machine, Machine::InviteServer(_) | Machine::Server(_))) {
            self.remove(id.index);
        }
    }

    /// Forgets a client transaction that nobody wants an answer to any more; one that comes matches nothing. Not for INVITE.
    pub fn give_up(&mut self, id: TransactionId) {
        if self.slot(id).is_some_and(|slot| matches!(slot.machine, Machine::Client(_))) {
            self.remove(id.index);
        }
    }

    /// Sends the 2xx of a server INVITE once more (RFC 3261 §13.3.1.4). False if it has none or is over.
    pub fn repeat_2xx(&mut self, id: TransactionId) -> bool {
        let repeated = match self.slot(id).map(|slot| &mut slot.machine) {
            Some(Machine::InviteServer(machine)) => machine.repeat_2xx(),
            Some(Machine::InviteClient(_) | Machine::Client(_) | Machine::Server(_)) | None => false,
        };
        self.queue(id.index);
        repeated
    }

    /// Sends the last provisional response of a server INVITE once more (RFC 3262 §3). False if it has a final one.
    pub fn repeat_1xx(&mut self, id: TransactionId) -> bool {
        let repeated = match self.slot(id).map(|slot| &mut slot.machine) {
            Some(Machine::InviteServer(machine)) if machine.state() == ServerInviteState::Proceeding => {
                machine.handle_repeat();
                true
            }
            Some(Machine::InviteServer(_) | Machine::InviteClient(_) | Machine::Client(_) | Machine::Server(_)) | None => false,
        };
        self.queue(id.index);
        repeated
    }

    /// A fresh branch for the Via of a request that [`Layer::request`] or the dialog's ACK will send.
    pub fn branch(&mut self) -> Branch {
        self.tokens.branch()
    }

    /// Starts a client transaction: `request` is the whole message with `branch` in its only Via. Not for ACK.
    ///
    /// # Errors
    /// [`StartError::Full`] at the limit; [`StartError::NotAnInvite`] for an INVITE that lacks what its ACK must repeat.
    pub fn request(
        &mut self,
        method: Method<'_>,
        branch: &Branch,
        request: Vec<u8>,
        flow: Flow,
        user: U,
        now: Instant,
    ) -> Result<TransactionId, StartError> {
        if !self.make_room() {
            return Err(StartError::Full { live: self.len(), max: self.limits.transactions, bytes: self.bytes });
        }
        let reliability = flow.transport.reliability();
        let machine = if method == Method::Invite {
            Machine::InviteClient(ClientInvite::new(request, reliability, self.timing, now)?)
        } else {
            Machine::Client(ClientNonInvite::new(request, reliability, self.timing, now))
        };
        let key = self.keys.client(branch.as_str(), method);
        Ok(self.insert(machine, key, flow, user, false))
    }

    /// Ends a client INVITE by CANCEL, now or once a provisional response allows it (RFC 3261 §9.1). False if it is no
    /// client INVITE or has its final response: then BYE is the way. The 487, a 2xx that crossed, or `TimedOut` follows.
    pub fn cancel(&mut self, id: TransactionId, now: Instant) -> bool {
        self.cancel_by(id, ClientInvite::cancel, now)
    }

    /// As [`Layer::cancel`], for an INVITE to one of several phones of which another has answered.
    pub fn cancel_elsewhere(&mut self, id: TransactionId, now: Instant) -> bool {
        self.cancel_by(id, ClientInvite::cancel_elsewhere, now)
    }

    fn cancel_by(&mut self, id: TransactionId, ask: impl FnOnce(&mut ClientInvite) -> bool, now: Instant) -> bool {
        let asked = match self.slot(id).map(|slot| &mut slot.machine) {
            Some(Machine::InviteClient(machine)) => ask(machine),
            Some(Machine::Client(_) | Machine::InviteServer(_) | Machine::Server(_)) | None => false,
        };
        if asked {
            self.send_cancel(id.index, now);
        }
        asked
    }

    /// Gives a transaction to another owner.
    pub fn set_user(&mut self, id: TransactionId, user: U) {
        if let Some(slot) = self.slot(id) {
            slot.user = user;
        }
    }

    /// Next output; drain until `Wait`.
    pub fn poll_output(&mut self) -> LayerOutput<'_, U> {
        while let Some(&index) = self.ready.front() {
            if index & FINISHED != 0 {
                self.ready.pop_front();
                let Some(place) = self.finished.place(index) else { continue };
                let answered = self.finished.at(place);
                return LayerOutput::Transmit { flow: answered.flow, bytes: &answered.response };
            }
            let step = self.slots.get_mut(index as usize).map_or(Step::Wait, |slot| slot.machine.step());
            match step {
                Step::Transmit => {
                    let slot = &self.slots[index as usize];
                    return LayerOutput::Transmit { flow: slot.flow, bytes: slot.machine.message() };
                }
                Step::Event(event) => {
                    let slot = &self.slots[index as usize];
                    let (id, user, internal) = (TransactionId { index, stamp: slot.stamp }, slot.user, slot.internal);
                    if event == Event::Terminated {
                        self.ready.pop_front();
                        self.remove(index);
                    }
                    if !internal {
                        return LayerOutput::Event { id, user, event };
                    }
                }
                Step::Wait => {
                    self.ready.pop_front();
                    self.settle(index);
                }
            }
        }
        LayerOutput::Wait([self.wheel.next_deadline(), self.finished.deadline()].into_iter().flatten().min())
    }

    /// The owner of a live transaction.
    #[must_use]
    pub fn user(&self, id: TransactionId) -> Option<U> {
        self.slots.get(id.index as usize).filter(|slot| slot.stamp == id.stamp).map(|slot| slot.user)
    }

    /// All live transactions with their owners, but those that are finished; for status and tests; not for the way of a message.
    pub fn live(&self) -> impl Iterator<Item = (TransactionId, U)> {
        let visible = self.slots.iter().filter(|(_, slot)| !slot.internal);
        visible.map(|(index, slot)| (TransactionId { index: index as u32, stamp: slot.stamp }, slot.user))
    }

    /// Live transactions, finished ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() + self.finished.len()
    }

    /// Whether no transaction lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of messages held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether something new may begin. What belongs to something that is there is not asked: it is accepted.
    #[must_use]
    pub fn has_room(&self, work: Work) -> bool {
        self.limits.leave_room(work, self.len(), self.bytes)
    }

    /// Makes room for one more, if need be in place of the oldest answers: whoever waited for one of them has repeated its
    /// request most of its time, and a dialog or a registrar takes a request of yesterday for what it is. False: all live.
    fn make_room(&mut self) -> bool {
        while self.len() >= self.limits.transactions || self.bytes >= self.limits.bytes {
            let Some((name, answered)) = self.finished.pop() else { return false };
            self.forget(name, &answered);
        }
        true
    }

    /// What is left of an answer taken from the queue.
    fn forget(&mut self, name: u32, answered: &Answered) {
        self.bytes -= answered.response.len();
        if self.index.get(&answered.key) == Some(&name) {
            self.index.remove(&answered.key);
        }
    }

    fn cancels(&self, request: &RequestHead<'_>) -> Cancels<U> {
        if request.method != Method::Cancel {
            return Cancels::NotACancel;
        }
        let index = self.index.get(&self.keys.cancelled(request)).copied();
        match index.and_then(|index| Some((index, self.slots.get(index as usize)?))) {
            Some((index, slot)) => Cancels::Invite(TransactionId { index, stamp: slot.stamp }, slot.user),
            None => Cancels::Nothing,
        }
    }

    /// Starts the CANCEL of a client INVITE if its machine has one to give.
    fn send_cancel(&mut self, index: u32, now: Instant) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let Machine::InviteClient(machine) = &mut slot.machine else { return };
        let Some(cancel) = machine.take_cancel(now) else { return };
        let (flow, user, key) = (slot.flow, slot.user, self.keys.cancel_of(slot.key));
        self.queue(index);
        // Without room the INVITE still ends, 64 × T1 after this; the far end learns of it by its own timer.
        if self.make_room() {
            let machine = ClientNonInvite::new(cancel.into_vec(), flow.transport.reliability(), self.timing, now);
            self.insert(Machine::Client(machine), key, flow, user, true);
        }
    }

    fn insert(&mut self, machine: Machine, key: Key, flow: Flow, user: U, internal: bool) -> TransactionId {
        self.stamp = self.stamp.wrapping_add(1);
        self.connected += usize::from(flow.transport.reliability() == Reliability::Reliable);
        let slot = Slot { machine, key, flow, user, stamp: self.stamp, bytes: 0, timer: None, queued: false, internal, otherwise: None };
        let index = self.slots.insert(slot) as u32;
        self.index.insert(key, index);
        self.queue(index);
        TransactionId { index, stamp: self.stamp }
    }

    fn remove(&mut self, index: u32) {
        let Some(slot) = self.slots.try_remove(index as usize) else { return };
        // A caller that used one branch twice has hidden this slot behind a later one: leave that one its entry.
        if self.index.get(&slot.key) == Some(&index) {
            self.index.remove(&slot.key);
        }
        self.bytes -= slot.bytes as usize + slot.otherwise.map_or(0, |otherwise| otherwise.request.len());
        self.connected -= usize::from(slot.flow.transport.reliability() == Reliability::Reliable);
        if let Some((timer, _)) = slot.timer {
            self.wheel.cancel(timer);
        }
    }

    /// Lets go of a slot whose request has had its final response, which is kept until timer J.
    fn finish(&mut self, index: u32, response: Box<[u8]>, until: Instant) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        let (key, flow) = (slot.key, slot.flow);
        if flow.transport.reliability() == Reliability::Unreliable
            && let Some(named) = self.index.get_mut(&key).filter(|named| **named == index)
        {
            self.bytes += response.len();
            *named = self.finished.push(Answered { key, flow, until, response });
        }
        self.remove(index);
    }

    fn slot(&mut self, id: TransactionId) -> Option<&mut Slot<U>> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.stamp == id.stamp)
    }

    fn queue(&mut self, index: u32) {
        if let Some(slot) = self.slots.get_mut(index as usize)
            && !std::mem::replace(&mut slot.queued, true)
        {
            self.ready.push_back(index);
        }
    }

    /// Brings the wheel and the count of bytes up to what the machine says now.
    fn settle(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        slot.queued = false;
        if let Machine::Server(machine) = &mut slot.machine
            && let Some((response, until)) = machine.take_finished()
        {
            return self.finish(index, response, until);
        }
        let bytes = slot.machine.message().len() as u32;
        self.bytes = self.bytes + bytes as usize - std::mem::replace(&mut slot.bytes, bytes) as usize;
        let deadline = slot.machine.deadline();
        if slot.timer.map(|(_, at)| at) != deadline {
            if let Some((timer, _)) = slot.timer {
                self.wheel.cancel(timer);
            }
            slot.timer = deadline.map(|at| (self.wheel.set(at, index), at));
        }
    }
}
