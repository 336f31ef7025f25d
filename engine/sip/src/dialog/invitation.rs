//! An INVITE that we sent, and the dialogs that its responses make: one per fork.
//!
//! ```text
//!   Invitation::request ──► INVITE (again with credentials after a 401)
//!   handle_response:  1xx with tag ──► early dialog        2xx ──► Answered, once
//!                     2xx again ──► Repeated (same ACK)    2xx of another fork ──► Surplus: ACK it, then BYE
//! ```
//! Shape:  at most [`FORKS_MAX`] dialogs; further early forks are counted out, a further 2xx is still given to be ended.
//! Units:  CSeq numbers as `u32`.
//! Errors: [`DialogError`] for a response that makes no dialog; the INVITE goes on.
//! Driving: told of every response that its transaction delivers, to the last one when the transaction is over.
//! Source: RFC 3261 §12.1.2, §13.2.2; §13.2.2.4 (several 2xx).

use super::error::DialogError;
use super::hop::{Hop, MAX_FORWARDS};
use super::negotiation::Negotiation;
use super::state::Dialog;
use crate::message::{HeaderName, Method, Request, Response, Writer};

/// Most early dialogs of one INVITE that are kept: the phones of one user behind a forking proxy. The answer is kept beside
/// them, so that an invitation is at most 9 × 6 KiB, while it rings.
pub const FORKS_MAX: usize = 8;

/// An INVITE of ours outside a dialog.
#[derive(Debug, Clone)]
pub struct Invitation {
    call_id: String,
    tag: String,
    /// From with tag.
    local: String,
    /// To without tag.
    remote: String,
    contact: String,
    target: String,
    /// Value of Route, if an outbound proxy is set.
    route: Option<String>,
    max_forwards: u8,
    cseq: u32,
    negotiation: Negotiation,
    dialogs: Vec<Dialog>,
    answered: Option<usize>,
}

/// What a response to the INVITE means for its dialogs.
#[derive(Debug)]
pub enum Heard<'a> {
    /// No dialog: 100, a 1xx without tag or of a fork too many, or a failure, after which all dialogs are over.
    NoDialog,
    /// The early dialog of this 1xx; new or known.
    Early(&'a mut Dialog),
    /// The first 2xx: this dialog is the call. Acknowledge it.
    Answered(&'a mut Dialog),
    /// The 2xx of the call again: send [`ack_again`](super::InviteUsage::ack_again), if the ACK went already.
    Repeated(&'a mut Dialog),
    /// A 2xx of another fork: acknowledge it, and end it by BYE (RFC 3261 §13.2.2.4). It comes again with each repeat.
    Surplus(Box<Dialog>),
}

impl Invitation {
    /// An INVITE not yet sent. `local` and `remote` are From and To values without tag, e.g. `"A" <sip:a@example.com>`;
    /// `target` is the Request-URI; `contact` our Contact value.
    #[must_use]
    pub fn new(call_id: String, tag: String, local: &str, remote: &str, target: &str, contact: &str) -> Self {
        Self {
            local: format!("{local};tag={tag}"),
            call_id,
            tag,
            remote: remote.to_owned(),
            contact: contact.to_owned(),
            target: target.to_owned(),
            route: None,
            max_forwards: MAX_FORWARDS,
            cseq: 0,
            negotiation: Negotiation::new(),
            dialogs: Vec::new(),
            answered: None,
        }
    }

    /// Sends it through a proxy: the value of Route, e.g. `<sip:proxy.example.com;lr>`.
    #[must_use]
    pub fn with_route(mut self, route: String) -> Self {
        self.route = Some(route);
        self
    }

    /// Lets it pass this many proxies instead of [`MAX_FORWARDS`].
    #[must_use]
    pub const fn with_max_forwards(mut self, hops: u8) -> Self {
        self.max_forwards = hops;
        self
    }

    /// Takes a response that the transaction delivered.
    ///
    /// # Errors
    /// [`DialogError`]: a 1xx may be ignored; a 2xx without tag or with a broken route cannot be acknowledged.
    pub fn handle_response(&mut self, response: &Response<'_>) -> Result<Heard<'_>, DialogError> {
        let status = response.status();
        if status.class() > 2 {
            self.dialogs.iter_mut().for_each(Dialog::end);
            return Ok(Heard::NoDialog);
        }
        let known = self.dialogs.iter().position(|dialog| dialog.owns_response(response));
        if status.is_provisional() {
            return match known {
                Some(at) => Ok(self.dialogs.get_mut(at).map_or(Heard::NoDialog, Heard::Early)),
                None if response.to().tag.is_none() || self.dialogs.len() >= FORKS_MAX => Ok(Heard::NoDialog),
                None => {
                    let dialog = Dialog::uac(self, response)?;
                    self.dialogs.push(dialog);
                    Ok(self.dialogs.last_mut().map_or(Heard::NoDialog, Heard::Early))
                }
            };
        }
        if let (Some(answered), Some(at)) = (self.answered, known)
            && answered == at
        {
            return Ok(self.dialogs.get_mut(at).map_or(Heard::NoDialog, Heard::Repeated));
        }
        let mut dialog = match known.and_then(|at| self.dialogs.get(at)) {
            Some(dialog) => dialog.clone(),
            None => Dialog::uac(self, response)?,
        };
        dialog.confirm_with(response)?;
        if self.answered.is_some() {
            return Ok(Heard::Surplus(Box::new(dialog)));
        }
        let at = known.unwrap_or(self.dialogs.len());
        self.answered = Some(at);
        match self.dialogs.get_mut(at) {
            Some(place) => *place = dialog,
            None => self.dialogs.push(dialog),
        }
        Ok(self.dialogs.get_mut(at).map_or(Heard::NoDialog, Heard::Answered))
    }

    /// Begins the INVITE; each call takes the next CSeq number, as a repeat with credentials must (RFC 3261 §22.2).
    /// Early dialogs of the attempt before are forgotten. The caller adds what it needs and ends the message.
    pub fn request<'o>(&mut self, out: &'o mut Vec<u8>, hop: &Hop<'_>) -> Writer<'o> {
        self.cseq += 1;
        self.dialogs.clear();
        self.answered = None;
        Writer::request(out, Method::Invite, &self.target)
            .header(HeaderName::Via, hop)
            .header(HeaderName::MaxForwards, self.max_forwards)
            .optional(HeaderName::Route, self.route.as_ref())
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format_args!("{} INVITE", self.cseq))
            .header(HeaderName::Contact, &self.contact)
    }

    /// Says that the INVITE just begun carries an offer; the dialogs it makes start with it open.
    pub fn offered(&mut self) {
        self.negotiation = Negotiation::new();
        let _first = self.negotiation.offer_sent();
    }

    /// The same INVITE to another Request-URI: its next [`Invitation::request`] has the next CSeq (RFC 3261 §8.1.3.4).
    #[must_use]
    pub fn retargeted(&self, target: &str) -> Self {
        Self { target: target.to_owned(), dialogs: Vec::new(), answered: None, ..self.clone() }
    }

    /// Gives the dialog of the call and forgets the others: for when the transaction is over.
    #[must_use]
    pub fn into_dialog(mut self) -> Option<Dialog> {
        let at = self.answered?;
        (at < self.dialogs.len()).then(|| self.dialogs.swap_remove(at))
    }

    /// The dialog of the call, once a 2xx came.
    #[must_use]
    pub fn dialog(&self) -> Option<&Dialog> {
        self.dialogs.get(self.answered?)
    }

    /// The dialog of the call, once a 2xx came.
    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        self.dialogs.get_mut(self.answered?)
    }

    /// Sets our Contact, once it is known which listener reaches the far end.
    pub fn set_contact(&mut self, contact: &str) {
        contact.clone_into(&mut self.contact);
    }

    /// The dialog of this remote tag, early ones too.
    #[must_use]
    pub fn named(&self, tag: &str) -> Option<&Dialog> {
        self.dialogs.iter().find(|dialog| dialog.remote_tag() == Some(tag))
    }

    /// As [`Invitation::named`].
    pub fn named_mut(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.dialogs.iter_mut().find(|dialog| dialog.remote_tag() == Some(tag))
    }

    /// The dialog that a request of theirs belongs to.
    #[must_use]
    pub fn owner(&self, request: &Request<'_>) -> Option<&Dialog> {
        self.dialogs.iter().find(|dialog| dialog.owns_request(request))
    }

    /// All dialogs, early ones too.
    pub fn dialogs_mut(&mut self) -> impl Iterator<Item = &mut Dialog> {
        self.dialogs.iter_mut()
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// From with tag.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Our Contact.
    #[must_use]
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// Request-URI.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// CSeq number of the last INVITE.
    #[must_use]
    pub const fn cseq(&self) -> u32 {
        self.cseq
    }

    pub(super) const fn negotiation(&self) -> Negotiation {
        self.negotiation
    }
}
