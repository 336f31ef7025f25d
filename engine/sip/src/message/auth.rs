//! Challenges and credentials of digest authentication.
//!
//! ```text
//!   Digest username="bob", realm="biloxi.com", nonce="dcd98b", uri="sip:b@x", response="6629…", qop=auth, nc=00000001, cnonce="0a"
//!   scheme └─────────────────────────── parameters, quoted or not, separated by commas ───────────────────────────────────┘
//! ```
//! Shape:  [`Challenge`] and [`Credentials`] keep the parameters checked; getters unescape what was quoted.
//! Units:  `nc` is a count, eight hex digits on the wire.
//! Errors: [`Problem`]. A parameter that stands twice is refused: which one counts would be a guess.
//! Not here: computing and checking responses (`auth` of the crate).
//! Source: RFC 3261 §20.7, §20.28, §20.44, §25.1; RFC 7616 §3.3–3.5; RFC 8760.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::error::Problem;
use super::params::{Param, ParamValue, read_value};

/// Most parameters one header may have: the digest ones are 12.
const PARAMS_MAX: usize = 32;

/// Parameters of a challenge or of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthParams<'a> {
    text: &'a str,
}

/// One WWW-Authenticate or Proxy-Authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// `Digest`, in the case it was written.
    pub scheme: &'a str,
    /// Its parameters.
    pub params: AuthParams<'a>,
}

/// One Authorization or Proxy-Authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// `Digest`, in the case it was written.
    pub scheme: &'a str,
    /// Its parameters.
    pub params: AuthParams<'a>,
}

impl<'a> AuthParams<'a> {
    /// Reads `name=value` pairs up to the end.
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, Problem> {
        let text = cursor.rest();
        let mut names: heapless::Vec<&str, PARAMS_MAX> = heapless::Vec::new();
        let mut first = true;
        while !cursor.is_at_end() {
            if !first && !cursor.eat(b',') {
                return Err(Problem::Syntax);
            }
            first = false;
            let param = read_pair(cursor).ok_or(Problem::Syntax)?;
            if names.iter().any(|name| param.is(name)) {
                return Err(Problem::Syntax);
            }
            names.push(param.name).map_err(|_| Problem::Range)?;
        }
        Ok(Self { text })
    }

    /// The parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut cursor = Cursor::new(self.text);
        std::iter::from_fn(move || {
            cursor.eat(b',');
            read_pair(&mut cursor)
        })
    }

    /// Value of a parameter, without quotes and escapes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.value(name).map(ParamValue::text)
    }

    /// Value of a parameter, telling quoted from plain.
    pub fn value(&self, name: &str) -> Option<ParamValue<'a>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// The text as it stood.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }
}

/// Reads `name = value` and white space around it.
#[inline(always)]
fn read_pair<'a>(cursor: &mut Cursor<'a>) -> Option<Param<'a>> {
    cursor.skip_lws();
    let name = cursor.token()?;
    if !cursor.eat_spaced(b'=') {
        return None;
    }
    let value = read_value(cursor)?;
    cursor.skip_lws();
    Some(Param { name, value })
}

/// Reads the scheme and what follows.
fn read<'a>(text: &'a str) -> Result<(&'a str, AuthParams<'a>), Problem> {
    let mut cursor = Cursor::new(text);
    cursor.skip_lws();
    let scheme = cursor.token().ok_or(Problem::Syntax)?;
    if !cursor.is_at_end() && !cursor.peek().is_some_and(super::lex::is_lws) {
        return Err(Problem::Syntax);
    }
    cursor.skip_lws();
    Ok((scheme, AuthParams::read(&mut cursor)?))
}

impl<'a> Challenge<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        read(text).map(|(scheme, params)| Self { scheme, params })
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// `realm`.
    pub fn realm(&self) -> Option<Cow<'a, str>> {
        self.params.get("realm")
    }

    /// `nonce`.
    pub fn nonce(&self) -> Option<Cow<'a, str>> {
        self.params.get("nonce")
    }

    /// `opaque`, to be sent back.
    pub fn opaque(&self) -> Option<Cow<'a, str>> {
        self.params.get("opaque")
    }

    /// `algorithm`, quoted or not: some servers quote it. MD5 if it is not there (RFC 7616 §3.3).
    pub fn algorithm(&self) -> Cow<'a, str> {
        self.params.get("algorithm").unwrap_or(Cow::Borrowed("MD5"))
    }

    /// Whether `qop` offers a value such as `auth`. No `qop` at all offers none (RFC 2069).
    pub fn offers_qop(&self, wanted: &str) -> bool {
        self.params.get("qop").is_some_and(|list| list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case(wanted)))
    }

    /// `stale`: the nonce was too old, the secret not wrong.
    pub fn stale(&self) -> bool {
        self.params.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}

impl<'a> Credentials<'a> {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Problem`].
    pub fn parse(text: &'a str) -> Result<Self, Problem> {
        read(text).map(|(scheme, params)| Self { scheme, params })
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    /// The parameters of a digest, each unescaped, in one pass; `None` for another scheme.
    pub fn digest(&self) -> Option<DigestCredentials<'a>> {
        self.is_digest().then(|| {
            let mut digest = DigestCredentials::default();
            for param in self.params.iter() {
                digest.take(param);
            }
            digest
        })
    }
}

/// The parameters of a digest response. What is `None` was not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestCredentials<'a> {
    /// User whose secret was used.
    pub username: Option<Cow<'a, str>>,
    /// Realm of the challenge.
    pub realm: Option<Cow<'a, str>>,
    /// Nonce of the challenge.
    pub nonce: Option<Cow<'a, str>>,
    /// URI that was hashed.
    pub uri: Option<Cow<'a, str>>,
    /// The hash, hex.
    pub response: Option<Cow<'a, str>>,
    /// `MD5` if not sent.
    pub algorithm: Option<Cow<'a, str>>,
    /// Nonce of the client.
    pub cnonce: Option<Cow<'a, str>>,
    /// `opaque` of the challenge.
    pub opaque: Option<Cow<'a, str>>,
    /// `auth` or `auth-int`.
    pub qop: Option<Cow<'a, str>>,
    /// Nonce count as written, eight hex digits: it is hashed as text.
    pub nc: Option<Cow<'a, str>>,
}

impl<'a> DigestCredentials<'a> {
    #[inline(always)]
    fn take(&mut self, param: Param<'a>) {
        let is = |known: &str| param.is(known);
        let field = if is("username") {
            &mut self.username
        } else if is("realm") {
            &mut self.realm
        } else if is("nonce") {
            &mut self.nonce
        } else if is("uri") {
            &mut self.uri
        } else if is("response") {
            &mut self.response
        } else if is("algorithm") {
            &mut self.algorithm
        } else if is("cnonce") {
            &mut self.cnonce
        } else if is("opaque") {
            &mut self.opaque
        } else if is("qop") {
            &mut self.qop
        } else if is("nc") {
            &mut self.nc
        } else {
            return;
        };
        *field = Some(param.value.text());
    }

    /// `nc` as a number; `None` unless it is eight hex digits (RFC 7616 §3.4).
    pub fn nonce_count(&self) -> Option<u32> {
        let nc = self.nc.as_deref()?;
        (nc.len() == 8 && nc.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| u32::from_str_radix(nc, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_rfc_3261_are_read() {
        let credentials = Credentials::parse(
            "Digest username=\"bob\",\r\n realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",uri=\"sip:bob@biloxi.com\",\r\n qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5c\\\"cc\"",
        )
        .unwrap();
        let digest = credentials.digest().unwrap();
        assert_eq!(digest.username.as_deref(), Some("bob"));
        assert_eq!(digest.qop.as_deref(), Some("auth"));
        assert_eq!(digest.nonce_count(), Some(1));
        assert_eq!(digest.opaque.as_deref(), Some("5c\"cc"));
        assert_eq!(digest.response.as_deref().map(str::len), Some(32));
        assert_eq!(digest.algorithm, None);
    }

    #[test]
    fn challenge_lists_are_read() {
        let challenge =
            Challenge::parse("digest realm=\"a, b\" , qop=\"auth,auth-int\",nonce=\"x==\",stale=TRUE, algorithm=\"MD5\"").unwrap();
        assert!(challenge.is_digest() && challenge.stale());
        assert_eq!(challenge.realm().as_deref(), Some("a, b"));
        assert!(challenge.offers_qop("auth") && challenge.offers_qop("AUTH-INT") && !challenge.offers_qop("x"));
        assert_eq!(challenge.algorithm(), "MD5");
    }

    #[test]
    fn unknown_schemes_are_kept() {
        let credentials = Credentials::parse("NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!credentials.is_digest());
        assert_eq!(credentials.digest(), None);
        assert_eq!(credentials.params.get("opaque-data").as_deref(), Some("here"));
    }

    #[test]
    fn wrong_values_are_refused() {
        for text in [
            "",
            "Digest realm",
            "Digest realm=\"a",
            "Digest realm=\"a\" nonce=\"b\"",
            "Digest a=1,,b=2",
            "Digest a=1,",
            "Digest a=1,A=2",
            "Digest,a=1",
        ] {
            assert!(Credentials::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nonce_count_is_eight_hex_digits() {
        let count = |nc: &'static str| DigestCredentials { nc: Some(nc.into()), ..Default::default() }.nonce_count();
        assert_eq!(count("0000001f"), Some(31));
        assert_eq!(count("1f"), None);
        assert_eq!(count("+000001f"), None);
    }
}
