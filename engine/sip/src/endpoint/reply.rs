//! Responses: with and without a transaction.
//!
//! ```text
//!   Request ─► stateless (no memory, same To tag for every copy)      Request ─► Pending ─► respond later, any number of times
//! ```
//! Shape:  [`Pending`] keeps the few headers that a response copies, about 500 bytes; not the body.
//! Errors: a response that cannot be written is counted and not sent; a peer cannot make that happen, for what it sent
//!         was read as headers before.
//! Source: RFC 3261 §8.2.6, §8.2.7 (stateless UAS), §12.1.1 (Record-Route is copied).

use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use super::Endpoint;
use super::guard::Fared;
use super::source::Source;
use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::{HeaderName, Message, Place, Request, StatusCode, WriteError, Writer};
use crate::transaction::TransactionId;

/// Content-Type of a session description.
pub(super) const SDP_TYPE: &str = "application/sdp";

/// Headers, by name and value, that are special about one message.
pub(super) type Extra<'e> = &'e [(&'e str, &'e dyn Display)];

/// Appends them.
pub(super) fn with<'w>(writer: Writer<'w>, extra: Extra<'_>) -> Writer<'w> {
    extra.iter().fold(writer, |writer, (name, value)| writer.extension(name, value))
}

/// A request that is answered later.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    /// Its transaction.
    pub transaction: TransactionId,
    /// A request with nothing but what its responses copy.
    head: Box<[u8]>,
    from: SocketAddr,
    /// Our To tag.
    pub tag: Box<str>,
}

impl Pending {
    pub fn new(request: &Request<'_>, source: &Source, transaction: TransactionId, tag: &str) -> Result<Self, WriteError> {
        let mut head = Vec::new();
        let headers = request.headers();
        let mut writer = Writer::request(&mut head, request.method(), request.uri());
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq, HeaderName::RecordRoute] {
            writer = writer.copy(headers, name);
        }
        writer.end()?;
        Ok(Self { transaction, head: head.into(), from: source.from, tag: tag.into() })
    }

    /// A response that makes no dialog: 100 and failures.
    pub fn write(&self, status: StatusCode, reason: &str, agent: &str, extra: Extra<'_>) -> Result<Vec<u8>, WriteError> {
        self.with_request(|request, out| {
            let tag = (status != StatusCode::TRYING).then_some(&*self.tag);
            let writer = Writer::response(out, status, reason).answer(request.headers(), Some(self.from), tag);
            with(writer.header(HeaderName::Server, agent), extra).end()
        })
    }

    /// A response inside the dialog, with Record-Route and Contact where they belong, and a session description.
    pub fn write_in(
        &self,
        dialog: &Dialog,
        status: StatusCode,
        agent: &str,
        extra: Extra<'_>,
        sdp: Option<&str>,
    ) -> Result<Vec<u8>, WriteError> {
        self.with_request(|request, out| {
            let writer = dialog.respond(out, request, status, self.from).header(HeaderName::Server, agent);
            let writer = with(writer, extra);
            match sdp {
                Some(sdp) => writer.body(SDP_TYPE, sdp.as_bytes()),
                None => writer.end(),
            }
        })
    }

    fn with_request(&self, write: impl FnOnce(&Request<'_>, &mut Vec<u8>) -> Result<usize, WriteError>) -> Result<Vec<u8>, WriteError> {
        // The bytes are our own, and were written from a request that had been read.
        let mut place = Place::new();
        let Ok(Message::Request(request)) = place.parse(&self.head) else { return Err(WriteError::Format) };
        let mut out = Vec::with_capacity(1024);
        write(request, &mut out)?;
        Ok(out)
    }
}

impl Endpoint {
    /// Answers and forgets. Every copy of the request gets the same To tag (RFC 3261 §8.2.7).
    pub(super) fn answer_stateless(&mut self, request: &Request<'_>, source: &Source, status: StatusCode, extra: Extra<'_>) {
        self.stats.stateless += 1;
        if status.class() == 4 {
            self.fared = Fared::Refused(status);
        }
        let tag = self.stateless_tag(request);
        let bytes = self.response(request, source, status, &tag, extra);
        self.transmit(source.reply, bytes);
    }

    /// As `answer_stateless`, with a To tag that is given.
    pub(super) fn answer_tagged(&mut self, request: &Request<'_>, source: &Source, status: StatusCode, tag: &str) {
        self.stats.stateless += 1;
        let bytes = self.response(request, source, status, tag, &[]);
        self.transmit(source.reply, bytes);
    }

    /// Answers through a transaction, so that copies of the request get this answer and do nothing.
    pub(super) fn answer_once(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        transaction: TransactionId,
        status: StatusCode,
        extra: Extra<'_>,
        now: Instant,
    ) {
        let tag = self.stateless_tag(request);
        match self.response(request, source, status, &tag, extra) {
            Some(bytes) => drop(self.layer.respond(transaction, status, bytes, now)),
            None => self.layer.abandon(transaction),
        }
    }

    /// Answers a kept request with a failure that makes no dialog.
    pub(super) fn fail_pending(&mut self, pending: &Pending, status: StatusCode, reason: &str, extra: Extra<'_>, now: Instant) {
        match pending.write(status, reason, &self.config.agent, extra) {
            Ok(bytes) => drop(self.layer.respond(pending.transaction, status, bytes, now)),
            Err(_) => {
                self.stats.unwritable += 1;
                self.layer.abandon(pending.transaction);
            }
        }
    }

    fn response(&mut self, request: &Request<'_>, source: &Source, status: StatusCode, tag: &str, extra: Extra<'_>) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(512);
        let writer = Writer::response(&mut out, status, status.phrase()).answer(request.headers(), Some(source.from), Some(tag));
        let writer = with(writer.header(HeaderName::Server, &self.config.agent), extra);
        match writer.end() {
            Ok(_) => Some(out),
            Err(_) => {
                self.stats.unwritable += 1;
                None
            }
        }
    }

    /// Queues bytes for a hop.
    pub(super) fn transmit(&mut self, flow: Flow, bytes: Option<Vec<u8>>) {
        if let Some(bytes) = bytes {
            let flow = self.way_back(flow, &bytes);
            self.outputs.push_back(super::Output::Transmit { listener: flow.listener, to: flow.peer, bytes });
        }
    }

    /// A To tag that follows from the request and a secret.
    pub(super) fn stateless_tag(&self, request: &Request<'_>) -> String {
        let mut hasher = DefaultHasher::new();
        self.tag_secret.hash(&mut hasher);
        (request.via().branch, request.call_id(), request.from().tag, request.cseq().number).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
