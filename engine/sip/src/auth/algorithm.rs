//! The digest itself: HA1, HA2 and the response, for each hash we know.
//!
//! ```text
//!   HA1 = H(user:realm:secret)     HA2 = H(method:uri), with qop=auth-int H(method:uri:H(body))
//!   response = H(HA1:nonce:nc:cnonce:qop:HA2), or H(HA1:nonce:HA2) where there is no qop
//! ```
//! Shape:  results are lower-case hex, 32 digits for MD5 and 64 for the SHA-2 family, on the stack.
//! Errors: none; any bytes can be hashed.
//! Source: RFC 7616 §3.4, RFC 8760 §2.1, RFC 2617 §3.2.2.1 (without qop).

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// Lower-case hex digest: 32 digits (MD5) or 64 (the others).
pub type Hex = heapless::String<64>;

/// A hash that a challenge may name, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// `MD5`: what every phone can do, and what a missing parameter means.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
    /// `SHA-512-256`: SHA-512 with the start values of FIPS 180-4 §5.3.6.2, cut to 256 bits (RFC 8760).
    Sha512Half,
}

impl Algorithm {
    /// All of them, the weakest first.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha256, Self::Sha512Half];

    /// The token in the header.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
            Self::Sha512Half => "SHA-512-256",
        }
    }

    /// Reads the token, in any case. `None` is one we do not know, the `-sess` forms among them.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.token().eq_ignore_ascii_case(token))
    }

    /// Hex digits of a result.
    pub const fn hex_len(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha256 | Self::Sha512Half => 64,
        }
    }

    /// Place in a table of all.
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Md5 => 0,
            Self::Sha256 => 1,
            Self::Sha512Half => 2,
        }
    }

    /// Hash of the parts joined by colons.
    fn hash(self, parts: &[&[u8]]) -> Hex {
        match self {
            Self::Md5 => hash_joined::<Md5>(parts),
            Self::Sha256 => hash_joined::<Sha256>(parts),
            Self::Sha512Half => hash_joined::<Sha512_256>(parts),
        }
    }
}

fn hash_joined<D: Digest>(parts: &[&[u8]]) -> Hex {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    let mut text = Hex::new();
    push_hex(&mut text, &hasher.finalize());
    text
}

/// Appends bytes as lower-case hex as far as they fit: callers pass at most 32 bytes.
pub(super) fn push_hex(text: &mut Hex, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            // 64 digits is the capacity and 32 bytes the most that any caller has, so this never fails.
            let _ = text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
}

/// What a quality of protection adds to the digest, as written in the header.
#[derive(Debug, Clone, Copy)]
pub struct ProtectedBy<'a> {
    /// Eight hex digits.
    pub nc: &'a str,
    /// Client nonce, unquoted.
    pub cnonce: &'a str,
    /// The body that `qop=auth-int` covers; `None` is `qop=auth`.
    pub body: Option<&'a [u8]>,
}

/// HA1 of a clear secret (RFC 7616 §3.4.2).
pub fn ha1(algorithm: Algorithm, user: &str, realm: &str, secret: &str) -> Hex {
    algorithm.hash(&[user.as_bytes(), realm.as_bytes(), secret.as_bytes()])
}

/// The `response` of a request (RFC 7616 §3.4.1; without `qop` RFC 2617 §3.2.2.1).
pub fn response(algorithm: Algorithm, ha1: &str, nonce: &str, qop: Option<ProtectedBy<'_>>, method: &str, uri: &str) -> Hex {
    let (ha1, nonce) = (ha1.as_bytes(), nonce.as_bytes());
    let (method, uri) = (method.as_bytes(), uri.as_bytes());
    match qop {
        Some(ProtectedBy { nc, cnonce, body }) => {
            let (word, ha2) = match body {
                None => ("auth", algorithm.hash(&[method, uri])),
                // RFC 7616 §3.4.3; of a request without a body the hash of nothing.
                Some(body) => ("auth-int", algorithm.hash(&[method, uri, algorithm.hash(&[body]).as_bytes()])),
            };
            algorithm.hash(&[ha1, nonce, nc.as_bytes(), cnonce.as_bytes(), word.as_bytes(), ha2.as_bytes()])
        }
        None => algorithm.hash(&[ha1, nonce, algorithm.hash(&[method, uri]).as_bytes()]),
    }
}
