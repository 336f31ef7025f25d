//! 3xx both ways: we send callers elsewhere, and follow or report where our calls are sent.
//!
//! ```text
//!   theirs: redirect {contacts} ─► 302          ours: 3xx ─► `contacts` in the `hangup` event │ follow: one after the other, best first
//! ```
//! Shape:  at most 16 contacts out, and [`FOLLOW_MAX`] followed for one call, none of them twice.
//! Errors: to control [`CommandError`]; a contact that leads nowhere is passed over.
//! Source: RFC 3261 §8.1.3.4 (same Call-ID, To and From, next CSeq), §8.2.2, §13.3.1.2, §21.3.

use std::fmt::Display;
use std::time::Instant;

use super::Endpoint;
use super::call::Phase;
use super::calls::CallKey;
use super::leg::Leg;
use super::originate::Route;
use crate::api::CommandError;
use crate::message::{HeaderName, StatusCode, Uri};

/// Contacts in a 302.
const CONTACTS_MAX: usize = 16;
/// Contacts of 3xx that one call follows: each may name others, so that a ring of forwards must end.
pub(super) const FOLLOW_MAX: u8 = 5;

impl Endpoint {
    /// 302 to their INVITE.
    pub(super) fn redirect(&mut self, key: CallKey, contacts: &[String], now: Instant) -> Result<(), CommandError> {
        let offered = self.calls.get(key).is_some_and(|call| matches!(call.phase, Phase::Offered(_)));
        if !offered {
            return Err(CommandError::WrongState("only a call to us that is not answered can be redirected"));
        }
        if contacts.is_empty() || contacts.len() > CONTACTS_MAX {
            return Err(CommandError::Bad(format!("1 to {CONTACTS_MAX} contacts are needed")));
        }
        let mut values = Vec::with_capacity(contacts.len());
        for contact in contacts {
            let uri = contact.trim().trim_start_matches('<').trim_end_matches('>');
            crate::message::Uri::parse(uri).map_err(|error| CommandError::Bad(format!("contact {contact:?}: {error}")))?;
            values.push(format!("<{uri}>"));
        }
        let headers: Vec<(&str, &dyn Display)> = values.iter().map(|value| (HeaderName::Contact.as_str(), value as &dyn Display)).collect();
        let status = StatusCode::MOVED_TEMPORARILY;
        self.refuse(key, status, status.phrase(), &headers, now);
        Ok(())
    }

    /// Calls the next contact that a 3xx named. False: there is none, or nobody asked for it.
    pub(super) fn follow(&mut self, key: CallKey, now: Instant) -> bool {
        loop {
            let Some(call) = self.calls.get_mut(key) else { return false };
            let Phase::Calling(outgoing) = &mut call.phase else { return false };
            // What was heard of stays in `moved`, so that no contact is called twice; `follow` counts down through it.
            let at = usize::from(FOLLOW_MAX.saturating_sub(outgoing.follow));
            let (Some(contact), Some(spent)) = (outgoing.moved.get(at).filter(|_| outgoing.follow > 0).cloned(), outgoing.spent.clone())
            else {
                return false;
            };
            outgoing.follow -= 1;
            if let Some(route) = self.route_of(&contact)
                && self.call_contact(key, &spent.retargeted(route.target()), &route, now)
            {
                return true;
            }
        }
    }

    /// Where a contact leads: a phone of ours, an address, a name.
    fn route_of(&self, contact: &str) -> Option<Route> {
        let Ok(Uri::Sip(uri)) = Uri::parse(contact) else { return None };
        if uri.is_secure() {
            return None;
        }
        let host = uri.host();
        let mut domain = match uri.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        if let Some(transport) = uri.params().transport() {
            domain.push_str(";transport=");
            domain.push_str(transport);
        }
        self.routes(&uri.user().unwrap_or_default(), &domain).ok()?.into_iter().next()
    }

    fn call_contact(&mut self, key: CallKey, invitation: &crate::dialog::Invitation, route: &Route, now: Instant) -> bool {
        let nowhere = super::originate::NOWHERE;
        let flow = route.flow().unwrap_or(nowhere);
        let Some(call) = self.calls.get_mut(key) else { return false };
        call.follows_source = matches!(route, Route::Phone { .. } | Route::Elsewhere { .. });
        let Phase::Calling(outgoing) = &mut call.phase else { return false };
        outgoing.legs.push(Leg::new(invitation.clone(), flow));
        let at = outgoing.legs.len() - 1;
        match route {
            Route::Phone { .. } | Route::Host { .. } => {
                self.aim(key, at, flow);
                let sent = self.send_invite(key, at, now);
                if !sent && let Some(Phase::Calling(outgoing)) = self.calls.get_mut(key).map(|call| &mut call.phase) {
                    outgoing.legs.truncate(at);
                }
                sent
            }
            Route::Name { .. } | Route::Elsewhere { .. } => {
                self.look_up(key, route);
                true
            }
        }
    }
}
