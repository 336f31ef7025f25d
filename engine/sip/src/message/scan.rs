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
use super::controls::{Controls, RunsOfControls};
use super::error::Fault;
use super::headers::{Line, Table};
use super::name::HeaderName;
use super::words::find;
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
#[inline(never)]
pub(super) fn scan(bytes: &[u8], table: &mut Table) -> Scan {
    let skipped = leading_line_ends(bytes);
    let mut scan = Scan { start_line: skipped..skipped, body_start: bytes.len(), fault: None };
    let mut start = skipped;
    // Nearly all messages have lines that end with CRLF, no folds and no other control character: then each run of those
    // is one line end, or two at the end of the head.
    let mut runs = RunsOfControls::new(bytes, skipped);
    let first = runs.next().and_then(|at| Some((at, behind_line_end(bytes, at)?)));
    if let Some((at, b'!'..)) = first {
        scan.start_line = start..at;
        start = at + 2;
        for at in runs {
            let Some(next) = behind_line_end(bytes, at) else { break };
            if !usual_line(bytes, start..at, table) {
                scan.header_line(bytes, start..at, table);
            }
            start = at + 2;
            if next <= b' ' {
                if next == b'\r' && bytes.get(start + 1) == Some(&b'\n') {
                    scan.body_start = start + 2;
                    return scan;
                }
                break;
            }
        }
    }
    scan.any_lines(bytes, skipped, start, table);
    scan
}

/// The byte behind a CRLF at `at`; `None` if there is no CRLF or nothing behind it.
#[inline(always)]
fn behind_line_end(bytes: &[u8], at: usize) -> Option<u8> {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some([b'\r', b'\n', next]) => Some(*next),
        _ => None,
    }
}

/// How many bytes of line ends stand first. They do not count (RFC 3261 §7.5).
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Takes in a header line as nearly all are: a name that we know, a colon, one space and a value without white space at its
/// ends. `false`, and nothing done, if it is another, or the table full.
#[inline(always)]
fn usual_line(bytes: &[u8], line: Range<usize>, table: &mut Table) -> bool {
    let Some((name, name_length)) = bytes.get(line.start..).and_then(HeaderName::at_line_start) else { return false };
    let value_start = line.start + usize::from(name_length) + 2;
    let (Some(&[b' ', first]), Some(&last)) = (bytes.get(value_start - 1..=value_start), bytes.get(line.end - 1)) else { return false };
    // An empty value has CR for its first byte.
    first > b' '
        && last > b' '
        && table.push(Line {
            name,
            name_length,
            name_start: line.start as u16,
            value_start: value_start as u16,
            value_end: line.end as u16,
        })
}

/// `line` without SP and HT at both ends. CR or LF stands at its end, so that the first loop ends there.
#[inline(always)]
fn trimmed(bytes: &[u8], line: Range<usize>) -> Range<usize> {
    // One look for most bytes: they are above SP.
    let is_blank = |at: usize| bytes.get(at).is_some_and(|&byte| byte <= b' ' && (byte == b' ' || byte == b'\t'));
    let Range { mut start, mut end } = line;
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

    /// Scans lines of any kind from `start` on.
    #[inline(never)]
    fn any_lines(&mut self, bytes: &[u8], skipped: usize, mut start: usize, table: &mut Table) {
        let mut controls = Controls::new(bytes, start);
        while let Some(at) = controls.next() {
            let next = match bytes.get(at..) {
                Some([b'\r', b'\n', ..]) => {
                    controls.next();
                    at + 2
                }
                Some([b'\n', ..]) => at + 1,
                _ => {
                    self.inside_line(bytes, start, at);
                    continue;
                }
            };
            match bytes.get(start) {
                _ if start == skipped => self.start_line = start..at,
                _ if start == at => {
                    self.body_start = next;
                    return;
                }
                Some(b' ' | b'\t') => self.fold(bytes, start..at, table),
                _ => self.header_line(bytes, start..at, table),
            }
            start = next;
        }
        self.note(Fault::Unfinished);
    }

    /// Looks at a control character at `at` that does not end the line which begins at `start`.
    #[cold]
    fn inside_line(&mut self, bytes: &[u8], start: usize, at: usize) {
        match bytes.get(at) {
            // A NUL may stand in a quoted string behind a backslash (`quoted-pair` of RFC 3261 §25.1, RFC 4475 §3.1.1.2).
            Some(0) if at > start && bytes.get(at - 1) == Some(&b'\\') => {}
            Some(b'\r' | 0) => self.note(Fault::HeaderLine),
            // A tab, or a control character that some text holds.
            _ => {}
        }
    }

    /// Takes in a header line.
    #[inline(never)]
    fn header_line(&mut self, bytes: &[u8], line: Range<usize>, table: &mut Table) {
        let Some(rest) = bytes.get(line.start..) else { return };
        let (name, name_length, behind) = match HeaderName::at_line_start(rest) {
            Some((name, length)) => (name, length, usize::from(length) + 1),
            None => match rest.get(..line.len()).and_then(odd_name) {
                Some(found) => found,
                None => return self.note(Fault::HeaderLine),
            },
        };
        let value = trimmed(bytes, line.start + behind..line.end);
        let pushed = table.push(Line {
            name,
            name_length,
            name_start: line.start as u16,
            value_start: value.start as u16,
            value_end: value.end as u16,
        });
        if !pushed {
            self.note(Fault::TooManyHeaders);
        }
    }

    /// Makes the value before reach to the end of this line.
    #[cold]
    fn fold(&mut self, bytes: &[u8], line: Range<usize>, table: &mut Table) {
        let Some(header) = table.last_mut() else { return self.note(Fault::HeaderLine) };
        let text = trimmed(bytes, line);
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
fn odd_name(line: &[u8]) -> Option<(HeaderName, u8, usize)> {
    let colon = find(line, b':')?;
    let mut name = line.get(..colon)?;
    // White space is allowed before the colon (RFC 3261 §25.1, `HCOLON`).
    while let [shorter @ .., b' ' | b'\t'] = name {
        name = shorter;
    }
    let meaning = HeaderName::parse_bytes(name);
    let is_name = meaning != HeaderName::Other || (!name.is_empty() && name.iter().all(|&byte| Class::TOKEN.holds(byte)));
    let length = u8::try_from(name.len()).ok().filter(|_| is_name)?;
    Some((meaning, length, colon + 1))
}
