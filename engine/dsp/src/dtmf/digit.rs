//! The sixteen digits of DTMF.
//! Shape:  0 to 15 in the order of RFC 4733: 0 to 9, star, hash, A to D.
//! Units:  frequencies in Hz.
//! Errors: `None` for a character or a code that is no digit.
//! Source: ITU-T Q.23; RFC 4733 §3.2 table 7.

use std::fmt;

/// Frequencies of the rows of the keypad.
pub const LOW_HZ: [u16; 4] = [697, 770, 852, 941];
/// Frequencies of the columns of the keypad.
pub const HIGH_HZ: [u16; 4] = [1209, 1336, 1477, 1633];

/// The keypad, row by row.
const KEYPAD: [u8; 16] = *b"123A456B789C*0#D";
/// Digits by event code.
const BY_EVENT: [u8; 16] = *b"0123456789*#ABCD";

/// One key of a telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// By its character, letters in either case.
    pub fn from_char(c: char) -> Option<Self> {
        let c = u8::try_from(c.to_ascii_uppercase()).ok()?;
        BY_EVENT.iter().position(|digit| *digit == c).and_then(|event| Self::from_event(event as u8))
    }

    /// By its event code in RFC 4733, 0 to 15.
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(event)) } else { None }
    }

    /// By row and column of the keypad, each 0 to 3.
    pub(crate) fn at(row: usize, column: usize) -> Option<Self> {
        KEYPAD.get(4 * row + column).and_then(|c| Self::from_char(char::from(*c)))
    }

    /// Event code in RFC 4733.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// Its character.
    pub const fn char(self) -> char {
        BY_EVENT[self.0 as usize & 15] as char
    }

    /// Its row and column on the keypad, each 0 to 3.
    pub(crate) fn place(self) -> (usize, usize) {
        let place = KEYPAD.iter().position(|c| char::from(*c) == self.char()).unwrap_or_default();
        (place / 4, place % 4)
    }

    /// Its two frequencies, the lower one first.
    pub fn frequencies_hz(self) -> [u16; 2] {
        let (row, column) = self.place();
        [LOW_HZ[row & 3], HIGH_HZ[column & 3]]
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.char())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_is_where_the_keypad_has_it() {
        for (place, c) in "123A456B789C*0#D".chars().enumerate() {
            let digit = Digit::from_char(c).unwrap();
            assert_eq!(Digit::at(place / 4, place % 4), Some(digit));
            assert_eq!(digit.frequencies_hz(), [LOW_HZ[place / 4], HIGH_HZ[place % 4]]);
            assert_eq!((digit.char(), Digit::from_event(digit.event())), (c, Some(digit)));
        }
        assert_eq!(Digit::from_char('#').map(Digit::event), Some(11));
        assert_eq!((Digit::from_char('x'), Digit::from_char('é'), Digit::from_event(16)), (None, None, None));
    }
}
