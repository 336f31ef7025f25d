//! One INVITE of a call of ours, and the set of them while the call rings: one per contact of the user that is called.
//!
//! ```text
//!   originate ─► Leg per contact ─► first 2xx: its dialog is the call      the others: CANCEL, and BYE if they answer all the same
//!                     └─► each fails on its own; the best failure ends the call when none is left
//! ```
//! Shape:  at most [`LEGS_MAX`] legs at once; every leg of a call has its Call-ID and From tag, and its own Request-URI.
//! Units:  none.
//! Errors: none; see `outgoing`.
//! Source: RFC 3261 §16.6 and §16.7 (a forking proxy, which we are to our users), §8.1.3.4 (3xx), §13.2.2.4.

use std::time::Instant;

use super::auths::Auths;
use super::call::Described;
use crate::auth::Identity;
use crate::dialog::{Dialog, Invitation};
use crate::flow::Flow;
use crate::locate::Target;
use crate::message::{Request, Response, StatusCode};
use crate::transaction::TransactionId;

/// Contacts of one user that ring together: an INVITE is 2 KiB, so 16 KiB a call while it rings.
pub(super) const LEGS_MAX: usize = 8;
/// Contacts of 3xx that are kept: 16 × 256 bytes = 4 KiB.
const CONTACTS_MAX: usize = 16;
const CONTACT_LEN_MAX: usize = 256;

/// An INVITE of ours that makes a call.
pub(super) struct Leg {
    /// Its identity, and the dialogs that it makes.
    pub invitation: Invitation,
    /// Its transaction, once it is sent.
    pub transaction: Option<TransactionId>,
    /// Where it goes.
    pub flow: Flow,
    /// Challenges so far.
    pub auths: Auths,
    /// Authorization headers of the last INVITE: the ACK repeats them (RFC 3261 §13.2.2.4).
    pub proofs: Vec<(&'static str, String)>,
    /// Further targets of the far end.
    pub others: Vec<Target>,
    /// It went over to TCP for its size: UDP is still to be tried.
    pub grown: bool,
}

/// A call of ours that is not answered.
pub(super) struct Outgoing {
    /// INVITEs without final response.
    pub legs: Vec<Leg>,
    /// Our offer; `None` is a late offer.
    pub sdp: Described,
    /// Headers of the INVITE beside those of every request, in order.
    pub headers: Vec<(String, String)>,
    /// Password for challenges.
    pub identity: Option<Identity>,
    /// Best failure of the legs that are over.
    pub failed: Option<(StatusCode, String)>,
    /// Contacts of 3xx that may still be called.
    pub moved: Vec<String>,
    /// How many of them may be called.
    pub follow: u8,
    /// Trunks that may still be tried.
    pub trunks: Vec<u32>,
    /// INVITE that the next one to such a contact or trunk is made from.
    pub spent: Option<Invitation>,
    /// Session-Expires that we ask for, seconds, and Min-SE once a 422 named one.
    pub session: (u32, Option<u32>),
    /// How often a 422 made it longer.
    pub longer: u8,
    /// The early dialog that was heard of last: transaction of its leg, and remote tag.
    pub early: Option<(TransactionId, Box<str>)>,
    /// Their reliable response has an offer, and its PRACK waits for control's answer.
    pub owed: Option<OwedPrack>,
}

/// A PRACK that waits for control's answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwedPrack {
    /// RSeq of the response.
    pub rseq: u32,
    /// CSeq of our INVITE.
    pub cseq: u32,
    /// The call ends then.
    pub by: Instant,
}

impl Leg {
    /// An INVITE not yet sent.
    pub fn new(invitation: Invitation, flow: Flow) -> Self {
        Self { invitation, transaction: None, flow, auths: Auths::default(), proofs: Vec::new(), others: Vec::new(), grown: false }
    }
}

impl Outgoing {
    /// The leg of a transaction.
    pub fn leg_of(&self, id: TransactionId) -> Option<usize> {
        self.legs.iter().position(|leg| leg.transaction == Some(id))
    }

    /// The early dialog that was heard of last.
    pub fn early(&self) -> Option<&Dialog> {
        let (id, tag) = self.early.as_ref()?;
        self.legs.get(self.leg_of(*id)?)?.invitation.named(tag)
    }

    /// As [`Outgoing::early`], with what its leg proves itself by.
    pub fn early_mut(&mut self) -> Option<(&mut Dialog, &mut Auths)> {
        let (id, tag) = self.early.as_ref()?;
        let leg = self.legs.iter_mut().find(|leg| leg.transaction == Some(*id))?;
        Some((leg.invitation.named_mut(tag)?, &mut leg.auths))
    }

    /// Turns to the early dialog that a request belongs to; false if there is none.
    pub fn turn_to(&mut self, request: &Request<'_>) -> bool {
        let found = self.legs.iter().find_map(|leg| {
            let tag = leg.invitation.owner(request)?.remote_tag()?;
            Some((leg.transaction?, tag.into()))
        });
        let known = found.is_some();
        if known {
            self.early = found;
        }
        known
    }

    /// Keeps the failure that says most about the called party.
    pub fn note_failure(&mut self, status: StatusCode, phrase: &str) {
        let better = self.failed.as_ref().is_none_or(|(known, _)| rank(status) < rank(*known));
        if better {
            self.failed = Some((status, phrase.to_owned()));
        }
    }

    /// Keeps the contacts of a 3xx, best first, those that were heard of before excepted. Gives all that it names.
    pub fn note_moved(&mut self, response: &Response<'_>) -> Vec<String> {
        let mut named: Vec<(u16, String)> = Vec::new();
        for contact in response.headers().contacts().filter_map(Result::ok) {
            if let Some(contact) = contact.address()
                && contact.address.uri.as_str().len() <= CONTACT_LEN_MAX
                && named.len() < CONTACTS_MAX
            {
                named.push((contact.q.unwrap_or(1000), contact.address.uri.as_str().to_owned()));
            }
        }
        // Stable: equal ones stay in the order that they came in.
        named.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
        let named: Vec<String> = named.into_iter().map(|(_, uri)| uri).collect();
        for uri in &named {
            if self.moved.len() < CONTACTS_MAX && !self.moved.contains(uri) {
                self.moved.push(uri.clone());
            }
        }
        named
    }
}

/// Smaller says more: RFC 3261 §16.7 step 6, and within 4xx a phone that is busy before one that does not answer.
fn rank(status: StatusCode) -> u8 {
    match (status.class(), status.code()) {
        (6, _) => 0,
        (3, _) => 1,
        (4, 408 | 480 | 487) => 4,
        (4, 486) => 2,
        (4, _) => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failure_that_says_most_is_kept() {
        let best = |codes: &[u16]| {
            let mut outgoing = Outgoing {
                legs: Vec::new(),
                sdp: Described::default(),
                headers: Vec::new(),
                identity: None,
                failed: None,
                moved: Vec::new(),
                follow: 0,
                trunks: Vec::new(),
                spent: None,
                session: (0, None),
                longer: 0,
                early: None,
                owed: None,
            };
            codes.iter().for_each(|code| outgoing.note_failure(StatusCode::new(*code).unwrap(), ""));
            outgoing.failed.unwrap().0.code()
        };
        assert_eq!(best(&[408, 486, 500]), 486);
        assert_eq!(best(&[486, 603]), 603);
        assert_eq!(best(&[480, 503]), 480);
        assert_eq!(best(&[404, 302]), 302);
        assert_eq!(best(&[480, 408]), 480, "of equals the first");
    }
}
