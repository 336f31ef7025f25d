//! Digest authentication, both sides: we challenge phones, and we answer the challenges of trunks.
//!
//! ```text
//!   server:  Authenticator::challenge ──► 401 ──► Credentials::parse ──► Authenticator::check ──► Verdict
//!   client:  401 or 407 ──► Challenge::parse ──► ClientAuth::answer ──► Authorization value
//! ```
//! Shape:  a nonce is 64 hex digits and carries its own signature: issuing one costs no memory. Only a nonce that
//!         proved a password gets an entry in the replay table, which is bounded.
//! Units:  nonce age in seconds of the told clock.
//! Errors: [`ParamError`] for a header that cannot be read; a wrong password is a [`Verdict`], not an error.
//! Not here: which requests are challenged (`endpoint`), where secrets live (`directory`).
//! Source: RFC 7616, RFC 8760 (SHA-256 and SHA-512/256 in SIP), RFC 2617 §3.2.2 (no qop), RFC 3261 §22.

mod algorithm;
mod client;
mod guesses;
mod nonce;
mod params;
mod policy;
mod replay;
mod server;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Hex, ProtectedBy, ha1, response};
pub use client::{AnswerError, ClientAuth, Identity};
pub use guesses::GuessLimit;
pub use params::{Challenge, Credentials, ParamError, Qop};
pub use policy::{Authentication, BadNetwork, NETWORKS_MAX, Network, Policy, Quality};
pub use server::{AuthConfig, AuthStats, Authenticator, Claim, Offer, Refusal, Verdict};
