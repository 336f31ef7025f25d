//! The little SIP text that a phone needs: reads what the switch writes, and writes plainly.
//!
//! Shape:  a whole message as `String`; header names as the switch writes them, any case.
//! Errors: what cannot be read is `None`; the phone ignores it, and the call fails by time-out.
//! Not here: folding, compact names, lists. The switch does not send them, and if it did the phone should fail.

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Text(String);

impl Text {
    /// A whole message, or `None`.
    pub fn new(octets: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok()?;
        text.contains("\r\n\r\n").then(|| Self(text.to_owned()))
    }

    /// Status of a response.
    pub fn status(&self) -> Option<u16> {
        self.0.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// Method of a request.
    pub fn method(&self) -> Option<&str> {
        if self.0.starts_with("SIP/2.0 ") { None } else { self.0.split(' ').next() }
    }

    /// Values of a header, in order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.head().lines().skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// First value of a header, or nothing.
    pub fn header<'a>(&'a self, name: &'a str) -> &'a str {
        self.headers(name).next().unwrap_or_default()
    }

    /// Number of CSeq, and its method.
    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("CSeq").split_once(' ').unwrap_or_default();
        (number.parse().unwrap_or_default(), method.trim())
    }

    /// URI between the brackets of the first value of a header.
    pub fn uri<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let value = self.header(name);
        let (_, rest) = value.split_once('<')?;
        rest.split_once('>').map(|(uri, _)| uri)
    }

    /// What follows the head.
    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn head(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(head, _)| head)
    }
}

/// Ends a head with its body.
pub fn with_body(mut head: String, body: Option<&str>) -> Vec<u8> {
    if body.is_some() {
        head.push_str("Content-Type: application/sdp\r\n");
    }
    let body = body.unwrap_or_default();
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    head.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read() {
        let text = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nvia: SIP/2.0/UDP b\r\nContact: <sip:x@[::1]:5060>;expires=60\r\nCSeq: 7 INVITE\r\n\r\nv=0\r\n";
        let text = Text::new(text.as_bytes()).unwrap();
        assert_eq!((text.status(), text.method(), text.cseq()), (Some(200), None, (7, "INVITE")));
        assert_eq!(text.headers("Via").count(), 2);
        assert_eq!((text.uri("contact"), text.body()), (Some("sip:x@[::1]:5060"), "v=0\r\n"));
    }

    #[test]
    fn half_a_message_is_none() {
        assert!(Text::new(b"SIP/2.0 200 OK\r\nVia: x\r\n").is_none());
        assert!(Text::new(&[0xFF, 0xFE]).is_none());
    }
}
