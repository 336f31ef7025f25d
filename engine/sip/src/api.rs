//! What crosses between the SIP core and its driver: commands in, replies, snapshots and events out.
//!
//! ```text
//!   Command ──► Endpoint::command ──► Reply          (docs/openapi.yaml, project-sip)
//!   Endpoint::poll_output ──► Event::Dialog(Snapshot) | Event::Registration
//! ```
//! Shape:  plain owned data; `control_http::json` turns it into JSON and back.
//! Units:  expiry and epochs in seconds, `*ms` in milliseconds since 1970.
//! Errors: [`CommandError`], one per HTTP status of the contract.
//! Not here: any rule of SIP.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::sdp::Sdp;

/// Where a control server listens: `http://host:port` with an optional path prefix, no slash at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControlUrl(pub Arc<str>);

/// A user's credential as the directory holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// Clear text.
    Clear(String),
    /// MD5 of `user:realm:secret`, 32 lower-case hex digits (RFC 7616 §3.4.2).
    Ha1(String),
}

/// One user to add to or replace in a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEntry {
    /// User part of the AOR, and digest user name.
    pub username: String,
    /// Credential.
    pub secret: Secret,
}

/// One end of a call to originate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Party {
    /// User part.
    pub user: String,
    /// Host, or `host:port`; `None` takes the call's domain.
    pub domain: Option<String>,
    /// Digest secret if the far end challenges us.
    pub authsecret: Option<String>,
    /// Digest user name, if not `user`.
    pub authuser: Option<String>,
}

/// Caller identity shown to the callee.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerId {
    /// Number or user part.
    pub number: String,
    /// Display name.
    pub name: String,
    /// Ask the network to withhold it (RFC 3323).
    pub private: bool,
}

/// `POST /dialog/invite`: a call to originate.
#[derive(Debug, Clone, PartialEq)]
pub struct Originate {
    /// Calling party: From, and the domain whose control gets the events.
    pub from: Party,
    /// Called party: Request-URI and To.
    pub to: Party,
    /// Domain of both parties where they name none.
    pub domain: Option<String>,
    /// Identity shown.
    pub callerid: Option<CallerId>,
    /// Max-Forwards of the INVITE.
    pub maxforwards: u8,
    /// Where events go; `None` takes the control of the domain.
    pub control: Option<ControlUrl>,
    /// Offer; `None` makes a late-offer INVITE.
    pub sdp: Option<Sdp>,
    /// Extra headers, in order. Those that the stack writes itself are refused.
    pub headers: Vec<(String, String)>,
    /// Ask the phone to answer by itself (RFC 5373 `Answer-Mode`, `Call-Info: ;answer-after=0`).
    pub autoanswer: bool,
    /// The same key within 5 minutes gives the same call.
    pub idempotency: Option<String>,
}

/// What control may do to a dialog: `PUT /dialog/{action}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// 180, with `Alert-Info` and early media where given.
    Ring {
        /// Value of Alert-Info.
        alertinfo: Option<String>,
        /// Early answer.
        sdp: Option<Sdp>,
    },
    /// 183 with early media.
    Progress {
        /// Early answer.
        sdp: Sdp,
    },
    /// 200 to the INVITE.
    Answer {
        /// Answer, or our offer when theirs is late.
        sdp: Option<Sdp>,
    },
    /// 200 to a re-INVITE or UPDATE.
    Ok {
        /// Answer.
        sdp: Option<Sdp>,
    },
    /// ACK that completes a late offer.
    Ack {
        /// Answer to the offer of the 200.
        sdp: Sdp,
    },
    /// re-INVITE.
    Invite {
        /// New offer; `None` asks for theirs.
        sdp: Option<Sdp>,
    },
    /// UPDATE (RFC 3311).
    Update {
        /// New offer.
        sdp: Option<Sdp>,
    },
    /// REFER (RFC 3515): we transfer them.
    Refer {
        /// Refer-To: a user, `user@domain`, or URI.
        to: String,
        /// Call-ID of the call to replace.
        replaces: Option<String>,
    },
    /// Progress of a REFER we received, as message/sipfrag.
    Notify {
        /// SIP status to report; 200 by default.
        status: u16,
    },
    /// INFO (RFC 6086).
    Info {
        /// Content-Type.
        contenttype: String,
        /// Body.
        body: String,
    },
    /// 302.
    Redirect {
        /// Contact URIs, best first.
        contacts: Vec<String>,
    },
    /// BYE, CANCEL or a final response, whichever fits the state.
    Hangup {
        /// A word of the contract (`busy`, `notfound`, …) or free text.
        reason: Option<String>,
        /// SIP status of the final response; wins over the word.
        code: Option<u16>,
        /// Extra headers.
        headers: Vec<(String, String)>,
    },
}

/// What the HTTP API asks of the SIP core.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// `PUT /dir/{domain}`.
    DirReplace {
        /// Domain, lower case.
        domain: String,
        /// Its control server.
        control: Option<ControlUrl>,
        /// All its users.
        users: Vec<UserEntry>,
    },
    /// `PATCH /dir/{domain}`.
    DirUpdate {
        /// Domain.
        domain: String,
        /// New control server.
        control: Option<ControlUrl>,
        /// Users to add or replace.
        users: Vec<UserEntry>,
    },
    /// `PUT`/`PATCH /dir/{domain}/{user}`.
    DirUser {
        /// Domain.
        domain: String,
        /// The user.
        user: UserEntry,
    },
    /// `GET /dir`, `/dir/{domain}`, `/dir/{domain}/{user}`.
    DirGet {
        /// Domain, or all.
        domain: Option<String>,
        /// User of the domain.
        user: Option<String>,
    },
    /// `DELETE /dir/{domain}[/{user}]`.
    DirDelete {
        /// Domain.
        domain: String,
        /// One user, or the whole domain.
        user: Option<String>,
    },
    /// `GET /reg…`.
    RegGet {
        /// Domain, or only the count of all.
        domain: Option<String>,
        /// One user.
        user: Option<String>,
    },
    /// `POST /dialog/invite`.
    Originate(Box<Originate>),
    /// `PUT /dialog/{action}`.
    Act {
        /// Which call.
        callid: String,
        /// What to do.
        action: Box<Action>,
    },
    /// `GET /dialog[/{callid}]`.
    DialogGet {
        /// One call, or only the counts.
        callid: Option<String>,
    },
    /// `GET /status`: the SIP part.
    Status,
}

/// Answer to a [`Command`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// Done, and something new was made (201).
    Created,
    /// Names of all domains.
    Domains(Vec<String>),
    /// One domain.
    Domain(DomainView),
    /// One user exists.
    User {
        /// Domain.
        domain: String,
        /// User name.
        username: String,
    },
    /// Number of live registrations.
    RegCount(u64),
    /// Registrations of a domain.
    Registrations(RegistrationsView),
    /// Call-ID of a call just originated.
    Originated(String),
    /// Live dialogs, and how many were ever made.
    DialogCount {
        /// Live now.
        count: u64,
        /// Made since start.
        counter: u64,
    },
    /// One call.
    Dialog(Box<Snapshot>),
    /// Named gauges and counters, in the order they are shown.
    Status(Vec<(&'static str, u64)>),
}

/// Why a [`Command`] was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such domain, user or call: 404.
    #[error("{0} is not known here")]
    NotFound(String),
    /// The call is in the wrong state for this: 409.
    #[error("{0}")]
    WrongState(&'static str),
    /// Understood but impossible: 422.
    #[error("{0}")]
    Impossible(String),
    /// A field has a value that cannot be: 400.
    #[error("{0}")]
    Bad(String),
    /// The call cannot be routed; the number is the SIP status (404, 480).
    #[error("cannot route the call: SIP {0}")]
    Unroutable(u16),
    /// No new calls, for the server is about to stop: 503.
    #[error("draining: no new calls")]
    Draining,
    /// A table is full: 503.
    #[error("{what} is full: {max} in use")]
    Full {
        /// Which table.
        what: &'static str,
        /// Its size.
        max: usize,
    },
}

/// `GET /dir/{domain}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainView {
    /// Name.
    pub domain: String,
    /// Control server.
    pub control: Option<ControlUrl>,
    /// User names.
    pub users: Vec<String>,
    /// Full names of sub domains.
    pub domains: Vec<String>,
}

/// `GET /reg/{domain}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationsView {
    /// Domain.
    pub domain: String,
    /// Users in the directory.
    pub count: u64,
    /// Of those listed, how many are registered.
    pub registered: u64,
    /// The users.
    pub users: Vec<RegisteredUser>,
}

/// One user in `GET /reg/{domain}`; no contacts means not registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredUser {
    /// User name.
    pub username: String,
    /// Live bindings, newest first.
    pub contacts: Vec<BindingView>,
}

/// One live binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingView {
    /// Contact URI as registered.
    pub contact: String,
    /// Source of the last REGISTER.
    pub remote: SocketAddr,
    /// User-Agent of the phone.
    pub agent: Option<String>,
    /// `udp`, `tcp`.
    pub transport: &'static str,
    /// Granted lifetime, seconds.
    pub expires: u32,
    /// What is left of it, seconds.
    pub expiresin: u32,
    /// OPTIONS sent and not answered.
    pub outstandingping: u32,
    /// First registration of the run, unix seconds.
    pub registered: u64,
}

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
    pub sdp_them: Option<Sdp>,
    /// Our last session description.
    pub sdp_us: Option<Sdp>,
    /// When what happened.
    pub epochs: Epochs,
    /// Present in the one event that a REFER causes.
    pub refer: Option<ReferView>,
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
}
