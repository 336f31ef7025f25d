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
        // Eight digits at a time: as numbers with their zeros its groups cost many times that, and each event names a channel twice.
        let mut text = [b'-'; 36];
        let digits = [96, 64, 32, 0].map(|shift| hex((self.0 >> shift) as u32));
        let mut rest = digits.as_flattened();
        for (place, len) in GROUPS {
            let Some((group, after)) = rest.split_at_checked(len) else { break };
            if let Some(text) = text.get_mut(place..place + len) {
                text.copy_from_slice(group);
            }
            rest = after;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Where the groups of a UUID stand in its text, and how many digits they have (RFC 9562 §4).
const GROUPS: [(usize, usize); 5] = [(0, 8), (9, 4), (14, 4), (19, 4), (24, 12)];

/// The eight digits of a number.
const fn hex(number: u32) -> [u8; 8] {
    // Each half of a byte into a byte of its own, the highest first.
    let mut digits = number as u64;
    digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF;
    digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF;
    digits = (digits | digits << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    // Six more carry those above 9 into the next half.
    let letters = ((digits + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * (b'a' - b'0' - 10) as u64).to_be_bytes()
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
    fn every_digit_is_written_in_every_place() {
        for place in 0..32 {
            for digit in 0..16_u128 {
                let number = digit << (4 * place) | (15 - digit) << (4 * (31 - place));
                let id = ChannelId(number);
                assert_eq!(id.to_string().replace('-', ""), format!("{number:032x}"));
                assert_eq!(id.to_string().parse(), Ok(id));
            }
        }
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
