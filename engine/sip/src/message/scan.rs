//! From bytes to header lines: one pass over the line ends.
//!
//! ```text
//!   bytes ─► first line │ name: value │ fold … │ empty line │ body
//!            └────────── Scan: offsets, and the first fault ┘
//! ```
//! Shape:  [`Scan`] says where the first line is and where the body begins; the header lines go into a [`Table`].
//! Units:  offsets in bytes from the start of the message.
//! Errors: the first [`Fault`] is kept and the scan goes on, so that a wrong request still shows its Via.
//! A line ends with CRLF, or LF alone as old devices send it; a CR elsewhere is a fault, since two readers would
//! disagree about where that line ends.
//! Source: RFC 3261 §7.3.1, §7.5, §25.1.

use std::ops::Range;

use super::class::Class;
use super::error::Fault;
use super::headers::{Line, Table};
use super::name::HeaderName;
use super::words::{find, find_control};
use super::{HEADERS_MAX, MESSAGE_BYTES_MAX};

const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize && HEADERS_MAX <= 128);

/// What the line scanner found.
#[derive(Debug)]
pub(super) struct Scan {
    /// The first line without its line end.
    pub(super) start_line: Range<usize>,
    /// Where the body begins: behind the empty line, or at the end if there is none.
    pub(super) body_start: usize,
    /// The first thing that was wrong.
    pub(super) fault: Option<Fault>,
}

/// Scans at most [`MESSAGE_BYTES_MAX`] bytes, which the caller has checked, and appends the header lines to `table`.
#[inline(always)]
pub(super) fn scan(bytes: &[u8], table: &mut Table) -> Scan {
    let skipped = leading_line_ends(bytes);
    let mut scan = Scan { start_line: skipped..skipped, body_start: bytes.len(), fault: None };
    let Some((end, mut start)) = scan.line(bytes, skipped) else {
        scan.note(Fault::Unfinished);
        return scan;
    };
    scan.start_line = skipped..end;
    while let Some((end, next)) = scan.line(bytes, start) {
        match bytes.get(start) {
            _ if start == end => {
                scan.body_start = next;
                return scan;
            }
            Some(b' ' | b'\t') => scan.fold(bytes, start, end, table),
            _ => scan.header_line(bytes, start, end, table),
        }
        start = next;
    }
    scan.note(Fault::Unfinished);
    scan
}

/// How many bytes of line ends stand first. They do not count (RFC 3261 §7.5).
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// `start..end` without SP and HT at both ends. CR or LF stands at `end`, so that the first loop ends there.
#[inline(always)]
fn trimmed(bytes: &[u8], mut start: usize, mut end: usize) -> Range<usize> {
    // One look for most bytes: they are above SP.
    let is_blank = |at: usize| bytes.get(at).is_some_and(|&byte| byte <= b' ' && (byte == b' ' || byte == b'\t'));
    while is_blank(start) {
        start += 1;
    }
    while start < end && is_blank(end - 1) {
        end -= 1;
    }
    start..end
}

impl Scan {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Where the line that begins at `start` ends, and where the next one begins. `None` if it does not end.
    #[inline(always)]
    fn line(&mut self, bytes: &[u8], start: usize) -> Option<(usize, usize)> {
        let end = start + find_control(bytes.get(start..)?)?;
        match bytes.get(end..) {
            Some([b'\r', b'\n', ..]) => Some((end, end + 2)),
            _ => self.odd_line(bytes, start, end),
        }
    }

    /// The same for a line that ends otherwise, or holds a control character at `at`.
    #[cold]
    fn odd_line(&mut self, bytes: &[u8], start: usize, mut at: usize) -> Option<(usize, usize)> {
        loop {
            match bytes.get(at..)? {
                [b'\r', b'\n', ..] => return Some((at, at + 2)),
                [b'\n', ..] => return Some((at, at + 1)),
                [] => return None,
                // A NUL may stand in a quoted string behind a backslash (`quoted-pair` of RFC 3261 §25.1, RFC 4475 §3.1.1.2).
                [0, ..] if at > start && bytes.get(at - 1) == Some(&b'\\') => {}
                [b'\r' | 0, ..] => self.note(Fault::HeaderLine),
                // A tab, or a control character that some text holds.
                _ => {}
            }
            at += 1;
            at += find_control(bytes.get(at..)?)?;
        }
    }

    /// Takes in a header line.
    #[inline(always)]
    fn header_line(&mut self, bytes: &[u8], start: usize, end: usize, table: &mut Table) {
        let known = HeaderName::at_line_start(bytes.get(start..).unwrap_or_default());
        let Some((name, length, value)) =
            known.map(|(name, length)| (name, length, start + length + 1)).or_else(|| odd_name(bytes, start, end))
        else {
            return self.note(Fault::HeaderLine);
        };
        let value = trimmed(bytes, value, end);
        let pushed = table.push(Line {
            name,
            name_length: length as u8,
            name_start: start as u16,
            value_start: value.start as u16,
            value_end: value.end as u16,
        });
        if !pushed {
            self.note(Fault::TooManyHeaders);
        }
    }

    /// Makes the value before reach to the end of this line.
    #[cold]
    fn fold(&mut self, bytes: &[u8], start: usize, end: usize, table: &mut Table) {
        let Some(header) = table.last_mut() else { return self.note(Fault::HeaderLine) };
        let text = trimmed(bytes, start, end);
        if text.is_empty() {
            return;
        }
        if header.value_start == header.value_end {
            header.value_start = text.start as u16;
        }
        header.value_end = text.end as u16;
    }
}

/// Meaning and length of a name that we do not know, or that is written with white space before its colon; and what is
/// behind the colon. `None` if the line has no name.
#[inline(never)]
fn odd_name(bytes: &[u8], start: usize, end: usize) -> Option<(HeaderName, usize, usize)> {
    let line = bytes.get(start..end)?;
    let colon = find(line, b':')?;
    let mut name = line.get(..colon)?;
    // White space is allowed before the colon (RFC 3261 §25.1, `HCOLON`).
    while let [shorter @ .., b' ' | b'\t'] = name {
        name = shorter;
    }
    let meaning = HeaderName::parse_bytes(name);
    let is_name = meaning != HeaderName::Other || (!name.is_empty() && name.iter().all(|&byte| Class::TOKEN.holds(byte)));
    (is_name && name.len() <= usize::from(u8::MAX)).then_some((meaning, name.len(), start + colon + 1))
}
