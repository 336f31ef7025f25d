//! Names of channels: UUIDs of version 4, sixteen bytes inside, text outside.
//!
//! Shape:  `Copy`, so that it crosses queues and keys maps without an allocation.
//! Text:   lower-case hex in groups of 8-4-4-4-12; read in any case.
//! Errors: [`BadChannelId`] for any other text.
//! Source: RFC 9562 §4 (text), §5.4 (version 4).

use std::fmt;
use std::str::FromStr;

/// Name of a channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(u128);

impl ChannelId {
    /// Makes a version 4 UUID of 128 random bits, six of which are overwritten.
    pub const fn from_random(bits: u128) -> Self {
        let versioned = bits & !(0xf << 76) | 0x4 << 76;
        Self(versioned & !(0x3 << 62) | 0x2 << 62)
    }

    /// The 128 bits, first byte of the text highest.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit: as numbers with their zeros its groups cost ten times that, and each event names a channel twice.
        let mut text = [b'-'; 36];
        let places = (0..text.len()).filter(|place| !matches!(*place, 8 | 13 | 18 | 23));
        let digits = self.0.to_be_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (place, digit) in places.zip(digits) {
            if let Some(byte) = text.get_mut(place) {
                *byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct BadChannelId;

impl FromStr for ChannelId {
    type Err = BadChannelId;

    fn from_str(text: &str) -> Result<Self, BadChannelId> {
        if text.len() != 36 {
            return Err(BadChannelId);
        }
        let mut bits = 0u128;
        for (index, byte) in text.bytes().enumerate() {
            if matches!(index, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(BadChannelId);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(BadChannelId)?;
            bits = bits << 4 | u128::from(digit);
        }
        Ok(Self(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_round() {
        let id = ChannelId::from_random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(id.to_string(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_refused() {
        for text in
            ["", "01234567-89ab-4def-8123-456789abcde", "0123456789ab-4def-8123-456789abcdef0000", "é1234567-89ab-4def-8123-456789abcd"]
        {
            assert_eq!(text.parse::<ChannelId>(), Err(BadChannelId), "{text}");
        }
        assert_eq!("01234567_89ab-4def-8123-456789abcdef".parse::<ChannelId>(), Err(BadChannelId));
    }
}
