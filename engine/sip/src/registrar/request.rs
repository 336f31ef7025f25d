//! A REGISTER as the registrar sees it, and why it may be refused.
//!
//! Shape:  borrowed from the message; the user is unescaped and the domain in the form of `directory::domain_name`.
//! Units:  expiry in seconds. A wish that cannot be read counts as none (RFC 3261 §10.2.1.1: malformed means the default).
//! Errors: [`RegisterError`], one per answer.
//! Source: RFC 3261 §10.2 and §10.3.

use crate::flow::Flow;

/// Longest Contact URI that is stored.
pub(super) const CONTACT_LEN_MAX: usize = 300;
/// Longest Path that is stored: three proxies.
pub(super) const PATH_LEN_MAX: usize = 256;

/// One REGISTER whose sender is proven.
#[derive(Debug, Clone, Copy)]
pub struct Register<'a> {
    /// User part of To.
    pub user: &'a str,
    /// Domain of To.
    pub domain: &'a str,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq number.
    pub cseq: u32,
    /// Contact headers.
    pub contacts: Contacts<'a>,
    /// Expires header.
    pub expires_s: Option<u32>,
    /// User-Agent header.
    pub agent: Option<&'a str>,
    /// Where it came from, and so where calls go: the contact itself may be behind NAT.
    pub flow: Flow,
    /// Values of Path in order, joined by commas (RFC 3327 §5.3).
    pub path: Option<&'a str>,
}

/// What the Contact headers ask for.
#[derive(Debug, Clone, Copy)]
pub enum Contacts<'a> {
    /// None: only tell me what there is.
    Fetch,
    /// `*`: end all.
    Star,
    /// These.
    List(&'a [ContactUpdate<'a>]),
}

/// One Contact.
#[derive(Debug, Clone, Copy)]
pub struct ContactUpdate<'a> {
    /// URI without brackets and header parameters.
    pub uri: &'a str,
    /// Its `expires` parameter.
    pub expires_s: Option<u32>,
    /// Its `q` in thousandths; 1000 where it has none.
    pub q: u16,
    /// `+sip.instance` and `reg-id` as one text: the same phone, whatever its address is today (RFC 5626 §4.1).
    pub instance: Option<&'a str>,
}

/// Why a REGISTER is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// `*` without Expires 0 (RFC 3261 §10.2.2): 400.
    #[error("* needs Expires: 0")]
    StarNeedsZero,
    /// More contacts in one request than one AOR may have: 400.
    #[error("more than {max} contacts")]
    TooManyContacts {
        /// How many may be.
        max: usize,
    },
    /// A contact that would break the memory budget: 400.
    #[error("a contact is longer than {max} bytes")]
    ContactTooLong {
        /// How long it may be.
        max: usize,
    },
    /// The same for its way: 400.
    #[error("Path is longer than {max} bytes")]
    PathTooLong {
        /// How long it may be.
        max: usize,
    },
    /// 423 with Min-Expires.
    #[error("a lifetime is shorter than {min_s} s")]
    TooBrief {
        /// Shortest lifetime, seconds.
        min_s: u32,
    },
    /// An older request of the same Call-ID arrives after a newer: 500.
    #[error("CSeq is out of order")]
    OutOfOrder,
    /// No more room: 503.
    #[error("all {max} bindings are in use")]
    Full {
        /// Size of the table.
        max: usize,
    },
}

impl RegisterError {
    /// The final response it becomes.
    pub const fn status(&self) -> u16 {
        match self {
            Self::StarNeedsZero | Self::TooManyContacts { .. } | Self::ContactTooLong { .. } | Self::PathTooLong { .. } => 400,
            Self::TooBrief { .. } => 423,
            // RFC 3261 §10.3 only says that it fails; §12.2.2 has 500 for a CSeq out of order.
            Self::OutOfOrder => 500,
            Self::Full { .. } => 503,
        }
    }
}
