//! What a request is told by when it completes: `user_data`.
//!
//! ```text
//!  63   60 59   56 55            32 31              0
//! │ kind  │ group │ place          │ generation      │
//! ```
//! Shape:  `place` is the socket's number in the registered files; `generation` grows each time the place is used anew,
//!         so that a late completion of a closed channel is not taken for the next one's.

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Receive,
    Send,
    Cancel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    /// Buffer group of a receive; 0 otherwise.
    pub group: u8,
    pub place: u32,
    pub generation: u32,
}

impl Token {
    pub const fn encode(self) -> u64 {
        let kind = match self.kind {
            Kind::Receive => 1,
            Kind::Send => 2,
            Kind::Cancel => 3,
        };
        (kind << 60) | ((self.group as u64 & 0xf) << 56) | ((self.place as u64 & 0xff_ffff) << 32) | self.generation as u64
    }

    pub const fn decode(user_data: u64) -> Option<Self> {
        let kind = match user_data >> 60 {
            1 => Kind::Receive,
            2 => Kind::Send,
            3 => Kind::Cancel,
            _ => return None,
        };
        Some(Self { kind, group: (user_data >> 56) as u8 & 0xf, place: (user_data >> 32) as u32 & 0xff_ffff, generation: user_data as u32 })
    }
}

/// Places that fit into a token.
pub(super) const PLACES_MAX: u32 = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_token_reads_back_as_written(kind in 0..3, group in 0_u8..16, place in 0..PLACES_MAX, generation: u32) {
            let kind = [Kind::Receive, Kind::Send, Kind::Cancel][kind as usize];
            let token = Token { kind, group, place, generation };
            prop_assert_eq!(Token::decode(token.encode()), Some(token));
        }

        #[test]
        fn any_number_decodes_without_panic(user_data: u64) {
            let _ = Token::decode(user_data);
        }
    }
}
