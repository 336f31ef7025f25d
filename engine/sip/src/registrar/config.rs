//! What a registrar is told once, and what it tells: rules, events, counters.
//!
//! Shape:  plain data.
//! Units:  lifetimes in seconds (`_s`), the ping period as `Duration`.
//! Errors: none.

use std::time::Duration;

use super::binding::Binding;

/// Rules and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// Lifetime where the phone asks for none, seconds.
    pub expires_s_default: u32,
    /// Shorter wishes get 423 (RFC 3261 §10.3 step 7).
    pub expires_s_min: u32,
    /// Longer wishes are cut down to this.
    pub expires_s_max: u32,
    /// Bindings of one AOR.
    pub bindings_per_aor_max: usize,
    /// Bindings of all AORs.
    pub bindings_max: usize,
    /// Time between two OPTIONS to a binding; `None` sends none.
    pub ping_every: Option<Duration>,
    /// OPTIONS without an answer, one after the other, that end a binding.
    pub pings_lost_max: u8,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            expires_s_default: 3600,
            expires_s_min: 60,
            expires_s_max: 7200,
            bindings_per_aor_max: 10,
            bindings_max: 200_000,
            ping_every: Some(Duration::from_secs(30)),
            pings_lost_max: 7,
        }
    }
}

/// Something that control servers want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrarEvent {
    /// Made or refreshed if true, ended if false.
    pub registered: bool,
    /// The binding as it is, or was.
    pub binding: Binding,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistrarStats {
    /// Live bindings.
    pub bindings: u64,
    /// AORs with a binding.
    pub aors: u64,
    /// Bindings made.
    pub made: u64,
    /// Bindings refreshed.
    pub refreshed: u64,
    /// Bindings that expired.
    pub expired: u64,
    /// Bindings ended by lost pings.
    pub lost: u64,
    /// OPTIONS due.
    pub pings: u64,
}
