//! Who may use the API: the bearer token, and the addresses that need one.
//!
//! ```text
//!   ListenPolicy::check(address) ──► may we listen?      Token::allows(headers) ──► may this request pass?
//! ```
//! Shape:  one token per listener. A loopback address needs none; any other needs one, or the user's explicit word.
//! Errors: [`PolicyError`] at start, with the remedy; 401 per request.
//! Not here: reading the file and the flags (`engine::settings`).
//! Source: `docs/openapi.yaml`, common rules; RFC 6750 §2.1 (bearer), RFC 9110 §11.6.1 (challenge).

use std::hint::black_box;
use std::net::SocketAddr;

use crate::wire::Headers;

/// The secret that API users present. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why we do not listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Others can reach the address, and anyone could use the API.
    #[error(
        "the API would listen on {0}, where others can reach it, and ask nobody for a token: give --api-token-file FILE, \
         or --insecure-api if everyone on that network may use it, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    /// The file holds no usable token.
    #[error(
        "the API token must be {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} visible ASCII characters on one line (make one: openssl rand -hex 32)"
    )]
    BadToken,
}

impl Token {
    /// The token in `text`, the content of a token file; white space around it is dropped.
    ///
    /// # Errors
    /// [`PolicyError::BadToken`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let token = text.trim();
        let good = (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self(token.as_bytes().into())) } else { Err(PolicyError::BadToken) }
    }

    /// Value of the `Authorization` header that presents it.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", String::from_utf8_lossy(&self.0))
    }

    /// Do the headers present this token? Takes the same time wherever a wrong one differs.
    pub fn allows(&self, headers: &Headers) -> bool {
        let mut values = headers.all("authorization");
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, presented)) = value.split_at_checked(7) else { return false };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return false;
        }
        let presented = presented.trim_ascii();
        // The length may show; the bytes must not.
        if presented.len() != self.0.len() {
            return false;
        }
        let difference = presented.iter().zip(&self.0).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        black_box(difference) == 0
    }
}

/// What the user decided about access.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListenPolicy {
    /// `--api-token-file`.
    pub token: Option<Token>,
    /// `--insecure-api`.
    pub insecure: bool,
}

impl ListenPolicy {
    /// May we listen on `address`?
    ///
    /// # Errors
    /// [`PolicyError::Exposed`].
    pub fn check(&self, address: SocketAddr) -> Result<(), PolicyError> {
        if address.ip().to_canonical().is_loopback() || self.token.is_some() || self.insecure {
            Ok(())
        } else {
            Err(PolicyError::Exposed(address))
        }
    }
}

/// 16 characters of hex are 64 bits: past guessing over a network.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::{ListenPolicy, PolicyError, Token};
    use crate::wire::{Input, Limits, RequestReader};

    const SECRET: &str = "0123456789abcdef";

    fn allows(authorization: &str) -> bool {
        let mut reader = RequestReader::new(Limits::default());
        reader.handle_bytes(format!("GET / HTTP/1.1\r\nHost: h\r\n{authorization}\r\n").as_bytes());
        let Ok(Input::Request(request)) = reader.poll_input() else { panic!("not a request") };
        Token::parse(SECRET).unwrap().allows(&request.headers)
    }

    #[test]
    fn only_the_token_itself_passes() {
        assert!(allows(&format!("Authorization: Bearer {SECRET}\r\n")));
        assert!(allows(&format!("authorization: bearer  {SECRET} \r\n")));
        for wrong in [
            String::new(),
            "Authorization: Bearer\r\n".into(),
            format!("Authorization: Basic {SECRET}\r\n"),
            format!("Authorization: {SECRET}\r\n"),
            format!("Authorization: Bearer {SECRET}0\r\n"),
            "Authorization: Bearer 0123456789abcdeF\r\n".into(),
            format!("Authorization: Bearer {SECRET}\r\nAuthorization: Bearer {SECRET}\r\n"),
        ] {
            assert!(!allows(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_one_long_enough_word() {
        assert!(Token::parse(&format!("{SECRET}\n")).is_ok());
        for bad in ["", "short", "0123456789 abcdef", "0123456789abcde\u{e9}"] {
            assert_eq!(Token::parse(bad), Err(PolicyError::BadToken));
        }
        assert_eq!(format!("{:?}", Token::parse(SECRET)), "Ok(Token(…))");
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token_or_the_users_word() {
        let open = ListenPolicy::default();
        let token = ListenPolicy { token: Token::parse(SECRET).ok(), insecure: false };
        let insecure = ListenPolicy { token: None, insecure: true };
        for local in ["127.0.0.1:9000", "127.9.9.9:9000", "[::1]:9000", "[::ffff:127.0.0.1]:9000"] {
            assert_eq!(open.check(local.parse().unwrap()), Ok(()));
        }
        for exposed in ["0.0.0.0:9000", "[::]:9000", "192.0.2.1:9000", "[::ffff:192.0.2.1]:9000"] {
            let address = exposed.parse().unwrap();
            let error = open.check(address).unwrap_err();
            assert!(error.to_string().contains("--api-token-file") && error.to_string().contains("--insecure-api"));
            assert_eq!((token.check(address), insecure.check(address)), (Ok(()), Ok(())));
        }
    }
}
