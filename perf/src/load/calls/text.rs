//! The messages of callers and callees, written plainly.
//!
//! Shape:  whole messages as `String`; a number per call makes its Call-ID, branch and tag, so that what comes back names its call.
//! Units:  none.
//! Errors: none.
//! Source: RFC 3261 §8.1.1 (requests), §17.1.1.3 (ACK of a failure), §13.2.2.4 (ACK of a 2xx).

use std::fmt::Write as _;
use std::net::SocketAddrV4;

use super::Plan;

/// One call as its caller writes it.
pub(super) struct Words<'a> {
    pub plan: &'a Plan,
    pub at: SocketAddrV4,
    pub run: u32,
    pub n: usize,
}

impl Words<'_> {
    fn head(&self, out: &mut String, method: &str, uri: &str, branch: &str, to: &str, cseq: u32) {
        let Self { at, run, n, plan } = self;
        let (caller, domain, ip) = (plan.caller(*n), &plan.domain, plan.ip);
        // A String takes all.
        let _ = write!(
            out,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{run}-{n}-{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{caller}@{domain}>;tag=c{n}\r\nTo: {to}\r\nCall-ID: c{n}-{run}@{ip}\r\nCSeq: {cseq} {method}\r\n"
        );
    }

    fn callee(&self) -> String {
        format!("sip:{}@{}", self.plan.callee(self.n), self.plan.domain)
    }

    /// Request-URI of the INVITE.
    pub fn uri(&self) -> String {
        self.callee()
    }

    /// INVITE, `more` being whole header lines.
    pub fn invite(&self, cseq: u32, more: &str, body: &str) -> String {
        let mut out = String::with_capacity(1024);
        let uri = self.callee();
        self.head(&mut out, "INVITE", &uri, &format!("i{cseq}"), &format!("<{uri}>"), cseq);
        let _ = write!(
            out,
            "Contact: <sip:{}@{}>\r\nUser-Agent: bench\r\n{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            self.plan.caller(self.n),
            self.at,
            body.len()
        );
        out
    }

    /// ACK of a failure: of the INVITE's own branch.
    pub fn ack_failure(&self, cseq: u32, to: &str) -> String {
        let mut out = String::with_capacity(512);
        self.head(&mut out, "ACK", &self.callee(), &format!("i{cseq}"), to, cseq);
        out.push_str("Content-Length: 0\r\n\r\n");
        out
    }

    /// A request within the dialog: ACK of a 200, BYE.
    pub fn within(&self, method: &str, cseq: u32, target: &str, to: &str, route: &str) -> String {
        let mut out = String::with_capacity(512);
        self.head(&mut out, method, target, &format!("{method}{cseq}"), to, cseq);
        if !route.is_empty() {
            let _ = write!(out, "Route: {route}\r\n");
        }
        out.push_str("Content-Length: 0\r\n\r\n");
        out
    }
}

/// A response on headers that were copied from its request.
pub(super) fn response(status: &str, headers: &str, contact: &str, body: &str) -> String {
    let mut out = String::with_capacity(headers.len() + body.len() + 160);
    let _ = write!(out, "SIP/2.0 {status}\r\n{headers}");
    if !contact.is_empty() {
        let _ = write!(out, "Contact: <{contact}>\r\n");
    }
    if !body.is_empty() {
        out.push_str("Content-Type: application/sdp\r\n");
    }
    let _ = write!(out, "Content-Length: {}\r\n\r\n{body}", body.len());
    out
}

/// Session of PCMU at an address.
pub(super) fn session(at: SocketAddrV4) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "v=0\r\no=- {port} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Port of the first audio in a session.
pub(super) fn audio_port(body: &str) -> Option<u16> {
    let rest = body.split("m=audio ").nth(1)?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_says_its_port() {
        assert_eq!(audio_port(&session("127.0.0.1:4000".parse().unwrap())), Some(4000));
        assert_eq!(audio_port("v=0\r\n"), None);
    }
}
