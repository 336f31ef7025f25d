//! Request methods.
//!
//! Shape:  [`Method`] borrows the text of a method it does not know; the fourteen of the RFCs are plain variants.
//! Units:  none. Methods compare with regard to case (RFC 3261 §7.1).
//! Errors: [`Method::parse`] gives `None` for text that is not a token.
//! Not here: which methods a server allows.
//! Source: RFC 3261 §7.1, 3262, 3265/6665, 3311, 3428, 3515, 3903, 6086.

use std::fmt;

use super::lex::is_token;

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method<'a> {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §17.1.1.3.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §11.
    Options,
    /// RFC 3261 §10.
    Register,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 6086.
    Info,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3311.
    Update,
    /// Any other token, as it was written.
    Other(&'a str),
}

impl<'a> Method<'a> {
    /// Reads a method; `None` if `text` is not a token (RFC 3261 §25.1).
    pub fn parse(text: &'a str) -> Option<Self> {
        let known = match text.as_bytes() {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"OPTIONS" => Self::Options,
            b"REGISTER" => Self::Register,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"PUBLISH" => Self::Publish,
            b"INFO" => Self::Info,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"UPDATE" => Self::Update,
            _ => return is_token(text).then_some(Self::Other(text)),
        };
        Some(known)
    }

    /// The method as it goes on the wire.
    pub const fn as_str(self) -> &'a str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Register => "REGISTER",
            Self::Prack => "PRACK",
            Self::Subscribe => "SUBSCRIBE",
            Self::Notify => "NOTIFY",
            Self::Publish => "PUBLISH",
            Self::Info => "INFO",
            Self::Refer => "REFER",
            Self::Message => "MESSAGE",
            Self::Update => "UPDATE",
            Self::Other(text) => text,
        }
    }

    /// The same method without a borrow, or `None` for [`Method::Other`].
    pub const fn known(self) -> Option<Method<'static>> {
        Some(match self {
            Self::Invite => Method::Invite,
            Self::Ack => Method::Ack,
            Self::Bye => Method::Bye,
            Self::Cancel => Method::Cancel,
            Self::Options => Method::Options,
            Self::Register => Method::Register,
            Self::Prack => Method::Prack,
            Self::Subscribe => Method::Subscribe,
            Self::Notify => Method::Notify,
            Self::Publish => Method::Publish,
            Self::Info => Method::Info,
            Self::Refer => Method::Refer,
            Self::Message => Method::Message,
            Self::Update => Method::Update,
            Self::Other(_) => return None,
        })
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters() {
        assert_eq!(Method::parse("INVITE"), Some(Method::Invite));
        assert_eq!(Method::parse("invite"), Some(Method::Other("invite")));
    }

    #[test]
    fn only_tokens_are_methods() {
        assert_eq!(
            Method::parse("!interesting-Method0123456789_*+`.%indeed'~").map(Method::as_str),
            Some("!interesting-Method0123456789_*+`.%indeed'~")
        );
        assert_eq!(Method::parse(""), None);
        assert_eq!(Method::parse("IN VITE"), None);
        assert_eq!(Method::parse("INVITE:"), None);
    }
}
