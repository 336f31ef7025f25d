//! From bytes to header lines: one pass over the line ends.
//!
//! ```text
//!   bytes ─► first line │ name: value │ fold … │ empty line │ body
//!            └────────── Scan: offsets, and the first fault ┘
//! ```
//! Shape:  [`Scan`] holds where the first line is, the [`Table`], where the body begins.
//! Units:  offsets in bytes from the start of the message.
//! Errors: the first [`Fault`] is kept and the scan goes on, so that a wrong request still shows its Via.
//! A line ends with CRLF, or LF alone as old devices send it; a CR elsewhere is a fault, since two readers would
//! disagree about where that line ends.
//! Source: RFC 3261 §7.3.1, §7.5, §25.1.

use std::ops::Range;

use super::error::Fault;
use super::headers::{Line, Table};
use super::lex::{TOKEN, is};
use super::name::HeaderName;
use super::{HEADERS_MAX, MESSAGE_BYTES_MAX};

const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize && HEADERS_MAX <= 128);

/// What the line scanner found.
#[derive(Debug)]
pub(super) struct Scan {
    /// The first line without its line end.
    pub(super) start_line: Range<usize>,
    /// The header lines.
    pub(super) table: Table,
    /// Where the body begins: behind the empty line, or at the end if there is none.
    pub(super) body_start: usize,
    /// The first thing that was wrong.
    pub(super) fault: Option<Fault>,
}

/// Scans at most [`MESSAGE_BYTES_MAX`] bytes; the caller has checked that there are no more.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let skipped = leading_line_ends(bytes);
    let mut scan = Scan { start_line: skipped..skipped, table: Table::new(), body_start: bytes.len(), fault: None };
    let mut line_start = skipped;
    let mut carriage_returns = 0;
    let mut finished = false;
    for newline in memchr::memchr_iter(b'\n', bytes.get(skipped..).unwrap_or_default()) {
        let newline = skipped + newline;
        let ended_by_cr = newline > line_start && bytes.get(newline - 1) == Some(&b'\r');
        carriage_returns += usize::from(ended_by_cr);
        let line = line_start..newline - usize::from(ended_by_cr);
        let next_line = newline + 1;
        if line.is_empty() {
            scan.body_start = next_line;
            finished = true;
            break;
        }
        if line_start == skipped {
            scan.start_line = line;
        } else {
            scan.header_line(bytes, line);
        }
        line_start = next_line;
    }
    let head = bytes.get(skipped..scan.body_start).unwrap_or_default();
    if !finished {
        scan.note(Fault::Unfinished);
    }
    if memchr::memchr_iter(b'\r', head).count() != carriage_returns || !nuls_are_escaped(head) {
        scan.note(Fault::HeaderLine);
    }
    scan
}

/// A NUL may stand in a quoted string behind a backslash (`quoted-pair` of RFC 3261 §25.1, RFC 4475 §3.1.1.2) and nowhere else.
fn nuls_are_escaped(head: &[u8]) -> bool {
    memchr::memchr_iter(0, head).all(|at| at.checked_sub(1).and_then(|before| head.get(before)) == Some(&b'\\'))
}

/// How many bytes of line ends stand first. They do not count (RFC 3261 §7.5).
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

impl Scan {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Takes in one line behind the first: a header, or a fold of the one before.
    #[inline]
    fn header_line(&mut self, bytes: &[u8], range: Range<usize>) {
        let line = bytes.get(range.clone()).unwrap_or_default();
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return self.fold(line, range.start);
        }
        let name_length = line.iter().position(|&byte| !is(byte, TOKEN)).unwrap_or(line.len());
        let (name, rest) = line.split_at(name_length);
        // White space is allowed before the colon (RFC 3261 §25.1, `HCOLON`).
        let spaces = leading_spaces(rest);
        if name.is_empty() || rest.get(spaces) != Some(&b':') {
            return self.note(Fault::HeaderLine);
        }
        let value = rest.get(spaces + 1..).unwrap_or_default();
        let value_start = range.end - value.len() + leading_spaces(value);
        let value_end = value_start.max(range.end - trailing_spaces(value));
        let pushed = self.table.push(Line {
            name: HeaderName::parse_bytes(name),
            name_start: range.start as u16,
            name_end: (range.start + name_length) as u16,
            value_start: value_start as u16,
            value_end: value_end as u16,
        });
        if !pushed {
            self.note(Fault::TooManyHeaders);
        }
    }

    /// Makes the value before reach to the end of this line.
    fn fold(&mut self, line: &[u8], start: usize) {
        let Some(header) = self.table.last_mut() else { return self.note(Fault::HeaderLine) };
        let spaces = leading_spaces(line);
        if spaces == line.len() {
            return;
        }
        if header.value_start == header.value_end {
            header.value_start = (start + spaces) as u16;
        }
        header.value_end = (start + line.len() - trailing_spaces(line)) as u16;
    }
}

#[inline]
fn leading_spaces(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

#[inline]
fn trailing_spaces(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}
