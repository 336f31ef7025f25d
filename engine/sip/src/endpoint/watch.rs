//! SUBSCRIBE and the NOTIFYs that follow it.
//!
//! ```text
//!   SUBSCRIBE ─► package? 489 ─► Accept? 406 ─► sender proven 401 407 ─► user known? 404 ─► may he? 403 ─► 200, NOTIFY
//!   within a dialog: refresh │ Expires 0 ─► last NOTIFY          Watchers::poll_notice ─► NOTIFY ─► answered │ lost
//! ```
//! Shape:  up to the proof nothing is kept; NOTIFYs go where the last SUBSCRIBE came from, above 1300 bytes over TCP but to phones.
//! Errors: each a final response.
//! Who may watch: users of the same domain, each other; mailbox and contacts only one's own; trusted senders all.
//! Source: RFC 6665 §4.2, §5.4, §8.2; RFC 3261 §12.

use std::fmt::Display;
use std::time::Instant;

use super::caller::domain_of;
use super::event::user_of;
use super::identify::Sender;
use super::originate::without_headers;
use super::reply::with;
use super::source::Source;
use super::{Endpoint, Owner, identity};
use crate::api::{EventKind, Snapshot};
use crate::dialog::Hop;
use crate::directory::{Directory, domain_name};
use crate::message::{HeaderName, Method, Request, StatusCode};
use crate::package::{
    ALLOW_EVENTS, CallNote, CallState, Notice, Package, RegContact, SubscribeError, Watch, WatcherId, dialog_info, message_summary,
    presence, reg_info,
};
use crate::transaction::NewRequest;

impl Endpoint {
    /// A SUBSCRIBE outside a dialog.
    pub(super) fn subscribe(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        let Some(package) = self.package_of(request, source) else { return };
        let accepts = accepted(request, package);
        if !accepts {
            let accept = package.content_type();
            let header: (&str, &dyn Display) = (HeaderName::Accept.as_str(), &accept);
            return self.answer_stateless(request, source, StatusCode::NOT_ACCEPTABLE, &[header]);
        }
        let Some((watcher, sender)) = self.participant(request, source, now) else { return };
        let Some(resource) = self.resource_of(request) else {
            return self.answer_stateless(request, source, StatusCode::NOT_FOUND, &[]);
        };
        let same_domain = watcher.rsplit_once('@').map(|(_, domain)| domain) == resource.rsplit_once('@').map(|(_, domain)| domain);
        let allowed = sender == Sender::Trusted || watcher == resource || (same_domain && !package.is_private());
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        if !allowed {
            return self.answer_once(request, source, transaction, StatusCode::FORBIDDEN, &[], now);
        }
        let tag = self.tokens.tag();
        let user = resource.rsplit_once('@').map_or("", |(user, _)| user);
        let contact = self.contact(source.flow, user);
        let (flow, phone) = (source.flow, sender != Sender::Trusted);
        let watch = Watch { request, package, resource: &resource, watcher: &watcher, flow, phone, tag: &tag, contact: &contact };
        match self.watchers.subscribe(&watch, now) {
            Ok((id, granted)) => self.answer_subscribe(request, source, transaction, id, granted, now),
            Err(error) => self.refuse_subscribe(request, source, transaction, error, now),
        }
    }

    /// A SUBSCRIBE with a To tag.
    pub(super) fn resubscribe(&mut self, request: &Request<'_>, source: &Source, new: NewRequest, now: Instant) {
        // The dialog was proven when it was made, and its tags are not to be guessed.
        let Ok(transaction) = self.layer.accept(new, source.reply, Owner::Nobody) else { return self.shed(request, source) };
        match self.watchers.refresh(request, source.flow, now) {
            Ok((id, granted)) => self.answer_subscribe(request, source, transaction, id, granted, now),
            Err(error) => self.refuse_subscribe(request, source, transaction, error, now),
        }
    }

    fn answer_subscribe(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        transaction: crate::transaction::TransactionId,
        id: WatcherId,
        granted: u32,
        now: Instant,
    ) {
        let mut out = Vec::with_capacity(512);
        let written = self.watchers.dialog(id).map(|dialog| {
            let writer = dialog.respond(&mut out, request, StatusCode::OK, source.from);
            writer.header(HeaderName::Server, &self.config.agent).header(HeaderName::Expires, granted).end()
        });
        match written {
            Some(Ok(_)) => drop(self.layer.respond(transaction, StatusCode::OK, out, now)),
            Some(Err(_)) | None => {
                self.stats.unwritable += 1;
                self.layer.abandon(transaction);
            }
        }
    }

    fn refuse_subscribe(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        transaction: crate::transaction::TransactionId,
        error: SubscribeError,
        now: Instant,
    ) {
        let wait = self.wait_s();
        let explain: Option<(&str, &dyn Display)> = match &error {
            SubscribeError::TooBrief { min_s } => Some((HeaderName::MinExpires.as_str(), min_s)),
            SubscribeError::Full { .. } => Some((HeaderName::RetryAfter.as_str(), &wait)),
            SubscribeError::Dialog(_) | SubscribeError::Order(_) | SubscribeError::Unknown => None,
        };
        self.answer_once(request, source, transaction, error.status(), explain.as_slice(), now);
    }

    /// The package that Event names. `None`: it was answered 489 (RFC 6665 §4.2.1.1), or 400 where it names none.
    pub(super) fn package_of(&mut self, request: &Request<'_>, source: &Source) -> Option<Package> {
        let event = request.headers().header(HeaderName::Event);
        let package = event.and_then(Package::from_event);
        if package.is_none() {
            let header: (&str, &dyn Display) = (HeaderName::AllowEvents.as_str(), &ALLOW_EVENTS);
            let status = if event.is_some() { StatusCode::BAD_EVENT } else { StatusCode::BAD_REQUEST };
            self.answer_stateless(request, source, status, &[header]);
        }
        package
    }

    /// Who sends it, `user@domain` of From. `None`: it was answered.
    pub(super) fn participant(&mut self, request: &Request<'_>, source: &Source, now: Instant) -> Option<(String, Sender)> {
        let from = request.from();
        let domain = domain_of(&from.uri).filter(|domain| self.directory.domain(domain).is_some());
        let Some(domain) = domain else {
            self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[]);
            return None;
        };
        let sender = self.identify(request, source, &domain, now)?;
        let user = user_of(&from.uri);
        if !sender.is(&user) {
            self.answer_stateless(request, source, StatusCode::FORBIDDEN, &[]);
            return None;
        }
        Some((format!("{user}@{domain}"), sender))
    }

    /// The user that the Request-URI names, if the directory has it.
    pub(super) fn resource_of(&self, request: &Request<'_>) -> Option<String> {
        let (user, domain) = (user_of(request.uri()), domain_of(request.uri())?);
        self.directory.domain(&domain)?.secret(&user)?;
        Some(format!("{user}@{domain}"))
    }

    /// Sends the NOTIFYs that are due; true if there was one.
    pub(super) fn send_notices(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(notice) = self.watchers.poll_notice(now) {
            any = true;
            if self.send_notice(&notice, now) { self.watchers.sent(&notice) } else { self.watchers.unsent(&notice) }
        }
        any
    }

    fn send_notice(&mut self, notice: &Notice, now: Instant) -> bool {
        let document = self.document(notice, now);
        let branch = self.layer.branch();
        let Some(sent_by) = self.advertised(notice.flow) else { return false };
        let hop = Hop { transport: notice.flow.transport, sent_by, branch: &branch };
        let mut out = Vec::with_capacity(768 + document.len());
        let Some(writer) = self.watchers.begin(notice.id, &mut out, &hop) else { return false };
        let headers: [(&str, &dyn Display); 3] = [
            (HeaderName::Event.as_str(), &notice.event),
            (HeaderName::SubscriptionState.as_str(), &notice.state),
            (HeaderName::UserAgent.as_str(), &self.config.agent),
        ];
        if with(writer, &headers).body(notice.package.content_type(), document.as_bytes()).is_err() {
            self.stats.unwritable += 1;
            return false;
        }
        let owner = if notice.last { Owner::Nobody } else { Owner::Watcher(notice.id) };
        let far = self.watchers.dialog(notice.id).filter(|_| !notice.phone);
        match far.and_then(|dialog| self.grown(dialog, notice.flow, &out, &hop, now)) {
            Some((over, bytes)) => {
                let sent = self.layer.request(Method::Notify, &branch, bytes, over, owner, now);
                sent.map(|id| self.layer.otherwise(id, notice.flow, out)).is_ok()
            }
            None => self.layer.request(Method::Notify, &branch, out, notice.flow, owner, now).is_ok(),
        }
    }

    fn document(&self, notice: &Notice, now: Instant) -> String {
        let resource = &*notice.resource;
        let (user, domain) = resource.rsplit_once('@').unwrap_or((resource, ""));
        match notice.package {
            Package::Presence => {
                let registered = self.registrar.newest(user, domain).next().is_some();
                presence(resource, self.publications.body(resource), registered)
            }
            Package::Dialog => dialog_info(resource, notice.version, self.noted_calls.of(resource)),
            Package::MessageSummary => message_summary(resource, self.mailboxes.get(resource)),
            Package::Reg => {
                let bindings = self.registrar.newest(user, domain);
                let contacts: Vec<RegContact<'_>> = bindings
                    .map(|binding| RegContact {
                        id: binding.number(),
                        uri: without_headers(binding.contact()),
                        q: binding.q(),
                        expires_s: binding.expires_in_s(now),
                        registered_s: now.saturating_duration_since(binding.registered_at()).as_secs(),
                    })
                    .collect();
                reg_info(resource, notice.version, &contacts)
            }
        }
    }

    /// What a call does is news to those who watch its user.
    pub(super) fn note_call(&mut self, resource: &str, note: CallNote) {
        let watched = self.watchers.is_watched(Package::Dialog, resource);
        if self.noted_calls.note(resource, note, watched) && watched {
            self.watchers.changed(Package::Dialog, resource);
        }
    }

    /// A user is no more: neither are its state and those who watch it.
    pub(super) fn end_watching(&mut self, user: &str, domain: &str) {
        let resource = format!("{user}@{}", domain_name(domain));
        self.watchers.end_resource(&resource);
        self.publications.end_resource(&resource);
        self.mailboxes.remove(resource.as_str());
    }
}

/// A call as those see it who watch its user; `None` if that is none of the directory.
pub(super) fn call_note(
    directory: &Directory,
    view: &Snapshot,
    tags: Option<(Option<Box<str>>, Box<str>)>,
    kind: EventKind,
) -> Option<(String, CallNote)> {
    // A phone that called us is the user of From; a phone that we called is the user of To.
    let (user, other) = if view.originator { (&view.to, &view.from) } else { (&view.from, &view.to) };
    let user = user.as_deref()?;
    directory.domain(&view.domain)?.secret(user)?;
    let state = match (kind, view.answered, view.ring) {
        (EventKind::Hangup, ..) => CallState::Terminated,
        (_, true, _) => CallState::Confirmed,
        (_, false, true) => CallState::Early,
        (_, false, false) if view.originator => CallState::Proceeding,
        (_, false, false) => CallState::Trying,
    };
    let (local_tag, remote_tag) = tags.map_or((None, None), |(local, remote)| (local, Some(remote)));
    let withheld = view.originator && view.callerid.private;
    let (remote_name, remote) = if withheld {
        ("", "sip:anonymous@anonymous.invalid".to_owned())
    } else {
        let name = if view.originator { view.callerid.name.as_str() } else { "" };
        (name, identity::uri(other.as_deref().unwrap_or_default(), &view.domain))
    };
    let note = CallNote {
        id: view.uuid.as_str().into(),
        call_id: view.callid.as_str().into(),
        local_tag,
        remote_tag,
        initiator: !view.originator,
        state,
        remote_name: remote_name.into(),
        remote: remote.into(),
    };
    Some((format!("{user}@{}", view.domain), note))
}

/// Whether the watcher reads the documents of the package; without Accept it does (RFC 6665 §3.1.3).
fn accepted(request: &Request<'_>, package: Package) -> bool {
    let mut ranges = request.headers().values(HeaderName::Accept).peekable();
    let good = [package.content_type(), "application/*", "*/*"];
    ranges.peek().is_none()
        || ranges.any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            good.iter().any(|good| good.eq_ignore_ascii_case(range))
        })
}
