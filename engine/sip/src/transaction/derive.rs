//! ACK of a failure and CANCEL, copied line by line from the INVITE they belong to.
//!   INVITE bytes ──► start line, Via, Route, Max-Forwards, From, To, Call-ID, CSeq ──► same lines, other method, no body
//! Shape:  bytes to bytes; the INVITE is our own, so each header has lines of its own and the first Via is the only one.
//! Units:  none.
//! Errors: [`NotAnInvite`], told by [`check`] before anything is sent; after that both always succeed.
//! Why not by the parser: the lines must be equal to what was sent, not to what a reader makes of them.
//! Source: RFC 3261 §17.1.1.3 (ACK), §9.1 (CANCEL), §22.1 (the ACK repeats the credentials).

/// An INVITE cannot be sent because the ACK of its failure could not be built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnInvite {
    /// The first line is not `INVITE uri SIP/2.0`.
    #[error("the start line is not that of an INVITE")]
    StartLine,
    /// A header that an ACK repeats is missing.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// CSeq does not begin with a number.
    #[error("CSeq has no number")]
    Sequence,
}

/// Lines that an ACK and a CANCEL take over.
struct Parts<'a> {
    uri: &'a [u8],
    via: &'a [u8],
    from: &'a [u8],
    to: &'a [u8],
    call_id: &'a [u8],
    sequence: &'a [u8],
}

/// Whether [`ack`] and [`cancel`] can be built from these bytes.
pub(super) fn check(invite: &[u8]) -> Result<(), NotAnInvite> {
    Parts::read(invite).map(drop)
}

/// ACK for a 3xx–6xx whose To header has the value `to`.
pub(super) fn ack(invite: &[u8], to: &str) -> Box<[u8]> {
    build(invite, b"ACK", |out, parts| {
        if to.is_empty() {
            push_line(out, parts.to);
        } else {
            out.extend_from_slice(b"To: ");
            // A folded value stays one header, whatever stands in it.
            out.extend(to.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
            out.extend_from_slice(b"\r\n");
        }
        // RFC 3261 §22.1: a server may not challenge an ACK, but it may look at the credentials of its INVITE.
        for line in lines(invite).filter(|line| is_named(line, "Authorization", None) || is_named(line, "Proxy-Authorization", None)) {
            push_line(out, line);
        }
    })
}

/// CANCEL for this INVITE. `elsewhere`: another phone of the user answered, so that this one shows no missed call.
pub(super) fn cancel(invite: &[u8], elsewhere: bool) -> Box<[u8]> {
    build(invite, b"CANCEL", |out, parts| {
        push_line(out, parts.to);
        if elsewhere {
            // RFC 3326 §3.1, the example of HERFP.
            push_line(out, b"Reason: SIP;cause=200;text=\"Call completed elsewhere\"");
        }
    })
}

fn build(invite: &[u8], method: &[u8], to: impl FnOnce(&mut Vec<u8>, &Parts<'_>)) -> Box<[u8]> {
    // `check` has read the same bytes when the transaction began, so this is a formality and not a lost message.
    let Ok(parts) = Parts::read(invite) else { return Box::default() };
    let mut out = Vec::with_capacity(invite.len().min(1024));
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(parts.uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
    push_line(&mut out, parts.via);
    for line in lines(invite).filter(|line| is_named(line, "Route", None) || is_named(line, "Max-Forwards", None)) {
        push_line(&mut out, line);
    }
    push_line(&mut out, parts.from);
    to(&mut out, &parts);
    push_line(&mut out, parts.call_id);
    out.extend_from_slice(b"CSeq: ");
    out.extend_from_slice(parts.sequence);
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
    out.into_boxed_slice()
}

impl<'a> Parts<'a> {
    fn read(invite: &'a [u8]) -> Result<Self, NotAnInvite> {
        let start = invite.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        let uri = start.strip_prefix(b"INVITE ").and_then(|rest| rest.strip_suffix(b" SIP/2.0")).ok_or(NotAnInvite::StartLine)?;
        let find = |name, compact| lines(invite).find(|line| is_named(line, name, Some(compact))).ok_or(NotAnInvite::Missing(name));
        let cseq = lines(invite).find(|line| is_named(line, "CSeq", None)).ok_or(NotAnInvite::Missing("CSeq"))?;
        let value = cseq.splitn(2, |&byte| byte == b':').nth(1).unwrap_or_default().trim_ascii_start();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let sequence = value.get(..digits).filter(|digits| !digits.is_empty()).ok_or(NotAnInvite::Sequence)?;
        Ok(Self {
            uri,
            via: find("Via", b'v')?,
            from: find("From", b'f')?,
            to: find("To", b't')?,
            call_id: find("Call-ID", b'i')?,
            sequence,
        })
    }
}

/// Header lines with their folded rest, without the line end; ends at the empty line.
fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = message.split_at(message.iter().position(|&byte| byte == b'\n').map_or(message.len(), |at| at + 1)).1;
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            end += rest.get(end..)?.iter().position(|&byte| byte == b'\n')? + 1;
            if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line.trim_ascii_end()).filter(|line| !line.is_empty())
    })
}

fn is_named(line: &[u8], name: &str, compact: Option<u8>) -> bool {
    let found = line.split(|&byte| byte == b':').next().unwrap_or_default().trim_ascii_end();
    found.eq_ignore_ascii_case(name.as_bytes()) || compact.is_some_and(|letter| found.eq_ignore_ascii_case(&[letter]))
}

fn push_line(out: &mut Vec<u8>, line: &[u8]) {
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The INVITE of RFC 3261 §17.1.1.3.
    const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n\
        To: Bob <sip:bob@biloxi.com>\r\n\
        From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n\
        Max-Forwards: 70\r\n\
        Call-ID: 987asjd97y7atg\r\n\
        CSeq: 986759 INVITE\r\n\r\n";

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_ack_is_that_of_the_example() {
        // RFC 3261 §17.1.1.3
        let ack = ack(INVITE.as_bytes(), "Bob <sip:bob@biloxi.com>;tag=99sa0xk");
        assert_eq!(
            text(&ack),
            "ACK sip:bob@biloxi.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n\
             Max-Forwards: 70\r\n\
             From: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n\
             To: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\n\
             Call-ID: 987asjd97y7atg\r\n\
             CSeq: 986759 ACK\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn the_cancel_has_the_to_of_the_invite_and_no_body() {
        let invite = INVITE.replace("\r\n\r\n", "\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n");
        let cancel = cancel(invite.as_bytes(), false);
        let cancel = text(&cancel);
        assert!(cancel.starts_with("CANCEL sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"));
        assert!(cancel.contains("To: Bob <sip:bob@biloxi.com>\r\n"));
        assert!(cancel.contains("CSeq: 986759 CANCEL\r\n"));
        assert!(!cancel.contains("Content-Type"));
        assert!(cancel.ends_with("Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn routes_and_credentials_are_taken_over_in_order() {
        let invite = INVITE.replace(
            "Call-ID",
            "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>,\r\n <sip:p3;lr>\r\nProxy-Authorization: Digest username=\"a\"\r\nCall-ID",
        );
        let ack = ack(invite.as_bytes(), "");
        let ack = text(&ack);
        assert!(ack.contains("Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>,\r\n <sip:p3;lr>\r\n"), "{ack}");
        assert!(ack.contains("Proxy-Authorization: Digest username=\"a\"\r\n"));
        assert!(ack.contains("To: Bob <sip:bob@biloxi.com>\r\n"));
        let cancel = cancel(invite.as_bytes(), false);
        assert!(text(&cancel).contains("Route: <sip:p1;lr>\r\n"));
        assert!(!text(&cancel).contains("Authorization"));
    }

    #[test]
    fn compact_names_and_odd_case_are_found() {
        let invite =
            "INVITE sip:b SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK1\r\nF : <sip:a>;tag=1\r\nt: <sip:b>\r\nI: x\r\ncseq: 1 INVITE\r\n\r\n";
        assert_eq!(check(invite.as_bytes()), Ok(()));
        assert!(text(&ack(invite.as_bytes(), "")).contains("\r\nF : <sip:a>;tag=1\r\n"));
    }

    #[test]
    fn an_injected_line_end_in_to_stays_inside_the_header() {
        let ack = ack(INVITE.as_bytes(), "<sip:b>;tag=1\r\nEvil: 1");
        assert!(text(&ack).contains("To: <sip:b>;tag=1  Evil: 1\r\n"));
    }

    #[test]
    fn what_is_no_invite_is_refused() {
        assert_eq!(check(b""), Err(NotAnInvite::StartLine));
        assert_eq!(check(INVITE.replace("INVITE sip", "BYE sip").as_bytes()), Err(NotAnInvite::StartLine));
        assert_eq!(check(INVITE.replace("Call-ID", "X").as_bytes()), Err(NotAnInvite::Missing("Call-ID")));
        assert_eq!(check(INVITE.replace("986759", "x").as_bytes()), Err(NotAnInvite::Sequence));
        for cut in 0..INVITE.len() - 2 {
            let _ = check(&INVITE.as_bytes()[..cut]);
        }
    }
}
