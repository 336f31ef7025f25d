//! `/mwi`: what waits in the mailbox of a user, for the lamps of its phones.
//!
//! Shape:  `PUT` sets the whole, `GET` shows it; a mailbox that nobody set is empty.
//! Errors: [`Refusal`]: 400 names the field, 404 an unknown domain or user, 405.
//! Source: `docs/openapi.yaml`, `/mwi`; RFC 3842.

use sip::api::{Command, Reply};

use super::dir::lower;
use super::{Refusal, SipBackend, done, json};
use crate::json::{Object, mailbox, mailbox_view, parse};
use crate::wire::{Method, Response};

/// Routes what follows `/mwi`.
pub(super) async fn route<B: SipBackend>(backend: &B, method: Method, path: &[&str], body: &[u8]) -> Result<Response, Refusal> {
    let [domain, user] = path else { return Err(Refusal::NoRoute) };
    let (domain, user) = (lower(domain), (*user).to_owned());
    match method {
        Method::Get => match backend.call(Command::MailboxGet { domain, user }).await? {
            Reply::Mailbox(mailbox) => Ok(json(200, &mailbox_view(&mailbox))),
            _ => Err(Refusal::Mismatch),
        },
        Method::Put => {
            let value = parse(body)?;
            let mailbox = mailbox(&Object::root(&value)?)?;
            backend.call(Command::MailboxSet { domain, user, mailbox }).await?;
            Ok(done(200))
        }
        _ => Err(Refusal::NotAllowed("GET, PUT")),
    }
}
