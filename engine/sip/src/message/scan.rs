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
#[inline]
pub(super) fn scan(bytes: &[u8], table: &mut Table) -> Scan {
    let skipped = leading_line_ends(bytes);
    let mut scan = Scan { start_line: skipped..skipped, body_start: bytes.len(), fault: None };
    let Some((line, mut next)) = scan.line(bytes, skipped) else {
        scan.note(Fault::Unfinished);
        return scan;
    };
    scan.start_line = skipped..skipped + line.len();
    while let Some((line, after)) = scan.line(bytes, next) {
        match line {
            [] => {
                scan.body_start = after;
                return scan;
            }
            [b' ' | b'\t', ..] => scan.fold(line, next, table),
            _ => scan.header_line(line, next, table),
        }
        next = after;
    }
    scan.note(Fault::Unfinished);
    scan
}

/// How many bytes of line ends stand first. They do not count (RFC 3261 §7.5).
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

impl Scan {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// The line at `start`, and where the next one begins. `None` if it does not end.
    #[inline]
    fn line<'b>(&mut self, bytes: &'b [u8], start: usize) -> Option<(&'b [u8], usize)> {
        let rest = bytes.get(start..)?;
        let length = find_control(rest);
        let (line, end) = rest.split_at_checked(length)?;
        match end {
            [b'\r', b'\n', ..] => Some((line, start + length + 2)),
            _ => self.odd_line(rest, length).map(|(length, next)| (rest.get(..length).unwrap_or_default(), start + next)),
        }
    }

    /// The same for a line that ends otherwise, or holds a control character at `at`. Gives length and where the next begins.
    #[cold]
    fn odd_line(&mut self, rest: &[u8], mut at: usize) -> Option<(usize, usize)> {
        loop {
            match rest.get(at..)? {
                [b'\r', b'\n', ..] => return Some((at, at + 2)),
                [b'\n', ..] => return Some((at, at + 1)),
                [] => return None,
                // A NUL may stand in a quoted string behind a backslash (`quoted-pair` of RFC 3261 §25.1, RFC 4475 §3.1.1.2).
                [0, ..] if at > 0 && rest.get(at - 1) == Some(&b'\\') => {}
                [b'\r' | 0, ..] => self.note(Fault::HeaderLine),
                // A tab, or a control character that some text holds.
                _ => {}
            }
            at += 1;
            at += find_control(rest.get(at..)?);
        }
    }

    /// Takes in a header line that begins at `start`.
    #[inline]
    fn header_line(&mut self, line: &[u8], start: usize, table: &mut Table) {
        let Some(colon) = find(line, b':') else { return self.note(Fault::HeaderLine) };
        let mut name = line.get(..colon).unwrap_or_default();
        // White space is allowed before the colon (RFC 3261 §25.1, `HCOLON`).
        while let [shorter @ .., b' ' | b'\t'] = name {
            name = shorter;
        }
        let meaning = HeaderName::parse_bytes(name);
        if meaning == HeaderName::Other && (name.is_empty() || !name.iter().all(|&byte| Class::TOKEN.holds(byte))) {
            return self.note(Fault::HeaderLine);
        }
        let mut value = line.get(colon + 1..).unwrap_or_default();
        while let [b' ' | b'\t', shorter @ ..] = value {
            value = shorter;
        }
        let value_start = start + line.len() - value.len();
        while let [shorter @ .., b' ' | b'\t'] = value {
            value = shorter;
        }
        let Ok(name_length) = u8::try_from(name.len()) else { return self.note(Fault::HeaderLine) };
        let pushed = table.push(Line {
            name: meaning,
            name_length,
            name_start: start as u16,
            value_start: value_start as u16,
            value_end: (value_start + value.len()) as u16,
        });
        if !pushed {
            self.note(Fault::TooManyHeaders);
        }
    }

    /// Makes the value before reach to the end of this line.
    #[cold]
    fn fold(&mut self, line: &[u8], start: usize, table: &mut Table) {
        let Some(header) = table.last_mut() else { return self.note(Fault::HeaderLine) };
        let mut text = line;
        while let [b' ' | b'\t', shorter @ ..] = text {
            text = shorter;
        }
        let text_start = start + line.len() - text.len();
        while let [shorter @ .., b' ' | b'\t'] = text {
            text = shorter;
        }
        if text.is_empty() {
            return;
        }
        if header.value_start == header.value_end {
            header.value_start = text_start as u16;
        }
        header.value_end = (text_start + text.len()) as u16;
    }
}
