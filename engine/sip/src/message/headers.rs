//! The header lines of one message.
//!
//! ```text
//!   head text      "Via: …\r\nFrom: …\r\n"          borrowed, UTF-8, at most 64 KiB
//!   Table          [ name | where name | where value ] × at most 128, and the first line of each known name
//! ```
//! Shape:  [`Headers`] pairs the text with the table of offsets; values are slices of the text, in the order of arrival.
//! Units:  offsets in bytes, 16 bits: a head is below 64 KiB.
//! Errors: raw looks give `Option`; typed looks [`HeaderError`], for values that are there and wrong.
//! A value may hold folds (CRLF and white space). Typed readers take them as white space, [`Header::text`] as one space.
//! Source: RFC 3261 §7.3, §20.

use std::borrow::Cow;

use super::error::{HeaderError, Problem};
use super::lex::{number, trim, unfold};
use super::name::HeaderName;
use super::values::{Values, tokens};
use super::{Contact, Credentials, EXPIRES_IF_MALFORMED_S, HEADERS_MAX, MediaType, NameAddr, Replaces, Via, auth::Challenge, cseq::CSeq};

/// One header line, by offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: HeaderName,
    /// At most 255 bytes are a name.
    pub(super) name_length: u8,
    pub(super) name_start: u16,
    pub(super) value_start: u16,
    pub(super) value_end: u16,
}

/// Where the headers of a head are. 128 lines × 8 bytes and an index of one byte per known name: 1.1 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    lines: heapless::Vec<Line, HEADERS_MAX>,
    first: [u8; HeaderName::COUNT],
    /// A header that stands once was found again.
    has_repeats: bool,
}

/// Marks a name without a line.
const NONE: u8 = u8::MAX;
const _: () = assert!(HEADERS_MAX < NONE as usize);

impl Table {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { lines: heapless::Vec::new(), first: [NONE; HeaderName::COUNT], has_repeats: false }
    }

    /// Appends a line; `false`, and nothing done, if the table is full.
    #[inline(always)]
    pub(super) fn push(&mut self, line: Line) -> bool {
        let at = self.lines.len() as u8;
        if self.lines.is_full() {
            return false;
        }
        let _has_room = self.lines.push(line);
        if let Some(first) = self.first.get_mut(line.name.index()) {
            if *first == NONE {
                *first = at;
            } else {
                self.has_repeats |= line.name.is_single();
            }
        }
        true
    }

    /// The line a fold continues.
    pub(super) fn last_mut(&mut self) -> Option<&mut Line> {
        self.lines.last_mut()
    }

    /// Lines from the first of that name on.
    #[inline]
    fn lines_since_first(&self, name: HeaderName) -> &[Line] {
        let first = self.first.get(name.index()).copied().unwrap_or(NONE);
        self.lines.get(usize::from(first)..).unwrap_or_default()
    }

    /// Value of the first line of that name.
    #[inline]
    pub(super) fn first<'h>(&self, head: &'h str, name: HeaderName) -> Option<&'h str> {
        self.lines_since_first(name).first().map(|line| line.value(head))
    }
}

impl Line {
    #[inline]
    fn value<'h>(&self, head: &'h str) -> &'h str {
        head.get(usize::from(self.value_start)..usize::from(self.value_end)).unwrap_or_default()
    }
}

/// One header as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// What the name means.
    pub name: HeaderName,
    /// The name as it was written, perhaps compact.
    pub written: &'a str,
    /// The value without white space at both ends, folds still in it.
    pub raw: &'a str,
}

impl<'a> Header<'a> {
    /// The value with each fold as one space.
    pub fn text(&self) -> Cow<'a, str> {
        unfold(self.raw)
    }

    /// The long form of a known name, else the name as written.
    pub const fn long_name(&self) -> &'a str {
        match self.name {
            HeaderName::Other => self.written,
            known => known.as_str(),
        }
    }
}

/// All headers of a message.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    head: &'a str,
    table: Table,
}

impl<'a> Headers<'a> {
    #[inline(always)]
    pub(super) const fn new(head: &'a str, table: Table) -> Self {
        Self { head, table }
    }

    /// The headers of a head that was scanned into `table`.
    pub(super) fn set_head(&mut self, head: &'a str) {
        self.head = head;
    }

    pub(super) fn table_mut(&mut self) -> &mut Table {
        &mut self.table
    }

    /// A copy of the table, for a message that is refused.
    pub(super) fn table(&self) -> Table {
        self.table.clone()
    }

    pub(super) const fn has_repeats(&self) -> bool {
        self.table.has_repeats
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'a>> {
        self.table.lines.iter().map(|line| self.header_of(line))
    }

    /// How many header lines there are.
    pub fn len(&self) -> usize {
        self.table.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.lines.is_empty()
    }

    /// Raw value of the first line of that name. `Other` finds the first unknown header: ask [`Headers::named`] instead.
    #[inline]
    pub fn header(&self, name: HeaderName) -> Option<&'a str> {
        self.table.first(self.head, name)
    }

    /// Raw values of all lines of that name, in order.
    #[inline]
    pub fn headers(&self, name: HeaderName) -> impl Iterator<Item = &'a str> {
        self.table.lines_since_first(name).iter().filter(move |line| line.name == name).map(|line| line.value(self.head))
    }

    /// First header of that name, long or compact, in any case; for names without a [`HeaderName`].
    pub fn named(&self, name: &str) -> Option<Header<'a>> {
        let known = HeaderName::parse(name);
        let mut lines = self.table.lines_since_first(known).iter().filter(|line| line.name == known).map(|line| self.header_of(line));
        lines.find(|header| known != HeaderName::Other || header.written.eq_ignore_ascii_case(name))
    }

    /// Whether there is a header of that name.
    pub fn contains(&self, name: HeaderName) -> bool {
        self.header(name).is_some()
    }

    /// Values of all lines of that name, comma lists split (RFC 3261 §7.3.1). Only for headers whose grammar is a list.
    pub fn values(&self, name: HeaderName) -> impl Iterator<Item = &'a str> {
        self.headers(name).flat_map(Values::new)
    }

    /// Tokens of a list such as Supported, Require, Allow; empty ones left out.
    pub fn tokens(&self, name: HeaderName) -> impl Iterator<Item = &'a str> {
        self.headers(name).flat_map(tokens)
    }

    /// Whether a list holds a token, without regard to case.
    pub fn has_token(&self, name: HeaderName, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token))
    }

    /// All Via values, top first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via<'a>, HeaderError>> {
        self.values(HeaderName::Via).map(|text| Via::parse(text).map_err(of(HeaderName::Via)))
    }

    /// All Contact values.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'a>, HeaderError>> {
        self.values(HeaderName::Contact).map(|text| Contact::parse(text).map_err(of(HeaderName::Contact)))
    }

    /// The first Contact that is an address: where a dialog's requests go (RFC 3261 §12.1.1).
    ///
    /// # Errors
    /// Malformed, or `*`, which only REGISTER knows.
    pub fn contact(&self) -> Result<Option<NameAddr<'a>>, HeaderError> {
        match self.contacts().next().transpose()? {
            None => Ok(None),
            Some(Contact::Address(contact)) => Ok(Some(contact.address)),
            Some(Contact::Star) => Err(of(HeaderName::Contact)(Problem::Star)),
        }
    }

    /// Values of a list of addresses: Route, Record-Route, Path, Service-Route, P-Asserted-Identity, Diversion.
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> {
        self.values(name).map(move |text| NameAddr::parse(text).map_err(of(name)))
    }

    /// One address: Refer-To, Referred-By, Reply-To.
    ///
    /// # Errors
    /// Malformed.
    pub fn address(&self, name: HeaderName) -> Result<Option<NameAddr<'a>>, HeaderError> {
        self.header(name).map(NameAddr::parse).transpose().map_err(of(name))
    }

    /// Max-Forwards (RFC 3261 §20.22).
    ///
    /// # Errors
    /// Not a number from 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>, HeaderError> {
        let Some(text) = self.header(HeaderName::MaxForwards) else { return Ok(None) };
        let value = digits(text).map_err(of(HeaderName::MaxForwards))?;
        u8::try_from(value).map(Some).map_err(|_| of(HeaderName::MaxForwards)(Problem::Range))
    }

    /// Expires in seconds. One that cannot be read is an hour (RFC 3261 §20.19).
    pub fn expires(&self) -> Option<u32> {
        self.header(HeaderName::Expires).map(|text| number(text).unwrap_or(EXPIRES_IF_MALFORMED_S))
    }

    /// Min-Expires in seconds.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn min_expires(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::MinExpires)
    }

    /// Content-Length in bytes.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn content_length(&self) -> Result<Option<u32>, HeaderError> {
        self.number(HeaderName::ContentLength)
    }

    /// A header that is one number, such as RSeq.
    ///
    /// # Errors
    /// Not a number of 32 bits.
    pub fn number(&self, name: HeaderName) -> Result<Option<u32>, HeaderError> {
        self.header(name).map(digits).transpose().map_err(of(name))
    }

    /// CSeq; only [`Rejected`](super::Rejected) may lack it, messages have it read already.
    ///
    /// # Errors
    /// Malformed.
    pub fn cseq(&self) -> Result<Option<CSeq<'a>>, HeaderError> {
        self.header(HeaderName::CSeq).map(CSeq::parse).transpose().map_err(of(HeaderName::CSeq))
    }

    /// Content-Type.
    ///
    /// # Errors
    /// Malformed.
    pub fn content_type(&self) -> Result<Option<MediaType<'a>>, HeaderError> {
        self.header(HeaderName::ContentType).map(MediaType::parse).transpose().map_err(of(HeaderName::ContentType))
    }

    /// Replaces (RFC 3891).
    ///
    /// # Errors
    /// Malformed.
    pub fn replaces(&self) -> Result<Option<Replaces<'a>>, HeaderError> {
        self.header(HeaderName::Replaces).map(Replaces::parse).transpose().map_err(of(HeaderName::Replaces))
    }

    /// Challenges of WWW-Authenticate or Proxy-Authenticate, one per line.
    pub fn challenges(&self, name: HeaderName) -> impl Iterator<Item = Result<Challenge<'a>, HeaderError>> {
        self.headers(name).map(move |text| Challenge::parse(text).map_err(of(name)))
    }

    /// Credentials of Authorization or Proxy-Authorization, one per line.
    pub fn credentials(&self, name: HeaderName) -> impl Iterator<Item = Result<Credentials<'a>, HeaderError>> {
        self.headers(name).map(move |text| Credentials::parse(text).map_err(of(name)))
    }

    fn header_of(&self, line: &Line) -> Header<'a> {
        let start = usize::from(line.name_start);
        let written = self.head.get(start..start + usize::from(line.name_length)).unwrap_or_default();
        Header { name: line.name, written, raw: line.value(self.head) }
    }
}

impl PartialEq for Headers<'_> {
    /// Same names and unfolded values in the same order, compact or long.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|(a, b)| a.long_name().eq_ignore_ascii_case(b.long_name()) && a.text() == b.text())
    }
}

/// Names the header in an error.
pub(super) fn of(name: HeaderName) -> impl Fn(Problem) -> HeaderError {
    move |problem| HeaderError { name, problem }
}

/// A number of 32 bits, telling what is none from what is too large.
fn digits(text: &str) -> Result<u32, Problem> {
    number(text).or_else(|| number(trim(text))).ok_or_else(|| {
        let text = trim(text);
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) { Problem::Range } else { Problem::Syntax }
    })
}
