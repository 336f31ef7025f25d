//! Names of header fields, long and compact.
//!
//! ```text
//!   "v:" | "Via:" | "VIA:" as two words in lower case ─► their hash ─► one candidate ─► compare words ─► HeaderName::Via
//! ```
//! Shape:  [`HeaderName`] is one byte; a name that no RFC here knows is [`HeaderName::Other`] and is kept as text beside it.
//! Units:  none.
//! Errors: none.
//! Names compare without regard to case (RFC 3261 §7.3.1).
//! Source: RFC 3261 §20 and §7.3.3 (compact forms), RFC 3841, 3515, 3892, 4028, 6665, 8224 (their compact forms), IANA SIP parameters.

use std::fmt;

use super::words::{self, BLOCK, halves};

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

        /// Every spelling.
        const KNOWN: &[Spelling] =
            &[$(Spelling::new($text, HeaderName::$variant), $(Spelling::new($compact, HeaderName::$variant),)?)*];

        #[cfg(test)]
        const TEXTS: &[(&str, HeaderName)] = &[$(($text, HeaderName::$variant), $(($compact, HeaderName::$variant),)?)*];
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
    pub fn parse(text: &str) -> Self {
        Self::parse_bytes(text.as_bytes())
    }

    /// The same for text not yet known to be UTF-8.
    pub(super) fn parse_bytes(text: &[u8]) -> Self {
        let tail = text.get(BLOCK..).unwrap_or_default();
        match Spelling::find(key(text)) {
            Some(found) if text.len() == usize::from(found.length) && (tail.is_empty() || tail.eq_ignore_ascii_case(found.tail())) => {
                found.name
            }
            _ => Self::Other,
        }
    }

    /// Reads a name that we know and its colon at the start of a line; gives the length of the name too. `None` does not
    /// mean that the line has none: it may be close to the end of the text, or have white space before the colon.
    #[inline(always)]
    pub(super) fn at_line_start(line: &[u8]) -> Option<(Self, u8)> {
        let (block, rest) = line.split_first_chunk()?;
        let colons = words::equal(block, b':');
        // The bit behind the block stands for a colon that is not in it.
        let length = (colons | 1 << BLOCK).trailing_zeros() as usize;
        let [low, high] = halves(block);
        let [keep_low, keep_high] = *KEEP.get(length)?;
        let found = Spelling::find(lower([low & keep_low, high & keep_high]))?;
        let is_whole = if length < BLOCK { usize::from(found.length) == length } else { found.is_tail_of(rest) };
        is_whole.then_some((found.name, found.length))
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

/// The first sixteen bytes of a name in lower case, zeros behind a shorter one.
type Key = [u64; 2];

/// One way to write a name.
#[derive(Clone, Copy)]
struct Spelling {
    key: Key,
    length: u8,
    name: HeaderName,
}

impl Spelling {
    const fn new(text: &'static str, name: HeaderName) -> Self {
        assert!(text.len() <= u8::MAX as usize);
        Self { key: key(text.as_bytes()), length: text.len() as u8, name }
    }

    /// The spelling of a key; what a key cannot hold of it is for the caller to compare.
    #[inline(always)]
    fn find(key: Key) -> Option<&'static Self> {
        let at = TABLE.get(slot(key))?;
        // Any `u8` is within.
        SPELLINGS.get(usize::from(*at)).filter(|found| (found.key[0] ^ key[0]) | (found.key[1] ^ key[1]) == 0)
    }

    /// What a key cannot hold; only long forms have it.
    fn tail(&self) -> &'static [u8] {
        self.name.as_str().as_bytes().get(BLOCK..).unwrap_or_default()
    }

    /// Whether `rest` begins with what a key cannot hold, and a colon.
    fn is_tail_of(&self, rest: &[u8]) -> bool {
        let tail = self.tail();
        usize::from(self.length) >= BLOCK
            && rest
                .split_at_checked(tail.len())
                .is_some_and(|(text, after)| text.eq_ignore_ascii_case(tail) && after.first() == Some(&b':'))
    }
}

const fn key(name: &[u8]) -> Key {
    let mut block = [0; BLOCK];
    let mut at = 0;
    while at < name.len() && at < BLOCK {
        block[at] = name[at];
        at += 1;
    }
    lower(halves(&block))
}

/// Letters in lower case. Of other bytes only those from 0x40 on change, and none of them becomes a letter of ASCII.
#[inline(always)]
const fn lower([low, high]: Key) -> Key {
    const LETTERS: u64 = u64::from_ne_bytes([0x40; 8]);
    [low | (low & LETTERS) >> 1, high | (high & LETTERS) >> 1]
}

/// What of a key belongs to a name of that length.
static KEEP: [Key; BLOCK + 1] = {
    let mut keep = [[0; 2]; BLOCK + 1];
    let mut length = 1;
    while length <= BLOCK {
        let all = u128::MAX >> (u128::BITS - 8 * length as u32);
        keep[length] = [all as u64, (all >> 64) as u64];
        length += 1;
    }
    keep
};

/// Slots of the hash table: the next power of two that lets a short search find a factor without collisions.
const SLOTS: usize = 512;
/// Marks a slot without a spelling.
const EMPTY: u8 = u8::MAX;
/// Found by trying random odd numbers; `table` refuses to compile with a factor that collides.
const FACTOR: u64 = 0x7B6E_B806_CC54_4333;

static TABLE: [u8; SLOTS] = table();

/// The known ones, and behind them, [`EMPTY`] the last, some that no name has: of no length.
static SPELLINGS: [Spelling; EMPTY as usize + 1] = {
    assert!(KNOWN.len() <= EMPTY as usize);
    let mut spellings = [Spelling { key: [u64::MAX; 2], length: 0, name: HeaderName::Other }; EMPTY as usize + 1];
    let mut at = 0;
    while at < KNOWN.len() {
        spellings[at] = KNOWN[at];
        at += 1;
    }
    spellings
};

/// The slot of a key.
#[inline(always)]
const fn slot([low, high]: Key) -> usize {
    ((low ^ high).wrapping_mul(FACTOR) >> (u64::BITS - SLOTS.trailing_zeros())) as usize
}

const fn table() -> [u8; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    let mut at = 0;
    while at < KNOWN.len() {
        let slot = slot(KNOWN[at].key);
        assert!(table[slot] == EMPTY, "two spellings share a slot");
        table[slot] = at as u8;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_found_in_any_case() {
        for (text, name) in TEXTS {
            for text in [(*text).to_owned(), text.to_ascii_uppercase(), text.to_ascii_lowercase()] {
                assert_eq!(HeaderName::parse(&text), *name);
                let line = format!("{text}: and enough behind it");
                let length = u8::try_from(text.len()).unwrap();
                assert_eq!(HeaderName::at_line_start(line.as_bytes()), Some((*name, length)));
            }
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for name in ["", "X-Foo", "z", "Vib", "Vvia", "é", "NewFangledHeader"] {
            assert_eq!(HeaderName::parse(name), HeaderName::Other, "{name}");
        }
    }
}
