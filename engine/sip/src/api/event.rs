//! Events: what control servers are told of calls and registrations.
//!
//! Shape:  a call event is always the whole [`Snapshot`], numbered per call.
//! Units:  [`Epochs`] in milliseconds since 1970, `expires` in seconds.
//! Source: docs/openapi.yaml, events.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{CallerId, ControlUrl};
use crate::sdp::Sdp;

/// What made a [`Snapshot`] be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A call came in, or we made one.
    New,
    /// 180.
    Ringing,
    /// 183 or another 1xx with a meaning.
    Progress,
    /// 200, or the ACK of ours.
    Answered,
    /// The far end put us on hold.
    Hold,
    /// The far end took us off hold.
    Unhold,
    /// The far end sent another offer.
    Reinvite,
    /// The far end transfers us.
    Refer,
    /// Digits by INFO.
    Dtmf,
    /// The call is over.
    Hangup,
}

impl EventKind {
    /// The word of the contract.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Ringing => "ringing",
            Self::Progress => "progress",
            Self::Answered => "answered",
            Self::Hold => "hold",
            Self::Unhold => "unhold",
            Self::Reinvite => "reinvite",
            Self::Refer => "refer",
            Self::Dtmf => "dtmf",
            Self::Hangup => "hangup",
        }
    }
}

/// A transfer that the far end asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferView {
    /// User part of Refer-To.
    pub to: String,
    /// Call-ID of the call to replace.
    pub replaces: Option<String>,
    /// Refer-To as it came, for calls that are not here.
    pub uri: String,
    /// Referred-By as it came (RFC 3892).
    pub referredby: Option<String>,
}

/// How a transfer that we asked for goes (RFC 3515 §2.4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// SIP status of the new call, or of the refused REFER.
    pub status: u16,
    /// Its phrase.
    pub reason: String,
    /// Nothing more will be told of it.
    pub over: bool,
}

/// Milliseconds since 1970; 0 is "not yet".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epochs {
    /// INVITE sent or received.
    pub start: u64,
    /// First ringing.
    pub ring: u64,
    /// Answer.
    pub answer: u64,
    /// End.
    pub end: u64,
}

/// The whole of a call as control sees it, sent on every event.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// 1, 2, 3 … per call.
    pub seq: u64,
    /// What happened.
    pub event: EventKind,
    /// Call-ID.
    pub callid: String,
    /// Our own id of the call, a UUID.
    pub uuid: String,
    /// Domain of the call.
    pub domain: String,
    /// User part of the called party.
    pub to: Option<String>,
    /// User part of the calling party.
    pub from: Option<String>,
    /// Contact header of the far end, with brackets.
    pub contact: Option<String>,
    /// Max-Forwards received or sent.
    pub maxforwards: Option<u8>,
    /// Digest passed.
    pub authenticated: bool,
    /// It rings, or rang.
    pub ring: bool,
    /// It was answered.
    pub answered: bool,
    /// The far end holds us.
    pub hold: bool,
    /// We made this call.
    pub originator: bool,
    /// It is over.
    pub hangup: bool,
    /// SIP status and phrase of a failure; 0 and empty if none.
    pub error: (u16, String),
    /// Source of the last message of the far end.
    pub remote: Option<SocketAddr>,
    /// Their last session description.
    pub sdp_them: Option<Arc<Sdp>>,
    /// Our last session description.
    pub sdp_us: Option<Arc<Sdp>>,
    /// When what happened.
    pub epochs: Epochs,
    /// Present in the one event that a REFER causes.
    pub refer: Option<ReferView>,
    /// Present in the one event that a report on a REFER of ours causes.
    pub transfer: Option<TransferView>,
    /// Call-ID of the call that this one takes over once it is answered (RFC 3891).
    pub replaces: Option<String>,
    /// Contacts of a 3xx, best first: where the far end may be instead.
    pub contacts: Vec<String>,
    /// Digits of an INFO, in the one event that it causes.
    pub digits: Option<String>,
    /// User-Agent or Server of the far end.
    pub agent: Option<String>,
    /// Caller identity as received or as asked for.
    pub callerid: CallerId,
    /// X-*, Diversion, Alert-Info, User-to-User as received.
    pub headers: Vec<(String, String)>,
    /// `udp`, `tcp`.
    pub transport: &'static str,
}

/// What the SIP core tells control servers.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `PUT {control}/dialog/{callid}`.
    Dialog {
        /// Where to.
        control: ControlUrl,
        /// The call.
        snapshot: Box<Snapshot>,
    },
    /// `PUT` or `DELETE {control}/reg/{domain}/{user}`.
    Registration {
        /// Where to.
        control: ControlUrl,
        /// PUT if true, DELETE if false.
        registered: bool,
        /// Domain.
        domain: String,
        /// User name.
        user: String,
        /// Source of the REGISTER.
        remote: SocketAddr,
        /// User-Agent.
        agent: Option<String>,
        /// `udp`, `tcp`.
        transport: &'static str,
        /// Granted lifetime, seconds; 0 when it ended.
        expires: u32,
    },
    /// `PUT {control}/message/{domain}/{to}`.
    Message {
        /// Where to.
        control: ControlUrl,
        /// What was said.
        message: Box<TextMessage>,
    },
}

/// A MESSAGE of somebody who may send one (RFC 3428).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMessage {
    /// Call-ID.
    pub callid: String,
    /// Domain whose control decides.
    pub domain: String,
    /// User part of whom it is for.
    pub to: String,
    /// User part of From.
    pub from: String,
    /// Digest passed.
    pub authenticated: bool,
    /// Identity shown.
    pub callerid: CallerId,
    /// Content-Type as received; `text/plain` where there was none.
    pub contenttype: String,
    /// Text, at most 8 KiB.
    pub body: String,
    /// Source.
    pub remote: SocketAddr,
    /// User-Agent.
    pub agent: Option<String>,
    /// `udp`, `tcp`.
    pub transport: &'static str,
}
