//! One binding: a contact of an address of record, where it is reached, and until when.
//!
//! Shape:  owned, at most 1 KiB with its share of the indices (see `registrar`). The Call-ID is kept as a hash, because
//!         only equality is asked of it and phones make long ones.
//! Units:  `expires_s` in seconds as granted; dates as `Instant`.
//! Errors: none.
//! Source: RFC 3261 §10.3.

use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::flow::Flow;
use crate::timer::TimerId;

/// Longest part of a User-Agent that is kept.
const AGENT_LEN_MAX: usize = 64;

/// Names a binding in flight: a late answer to an OPTIONS must not count for the next user of the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingId {
    /// Index.
    pub slot: u32,
    /// Random number of this binding.
    pub stamp: u32,
}

/// An OPTIONS to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// Whom the answer is for.
    pub id: BindingId,
    /// Where to.
    pub flow: Flow,
    /// Request-URI.
    pub contact: Box<str>,
    /// Value of Route.
    pub path: Option<Box<str>>,
}

/// First half of the SHA-256 of a Call-ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallIdHash(u128);

impl CallIdHash {
    pub fn of(call_id: &str) -> Self {
        let digest = Sha256::digest(call_id.as_bytes());
        let half = digest.first_chunk::<16>().copied().unwrap_or_default();
        Self(u128::from_be_bytes(half))
    }
}

/// One binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub(super) aor: Arc<str>,
    pub(super) contact: Box<str>,
    pub(super) agent: Option<Box<str>>,
    pub(super) path: Option<Box<str>>,
    /// Which phone it is; 0 if it does not say.
    pub(super) instance: u64,
    pub(super) call_id: CallIdHash,
    pub(super) cseq: u32,
    pub(super) flow: Flow,
    pub(super) q: u16,
    pub(super) expires_s: u32,
    pub(super) expires_at: Instant,
    pub(super) registered_at: Instant,
    pub(super) ping_at: Option<Instant>,
    pub(super) pings_outstanding: u8,
    pub(super) stamp: u32,
    pub(super) timer: Option<TimerId>,
}

impl Binding {
    /// User part of the AOR.
    pub fn user(&self) -> &str {
        self.aor.rsplit_once('@').map_or(&*self.aor, |(user, _)| user)
    }

    /// Domain of the AOR.
    pub fn domain(&self) -> &str {
        self.aor.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// A number that is its own while it lives.
    pub fn number(&self) -> u64 {
        u64::from(self.stamp)
    }

    /// URI as registered: the Request-URI of what is sent here.
    pub fn contact(&self) -> &str {
        &self.contact
    }

    /// User-Agent, its first 64 bytes.
    pub fn agent(&self) -> Option<&str> {
        self.agent.as_deref()
    }

    /// What requests sent here carry as Route: the way through the proxies of the phone (RFC 3327 §5.3).
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Preference among the contacts of the AOR, in thousandths (RFC 3261 §20.10).
    pub fn q(&self) -> u16 {
        self.q
    }

    /// Where the last REGISTER came from, and where requests go.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Granted lifetime; 0 once it has ended.
    pub fn expires_s(&self) -> u32 {
        self.expires_s
    }

    /// What is left of the lifetime, in seconds, rounded up so that a live binding never shows 0.
    pub fn expires_in_s(&self, now: Instant) -> u32 {
        let left = self.expires_at.saturating_duration_since(now);
        u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// When it was made; a refresh does not change it.
    pub fn registered_at(&self) -> Instant {
        self.registered_at
    }

    /// OPTIONS sent and not answered.
    pub fn pings_outstanding(&self) -> u8 {
        self.pings_outstanding
    }

    /// Whether a request of this Call-ID with this CSeq comes too late (RFC 3261 §10.3 step 7).
    pub(super) fn is_newer(&self, call_id: CallIdHash, cseq: u32) -> bool {
        self.call_id == call_id && self.cseq >= cseq
    }
}

/// Hash of an instance, never 0. Two phones of one user that share it by chance (1 in 2^64) would share a binding.
pub(super) fn instance_hash(instance: Option<&str>) -> u64 {
    let Some(instance) = instance else { return 0 };
    let digest = Sha256::digest(instance.as_bytes());
    u64::from_be_bytes(digest.first_chunk::<8>().copied().unwrap_or_default()).max(1)
}

/// The part of a User-Agent that is kept.
pub(super) fn agent_text(agent: Option<&str>) -> Option<Box<str>> {
    let agent = agent?;
    agent.get(..agent.floor_char_boundary(AGENT_LEN_MAX)).filter(|agent| !agent.is_empty()).map(Box::from)
}
