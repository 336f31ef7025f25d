//! SIP text as a load reads and writes it: one pass over what came, templates for what goes out.
//!
//! ```text
//!   datagram ─▶ Message::read: start line, single headers as slices        Template: one message, numbers patched at known places
//! ```
//! Shape:  borrowed; header names as the switch writes them, any case; numbers of eight digits in templates.
//! Errors: what cannot be read is `None`: to the load it never came.
//! Not here: folding, compact names, lists. The switch does not send them, and if it did its calls should fail here. Nor the product's
//!         parser: what measures it must not share its mistakes.
//! Source: RFC 3261 §7, §8.2.6 (headers of a response).

/// A message as it came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message<'a> {
    head: &'a str,
    /// Status of a response.
    pub status: Option<u16>,
    /// Method of a request, else that of CSeq.
    pub method: &'a str,
    /// Value of From.
    pub from: &'a str,
    /// Value of To.
    pub to: &'a str,
    /// Value of Call-ID.
    pub call_id: &'a str,
    /// Number of CSeq.
    pub cseq: u32,
    /// URI of the first Contact.
    pub contact: &'a str,
    /// First challenge, of a server or a proxy.
    pub challenge: Option<(bool, &'a str)>,
    /// Value of the first Route that a request of ours would need.
    pub record_route: &'a str,
    /// Body.
    pub body: &'a str,
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split('\n');
        let start = lines.next()?;
        let mut message = Self { head, body, ..Self::default() };
        match start.strip_prefix("SIP/2.0 ") {
            Some(status) => message.status = Some(status.get(..3)?.parse().ok()?),
            None => message.method = start.split(' ').next()?,
        }
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name {
                "From" => message.from = value,
                "To" => message.to = value,
                "Call-ID" => message.call_id = value,
                "CSeq" => {
                    let (number, method) = value.split_once(' ')?;
                    message.cseq = number.parse().ok()?;
                    if message.status.is_some() {
                        message.method = method;
                    }
                }
                "Contact" if message.contact.is_empty() => message.contact = uri(value),
                "Record-Route" if message.record_route.is_empty() => message.record_route = value,
                "WWW-Authenticate" if message.challenge.is_none() => message.challenge = Some((false, value)),
                "Proxy-Authenticate" if message.challenge.is_none() => message.challenge = Some((true, value)),
                _ => {}
            }
        }
        Some(message)
    }

    /// Request-URI of a request.
    pub fn uri(&self) -> &'a str {
        self.head.split([' ', '\r']).nth(1).unwrap_or_default()
    }

    /// The headers that every response to this request begins with, `tag` added to To if it has none (RFC 3261 §8.2.6.2).
    pub fn response_headers(&self, tag: &str) -> String {
        let mut out = String::with_capacity(self.head.len());
        for line in self.head.split('\n').skip(1).map(|line| line.trim_end_matches('\r')) {
            let Some((name, value)) = line.split_once(':') else { continue };
            if matches!(name, "Via" | "Record-Route" | "From" | "To" | "Call-ID" | "CSeq") {
                out.push_str(line);
                if name == "To" && !value.contains(";tag=") {
                    out.push_str(";tag=");
                    out.push_str(tag);
                }
                out.push_str("\r\n");
            }
        }
        out
    }
}

/// URI between brackets, or the value without its parameters.
fn uri(value: &str) -> &str {
    match value.split_once('<').and_then(|(_, rest)| rest.split_once('>')) {
        Some((uri, _)) => uri,
        None => value.split(';').next().unwrap_or_default(),
    }
}

/// The number after `prefix`, of as many digits as there are.
pub fn number_after(text: &str, prefix: &str) -> Option<usize> {
    let rest = text.strip_prefix(prefix)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

/// A message written once, in which only a number of eight digits and a single digit change.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    digits: Vec<usize>,
}

/// Where the number goes.
pub const NUMBER: &str = "########";
/// Where the digit goes.
pub const DIGIT: &str = "@@@@";

impl Template {
    /// From text with [`NUMBER`] and [`DIGIT`] in it.
    pub fn new(text: &str) -> Self {
        let text = text.replace(DIGIT, "~");
        let find = |what: &str| text.match_indices(what).map(|(at, _)| at).collect();
        Self { numbers: find(NUMBER), digits: find("~"), bytes: text.into_bytes() }
    }

    /// Appends it with these.
    pub fn write(&self, number: usize, digit: u8, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let mut text = [b'0'; 8];
        let mut left = number;
        for place in text.iter_mut().rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        for at in &self.numbers {
            if let Some(place) = out.get_mut(start + at..start + at + 8) {
                place.copy_from_slice(&text);
            }
        }
        for at in &self.digits {
            if let Some(place) = out.get_mut(start + at) {
                *place = b'0' + digit % 10;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_and_a_response_are_read() {
        let text = "INVITE sip:7@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b\r\nFrom: <sip:1@h>;tag=x\r\nTo: <sip:7@h>\r\n\
                    Call-ID: c12@h\r\nCSeq: 4 INVITE\r\nContact: <sip:1@h:5>;q=1\r\n\r\nv=0\r\n";
        let invite = Message::read(text.as_bytes()).unwrap();
        assert_eq!(
            (invite.method, invite.cseq, invite.contact, invite.body, invite.uri()),
            ("INVITE", 4, "sip:1@h:5", "v=0\r\n", "sip:7@h")
        );
        assert_eq!(
            invite.response_headers("us"),
            "Via: SIP/2.0/UDP a;branch=1\r\nVia: SIP/2.0/UDP b\r\nFrom: <sip:1@h>;tag=x\r\nTo: <sip:7@h>;tag=us\r\nCall-ID: c12@h\r\nCSeq: 4 INVITE\r\n"
        );
        let text = "SIP/2.0 407 Prove it\r\nCSeq: 9 BYE\r\nProxy-Authenticate: Digest realm=\"r\"\r\nTo: <sip:7@h>;tag=z\r\n\r\n";
        let refusal = Message::read(text.as_bytes()).unwrap();
        assert_eq!((refusal.status, refusal.method, refusal.challenge), (Some(407), "BYE", Some((true, "Digest realm=\"r\""))));
        assert_eq!(number_after("c12@h", "c"), Some(12));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in ["", "SIP/2.0 200 OK\r\n", "SIP/2.0 x\r\n\r\n", "SIP/2.0 200 OK\r\nCSeq: x\r\n\r\n"] {
            assert_eq!(Message::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Message::read(&[0xFF, b'\r', b'\n', b'\r', b'\n']), None);
    }

    #[test]
    fn a_template_has_its_numbers_everywhere() {
        let template = Template::new(&format!("sip:{NUMBER}@h;branch={NUMBER}-{DIGIT} CSeq: {DIGIT} X"));
        let mut out = b"before ".to_vec();
        template.write(1234, 2, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "before sip:00001234@h;branch=00001234-2 CSeq: 2 X");
    }
}
