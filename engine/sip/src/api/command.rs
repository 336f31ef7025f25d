//! Commands: what the HTTP API asks of the SIP core.
//!
//! Shape:  one [`Command`] per route; [`Action`] is what may be done to a call.
//! Units:  SIP status codes as numbers.
//! Source: docs/openapi.yaml, project-sip.

use super::{Algorithm, CallerId, ControlUrl, Mailbox, Policy};
use crate::sdp::Sdp;

/// A user's credential as the directory holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// Clear text.
    Clear(String),
    /// Hash of `user:realm:secret` in hex, by algorithm (RFC 7616 §3.4.2). At least one.
    Ha1(Vec<(Algorithm, String)>),
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
    /// Trunks to go through, first choice first; empty takes those of the called domain, if there are any.
    pub trunks: Vec<String>,
    /// Call the contacts of a 3xx in place of reporting it.
    pub follow: bool,
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
        /// Whom it asks for passwords, and how; `None` is the default.
        policy: Option<Policy>,
    },
    /// `PATCH /dir/{domain}`.
    DirUpdate {
        /// Domain.
        domain: String,
        /// New control server.
        control: Option<ControlUrl>,
        /// Users to add or replace.
        users: Vec<UserEntry>,
        /// New policy.
        policy: Option<Policy>,
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
    /// `PUT /mwi/{domain}/{user}`.
    MailboxSet {
        /// Domain.
        domain: String,
        /// User.
        user: String,
        /// What waits.
        mailbox: Mailbox,
    },
    /// `GET /mwi/{domain}/{user}`.
    MailboxGet {
        /// Domain.
        domain: String,
        /// User.
        user: String,
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
    /// `GET /dialog?control=URL`: the live calls whose events go there, for a control server that was restarted.
    DialogList {
        /// Where they go.
        control: ControlUrl,
    },
    /// `GET /dialog[/{callid}]`.
    DialogGet {
        /// One call, or only the counts.
        callid: Option<String>,
    },
    /// `PUT /trunk/{name}`.
    TrunkPut(Box<super::TrunkConfig>),
    /// `GET /trunk[/{name}]`.
    TrunkGet {
        /// One, or all.
        name: Option<String>,
    },
    /// `DELETE /trunk/{name}`.
    TrunkDelete {
        /// Which.
        name: String,
    },
    /// `GET /status`: the SIP part.
    Status,
}
