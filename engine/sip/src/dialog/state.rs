//! One dialog: names, numbers, route and target, and the messages begun from them.
//!
//! ```text
//!   Dialog::uas(INVITE)  Dialog::uac(Invitation, 1xx | 2xx)
//!        Early ──confirm──► Confirmed ──end──► Terminated
//!   handle_request: CSeq, INVITE order        owns_request, owns_response: Call-ID and tags
//! ```
//! Shape:  own texts of at most [`DIALOG_BYTES_MAX`] together; everything else is a few words.
//! Units:  CSeq numbers as `u32`; `Instant` for the ACK wait.
//! Errors: [`DialogError`] when made, [`Refusal`] for a request that may not come now.
//! Driving: told of every request and response of the dialog. A retargeting request takes effect by
//!         [`Dialog::refresh_target`] when its 2xx is sent or received, not before (RFC 6141 §4).
//! Source: RFC 3261 §12.

use std::time::Instant;

use super::error::{DialogError, Refusal};
use super::invitation::Invitation;
use super::invite::{AckWait, Hangup, InviteUsage};
use super::negotiation::Negotiation;
use super::reliable::ReliableIn;
use super::route::{self, RouteSet};
use crate::message::{Headers, Method, NameAddr, Request, Response, StatusCode};
use crate::transaction::Timing;

/// Most bytes of all texts of a dialog: two URIs with display names (2 × 256), target and Contact (2 × 256), Call-ID and
/// tags (512), and a route of 16 proxies of 96 bytes; twice that, for what peers make of it.
pub const DIALOG_BYTES_MAX: usize = 6 * 1024;

/// Which side made the INVITE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We did.
    Uac,
    /// They did.
    Uas,
}

/// How far a dialog is (RFC 3261 §12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
    /// Ended by BYE, by a failure of its INVITE, or by a 481.
    Terminated,
}

/// A dialog of ours with one peer.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub(super) role: Role,
    pub(super) state: DialogState,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    /// Old peers have no tag (RFC 3261 §12.1.1).
    pub(super) remote_tag: Option<String>,
    /// Value of From of our requests: our URI with display name and tag.
    pub(super) local: String,
    /// Value of To of our requests.
    pub(super) remote: String,
    /// Value of Contact of ours.
    pub(super) contact: String,
    /// URI that they are reached at.
    pub(super) target: String,
    pub(super) routes: RouteSet,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: Option<u32>,
    /// INVITEs of this dialog.
    pub invite: InviteUsage,
    /// Offer and answer of this dialog.
    pub negotiation: Negotiation,
    /// Their reliable provisional responses.
    pub reliable: ReliableIn,
}

impl Dialog {
    /// Dialog of the called side. It is early; [`Dialog::confirm`] it with the 2xx. `contact` is our Contact value, e.g.
    /// `<sip:192.0.2.1:5060>` (RFC 3261 §12.1.1).
    ///
    /// # Errors
    /// [`DialogError`]: answer the request with its status.
    pub fn uas(request: &Request<'_>, local_tag: &str, contact: &str) -> Result<Self, DialogError> {
        let target = request.headers().contact()?.ok_or(DialogError::NoContact)?;
        let dialog = Self {
            role: Role::Uas,
            state: DialogState::Early,
            call_id: request.call_id().to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: request.from().tag.map(str::to_owned),
            local: format!("{};tag={local_tag}", request.to()),
            remote: request.from().to_string(),
            contact: contact.to_owned(),
            target: route::request_uri(&target.uri),
            routes: RouteSet::uas(request.headers())?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq().number),
            invite: InviteUsage::received_first(request.cseq().number),
            negotiation: Negotiation::new(),
            reliable: ReliableIn::default(),
        };
        dialog.checked()
    }

    /// Dialog of the calling side, early or confirmed as the response is. Use [`Invitation::handle_response`].
    pub(super) fn uac(invitation: &Invitation, response: &Response<'_>) -> Result<Self, DialogError> {
        let tag = response.to().tag.ok_or(DialogError::NoTag)?;
        let number = response.cseq().number;
        let mut dialog = Self {
            role: Role::Uac,
            state: DialogState::Early,
            call_id: invitation.call_id().to_owned(),
            local_tag: invitation.tag().to_owned(),
            remote_tag: Some(tag.to_owned()),
            local: invitation.local().to_owned(),
            remote: response.to().to_string(),
            contact: invitation.contact().to_owned(),
            target: invitation.target().to_owned(),
            routes: RouteSet::default(),
            local_cseq: number,
            remote_cseq: None,
            invite: InviteUsage::sent_first(number),
            negotiation: invitation.negotiation(),
            reliable: ReliableIn::default(),
        };
        dialog.take_route(response)?;
        dialog.checked()
    }

    /// Takes a request that [`Dialog::owns_request`], after the transaction layer found it new.
    ///
    /// # Errors
    /// [`Refusal`]: answer with its status (an ACK is dropped instead).
    pub fn handle_request(&mut self, request: &Request<'_>) -> Result<(), Refusal> {
        let number = request.cseq().number;
        match request.method() {
            // RFC 3261 §12.2.2: these two have the CSeq of their INVITE.
            Method::Ack | Method::Cancel => return Ok(()),
            _ if self.state == DialogState::Terminated => return Err(Refusal::NoDialog),
            _ => {}
        }
        if self.remote_cseq.is_some_and(|last| number <= last) {
            return Err(Refusal::OutOfOrder);
        }
        // Taken even if it is refused below: the number is used up (RFC 3261 §12.2.2).
        self.remote_cseq = Some(number);
        if request.method() == Method::Invite { self.invite.handle_invite(number) } else { Ok(()) }
    }

    /// Takes the final response to a request of ours in this dialog, not to the INVITE that made it. True if the dialog is
    /// over: a BYE was answered, or they do not know it any more, which one of ours then ends by BYE (RFC 3261 §12.2.1.2).
    pub fn handle_final(&mut self, response: &Response<'_>) -> bool {
        let (method, status) = (response.cseq().method, response.status());
        if method == Method::Invite {
            self.invite.handle_final(response.cseq().number, status);
        }
        let gone = matches!(status, StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT);
        if method == Method::Bye || gone {
            self.end();
        }
        self.state == DialogState::Terminated
    }

    /// Takes the time that [`Dialog::deadline`] asked for.
    pub fn handle_timeout(&mut self, now: Instant) -> AckWait {
        self.invite.handle_timeout(now)
    }

    /// The dialog is confirmed: we send a 2xx.
    pub fn confirm(&mut self) {
        if self.state == DialogState::Early {
            self.state = DialogState::Confirmed;
        }
    }

    /// The dialog is confirmed by their 2xx, whose route and target count from now on (RFC 3261 §13.2.2.4).
    pub(super) fn confirm_with(&mut self, response: &Response<'_>) -> Result<(), DialogError> {
        self.confirm();
        self.invite.handle_final(response.cseq().number, response.status());
        self.take_route(response)
    }

    /// A BYE or failure ended it.
    pub fn end(&mut self) {
        self.state = DialogState::Terminated;
    }

    /// Takes the Contact of a re-INVITE or UPDATE whose 2xx is sent, or of the 2xx to ours (RFC 3261 §12.2.1.2, §12.2.2).
    /// One without a Contact that can be read changes nothing.
    pub fn refresh_target(&mut self, headers: &Headers<'_>) {
        if let Ok(Some(contact)) = headers.contact()
            && contact.uri.as_str().len() <= DIALOG_BYTES_MAX / 4
        {
            self.target = route::request_uri(&contact.uri);
        }
    }

    /// Sets our Contact, e.g. when the call moves to another listener.
    pub fn set_contact(&mut self, contact: &str) {
        contact.clone_into(&mut self.contact);
    }

    /// How to end the call from here (RFC 3261 §9.1, §15).
    #[must_use]
    pub const fn hangup(&self) -> Hangup {
        match (self.state, self.role) {
            (DialogState::Terminated, _) => Hangup::Nothing,
            (DialogState::Early, Role::Uac) => Hangup::Cancel,
            (DialogState::Early, Role::Uas) => Hangup::Respond,
            (DialogState::Confirmed, Role::Uas) if self.invite.awaits_ack() => Hangup::ByeAfterAck,
            (DialogState::Confirmed, _) => Hangup::Bye,
        }
    }

    /// Whether a request belongs here: Call-ID, our tag in To, theirs in From (RFC 3261 §12.2.2).
    #[must_use]
    pub fn owns_request(&self, request: &Request<'_>) -> bool {
        self.call_id == request.call_id()
            && same_tag(request.to().tag, Some(&self.local_tag))
            && same_tag(request.from().tag, self.remote_tag.as_deref())
    }

    /// Whether a response belongs here: Call-ID, our tag in From, theirs in To (RFC 3261 §12.2.1.2).
    #[must_use]
    pub fn owns_response(&self, response: &Response<'_>) -> bool {
        self.call_id == response.call_id()
            && same_tag(response.from().tag, Some(&self.local_tag))
            && same_tag(response.to().tag, self.remote_tag.as_deref())
    }

    /// Whether a Replaces or Target-Dialog names this dialog: tags as its sender's side sees them (RFC 3891 §3).
    #[must_use]
    pub fn is_named(&self, call_id: &str, to_tag: &str, from_tag: &str) -> bool {
        self.call_id == call_id
            && same_tag(Some(to_tag), Some(&self.local_tag))
            && same_tag(Some(from_tag), Some(self.remote_tag.as_deref().unwrap_or("0")))
    }

    /// When [`Dialog::handle_timeout`] is wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.invite.deadline()
    }

    /// We answer their INVITE finally: starts the wait for the ACK of a 2xx, and confirms or ends what it made.
    pub fn answered(&mut self, status: StatusCode, timing: &Timing, now: Instant) {
        self.invite.answered(status, timing, now);
        if status.is_success() {
            self.confirm();
        } else if self.state == DialogState::Early {
            self.end();
        }
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> DialogState {
        self.state
    }

    /// Which side made the INVITE.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    #[must_use]
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// Their tag.
    #[must_use]
    pub fn remote_tag(&self) -> Option<&str> {
        self.remote_tag.as_deref()
    }

    /// Our URI, as From and To of this dialog name us.
    #[must_use]
    pub fn local_uri(&self) -> &str {
        NameAddr::parse(&self.local).map_or("", |address| address.uri.as_str())
    }

    /// Value of our Contact.
    #[must_use]
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// URI that they are reached at.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// URI whose host our next request is sent to: the first proxy, or the target (RFC 3261 §12.2.1.1, §8.1.2).
    #[must_use]
    pub fn next_hop(&self) -> &str {
        self.routes.next_hop(&self.target)
    }

    /// Proxies between us.
    #[must_use]
    pub const fn routes(&self) -> &RouteSet {
        &self.routes
    }

    /// CSeq of the last request of ours.
    #[must_use]
    pub const fn local_cseq(&self) -> u32 {
        self.local_cseq
    }

    /// Route set and target of a response that makes or confirms the dialog. Some phones send a 180 without Contact:
    /// then the target stays what the INVITE was sent to.
    fn take_route(&mut self, response: &Response<'_>) -> Result<(), DialogError> {
        let contact = response.headers().contact()?;
        let routes = RouteSet::uac(response.headers())?;
        let target = contact.map(|contact: NameAddr<'_>| route::request_uri(&contact.uri));
        let target = target.unwrap_or_else(|| self.target.clone());
        let bytes = self.bytes() - self.routes.len() - self.target.len() + routes.len() + target.len();
        if bytes > DIALOG_BYTES_MAX {
            return Err(DialogError::TooLarge { bytes, max: DIALOG_BYTES_MAX });
        }
        (self.routes, self.target) = (routes, target);
        Ok(())
    }

    fn checked(self) -> Result<Self, DialogError> {
        let bytes = self.bytes();
        if bytes > DIALOG_BYTES_MAX { Err(DialogError::TooLarge { bytes, max: DIALOG_BYTES_MAX }) } else { Ok(self) }
    }

    /// Bytes of all texts.
    fn bytes(&self) -> usize {
        let texts = [&self.call_id, &self.local_tag, &self.local, &self.remote, &self.contact, &self.target];
        texts.iter().map(|text| text.len()).sum::<usize>() + self.remote_tag.as_ref().map_or(0, String::len) + self.routes.len()
    }
}

/// Tags compare without regard to case, as tokens do (RFC 3261 §7.3.1); a missing one equals only a missing one.
fn same_tag(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
