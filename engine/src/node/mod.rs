//! What runs on the shards: the three programs as services of a front shard, and media on the others.
//!
//! Shape:  [`sip::SipNode`] and [`rtp::RtpNode`] serve one program each, [`front`] puts them and the call script together, [`media`] is a
//!         media shard.
//! Errors: [`NodeError`] while starting; afterwards every service answers for itself.

pub mod front;
mod held;
pub mod media;
mod moves;
mod open;
pub mod rtp;
pub mod service;
pub mod sip;
mod sounds;

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A socket cannot be bound.
    #[error(transparent)]
    Bind(#[from] rt::BindError),
    /// The kernel gives no ring for media.
    #[error("media ring: {0}")]
    Ring(#[from] crate::ring::SetupError),
    /// Another signalling shard.
    #[error("a signalling shard does not start: {0}")]
    Shard(String),
    /// The call script.
    #[error(transparent)]
    Script(#[from] control_embed::StartError),
    /// The system has no random numbers.
    #[error("cannot read /dev/urandom: {0}")]
    Random(std::io::Error),
}

/// A seed that nobody can guess.
pub fn seed() -> Result<[u8; 32], NodeError> {
    let mut seed = [0; 32];
    let mut file = std::fs::File::open("/dev/urandom").map_err(NodeError::Random)?;
    file.read_exact(&mut seed).map_err(NodeError::Random)?;
    Ok(seed)
}

/// The wall clock, in milliseconds since 1970.
fn epoch_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
