//! One place of the transaction table: a machine, where its messages go, whose it is.
//! Shape:  [`Slot`] is at most 272 bytes beside the one message its machine holds (a test says so).
//! Units:  bytes.
//! Errors: none.
//! Not here: the table itself (`layer`).

use std::time::Instant;

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::key::Key;
use super::output::Step;
use super::server_invite::ServerInvite;
use super::server_non_invite::ServerNonInvite;
use crate::flow::Flow;
use crate::timer::TimerId;

/// Names a live transaction. The name of one that is over never means another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId {
    pub(super) index: u32,
    pub(super) stamp: u32,
}

#[derive(Debug)]
pub(super) struct Slot<U> {
    pub(super) machine: Machine,
    pub(super) key: Key,
    pub(super) flow: Flow,
    pub(super) user: U,
    pub(super) stamp: u32,
    /// Length of the message held, as it was counted.
    pub(super) bytes: u32,
    /// The wheel's entry and the deadline it stands for.
    pub(super) timer: Option<(TimerId, Instant)>,
    /// Stands in the list of slots with output.
    pub(super) queued: bool,
    /// A CANCEL that the layer sent by itself: its user hears nothing of it.
    pub(super) internal: bool,
    /// Where the request goes if its flow cannot be had.
    pub(super) otherwise: Option<Box<Otherwise>>,
}

/// The same request for another flow.
#[derive(Debug)]
pub(super) struct Otherwise {
    pub(super) flow: Flow,
    pub(super) request: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Machine {
    InviteClient(ClientInvite),
    Client(ClientNonInvite),
    InviteServer(ServerInvite),
    Server(ServerNonInvite),
}

impl Machine {
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::InviteClient(machine) => machine.handle_timeout(now),
            Self::Client(machine) => machine.handle_timeout(now),
            Self::InviteServer(machine) => machine.handle_timeout(now),
            Self::Server(machine) => machine.handle_timeout(now),
        }
    }

    pub(super) fn handle_transport_failed(&mut self) {
        match self {
            Self::InviteClient(machine) => machine.handle_transport_failed(),
            Self::Client(machine) => machine.handle_transport_failed(),
            Self::InviteServer(machine) => machine.handle_transport_failed(),
            Self::Server(machine) => machine.handle_transport_failed(),
        }
    }

    pub(super) fn step(&mut self) -> Step {
        match self {
            Self::InviteClient(machine) => machine.step(),
            Self::Client(machine) => machine.step(),
            Self::InviteServer(machine) => machine.step(),
            Self::Server(machine) => machine.step(),
        }
    }

    pub(super) fn message(&self) -> &[u8] {
        match self {
            Self::InviteClient(machine) => machine.message(),
            Self::Client(machine) => machine.message(),
            Self::InviteServer(machine) => machine.message(),
            Self::Server(machine) => machine.message(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::InviteClient(machine) => machine.deadline(),
            Self::Client(machine) => machine.deadline(),
            Self::InviteServer(machine) => machine.deadline(),
            Self::Server(machine) => machine.deadline(),
        }
    }
}
