//! Bindings by the connection they came over: what ends, or moves, when it dies.
//! Shape:  one list per connection that carries a binding; a phone with a connection of its own has one entry.
//! Errors: none; a connection without bindings has no list.
//! Source: RFC 5626 §5.3: a registration over a flow that has failed is of no use.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::{BindingId, Registrar};
use crate::flow::{Flow, ListenerId, Transport};

/// Slots of bindings by connection.
#[derive(Debug, Default)]
pub(super) struct Flows(HashMap<(ListenerId, SocketAddr), Vec<u32>>);

impl Flows {
    /// A binding is reached over this flow from now on.
    pub fn add(&mut self, flow: Flow, slot: u32) {
        if flow.transport == Transport::Tcp {
            self.0.entry((flow.listener, flow.peer)).or_default().push(slot);
        }
    }

    /// And no longer.
    pub fn remove(&mut self, flow: Flow, slot: u32) {
        let key = (flow.listener, flow.peer);
        if flow.transport == Transport::Tcp
            && let Some(slots) = self.0.get_mut(&key)
        {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.0.remove(&key);
            }
        }
    }
}

impl Registrar {
    /// Bindings that are reached over a connection, with their contacts.
    pub fn over(&self, flow: Flow) -> Vec<(BindingId, Box<str>)> {
        let slots = self.flows.0.get(&(flow.listener, flow.peer)).map(Vec::as_slice).unwrap_or_default();
        let named = |slot: &u32| self.bindings.get(*slot as usize).map(|b| (BindingId { slot: *slot, stamp: b.stamp }, b.contact.clone()));
        slots.iter().filter_map(named).collect()
    }

    /// The connection of a binding is gone: it moves to another flow, or ends.
    pub fn handle_flow_lost(&mut self, id: BindingId, other: Option<Flow>) {
        let Some(binding) = self.bindings.get_mut(id.slot as usize).filter(|binding| binding.stamp == id.stamp) else { return };
        match other {
            Some(other) => {
                let before = std::mem::replace(&mut binding.flow, other);
                self.flows.remove(before, id.slot);
                self.flows.add(other, id.slot);
            }
            None => {
                self.stats.lost += 1;
                self.end(id.slot, true);
            }
        }
    }
}
