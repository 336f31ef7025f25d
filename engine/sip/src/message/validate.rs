//! What every message has to have, read once and kept.
//!
//! ```text
//!   Headers ─► Via, From, To, Call-ID, CSeq there and readable? none of the single ones twice and different?
//!           ─► Essential, or the first Fault
//! ```
//! Shape:  [`Essential`] is plain data; a [`Request`](super::Request) or [`Response`](super::Response) always has one.
//! Units:  none.
//! Errors: [`Fault`].
//! Headers that only some requests need (Contact, Expires, Max-Forwards …) are read when they are asked for.
//! Source: RFC 3261 §8.1.1, §16.3, §18.3; RFC 4475 §3.1.2, §3.3.1, §3.3.8, §3.3.9.

use super::class::Class;
use super::cseq::CSeq;
use super::error::{Fault, Problem};
use super::headers::{Headers, of};
use super::name::HeaderName;
use super::{Method, NameAddr, Via};

/// The five headers of every message.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Essential<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// From; its tag may be missing in requests of RFC 2543.
    pub from: NameAddr<'a>,
    /// To.
    pub to: NameAddr<'a>,
    /// Call-ID.
    pub call_id: &'a str,
    /// CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> Essential<'a> {
    /// What stands where the five headers have yet to be read.
    pub(super) const EMPTY: Self =
        Self { via: Via::EMPTY, from: NameAddr::EMPTY, to: NameAddr::EMPTY, call_id: "", cseq: CSeq { number: 0, method: Method::Invite } };

    /// Reads the five headers in the place of [`Essential::EMPTY`]; `method` is that of the request line.
    #[inline(always)]
    pub(super) fn read(&mut self, headers: &Headers<'a>, method: Option<Method<'a>>) -> Result<(), Fault> {
        let single = |name| headers.header(name).ok_or(Fault::Missing(name));
        self.via.read_top(single(HeaderName::Via)?).map_err(of(HeaderName::Via))?;
        self.from.read(single(HeaderName::From)?, |_| true).map_err(of(HeaderName::From))?;
        self.to.read(single(HeaderName::To)?, |_| true).map_err(of(HeaderName::To))?;
        self.call_id = single(HeaderName::CallId)?;
        if self.call_id.is_empty() || !Class::WORD.holds_all(self.call_id) {
            return Err(of(HeaderName::CallId)(Problem::Syntax).into());
        }
        let cseq = single(HeaderName::CSeq)?;
        let cseq = method.map_or_else(|| CSeq::parse(cseq), |method| CSeq::parse_for(cseq, method));
        self.cseq = cseq.map_err(of(HeaderName::CSeq))?;
        if method.is_some_and(|method| method != self.cseq.method) {
            return Err(Fault::MethodMismatch);
        }
        Ok(())
    }
}

/// Fails if a header that stands once stands twice with different values. The same value twice is taken.
pub(super) fn unambiguous(headers: &Headers<'_>) -> Result<(), Fault> {
    if !headers.has_repeats() {
        return Ok(());
    }
    let ambiguous = headers.iter().map(|header| header.name).find(|&name| name.is_single() && is_ambiguous(headers, name));
    ambiguous.map_or(Ok(()), |name| Err(Fault::Repeated(name)))
}

/// Whether two lines of that name differ.
pub(super) fn is_ambiguous(headers: &Headers<'_>, name: HeaderName) -> bool {
    let mut values = headers.headers(name);
    values.next().is_some_and(|first| values.any(|other| other != first))
}

/// The body of a datagram, or of a frame that a [`Framer`](super::Framer) cut (RFC 3261 §18.3).
///
/// Content-Length below what is there: the rest is dropped. Above: a fault. None: all of it.
pub(super) fn body<'a>(headers: &Headers<'_>, rest: &'a [u8]) -> Result<&'a [u8], Fault> {
    match headers.content_length()? {
        Some(length) => rest.get(..length as usize).ok_or(Fault::BodyTooShort),
        None => Ok(rest),
    }
}
