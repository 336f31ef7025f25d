//! Whether two URIs mean the same.
//!
//! Shape:  methods, not `PartialEq`: the rules of the RFC are not transitive.
//! Units:  none.
//! Errors: none. URIs of unknown schemes are equal if their texts are.
//! Cost:   parameters and headers are looked up in each other: at most the product of their bounded counts.
//! Source: RFC 3261 §19.1.4, RFC 3966 §5.

use super::escape::Unescaped;
use super::{SipUri, Uri, UriParams};

/// Parameters that count even if only one of the two URIs has them (RFC 3261 §19.1.4).
const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];

impl Uri<'_> {
    /// Whether both mean the same resource.
    pub fn matches(&self, other: &Uri<'_>) -> bool {
        match (self, other) {
            (Self::Sip(a), Uri::Sip(b)) => a.matches(b),
            (Self::Tel(a), Uri::Tel(b)) => {
                a.dialled().eq_ignore_ascii_case(&b.dialled()) && params_within(a.params, b.params) && params_within(b.params, a.params)
            }
            (Self::Other(a), Uri::Other(b)) => a.text == b.text,
            (Self::Sip(_) | Self::Tel(_) | Self::Other(_), _) => false,
        }
    }
}

impl SipUri<'_> {
    /// RFC 3261 §19.1.4. A port that is written never equals one that is not.
    pub fn matches(&self, other: &SipUri<'_>) -> bool {
        self.secure == other.secure
            && same_optional(self.user, other.user, |a, b| Unescaped::new(a).eq(Unescaped::new(b)))
            && same_optional(self.password, other.password, |a, b| Unescaped::new(a).eq(Unescaped::new(b)))
            && self.host.matches(&other.host)
            && self.port == other.port
            && self.params_match(other)
            && self.headers_match(other)
    }

    fn params_match(&self, other: &SipUri<'_>) -> bool {
        DECISIVE.iter().all(|name| self.params.contains(name) == other.params.contains(name))
            && self.params.iter().all(|(name, _)| match (self.params.get(name), other.params.get(name)) {
                // A name that stands twice is read as its first on both sides, so that a URI equals itself.
                (Some(ours), Some(theirs)) => same_text(ours, theirs),
                (_, None) | (None, _) => true,
            })
    }

    fn headers_match(&self, other: &SipUri<'_>) -> bool {
        self.headers.iter().count() == other.headers.iter().count()
            && self.headers.iter().all(|(name, value)| other.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case(&name) && v == value))
    }
}

fn params_within(some: UriParams<'_>, all: UriParams<'_>) -> bool {
    some.iter().all(|(name, _)| some.get(name).zip(all.get(name)).is_some_and(|(a, b)| same_text(a, b)))
}

fn same_optional(a: Option<&str>, b: Option<&str>, same: impl Fn(&str, &str) -> bool) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Same text after unescaping, without regard to case.
fn same_text(a: &str, b: &str) -> bool {
    Unescaped::new(a).map(|byte| byte.to_ascii_lowercase()).eq(Unescaped::new(b).map(|byte| byte.to_ascii_lowercase()))
}
