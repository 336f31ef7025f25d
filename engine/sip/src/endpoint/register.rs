//! REGISTER: proves the sender, hands the contacts to the registrar, answers with the bindings there are.
//!
//! ```text
//!   To ─► domain known? 404   credentials? 401   user = AOR? 403 ─► registrar ─► 200 + Contact… | 400 423 500 503
//! ```
//! Shape:  up to the proof nothing is kept; after it the answer has a transaction, so that copies change nothing.
//! Units:  seconds.
//! Errors: each a final response.
//! Source: RFC 3261 §10.3; steps are numbered as there.

use std::fmt::Display;
use std::time::Instant;

use super::identify::Sender;
use super::source::Source;
use super::{Endpoint, Owner};
use crate::api::{BindingView, Event, RegisteredUser, RegistrationsView};
use crate::directory::domain_name;
use crate::message::{Contact, ContactAddress, HeaderError, HeaderName, ParamValue, Request, StatusCode, Uri};
use crate::package::Package;
use crate::registrar::{Binding, ContactUpdate, Contacts, Register, RegisterError, RegistrarEvent};
use crate::transaction::NewRequest;

/// What the Contact headers say.
enum Wish {
    Fetch,
    Star,
    List(Vec<Wished>),
}

/// One Contact header.
struct Wished {
    uri: String,
    expires_s: Option<u32>,
    q: u16,
    instance: Option<String>,
}

impl Endpoint {
    pub(super) fn register(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        // Step 5: an AOR is a SIP URI with a user.
        let Uri::Sip(aor) = &request.to().uri else {
            return self.answer_stateless(request, source, StatusCode::BAD_REQUEST, &[]);
        };
        let Some(user) = aor.user() else {
            return self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
        };
        let host = aor.host().to_string();
        let domain = domain_name(&host).into_owned();
        if self.directory.domain(&domain).is_none() {
            return self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
        }
        // Step 3: nobody, de-registration included, without a proof.
        let Some(sender) = self.identify(request, source, &domain, now) else { return };
        // Step 5 again: whom the directory does not know has no bindings. A password proves that it does.
        if sender == Sender::Trusted && self.directory.domain(&domain).is_none_or(|domain| domain.secret(&user).is_none()) {
            return self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
        }
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else {
            return self.shed(request, source);
        };
        // Step 4.
        if !sender.is(&user) {
            return self.answer_once(request, source, transaction, StatusCode::FORBIDDEN, &[], now);
        }
        let outcome = match wish(request) {
            Ok(wish) => self.apply(request, source, &user, &domain, &wish, now).map_err(|error| (error.status(), Some(error))),
            Err(_) => Err((400, None)),
        };
        match outcome {
            Ok(()) => {
                self.tell_moved(&user, &domain, source.flow);
                let shown = |b: &Binding| match b.q() {
                    1000 => format!("<{}>;expires={}", b.contact(), b.expires_in_s(now)),
                    q => format!("<{}>;q=0.{q:03};expires={}", b.contact(), b.expires_in_s(now)),
                };
                let bindings: Vec<String> = self.registrar.bindings(&user, &domain).map(shown).collect();
                let mut list: Vec<(&str, &dyn Display)> =
                    bindings.iter().map(|binding| (HeaderName::Contact.as_str(), binding as &dyn Display)).collect();
                // RFC 3327 §5.3: the phone learns by which way it will be reached.
                let path: Vec<&str> = request.headers().headers(HeaderName::Path).collect();
                list.extend(path.iter().map(|value| (HeaderName::Path.as_str(), value as &dyn Display)));
                self.answer_once(request, source, transaction, StatusCode::OK, &list, now);
            }
            Err((code, error)) => {
                let wait = self.wait_s();
                let explain: Option<(&str, &dyn Display)> = match &error {
                    Some(RegisterError::TooBrief { min_s }) => Some((HeaderName::MinExpires.as_str(), min_s)),
                    Some(RegisterError::Full { .. }) => Some((HeaderName::RetryAfter.as_str(), &wait)),
                    Some(
                        RegisterError::StarNeedsZero
                        | RegisterError::TooManyContacts { .. }
                        | RegisterError::ContactTooLong { .. }
                        | RegisterError::PathTooLong { .. }
                        | RegisterError::OutOfOrder,
                    )
                    | None => None,
                };
                let status = StatusCode::new(code).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
                self.answer_once(request, source, transaction, status, explain.as_slice(), now);
            }
        }
    }

    /// Steps 6 and 7.
    fn apply(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        user: &str,
        domain: &str,
        wish: &Wish,
        now: Instant,
    ) -> Result<(), RegisterError> {
        let headers = request.headers();
        let updates: Vec<ContactUpdate<'_>> = match wish {
            Wish::List(list) => list.iter().map(Wished::update).collect(),
            Wish::Fetch | Wish::Star => Vec::new(),
        };
        let contacts = match wish {
            Wish::Fetch => Contacts::Fetch,
            Wish::Star => Contacts::Star,
            Wish::List(_) => Contacts::List(&updates),
        };
        let path: Vec<&str> = headers.headers(HeaderName::Path).collect();
        let path = (!path.is_empty()).then(|| path.join(", "));
        let register = Register {
            user,
            domain,
            call_id: request.call_id(),
            cseq: request.cseq().number,
            contacts,
            expires_s: headers.expires(),
            agent: headers.header(HeaderName::UserAgent),
            flow: source.flow,
            path: path.as_deref(),
        };
        self.registrar.register(&register, &mut self.rng, now)
    }

    /// Tells the control server of the domain, if it has one.
    pub(super) fn tell_registration(&mut self, event: RegistrarEvent, now: Instant) {
        let binding = event.binding;
        // A refresh is no news to those who watch.
        if !event.registered || binding.registered_at() == now {
            let resource = format!("{}@{}", binding.user(), binding.domain());
            self.watchers.changed(Package::Reg, &resource);
            self.watchers.changed(Package::Presence, &resource);
        }
        let Some(control) = self.directory.domain(binding.domain()).and_then(|domain| domain.control().cloned()) else { return };
        self.outputs.push_back(super::Output::Event(Event::Registration {
            control,
            registered: event.registered,
            domain: binding.domain().to_owned(),
            user: binding.user().to_owned(),
            remote: binding.flow().peer,
            agent: binding.agent().map(str::to_owned),
            transport: binding.flow().transport.word(),
            expires: binding.expires_s(),
        }));
    }

    /// `GET /reg/{domain}[/{user}]`; an unknown user is an empty list.
    pub(super) fn registrations(&self, domain: &str, user: Option<&str>, now: Instant) -> Option<RegistrationsView> {
        let name = domain_name(domain);
        let known = self.directory.domain(&name)?;
        let view = |username: &str| RegisteredUser {
            username: username.to_owned(),
            contacts: self.registrar.newest(username, &name).map(|binding| self.binding_view(binding, now)).collect(),
        };
        let users: Vec<RegisteredUser> = known.users().filter(|username| user.is_none_or(|user| user == *username)).map(view).collect();
        Some(RegistrationsView {
            count: known.users_len() as u64,
            registered: users.iter().filter(|user| !user.contacts.is_empty()).count() as u64,
            domain: name.into_owned(),
            users,
        })
    }

    fn binding_view(&self, binding: &Binding, now: Instant) -> BindingView {
        BindingView {
            contact: binding.contact().to_owned(),
            q: binding.q(),
            path: binding.path().map(str::to_owned),
            remote: binding.flow().peer,
            agent: binding.agent().map(str::to_owned),
            transport: binding.flow().transport.word(),
            expires: binding.expires_s(),
            expiresin: binding.expires_in_s(now),
            outstandingping: u32::from(binding.pings_outstanding()),
            registered: self.clock.epoch_ms(binding.registered_at()) / 1000,
        }
    }
}

impl Wished {
    fn read(contact: &ContactAddress<'_>) -> Self {
        let param = |name| contact.address.params.get(name).map(ParamValue::text);
        // RFC 5626 §6: one binding for each flow of a phone; without `reg-id` it has one.
        let flow = param("reg-id").unwrap_or_default();
        Self {
            uri: contact.address.uri.as_str().to_owned(),
            expires_s: contact.expires,
            // RFC 3261 §20.10 gives no default; 1 keeps phones that say nothing before those that ask to come later.
            q: contact.q.unwrap_or(1000),
            instance: param("+sip.instance").map(|instance| format!("{instance}{flow}")),
        }
    }

    fn update(&self) -> ContactUpdate<'_> {
        ContactUpdate { uri: &self.uri, expires_s: self.expires_s, q: self.q, instance: self.instance.as_deref() }
    }
}

fn wish(request: &Request<'_>) -> Result<Wish, HeaderError> {
    let mut list = Vec::new();
    let mut star = false;
    for contact in request.headers().contacts() {
        match contact? {
            Contact::Star => star = true,
            Contact::Address(contact) => list.push(Wished::read(&contact)),
        }
    }
    Ok(match (star, list.is_empty()) {
        (true, true) => Wish::Star,
        (false, true) => Wish::Fetch,
        (false, false) => Wish::List(list),
        // RFC 3261 §10.2.2: the star stands alone.
        (true, false) => return Err(HeaderError { name: HeaderName::Contact, problem: crate::message::Problem::Star }),
    })
}
