//! Our side of the challenge: issues nonces, checks answers.
//!
//! ```text
//!   check:  too many wrong before ─► Slowed      digest wrong ─► Refused      right, nonce old, foreign or used ─► Stale      else ─► Accepted
//! ```
//! Shape:  state is one signing key, the replay table (`nonces_max` × 56 bytes) and the fixed table of wrong guesses (256 KiB).
//! Units:  nonce age in seconds.
//! Errors: none; see [`Verdict`]. The digest is compared in constant time, and an unknown user costs the same work.
//! Not here: the digest `uri` is not held against the Request-URI. RFC 7616 §3.4.6 asks for it, but phones behind an
//!         outbound proxy, and test tools, write the proxy's address there; replay is shut out by nonce and count instead.
//! Source: RFC 7616 §3.3 and §3.4, RFC 3261 §22.4, RFC 2617 §3.2.1 (`stale` only for a right digest), RFC 8760 §2.3.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand_core::Rng;

use super::algorithm::{Algorithm, Hex, ProtectedBy, ha1, response};
use super::guesses::{GuessLimit, Guesses};
use super::nonce::{NonceMint, age};
use super::params::Credentials;
use super::policy::Quality;
use super::replay::ReplayTable;
use crate::api::Secret;

/// How we check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// How long a nonce is good for.
    pub nonce_age: Duration,
    /// Nonces that proved a password and are not yet too old. 200 000 phones × 56 bytes = 11 MiB.
    pub nonces_max: usize,
    /// Wrong passwords for one user from one source.
    pub guesses_per_user: GuessLimit,
    /// Wrong passwords from one source.
    pub guesses_per_source: GuessLimit,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            nonce_age: Duration::from_secs(3600),
            nonces_max: 200_000,
            guesses_per_user: GuessLimit { burst: 5, every: Duration::from_secs(10) },
            guesses_per_source: GuessLimit { burst: 60, every: Duration::from_millis(500) },
        }
    }
}

/// What a challenge says.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The domain.
    pub realm: &'a str,
    /// Hashes, best first, one challenge each (RFC 8760 §2.3).
    pub algorithms: &'a [Algorithm],
    /// Qualities, best first.
    pub qualities: &'a [Quality],
}

/// A request whose credentials are judged.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// What stands in Authorization.
    pub credentials: &'a Credentials<'a>,
    /// What its sender was, or would have been, asked.
    pub offer: Offer<'a>,
    /// Method of the request.
    pub method: &'a str,
    /// Its body.
    pub body: &'a [u8],
    /// Credential of the directory; `None` if it does not know the user.
    pub secret: Option<&'a Secret>,
    /// Who sends it.
    pub source: IpAddr,
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
    /// Not looked at: too many wrong ones came before it.
    Slowed,
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
    /// Not looked at, because too many wrong ones came before.
    pub slowed: u64,
    /// Nonces in the replay table now.
    pub nonces: u64,
}

/// Challenges and checks.
pub struct Authenticator {
    config: AuthConfig,
    mint: NonceMint,
    replay: ReplayTable,
    guesses: Guesses,
    stats: AuthStats,
}

impl Authenticator {
    /// A new signing key from `rng`; `start` is the zero of its clock.
    pub fn new(config: AuthConfig, rng: &mut impl Rng, start: Instant) -> Self {
        let replay = ReplayTable::new(config.nonces_max);
        let guesses = Guesses::new(rng.next_u64(), config.guesses_per_user, config.guesses_per_source);
        Self { config, mint: NonceMint::new(rng, start), replay, guesses, stats: AuthStats::default() }
    }

    /// Header values of one challenge, one per offered hash.
    pub fn challenge(&mut self, offer: &Offer<'_>, stale: bool, rng: &mut impl Rng, now: Instant) -> Vec<String> {
        self.stats.challenged += 1;
        let nonce = self.mint.issue(offer.realm, rng, now);
        let one = |algorithm: &Algorithm| {
            let mut value = String::with_capacity(64 + offer.realm.len() + nonce.len());
            value.push_str("Digest realm=\"");
            for c in offer.realm.chars() {
                if matches!(c, '"' | '\\') {
                    value.push('\\');
                }
                value.push(c);
            }
            // Writing into a String cannot fail. The algorithm is unquoted (RFC 7616 §3.3), which all phones read.
            let _ = write!(value, "\", nonce=\"{nonce}\", algorithm={}, qop=\"", algorithm.token());
            for (index, quality) in offer.qualities.iter().enumerate() {
                value.push_str(if index > 0 { "," } else { "" });
                value.push_str(quality.token());
            }
            value.push('"');
            if stale {
                value.push_str(", stale=true");
            }
            value
        };
        offer.algorithms.iter().map(one).collect()
    }

    /// Judges credentials.
    pub fn check(&mut self, claim: &Claim<'_>, now: Instant) -> Verdict {
        let now_ms = self.mint.clock_ms(now);
        let verdict = if self.guesses.slowed(claim.source, &claim.credentials.username, now_ms) {
            Verdict::Slowed
        } else {
            self.judge(claim, now_ms)
        };
        match verdict {
            Verdict::Accepted => self.stats.accepted += 1,
            Verdict::Stale => self.stats.stale += 1,
            Verdict::Refused(_) => {
                self.stats.refused += 1;
                self.guesses.wrong(claim.source, &claim.credentials.username, now_ms);
            }
            Verdict::Slowed => self.stats.slowed += 1,
        }
        verdict
    }

    /// Whether a nonce is one of ours for this realm, whatever its age.
    pub fn issued(&self, nonce: &str, realm: &str) -> bool {
        self.mint.open(nonce, realm).is_some()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> AuthStats {
        AuthStats { nonces: self.replay.len() as u64, ..self.stats }
    }

    fn judge(&mut self, claim: &Claim<'_>, now_ms: u64) -> Verdict {
        let (credentials, realm) = (claim.credentials, claim.offer.realm);
        let algorithm = credentials.algorithm;
        if !claim.offer.algorithms.contains(&algorithm) {
            return Verdict::Refused(Refusal::WrongAlgorithm);
        }
        if !credentials.realm.eq_ignore_ascii_case(realm) {
            return Verdict::Refused(Refusal::WrongRealm);
        }
        // The realm as the client wrote it is what it hashed; only its case may differ from ours.
        let clear = |secret: &str| ha1(algorithm, &credentials.username, &credentials.realm, secret);
        let proof: Hex = match claim.secret {
            Some(Secret::Clear(secret)) => clear(secret),
            Some(Secret::Ha1(stored)) => {
                let Some((_, stored)) = stored.iter().find(|(known, _)| *known == algorithm) else {
                    return Verdict::Refused(Refusal::WrongAlgorithm);
                };
                let mut proof = Hex::new();
                if proof.push_str(&stored.to_ascii_lowercase()).is_err() {
                    return Verdict::Refused(Refusal::WrongDigest);
                }
                proof
            }
            // The same work as for a known user, so that the time of our answer does not list the directory.
            None => clear("?"),
        };
        // `auth-int` is taken whether it was offered or not: it proves more.
        let covered = |quality| (quality == Quality::AuthInt).then_some(claim.body);
        let qop = credentials.qop.as_ref();
        let protected = qop.map(|qop| ProtectedBy { nc: qop.nc_text, cnonce: &qop.cnonce, body: covered(qop.quality) });
        let expected = response(algorithm, &proof, &credentials.nonce, protected, claim.method, &credentials.uri);
        let equal = equal_in_constant_time(&expected, &credentials.response);
        if claim.secret.is_none() {
            return Verdict::Refused(Refusal::UnknownUser);
        }
        if !equal {
            return Verdict::Refused(Refusal::WrongDigest);
        }
        let Some(nonce) = self.mint.open(&credentials.nonce, realm) else { return Verdict::Stale };
        if age(nonce.issued_ms, now_ms) > self.config.nonce_age || nonce.issued_ms > now_ms {
            return Verdict::Stale;
        }
        let oldest_ms = now_ms.saturating_sub(u64::try_from(self.config.nonce_age.as_millis()).unwrap_or(u64::MAX));
        self.replay.forget_before(oldest_ms);
        // RFC 2617 without qop has no count: such a nonce is good for one request.
        let nc = qop.map_or(u32::MAX, |qop| qop.nc);
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
