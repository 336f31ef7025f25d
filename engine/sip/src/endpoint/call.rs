//! One call as the endpoint keeps it: what control sees, where it stands, when it must end.
//!
//! ```text
//!   theirs:  Offered ──answer──► Talking ──► Ending ──► gone
//!   ours:    Resolving ──► Calling ──2xx──► Talking        hang-up before the answer: Calling ──CANCEL──► Ending
//! ```
//! Shape:  one phase at a time, with the data that is valid in it. One leg is one dialog.
//! Units:  `Instant`.
//! Errors: none; the rules are in `incoming`, `outgoing`, `within` and `action`.
//! Law:    [`Call::deadline`] always has an answer, so every call ends by itself at last.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::auths::Auths;
use super::leg::{Leg, Outgoing};
use super::output::ResolveId;
use super::reply::Pending;
use super::transfer::{Referred, Transfer};
use crate::api::{ControlUrl, Snapshot};
use crate::dialog::{Dialog, Invitation, ReliableOut, SessionOffer, SessionTimer};
use crate::flow::Flow;
use crate::message::{HeaderName, Headers, StatusCode};
use crate::sdp::Sdp;
use crate::transaction::TransactionId;

/// A call.
pub(super) struct Call {
    /// Where its events go; nowhere if nobody said.
    pub control: Option<ControlUrl>,
    /// What control sees, but the descriptions: see [`Call::snapshot`].
    pub view: Snapshot,
    /// Their last session description.
    pub them: Described,
    /// Ours.
    pub us: Described,
    /// The last event, `hangup`, was sent.
    pub told_end: bool,
    /// The ACK of our 200 came, and control was told.
    pub acknowledged: bool,
    /// Hop of requests inside the dialog.
    pub flow: Flow,
    /// The far end is one of our users: it is reached where it sends from, whatever its Contact says (NAT).
    pub follows_source: bool,
    /// What the far end can do.
    pub peer: Peer,
    /// Offers under way beside that of the INVITE which made the call.
    pub open: Open,
    /// The phase ends then at the latest.
    pub ends_at: Instant,
    /// Where it stands.
    pub phase: Phase,
}

/// Where a call stands.
pub(super) enum Phase {
    /// Their INVITE has no final response.
    Offered(Box<Offered>),
    /// Our INVITE waits for an address.
    Resolving(Box<Outgoing>, ResolveId),
    /// Our INVITE has no final response.
    Calling(Box<Outgoing>),
    /// Answered.
    Talking(Box<Talking>),
    /// Over for control; the wire still has to settle.
    Ending(Ending),
}

/// Their INVITE.
pub(super) struct Offered {
    /// What its responses copy.
    pub pending: Pending,
    /// The dialog it makes.
    pub dialog: Dialog,
    /// What it says about the session timer.
    pub session: SessionOffer,
    /// Its provisional responses that are acknowledged.
    pub reliable: ReliableOut,
    /// The last of them goes again then, so that no proxy on the way gives up (RFC 3261 §13.3.1.1).
    pub remind_at: Option<Instant>,
    /// What may go once the last of them is, in order, at most [`LATER_MAX`].
    pub later: VecDeque<Later>,
}

/// Responses that wait for a PRACK: a script rings, shows and answers, and has no reason to ring eight times.
pub(super) const LATER_MAX: usize = 8;

/// A response to an INVITE of theirs that may not go yet (RFC 3262 §3).
#[derive(Debug, Clone)]
pub(super) enum Later {
    /// 180, 183.
    Provisional {
        /// Which.
        status: StatusCode,
        /// Value of Alert-Info.
        alertinfo: Option<String>,
        /// Description.
        sdp: Option<Box<Sdp>>,
    },
    /// 200.
    Answer {
        /// Description.
        sdp: Option<Box<Sdp>>,
    },
}

/// What the headers of the far end say that it can do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peer {
    /// UPDATE, as far as it says: `None` where there was no Allow.
    pub update: Option<bool>,
    /// It takes reliable provisional responses.
    pub reliable: bool,
    /// It takes no others.
    pub reliable_only: bool,
}

impl Peer {
    /// Takes over what a message says.
    pub fn note(&mut self, headers: &Headers<'_>) {
        if headers.contains(HeaderName::Allow) {
            self.update = Some(headers.has_token(HeaderName::Allow, "UPDATE"));
        }
        self.reliable_only |= headers.has_token(HeaderName::Require, "100rel");
        self.reliable |= self.reliable_only || headers.has_token(HeaderName::Supported, "100rel");
    }
}

/// Offers of re-INVITE, UPDATE and PRACK: at most one of each side.
#[derive(Default)]
pub(super) struct Open {
    /// Theirs, which waits for `ok`.
    pub theirs: Option<Box<TheirOffer>>,
    /// Ours, which waits for an answer.
    pub ours: Option<Box<OurOffer>>,
    /// Ours met one of theirs: when to try again, and with what.
    pub retry: Option<Box<Retry>>,
}

/// An offer of ours that is tried again.
pub(super) struct Retry {
    /// When.
    pub at: Instant,
    /// re-INVITE, or else UPDATE.
    pub invite: bool,
    /// What is offered.
    pub sdp: Described,
    /// How often it was tried.
    pub tries: u8,
}

impl Open {
    fn deadline(&self) -> Option<Instant> {
        let theirs = self.theirs.as_ref().map(|theirs| theirs.until);
        let ours = self.ours.as_ref().and_then(|ours| ours.until);
        let retry = self.retry.as_ref().map(|retry| retry.at);
        [theirs, ours, retry].into_iter().flatten().min()
    }
}

/// An answered call.
pub(super) struct Talking {
    /// Its dialog.
    pub dialog: Dialog,
    /// Our INVITE that made it, while more 2xx of other forks may come.
    pub won: Option<Box<Won>>,
    /// INVITEs to other contacts, cancelled and not yet over.
    pub losers: Vec<Leg>,
    /// Challenges that the far end made, by the server itself and by a proxy.
    pub auths: Auths,
    /// Authorization headers of that INVITE, for an ACK that is still owed.
    pub proofs: Vec<(&'static str, String)>,
    /// Transaction of our last 2xx to an INVITE of theirs, for its repeats.
    pub accepted: Option<TransactionId>,
    /// Ends a call whose far end is gone.
    pub session: Option<SessionTimer>,
    /// A PRACK that our 2xx overtook may still come.
    pub reliable: Option<ReliableOut>,
    /// Their 2xx has an offer that control must `ack`.
    pub owed: Option<OwedAck>,
    /// REFER of theirs that waits for its last NOTIFY.
    pub refer: Option<Referred>,
    /// NOTIFYs of ours that are not answered.
    pub reports: Vec<TransactionId>,
    /// REFER of ours, until their last NOTIFY.
    pub transfer: Option<Transfer>,
    /// Our BYE was challenged and sent again.
    pub bye_again: bool,
}

/// The INVITE that was answered.
pub(super) struct Won {
    /// Its transaction.
    pub transaction: TransactionId,
    /// The dialogs that it makes.
    pub invitation: Invitation,
}

/// A session description as text: a sixth of the size of its parsed form, which is kept only while a call is being made and
/// each event shows it; few of the calls that live are asked for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    text: Option<Box<str>>,
    parsed: Option<Arc<Sdp>>,
}

impl Described {
    /// The description, parsed; `None` if there is none.
    pub fn sdp(&self) -> Option<Arc<Sdp>> {
        self.parsed.clone().or_else(|| self.text().and_then(|text| Sdp::parse(text).ok()).map(Arc::new))
    }

    /// The text, as a message carries it.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Keeps the text alone from now on.
    pub fn fold(&mut self) {
        self.parsed = None;
    }
}

impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl From<Option<Sdp>> for Described {
    fn from(sdp: Option<Sdp>) -> Self {
        Self { text: sdp.as_ref().map(|sdp| sdp.text().into()), parsed: sdp.map(Arc::new) }
    }
}

impl From<Option<&Sdp>> for Described {
    fn from(sdp: Option<&Sdp>) -> Self {
        Self::from(sdp.cloned())
    }
}

impl From<&Sdp> for Described {
    fn from(sdp: &Sdp) -> Self {
        Self::from(Some(sdp))
    }
}

/// An ACK that waits for control's answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct OwedAck {
    /// We do without control then.
    pub by: Instant,
    /// It is that of the INVITE which made the call: without an answer there is no session at all.
    pub first: bool,
}

/// A request of theirs with an offer.
pub(super) struct TheirOffer {
    /// What its response copies.
    pub pending: Pending,
    /// Tag of the far end in its dialog: there may be several while a call rings.
    pub tag: Box<str>,
    /// INVITE, or else UPDATE or PRACK.
    pub invite: bool,
    /// What it says about the session timer, if it is one to refresh it.
    pub session: Option<SessionOffer>,
    /// It has an offer; without one, our 2xx makes it.
    pub has_offer: bool,
    /// We answer by ourselves then.
    pub until: Instant,
}

/// A request of ours with an offer.
pub(super) struct OurOffer {
    /// Its transaction.
    pub transaction: TransactionId,
    /// Tag of the far end in its dialog.
    pub tag: Box<str>,
    /// INVITE, or else UPDATE.
    pub invite: bool,
    /// What was offered.
    pub sdp: Described,
    /// It refreshes the session, and control did not ask for it.
    pub refresh: bool,
    /// How often it was tried.
    pub tries: u8,
    /// A re-INVITE without a final response is cancelled then, once.
    pub until: Option<Instant>,
}

/// What is left of a call for the wire.
pub(super) enum Ending {
    /// CANCEL is out or wanted; the INVITE still has no final response.
    Cancelling(Box<Outgoing>),
    /// Our 2xx waits for its ACK, then BYE goes (RFC 3261 §15).
    AwaitingAck(Box<Talking>),
    /// BYE is out.
    Bye(Box<Talking>),
    /// Nothing is left: only while a phase is being replaced.
    Gone,
}

impl Call {
    /// When the call wants to be told the time.
    pub fn deadline(&self) -> Instant {
        let inner = match &self.phase {
            Phase::Talking(talking) => talking.deadline(),
            Phase::Ending(Ending::AwaitingAck(talking)) => talking.dialog.deadline(),
            Phase::Offered(offered) => [offered.reliable.deadline(), offered.remind_at].into_iter().flatten().min(),
            Phase::Calling(outgoing) => outgoing.owed.map(|owed| owed.by),
            Phase::Resolving(..) | Phase::Ending(_) => None,
        };
        let open = if matches!(self.phase, Phase::Ending(_)) { None } else { self.open.deadline() };
        [inner, open, Some(self.ends_at)].into_iter().flatten().min().unwrap_or(self.ends_at)
    }

    /// Keeps the descriptions as text alone, once the last event of the set-up is told: such a call may live for hours.
    pub fn fold(&mut self) {
        if self.view.answered && (self.acknowledged || self.view.originator) {
            self.them.fold();
            self.us.fold();
        }
    }

    /// What control sees now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { sdp_them: self.them.sdp(), sdp_us: self.us.sdp(), ..self.view.clone() }
    }

    /// The dialog, once there is one for requests: of a call that rings the early one that was heard of last.
    pub fn dialog(&self) -> Option<&Dialog> {
        match &self.phase {
            Phase::Offered(offered) => Some(&offered.dialog),
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => Some(&talking.dialog),
            Phase::Calling(outgoing) => outgoing.early(),
            Phase::Resolving(..) | Phase::Ending(_) => None,
        }
    }

    /// As [`Call::dialog`].
    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.phase {
            Phase::Offered(offered) => Some(&mut offered.dialog),
            Phase::Talking(talking) | Phase::Ending(Ending::AwaitingAck(talking) | Ending::Bye(talking)) => Some(&mut talking.dialog),
            Phase::Calling(outgoing) => outgoing.early_mut().map(|(dialog, _)| dialog),
            Phase::Resolving(..) | Phase::Ending(_) => None,
        }
    }

    /// The answered call, unless it is over.
    pub fn talking_mut(&mut self) -> Option<&mut Talking> {
        match &mut self.phase {
            Phase::Talking(talking) => Some(talking),
            Phase::Offered(_) | Phase::Resolving(..) | Phase::Calling(_) | Phase::Ending(_) => None,
        }
    }
}

impl Talking {
    /// A call that was just answered.
    pub fn new(dialog: Dialog) -> Self {
        Self {
            dialog,
            won: None,
            losers: Vec::new(),
            auths: Auths::default(),
            proofs: Vec::new(),
            accepted: None,
            session: None,
            reliable: None,
            owed: None,
            refer: None,
            reports: Vec::new(),
            transfer: None,
            bye_again: false,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let owed = self.owed.as_ref().map(|owed| owed.by);
        let session = self.session.as_ref().map(SessionTimer::deadline);
        let refer = self.refer.as_ref().map(|refer| refer.until);
        let transfer = self.transfer.as_ref().map(|transfer| transfer.until);
        [self.dialog.deadline(), session, owed, refer, transfer].into_iter().flatten().min()
    }
}
