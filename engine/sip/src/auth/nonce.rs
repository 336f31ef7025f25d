//! Nonces that carry their own proof, so that a challenge costs no memory.
//!
//! ```text
//!   hex( time_ms : 8 │ random : 8 │ first 16 bytes of HMAC-SHA-256(key, time ‖ random ‖ realm) )
//! ```
//! Shape:  64 hex digits. The first 16 bytes name the nonce in the replay table.
//! Units:  milliseconds since the machine was made.
//! Errors: `open` answers `None` for anything that we did not write for this realm.
//! Source: RFC 7616 §3.3 (a nonce of time stamp and keyed hash), §5.4 (limited life).

use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use rand_core::Rng;
use sha2::Sha256;

use super::algorithm::{Hex, push_hex};

/// Bytes of the signature that are sent: 128 bits cannot be guessed.
const MAC_LEN: usize = 16;

/// What a nonce says once its signature is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opened {
    /// Name in the replay table.
    pub id: u128,
    /// When it was issued, milliseconds since start.
    pub issued_ms: u64,
}

/// Signs and opens nonces.
pub(super) struct NonceMint {
    keyed: Hmac<Sha256>,
    start: Instant,
}

impl NonceMint {
    pub fn new(rng: &mut impl Rng, start: Instant) -> Self {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        Self { keyed: Hmac::new(&hmac_key(key)), start }
    }

    /// Milliseconds of `now` on this machine's clock.
    pub fn clock_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    pub fn issue(&self, realm: &str, rng: &mut impl Rng, now: Instant) -> Hex {
        let mut head = [0; 16];
        let (time, random) = head.split_at_mut(8);
        time.copy_from_slice(&self.clock_ms(now).to_be_bytes());
        rng.fill_bytes(random);
        let mut text = Hex::new();
        push_hex(&mut text, &head);
        let mac = self.mac(&head, realm).finalize().into_bytes();
        push_hex(&mut text, mac.get(..MAC_LEN).unwrap_or_default());
        text
    }

    /// The content of a nonce of ours for this realm, whatever its age.
    pub fn open(&self, nonce: &str, realm: &str) -> Option<Opened> {
        let bytes = unhex(nonce)?;
        let (head, tail) = bytes.split_first_chunk::<16>()?;
        // Constant time: the comparison is the crate's.
        self.mac(head, realm).verify_truncated_left(tail).ok()?;
        let (time, _) = head.split_first_chunk::<8>()?;
        Some(Opened { id: u128::from_be_bytes(*head), issued_ms: u64::from_be_bytes(*time) })
    }

    fn mac(&self, head: &[u8; 16], realm: &str) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        mac.update(head);
        mac.update(realm.as_bytes());
        mac
    }
}

/// A 32 byte key padded to the block of SHA-256, which is what HMAC does with it anyway (RFC 2104 §2).
fn hmac_key(key: [u8; 32]) -> hmac::digest::Key<Hmac<Sha256>> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = from;
    }
    block
}

fn unhex(text: &str) -> Option<[u8; 16 + MAC_LEN]> {
    let mut bytes = [0; 16 + MAC_LEN];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |c: u8| (!c.is_ascii_uppercase()).then(|| char::from(c).to_digit(16)).flatten();
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(bytes)
}

/// Age of a nonce; zero if the clock was told backwards.
pub(super) fn age(issued_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(issued_ms))
}
