//! What is looked at in every request before anybody acts on it.
//!
//! ```text
//!   method ─► 501 | 405     Request-URI ─► 416     hops ─► 483     Require ─► 420     body ─► 413 | 415     Accept ─► 406
//! ```
//! Shape:  a verdict on a borrowed request; the answer is written from it without state.
//! Errors: [`Refused`], the answer and the header that goes with it.
//! Not here: what `message` refuses by itself (400, 414, 505, 513), dialogs (481), digest (401).
//! Source: RFC 3261 §8.2.1 to §8.2.3, §11.2, §16.3 (Max-Forwards), §20.1.

use std::fmt::Display;

use crate::message::{HeaderName, Method, Request, StatusCode, Uri};
use crate::sdp::LIMIT_BYTES;

const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, PUBLISH";
const ALLOW_MESSAGE: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, PUBLISH, MESSAGE";
/// Bodies that we read in an INVITE.
pub(super) const ACCEPT: &str = "application/sdp";
/// Option tags that we support; Require with any other is refused.
const OPTIONS: [&str; 3] = ["100rel", "timer", "replaces"];
/// The same, as Supported shows them.
pub(super) const SUPPORTED: &str = "100rel, timer, replaces";

/// Methods that we act on. `messages`: MESSAGE is taken there.
pub(super) fn allow(messages: bool) -> &'static dyn Display {
    if messages { &ALLOW_MESSAGE } else { &ALLOW }
}

/// What we can do, for the 200 to OPTIONS (RFC 3261 §11.2).
pub(super) fn capabilities(messages: bool) -> [(&'static str, &'static dyn Display); 4] {
    [
        (HeaderName::Allow.as_str(), allow(messages)),
        (HeaderName::Accept.as_str(), &ACCEPT),
        (HeaderName::Supported.as_str(), &SUPPORTED),
        (HeaderName::AllowEvents.as_str(), &crate::package::ALLOW_EVENTS),
    ]
}

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// A method no RFC here knows: 501.
    UnknownMethod,
    /// A method we know and do not serve: 405.
    MethodNotAllowed,
    /// Request-URI of a scheme that we cannot serve: 416.
    UnsupportedScheme,
    /// Max-Forwards is used up, or is no number: 483, 400.
    Hops(StatusCode),
    /// Extensions that we lack: 420.
    BadExtension(String),
    /// A body that is no session description, or is packed: 415.
    UnsupportedMedia,
    /// A session description above our limit: 413.
    TooLarge,
    /// The sender takes no session description: 406.
    NotAcceptable,
}

impl Refused {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownMethod => StatusCode::NOT_IMPLEMENTED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedScheme => StatusCode::UNSUPPORTED_URI_SCHEME,
            Self::Hops(status) => *status,
            Self::BadExtension(_) => StatusCode::BAD_EXTENSION,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::REQUEST_ENTITY_TOO_LARGE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        }
    }

    /// Headers that tell the sender what would have been right. `messages` as in [`screen`].
    pub fn explain(&self, messages: bool) -> Vec<(&str, &dyn Display)> {
        match self {
            Self::UnknownMethod | Self::MethodNotAllowed => vec![(HeaderName::Allow.as_str(), allow(messages))],
            Self::BadExtension(tags) => vec![(HeaderName::Unsupported.as_str(), tags)],
            Self::UnsupportedMedia => {
                vec![(HeaderName::Accept.as_str(), &ACCEPT), (HeaderName::AcceptEncoding.as_str(), &"identity")]
            }
            Self::NotAcceptable => vec![(HeaderName::Accept.as_str(), &ACCEPT)],
            Self::UnsupportedScheme | Self::Hops(_) | Self::TooLarge => Vec::new(),
        }
    }
}

/// Looks at a request that is no ACK and no CANCEL.
///
/// `messages`: MESSAGE is taken where this one goes.
pub(super) fn screen(request: &Request<'_>, messages: bool) -> Result<(), Refused> {
    let headers = request.headers();
    let method = request.method();
    match method {
        Method::Invite | Method::Bye | Method::Options | Method::Register | Method::Info | Method::Update => {}
        Method::Refer | Method::Notify | Method::Prack | Method::Ack | Method::Cancel | Method::Subscribe | Method::Publish => {}
        Method::Message if messages => {}
        Method::Message => return Err(Refused::MethodNotAllowed),
        Method::Other(_) => return Err(Refused::UnknownMethod),
    }
    match request.uri() {
        // Without TLS we cannot keep the promise of `sips` (RFC 3261 §19.1).
        Uri::Sip(uri) if uri.is_secure() => return Err(Refused::UnsupportedScheme),
        Uri::Sip(_) | Uri::Tel(_) => {}
        Uri::Other(_) => return Err(Refused::UnsupportedScheme),
    }
    match headers.max_forwards() {
        Err(_) => return Err(Refused::Hops(StatusCode::BAD_REQUEST)),
        // A call would go on from here, so it ends here; other requests are for us and are answered (RFC 3261 §11.2).
        Ok(Some(0)) if method == Method::Invite => return Err(Refused::Hops(StatusCode::TOO_MANY_HOPS)),
        Ok(_) => {}
    }
    // RFC 3327 §5.3: a registrar keeps the path.
    let registrar = |tag: &str| method == Method::Register && tag.eq_ignore_ascii_case("path");
    let supported = |tag: &&str| OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(tag)) || registrar(tag);
    let lacking: Vec<&str> = headers.tokens(HeaderName::Require).filter(|tag| !supported(tag)).collect();
    if !lacking.is_empty() {
        return Err(Refused::BadExtension(lacking.join(", ")));
    }
    if matches!(method, Method::Invite | Method::Update | Method::Prack) { screen_session(request) } else { Ok(()) }
}

/// Body and Accept of a request that carries a session description (RFC 3261 §8.2.3, §13.3.1).
fn screen_session(request: &Request<'_>) -> Result<(), Refused> {
    let headers = request.headers();
    if !request.body().is_empty() {
        let plain = headers.tokens(HeaderName::ContentEncoding).all(|coding| coding.eq_ignore_ascii_case("identity"));
        // A body without a type is read as what it has to be in an INVITE.
        let session = headers.content_type().is_ok_and(|kind| kind.is_none_or(|kind| kind.is("application", "sdp")));
        if !plain || !session {
            return Err(Refused::UnsupportedMedia);
        }
        if request.body().len() > LIMIT_BYTES {
            return Err(Refused::TooLarge);
        }
    }
    let mut accepts = headers.values(HeaderName::Accept).peekable();
    let takes_sdp = accepts.peek().is_none()
        || accepts.any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            ["application/sdp", "application/*", "*/*"].iter().any(|good| good.eq_ignore_ascii_case(range))
        });
    if takes_sdp { Ok(()) } else { Err(Refused::NotAcceptable) }
}
