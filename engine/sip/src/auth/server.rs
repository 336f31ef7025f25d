//! Our side of the challenge: issues nonces, checks answers.
//!
//! ```text
//!   check:  digest wrong ─► Refused      digest right, nonce old, foreign or used ─► Stale      else ─► Accepted
//! ```
//! Shape:  state is one signing key and the replay table (`nonces_max` × 48 bytes); a refused request leaves nothing.
//! Units:  nonce age in seconds.
//! Errors: none; see [`Verdict`]. The digest is compared in constant time, and an unknown user costs the same work.
//! Not here: the digest `uri` is not held against the Request-URI. RFC 7616 §3.4.6 asks for it, but phones behind an
//!         outbound proxy, and test tools, write the proxy's address there; replay is shut out by nonce and count instead.
//! Source: RFC 7616 §3.3 and §3.4, RFC 3261 §22.4, RFC 2617 §3.2.1 (`stale` only for a right digest).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rand_core::Rng;

use super::algorithm::{Algorithm, Hex, ProtectedBy, ha1, response};
use super::nonce::{NonceMint, age};
use super::params::Credentials;
use super::replay::ReplayTable;
use crate::api::Secret;

/// How we challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// Hashes offered, best first, one challenge each (RFC 8760 §2.3). A user known by HA1 can only do MD5.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good for.
    pub nonce_age: Duration,
    /// Nonces that proved a password and are not yet too old. 65 536 phones × 48 bytes = 3 MiB.
    pub nonces_max: usize,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { algorithms: vec![Algorithm::Md5], nonce_age: Duration::from_secs(3600), nonces_max: 65_536 }
    }
}

/// Answer to credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right, and this is the first time we see this count of this nonce.
    Accepted,
    /// The password is right, the nonce is not (any more): challenge with `stale=true`.
    Stale,
    /// The password is wrong, or cannot be checked.
    Refused(Refusal),
}

/// Why credentials were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No such user.
    UnknownUser,
    /// The digest differs.
    WrongDigest,
    /// A hash that we did not offer, or that the stored HA1 does not allow.
    WrongAlgorithm,
    /// Credentials of another realm.
    WrongRealm,
}

/// What was decided so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuthStats {
    /// Challenges written.
    pub challenged: u64,
    /// Answers accepted.
    pub accepted: u64,
    /// Right password, wrong nonce.
    pub stale: u64,
    /// Wrong.
    pub refused: u64,
    /// Nonces in the replay table now.
    pub nonces: u64,
}

/// Challenges and checks.
pub struct Authenticator {
    config: AuthConfig,
    mint: NonceMint,
    replay: ReplayTable,
    stats: AuthStats,
}

impl Authenticator {
    /// A new signing key from `rng`; `start` is the zero of its clock.
    pub fn new(config: AuthConfig, rng: &mut impl Rng, start: Instant) -> Self {
        let replay = ReplayTable::new(config.nonces_max);
        Self { config, mint: NonceMint::new(rng, start), replay, stats: AuthStats::default() }
    }

    /// Header values of one challenge, one per offered hash.
    pub fn challenge(&mut self, realm: &str, stale: bool, rng: &mut impl Rng, now: Instant) -> Vec<String> {
        self.stats.challenged += 1;
        let nonce = self.mint.issue(realm, rng, now);
        let one = |algorithm: &Algorithm| {
            let mut value = String::with_capacity(64 + realm.len() + nonce.len());
            value.push_str("Digest realm=\"");
            for c in realm.chars() {
                if matches!(c, '"' | '\\') {
                    value.push('\\');
                }
                value.push(c);
            }
            // Writing into a String cannot fail. The algorithm is unquoted (RFC 7616 §3.3), which all phones read.
            let _ = write!(value, "\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"", algorithm.token());
            if stale {
                value.push_str(", stale=true");
            }
            value
        };
        self.config.algorithms.iter().map(one).collect()
    }

    /// Judges credentials for a request with `method`. `secret` is `None` if the directory does not know the user.
    pub fn check(&mut self, credentials: &Credentials<'_>, realm: &str, method: &str, secret: Option<&Secret>, now: Instant) -> Verdict {
        let verdict = self.judge(credentials, realm, method, secret, now);
        match verdict {
            Verdict::Accepted => self.stats.accepted += 1,
            Verdict::Stale => self.stats.stale += 1,
            Verdict::Refused(_) => self.stats.refused += 1,
        }
        verdict
    }

    /// Counters and gauges.
    pub fn stats(&self) -> AuthStats {
        AuthStats { nonces: self.replay.len() as u64, ..self.stats }
    }

    fn judge(&mut self, credentials: &Credentials<'_>, realm: &str, method: &str, secret: Option<&Secret>, now: Instant) -> Verdict {
        let algorithm = credentials.algorithm;
        if !self.config.algorithms.contains(&algorithm) {
            return Verdict::Refused(Refusal::WrongAlgorithm);
        }
        if !credentials.realm.eq_ignore_ascii_case(realm) {
            return Verdict::Refused(Refusal::WrongRealm);
        }
        // The realm as the client wrote it is what it hashed; only its case may differ from ours.
        let clear = |secret: &str| ha1(algorithm, &credentials.username, &credentials.realm, secret);
        let proof: Hex = match (secret, algorithm) {
            (Some(Secret::Clear(secret)), _) => clear(secret),
            (Some(Secret::Ha1(stored)), Algorithm::Md5) => {
                let mut proof = Hex::new();
                if proof.push_str(&stored.to_ascii_lowercase()).is_err() {
                    return Verdict::Refused(Refusal::WrongDigest);
                }
                proof
            }
            (Some(Secret::Ha1(_)), Algorithm::Sha256) => return Verdict::Refused(Refusal::WrongAlgorithm),
            // The same work as for a known user, so that the time of our answer does not list the directory.
            (None, _) => clear("?"),
        };
        let qop = credentials.qop.as_ref().map(|qop| ProtectedBy { nc: qop.nc_text, cnonce: &qop.cnonce });
        let expected = response(algorithm, &proof, &credentials.nonce, qop, method, &credentials.uri);
        let equal = equal_in_constant_time(&expected, &credentials.response);
        if secret.is_none() {
            return Verdict::Refused(Refusal::UnknownUser);
        }
        if !equal {
            return Verdict::Refused(Refusal::WrongDigest);
        }
        let Some(nonce) = self.mint.open(&credentials.nonce, realm) else { return Verdict::Stale };
        let now_ms = self.mint.clock_ms(now);
        if age(nonce.issued_ms, now_ms) > self.config.nonce_age || nonce.issued_ms > now_ms {
            return Verdict::Stale;
        }
        let oldest_ms = now_ms.saturating_sub(u64::try_from(self.config.nonce_age.as_millis()).unwrap_or(u64::MAX));
        self.replay.forget_before(oldest_ms);
        // RFC 2617 without qop has no count: such a nonce is good for one request.
        let nc = credentials.qop.as_ref().map_or(u32::MAX, |qop| qop.nc);
        if self.replay.take(nonce, nc) { Verdict::Accepted } else { Verdict::Stale }
    }
}

/// Compares hex digests without an early end. The length is no secret; letter case is the client's choice.
fn equal_in_constant_time(ours: &str, theirs: &str) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    let differing = ours.bytes().zip(theirs.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b.to_ascii_lowercase()));
    std::hint::black_box(differing) == 0
}
