//! Trunks as the HTTP API sees them.
//! Shape:  what `PUT /trunk/{name}` gives, what `GET /trunk` shows.
//! Units:  seconds.
//! Source: docs/openapi.yaml, `/trunk`.

use std::net::SocketAddr;

use super::ControlUrl;

/// A provider that we register at and call through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Name of the resource.
    pub name: String,
    /// Domain of the account: Request-URI of REGISTER, and of calls.
    pub domain: String,
    /// Account.
    pub user: String,
    /// Password.
    pub secret: String,
    /// `host`, `host:port`, either with `;transport=tcp`: where to send, if not where the domain is served.
    pub proxy: Option<String>,
    /// Lifetime to ask for; 0 does not register, and only watches by OPTIONS.
    pub expires_s: u32,
    /// Where calls that come from it are told, if not to the control of its domain.
    pub control: Option<ControlUrl>,
    /// Among trunks of one domain the smallest is called first.
    pub priority: u16,
}

/// `GET /trunk/{name}`; never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkView {
    /// Name.
    pub name: String,
    /// Domain.
    pub domain: String,
    /// Account.
    pub user: String,
    /// Where it is sent to.
    pub proxy: Option<String>,
    /// Control of its calls.
    pub control: Option<ControlUrl>,
    /// Smallest first.
    pub priority: u16,
    /// `locating`, `registering`, `registered`, `reachable`, `waiting`.
    pub state: &'static str,
    /// Calls may go through it.
    pub up: bool,
    /// Target in use.
    pub remote: Option<SocketAddr>,
    /// `udp`, `tcp`.
    pub transport: Option<&'static str>,
    /// What is left of the registration.
    pub expires_in_s: u32,
    /// Attempts that failed, one after the other.
    pub failures: u32,
    /// Status of the last attempt; 0 if there was no answer from the provider.
    pub status: u16,
    /// Its phrase.
    pub reason: String,
}
