//! Extra headers that control may put into our messages.
//!
//! ```text
//!   {"X-Account": "7"} ──checked──► "X-Account: 7\r\n"
//! ```
//! Shape:  at most 32 headers of 1 KiB each: 32 KiB a message at worst, which UDP would not carry anyway.
//! Errors: [`ExtraError`]: a name that is ours to write, no token, or a value that would break the message.
//! Why refused and not dropped: a script that sets Contact believes that it has an effect.
//! Source: RFC 3261 §7.3.1 and §25.1 (`header-name`, `header-value`).

use std::fmt::Display;

use crate::api::CommandError;

const HEADERS_MAX: usize = 32;
const VALUE_LEN_MAX: usize = 1024;

/// Headers that the stack writes itself, long and compact names, lower case.
const OURS: [&str; 39] = [
    "via",
    "v",
    "from",
    "f",
    "to",
    "t",
    "call-id",
    "i",
    "cseq",
    "contact",
    "m",
    "max-forwards",
    "route",
    "record-route",
    "content-length",
    "l",
    "content-type",
    "c",
    "content-encoding",
    "e",
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "require",
    "proxy-require",
    "supported",
    "k",
    "unsupported",
    "allow",
    "accept",
    "expires",
    "min-expires",
    "user-agent",
    "server",
    "rseq",
    "rack",
    "session-expires",
    "x",
];

/// Why an extra header is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExtraError {
    /// More than 32.
    #[error("more than {HEADERS_MAX} extra headers")]
    TooMany,
    /// Not a token.
    #[error("{0:?} is not a header name")]
    BadName(String),
    /// The stack writes it.
    #[error("header {0} is written by the server itself")]
    Ours(String),
    /// Control characters, or above 1 KiB.
    #[error("the value of header {0} cannot be sent")]
    BadValue(String),
}

impl From<ExtraError> for CommandError {
    fn from(error: ExtraError) -> Self {
        Self::Bad(error.to_string())
    }
}

/// Checked headers, ready to be appended to a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ExtraHeaders(Vec<(String, String)>);

impl ExtraHeaders {
    pub fn new(headers: Vec<(String, String)>) -> Result<Self, ExtraError> {
        if headers.len() > HEADERS_MAX {
            return Err(ExtraError::TooMany);
        }
        for (name, value) in &headers {
            let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
            if name.is_empty() || name.len() > 64 || !name.bytes().all(token) {
                return Err(ExtraError::BadName(name.clone()));
            }
            if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
                return Err(ExtraError::Ours(name.clone()));
            }
            if value.len() > VALUE_LEN_MAX || value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(ExtraError::BadValue(name.clone()));
            }
        }
        Ok(Self(headers))
    }

    /// As a response or request takes them.
    pub fn shown(&self) -> Vec<(&str, &dyn Display)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value as &dyn Display)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.trim()))
    }
}

/// Whether a value that control gives for a header of ours, such as Alert-Info, keeps to its line.
pub(super) fn is_line(value: &str) -> bool {
    value.len() <= VALUE_LEN_MAX && !value.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &str) -> Result<ExtraHeaders, ExtraError> {
        ExtraHeaders::new(vec![(name.into(), value.into())])
    }

    #[test]
    fn own_names_and_broken_lines_are_refused() {
        assert!(one("X-Account", "7, \"a\"").is_ok());
        for name in ["Contact", "m", "VIA", "content-length", "Supported", "Session-Expires", "X"] {
            assert_eq!(one(name, "x"), Err(ExtraError::Ours(name.into())));
        }
        for name in ["", "X Account", "X:", "X\r\nVia", "é"] {
            assert_eq!(one(name, "x"), Err(ExtraError::BadName(name.into())));
        }
        for value in ["a\r\nVia: x", "a\0", "a\nb"] {
            assert_eq!(one("X-A", value), Err(ExtraError::BadValue("X-A".into())));
        }
        assert_eq!(ExtraHeaders::new(vec![("X-A".into(), String::new()); 33]), Err(ExtraError::TooMany));
    }
}
