//! What stands in `WWW-Authenticate`, `Proxy-Authenticate`, `Authorization` and `Proxy-Authorization`.
//!
//! ```text
//!   Digest name=token, name="quoted \" string", …   ──► Params ──► Challenge | Credentials
//! ```
//! Shape:  borrowed from the header; a value is owned only if it held an escape. At most 32 parameters.
//! Errors: [`ParamError`]; `OtherScheme` means "not for us", the rest a broken header.
//! Source: RFC 7616 §3.3 and §3.4, RFC 3261 §25.1 (`challenge`, `credentials`).

use std::borrow::Cow;

use super::algorithm::Algorithm;
use super::policy::Quality;

/// Parameters of one header: RFC 7616 names 12, extensions get the rest.
const PARAMS_MAX: usize = 32;

/// Why a header could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// Basic, NTLM, or anything else.
    #[error("not the Digest scheme")]
    OtherScheme,
    /// Breaks the grammar, or has more than 32 parameters.
    #[error("malformed parameter list")]
    Malformed,
    /// A parameter that must be there is not.
    #[error("parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter stands twice: two readers could take different ones.
    #[error("parameter {0} is repeated")]
    Repeated(&'static str),
    /// A hash we do not know; RFC 7616 §3.3 says to ignore such a challenge.
    #[error("unknown algorithm")]
    UnknownAlgorithm,
    /// A `qop` other than `auth` and `auth-int`.
    #[error("unknown quality of protection")]
    UnknownQop,
}

/// `qop` of credentials and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qop<'a> {
    /// What the client protected.
    pub quality: Quality,
    /// Nonce count as written: the digest is over the text.
    pub nc_text: &'a str,
    /// Its value.
    pub nc: u32,
    /// Client nonce.
    pub cnonce: Cow<'a, str>,
}

/// One `Authorization` or `Proxy-Authorization` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Digest user name.
    pub username: Cow<'a, str>,
    /// Realm.
    pub realm: Cow<'a, str>,
    /// Nonce.
    pub nonce: Cow<'a, str>,
    /// `uri` as the client hashed it.
    pub uri: Cow<'a, str>,
    /// The proof, hex.
    pub response: Cow<'a, str>,
    /// Hash; MD5 where the client names none (RFC 7616 §3.3).
    pub algorithm: Algorithm,
    /// `None` is a client of RFC 2069 or one that ignored our `qop`.
    pub qop: Option<Qop<'a>>,
}

impl<'a> Credentials<'a> {
    /// Reads a header value.
    ///
    /// # Errors
    /// See [`ParamError`].
    pub fn parse(value: &'a str) -> Result<Self, ParamError> {
        let mut params = Params::read(value)?;
        let algorithm = params.algorithm()?;
        let qop = match params.take("qop")? {
            None => None,
            Some(qop) => {
                let quality = Quality::from_token(&qop).ok_or(ParamError::UnknownQop)?;
                let Cow::Borrowed(nc_text) = params.required("nc")? else { return Err(ParamError::Malformed) };
                if nc_text.len() != 8 {
                    return Err(ParamError::Malformed);
                }
                let nc = u32::from_str_radix(nc_text, 16).map_err(|_| ParamError::Malformed)?;
                Some(Qop { quality, nc_text, nc, cnonce: params.required("cnonce")? })
            }
        };
        Ok(Self {
            username: params.required("username")?,
            realm: params.required("realm")?,
            nonce: params.required("nonce")?,
            uri: params.required("uri")?,
            response: params.required("response")?,
            algorithm,
            qop,
        })
    }
}

/// One `WWW-Authenticate` or `Proxy-Authenticate` challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// Realm.
    pub realm: Cow<'a, str>,
    /// Nonce, to be sent back as it is.
    pub nonce: Cow<'a, str>,
    /// To be sent back as it is.
    pub opaque: Option<Cow<'a, str>>,
    /// Only the nonce was wrong: the password may be used again.
    pub stale: bool,
    /// Hash.
    pub algorithm: Algorithm,
    /// `auth` where it is offered, else `auth-int`. `None`: the challenge offers nothing, so the RFC 2069 form is due.
    pub quality: Option<Quality>,
}

impl<'a> Challenge<'a> {
    /// Reads one challenge.
    ///
    /// # Errors
    /// See [`ParamError`]. `UnknownQop`: neither `auth` nor `auth-int` is offered.
    pub fn parse(value: &'a str) -> Result<Self, ParamError> {
        let mut params = Params::read(value)?;
        let algorithm = params.algorithm()?;
        let offers = |options: &str, quality: Quality| options.split(',').any(|option| Quality::from_token(option.trim()) == Some(quality));
        let quality = match params.take("qop")? {
            None => None,
            // A gateway that rewrites the body on its way breaks `auth-int`, so that is the second choice.
            Some(options) if offers(&options, Quality::Auth) => Some(Quality::Auth),
            Some(options) if offers(&options, Quality::AuthInt) => Some(Quality::AuthInt),
            Some(_) => return Err(ParamError::UnknownQop),
        };
        Ok(Self {
            realm: params.required("realm")?,
            nonce: params.required("nonce")?,
            opaque: params.take("opaque")?,
            stale: params.take("stale")?.is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            algorithm,
            quality,
        })
    }
}

/// The parameters, each with the name as written.
struct Params<'a>(heapless::Vec<(&'a str, Cow<'a, str>), PARAMS_MAX>);

impl<'a> Params<'a> {
    fn read(value: &'a str) -> Result<Self, ParamError> {
        let value = value.trim();
        let (scheme, mut rest) = value.split_once([' ', '\t']).ok_or(ParamError::OtherScheme)?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return Err(ParamError::OtherScheme);
        }
        let mut list = heapless::Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            if rest.is_empty() {
                return Ok(Self(list));
            }
            let (name, tail) = rest.split_once('=').ok_or(ParamError::Malformed)?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!%*+'`~".contains(&b)) {
                return Err(ParamError::Malformed);
            }
            let tail = tail.trim_start();
            let (value, tail) = match tail.strip_prefix('"') {
                Some(quoted) => unquote(quoted)?,
                None => {
                    let end = tail.find([',', ' ', '\t', '\r', '\n']).unwrap_or(tail.len());
                    let (token, tail) = tail.split_at_checked(end).ok_or(ParamError::Malformed)?;
                    (Cow::Borrowed(token), tail)
                }
            };
            rest = tail.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(ParamError::Malformed);
            }
            list.push((name, value)).map_err(|_| ParamError::Malformed)?;
        }
    }

    /// Takes the parameter out, so that a second `take` of a repeated one is seen at once.
    fn take(&mut self, wanted: &'static str) -> Result<Option<Cow<'a, str>>, ParamError> {
        let Some(index) = self.position(wanted) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(index);
        match self.position(wanted) {
            Some(_) => Err(ParamError::Repeated(wanted)),
            None => Ok(Some(value)),
        }
    }

    fn required(&mut self, wanted: &'static str) -> Result<Cow<'a, str>, ParamError> {
        self.take(wanted)?.ok_or(ParamError::Missing(wanted))
    }

    fn position(&self, wanted: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }

    /// Quoted or not: phones write both.
    fn algorithm(&mut self) -> Result<Algorithm, ParamError> {
        match self.take("algorithm")? {
            None => Ok(Algorithm::Md5),
            Some(token) => Algorithm::from_token(&token).ok_or(ParamError::UnknownAlgorithm),
        }
    }
}

/// Value and rest behind an opening quote. A backslash takes the next character as it is (RFC 3261 §25.1 `quoted-pair`).
fn unquote(text: &str) -> Result<(Cow<'_, str>, &str), ParamError> {
    let mut owned: Option<String> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let (value, rest) = text.split_at_checked(at).ok_or(ParamError::Malformed)?;
                return Ok((owned.map_or(Cow::Borrowed(value), Cow::Owned), rest.strip_prefix('"').unwrap_or(rest)));
            }
            '\\' => {
                let (_, escaped) = chars.next().ok_or(ParamError::Malformed)?;
                owned.get_or_insert_with(|| text.get(..at).unwrap_or_default().to_owned()).push(escaped);
            }
            other => {
                if let Some(owned) = &mut owned {
                    owned.push(other);
                }
            }
        }
    }
    Err(ParamError::Malformed)
}
