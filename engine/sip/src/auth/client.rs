//! The other side of the challenge: answers 401 and 407 of trunks for calls that we make.
//!
//! ```text
//!   401/407 values ──► ClientAuth::new (picks one) ──► answer(method, uri) ──► header value, nc + 1 each time
//! ```
//! Shape:  the strongest challenge of one response is kept (RFC 7616 §3.3); nc counts up per nonce. A nonce is proven to
//!         once: whoever asks again with it, or without `stale`, did not like the password.
//! Errors: [`AnswerError`]: nothing usable among the challenges, or our password was refused and asking again is idle.
//! Not here: the new branch and CSeq of the second request (`endpoint`).
//! Source: RFC 7616 §3.4, RFC 3261 §22.2 and §22.3, RFC 8760 §2.4.

use std::fmt::Write as _;

use rand_core::Rng;

use super::algorithm::{Algorithm, Hex, ProtectedBy, ha1, push_hex, response};
use super::params::Challenge;
use super::policy::Quality;

/// Rounds with `stale=true` that one request may go through before we give up.
const STALE_ROUNDS_MAX: u8 = 3;

/// Who we are to the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Digest user name.
    pub username: String,
    /// Password.
    pub secret: String,
}

/// Why a challenge cannot be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No challenge that we know how to answer.
    #[error("no challenge that can be answered")]
    NoneUsable,
    /// The password was already sent for this realm and was not taken.
    #[error("credentials were refused")]
    Refused,
}

/// A challenge being answered, and how often.
#[derive(Debug)]
pub struct ClientAuth {
    identity: Identity,
    proxy: bool,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    quality: Option<Quality>,
    nc: u32,
    stale_rounds: u8,
}

impl ClientAuth {
    /// Takes the challenges of a first 401 (`proxy` false) or 407.
    ///
    /// # Errors
    /// `NoneUsable`.
    pub fn new<'a>(identity: Identity, proxy: bool, values: impl Iterator<Item = &'a str>) -> Result<Self, AnswerError> {
        let challenge = best(values).ok_or(AnswerError::NoneUsable)?;
        let mut fresh = Self {
            identity,
            proxy,
            realm: String::new(),
            nonce: String::new(),
            opaque: None,
            algorithm: challenge.algorithm,
            quality: challenge.quality,
            nc: 0,
            stale_rounds: 0,
        };
        fresh.adopt(&challenge);
        Ok(fresh)
    }

    /// Takes the challenges of a further 401 or 407 of the same call.
    ///
    /// # Errors
    /// `Refused` if the same realm asks again without `stale=true` (RFC 3261 §22.2), or says so too often; `NoneUsable`.
    pub fn challenged_again<'a>(&mut self, proxy: bool, values: impl Iterator<Item = &'a str>) -> Result<(), AnswerError> {
        let challenge = best(values).ok_or(AnswerError::NoneUsable)?;
        let same = challenge.realm == self.realm && proxy == self.proxy;
        if same && (!challenge.stale || challenge.nonce == self.nonce || self.stale_rounds >= STALE_ROUNDS_MAX) {
            return Err(AnswerError::Refused);
        }
        self.stale_rounds = if same { self.stale_rounds + 1 } else { 0 };
        self.proxy = proxy;
        self.adopt(&challenge);
        Ok(())
    }

    /// Another request begins: its rounds are counted anew. The caller bounds how often it is sent.
    pub const fn begin(&mut self) {
        self.stale_rounds = 0;
    }

    /// Who we are to the far end.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Name of the header that `answer` is the value of.
    pub fn header(&self) -> &'static str {
        if self.proxy { "Proxy-Authorization" } else { "Authorization" }
    }

    /// As [`ClientAuth::answer_for`], for a request without a body.
    pub fn answer(&mut self, method: &str, uri: &str, rng: &mut impl Rng) -> String {
        self.answer_for(method, uri, &[], rng)
    }

    /// Header value for one request. Each call counts: a request sent again in another transaction needs a new one.
    pub fn answer_for(&mut self, method: &str, uri: &str, body: &[u8], rng: &mut impl Rng) -> String {
        self.nc = self.nc.saturating_add(1);
        let proof = ha1(self.algorithm, &self.identity.username, &self.realm, &self.identity.secret);
        let mut random = [0; 8];
        rng.fill_bytes(&mut random);
        let mut cnonce = Hex::new();
        push_hex(&mut cnonce, &random);
        let nc = format!("{:08x}", self.nc);
        let covered = |quality| (quality == Quality::AuthInt).then_some(body);
        let qop = self.quality.map(|quality| ProtectedBy { nc: &nc, cnonce: &cnonce, body: covered(quality) });
        let digest = response(self.algorithm, &proof, &self.nonce, qop, method, uri);
        let mut value = String::with_capacity(256);
        value.push_str("Digest ");
        push_quoted(&mut value, "username", &self.identity.username);
        push_quoted(&mut value, ", realm", &self.realm);
        push_quoted(&mut value, ", nonce", &self.nonce);
        push_quoted(&mut value, ", uri", uri);
        // Writing into a String cannot fail.
        let _ = write!(value, ", response=\"{digest}\", algorithm={}", self.algorithm.token());
        if let Some(opaque) = &self.opaque {
            push_quoted(&mut value, ", opaque", opaque);
        }
        if let Some(quality) = self.quality {
            // RFC 7616 §3.4: qop and nc are tokens, not quoted.
            let _ = write!(value, ", qop={}, nc={nc}, cnonce=\"{cnonce}\"", quality.token());
        }
        value
    }

    fn adopt(&mut self, challenge: &Challenge<'_>) {
        self.realm = challenge.realm.as_ref().to_owned();
        self.nonce = challenge.nonce.as_ref().to_owned();
        self.opaque = challenge.opaque.as_ref().map(|opaque| opaque.as_ref().to_owned());
        self.algorithm = challenge.algorithm;
        self.quality = challenge.quality;
        self.nc = 0;
    }
}

/// The strongest challenge that we can answer; among equals the first, which the server likes best.
fn best<'a>(values: impl Iterator<Item = &'a str>) -> Option<Challenge<'a>> {
    let mut chosen: Option<Challenge<'a>> = None;
    for challenge in values.filter_map(|value| Challenge::parse(value).ok()) {
        if chosen.as_ref().is_none_or(|chosen| chosen.algorithm < challenge.algorithm) {
            chosen = Some(challenge);
        }
    }
    chosen
}

fn push_quoted(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
