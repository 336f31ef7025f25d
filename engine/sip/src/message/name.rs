//! Names of header fields, long and compact.
//!
//! ```text
//!   "v" | "Via" | "VIA" ─► hash of length, first, middle and last letter ─► one candidate ─► compare ─► HeaderName::Via
//! ```
//! Shape:  [`HeaderName`] is one byte; a name that no RFC here knows is [`HeaderName::Other`] and is kept as text beside it.
//! Units:  none.
//! Errors: none.
//! Names compare without regard to case (RFC 3261 §7.3.1).
//! Source: RFC 3261 §20 and §7.3.3 (compact forms), RFC 3841, 3515, 3892, 4028, 6665, 8224 (their compact forms), IANA SIP parameters.

use std::fmt;

macro_rules! names {
    ($($variant:ident = $text:literal $(/ $compact:literal)?;)*) => {
        /// A header field we know by name, or `Other`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`.")] $variant,)*
            /// A name we do not know; ask by its text.
            Other,
        }

        impl HeaderName {
            /// The long form; empty for [`HeaderName::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "",
                }
            }
        }

        /// Every spelling, with what it means.
        const SPELLINGS: &[(&str, HeaderName)] = &[$(($text, HeaderName::$variant), $(($compact, HeaderName::$variant),)?)*];
    };
}

names! {
    Accept = "Accept";
    AcceptContact = "Accept-Contact" / "a";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    AlertInfo = "Alert-Info";
    Allow = "Allow";
    AllowEvents = "Allow-Events" / "u";
    AuthenticationInfo = "Authentication-Info";
    Authorization = "Authorization";
    CallId = "Call-ID" / "i";
    CallInfo = "Call-Info";
    Contact = "Contact" / "m";
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding" / "e";
    ContentLanguage = "Content-Language";
    ContentLength = "Content-Length" / "l";
    ContentType = "Content-Type" / "c";
    CSeq = "CSeq";
    Date = "Date";
    Diversion = "Diversion";
    ErrorInfo = "Error-Info";
    Event = "Event" / "o";
    Expires = "Expires";
    From = "From" / "f";
    HistoryInfo = "History-Info";
    Identity = "Identity" / "y";
    InReplyTo = "In-Reply-To";
    Join = "Join";
    MaxForwards = "Max-Forwards";
    MimeVersion = "MIME-Version";
    MinExpires = "Min-Expires";
    MinSe = "Min-SE";
    Organization = "Organization";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Path = "Path";
    Priority = "Priority";
    Privacy = "Privacy";
    ProxyAuthenticate = "Proxy-Authenticate";
    ProxyAuthorization = "Proxy-Authorization";
    ProxyRequire = "Proxy-Require";
    RAck = "RAck";
    Reason = "Reason";
    RecordRoute = "Record-Route";
    ReferSub = "Refer-Sub";
    ReferTo = "Refer-To" / "r";
    ReferredBy = "Referred-By" / "b";
    RejectContact = "Reject-Contact" / "j";
    RemotePartyId = "Remote-Party-ID";
    Replaces = "Replaces";
    ReplyTo = "Reply-To";
    RequestDisposition = "Request-Disposition" / "d";
    Require = "Require";
    RetryAfter = "Retry-After";
    Route = "Route";
    RSeq = "RSeq";
    Server = "Server";
    ServiceRoute = "Service-Route";
    SessionExpires = "Session-Expires" / "x";
    SipEtag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    Subject = "Subject" / "s";
    SubscriptionState = "Subscription-State";
    Supported = "Supported" / "k";
    TargetDialog = "Target-Dialog";
    Timestamp = "Timestamp";
    To = "To" / "t";
    Unsupported = "Unsupported";
    UserAgent = "User-Agent";
    UserToUser = "User-to-User";
    Via = "Via" / "v";
    Warning = "Warning";
    WwwAuthenticate = "WWW-Authenticate";
}

impl HeaderName {
    /// How many variants there are, `Other` included.
    pub(super) const COUNT: usize = Self::Other as usize + 1;

    /// Reads a long or compact form in any case; `Other` if unknown.
    #[inline]
    pub fn parse(text: &str) -> Self {
        Self::parse_bytes(text.as_bytes())
    }

    /// The same for text not yet known to be UTF-8.
    #[inline]
    pub(super) fn parse_bytes(text: &[u8]) -> Self {
        let candidate = slot(text).and_then(|slot| TABLE.get(slot));
        match candidate.and_then(|&at| SPELLINGS.get(usize::from(at))) {
            // Most write the name as the RFC does.
            Some((spelling, name)) if spelling.as_bytes() == text || spelling.as_bytes().eq_ignore_ascii_case(text) => *name,
            _ => Self::Other,
        }
    }

    /// Position in a table of [`HeaderName::COUNT`] entries.
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Whether a message may hold it once only (RFC 3261 §7.3.1 and §20: no comma list in its grammar), among those that
    /// some rule of ours reads. Two that differ make the message ambiguous (RFC 4475 §3.3.8).
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Self::CallId
                | Self::ContentDisposition
                | Self::ContentLength
                | Self::ContentType
                | Self::CSeq
                | Self::Event
                | Self::Expires
                | Self::From
                | Self::MaxForwards
                | Self::MinExpires
                | Self::MinSe
                | Self::RAck
                | Self::ReferTo
                | Self::ReferredBy
                | Self::Replaces
                | Self::RSeq
                | Self::SessionExpires
                | Self::SubscriptionState
                | Self::To
        )
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Slots of the hash table: the next power of two that lets a short search find a factor without collisions.
const SLOTS: usize = 512;
/// Marks a slot without a spelling.
const EMPTY: u8 = u8::MAX;
/// Found by trying odd numbers from the golden ratio on; `table` refuses to compile with a factor that collides.
const FACTOR: u32 = 0x9E37_8E29;

static TABLE: [u8; SLOTS] = table();

/// The slot of a name; `None` if it is empty.
#[inline]
const fn slot(name: &[u8]) -> Option<usize> {
    let ([first, ..], [.., last], (_, [middle, ..])) = (name, name, name.split_at(name.len() / 2)) else { return None };
    // Bit 5 makes letters lower case; what it does to other characters does not matter to a hash.
    let key = u32::from_le_bytes([*first, *middle, *last, name.len() as u8]) | 0x20_2020;
    Some((key.wrapping_mul(FACTOR) >> (u32::BITS - SLOTS.trailing_zeros())) as usize)
}

const fn table() -> [u8; SLOTS] {
    assert!(SPELLINGS.len() < EMPTY as usize);
    let mut table = [EMPTY; SLOTS];
    let mut at = 0;
    while at < SPELLINGS.len() {
        match slot(SPELLINGS[at].0.as_bytes()) {
            Some(slot) if table[slot] == EMPTY => table[slot] = at as u8,
            _ => panic!("two spellings share a slot"),
        }
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_in_any_case() {
        for (spelling, name) in SPELLINGS {
            assert_eq!(HeaderName::parse(spelling), *name);
            assert_eq!(HeaderName::parse(&spelling.to_ascii_uppercase()), *name);
            assert_eq!(HeaderName::parse(&spelling.to_ascii_lowercase()), *name);
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for name in ["", "X-Foo", "z", "Vib", "Vvia", "é", "NewFangledHeader"] {
            assert_eq!(HeaderName::parse(name), HeaderName::Other, "{name}");
        }
    }
}
