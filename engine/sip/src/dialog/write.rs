//! Messages of a dialog, begun for the caller to finish.
//!
//! ```text
//!   request | reinvite | ack ──► start line, Via, Max-Forwards, Route, From, To, Call-ID, CSeq, Contact ──► Writer
//!   respond                  ──► what a response takes from its request, our tag, Record-Route, Contact ──► Writer
//! ```
//! Shape:  every header that the dialog owns, in one order; the caller adds the rest and ends the message.
//! Units:  CSeq numbers as `u32`.
//! Errors: [`Refusal`] for a re-INVITE out of turn; text that cannot be written fails when the message is ended.
//! Source: RFC 3261 §12.1.1, §12.2.1.1, §13.2.2.4.

use std::net::SocketAddr;

use super::error::Refusal;
use super::hop::{Hop, MAX_FORWARDS};
#[cfg(doc)]
use super::invite::InviteUsage;
use super::state::{Dialog, DialogState};
use crate::message::{HeaderName, Method, Request, StatusCode, Writer};

impl Dialog {
    /// Begins a request inside the dialog and uses up a CSeq number. The caller adds what its method needs and ends the
    /// message. Not for INVITE, which has [`Dialog::reinvite`], ACK and CANCEL.
    pub fn request<'o>(&mut self, out: &'o mut Vec<u8>, method: Method<'_>, hop: &Hop<'_>) -> Writer<'o> {
        self.local_cseq = self.local_cseq.saturating_add(1);
        let writer = self.begin(out, method, hop, self.local_cseq);
        // RFC 3261 §12.2.1.1: requests that may move the target carry our Contact; so do those that make a subscription.
        match method {
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer => {
                writer.header(HeaderName::Contact, &self.contact)
            }
            _ => writer,
        }
    }

    /// Begins a re-INVITE.
    ///
    /// # Errors
    /// [`Refusal`] if an INVITE is under way in either direction (RFC 3261 §14.1), or the dialog is not confirmed.
    pub fn reinvite<'o>(&mut self, out: &'o mut Vec<u8>, hop: &Hop<'_>) -> Result<Writer<'o>, Refusal> {
        if self.state != DialogState::Confirmed {
            return Err(Refusal::NoDialog);
        }
        self.invite.sent(self.local_cseq.saturating_add(1))?;
        Ok(self.request(out, Method::Invite, hop))
    }

    /// Begins the ACK of a 2xx to our INVITE with this CSeq. The caller adds the credentials of the INVITE, if it had any
    /// (RFC 3261 §22.1), and their answer; then gives the bytes to [`InviteUsage::acknowledged`].
    pub fn ack<'o>(&self, out: &'o mut Vec<u8>, cseq: u32, hop: &Hop<'_>) -> Writer<'o> {
        self.begin(out, Method::Ack, hop, cseq)
    }

    /// Begins a response to a request of this dialog: what it takes from the request, our tag, Record-Route and Contact
    /// where the dialog needs them (RFC 3261 §12.1.1). `source` is where the request came from.
    pub fn respond<'o>(&self, out: &'o mut Vec<u8>, request: &Request<'_>, status: StatusCode, source: SocketAddr) -> Writer<'o> {
        let tag = (status != StatusCode::TRYING).then_some(self.local_tag.as_str());
        let writer = Writer::response(out, status, status.phrase()).answer(request.headers(), Some(source), tag);
        let makes_dialog = matches!(request.method(), Method::Invite | Method::Update | Method::Subscribe | Method::Refer);
        if !makes_dialog || status == StatusCode::TRYING || status.class() > 2 {
            return writer;
        }
        writer.copy(request.headers(), HeaderName::RecordRoute).header(HeaderName::Contact, &self.contact)
    }

    fn begin<'o>(&self, out: &'o mut Vec<u8>, method: Method<'_>, hop: &Hop<'_>, cseq: u32) -> Writer<'o> {
        let writer = Writer::request(out, method, self.routes.request_uri(&self.target)).header(HeaderName::Via, hop);
        let writer = writer.header(HeaderName::MaxForwards, MAX_FORWARDS);
        self.routes
            .write(writer, &self.target)
            .header(HeaderName::From, &self.local)
            .header(HeaderName::To, &self.remote)
            .header(HeaderName::CallId, &self.call_id)
            .header(HeaderName::CSeq, format_args!("{cseq} {method}"))
    }
}
