//! Character classes of the grammar.
//!
//! ```text
//!   byte ─► one table of 256 bytes, a bit per class ─► in the class or not
//! ```
//! Shape:  [`Class`] is one bit; all classes hold letters and digits, and each its own marks.
//! Units:  none.
//! Errors: none. No class holds a byte above 127, so a run ends between characters.
//! Classes of URIs are without `%`: escapes are read whole, by `Cursor::take_escaped`.
//! Source: RFC 3261 §25.1.

use super::words::{self, BLOCK};

/// One class, a bit of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// `token`.
    pub(super) const TOKEN: Self = Self(1);
    /// `user`, with `#`, which the grammar wants escaped and phones do not (dial codes such as `#31#`).
    pub(super) const USER: Self = Self(1 << 1);
    /// `password`.
    pub(super) const PASSWORD: Self = Self(1 << 2);
    /// `paramchar` of a URI parameter.
    pub(super) const URI_PARAM: Self = Self(1 << 3);
    /// `hnv-unreserved` and `unreserved` of a URI header, with `=`, `&` that part them, and `@`, which is seen there bare.
    pub(super) const URI_HEADER: Self = Self(1 << 4);
    /// Host names, with `_`, which the grammar forbids and name servers answer.
    pub(super) const HOST: Self = Self(1 << 5);
    /// `word`, the alphabet of a Call-ID, with `@`.
    pub(super) const WORD: Self = Self(1 << 6);
    /// A value of a header parameter that is not quoted: `token` or `host`, with the marks of IPv6, and others that
    /// implementations put there bare; not the ones that part values (`;`, `,`, `"`, `<`, `>`).
    pub(super) const PARAM_VALUE: Self = Self(1 << 7);

    /// Whether the class holds `byte`.
    #[inline(always)]
    pub(super) fn holds(self, byte: u8) -> bool {
        TABLE[usize::from(byte)] & self.0 != 0
    }

    /// Whether the class holds every byte of `text`.
    #[inline]
    pub(super) fn holds_all(self, text: &str) -> bool {
        self.run(text.as_bytes()) == text.len()
    }

    /// How many bytes of the class stand first.
    #[inline(always)]
    pub(super) fn run(self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some((block, behind)) = rest.split_first_chunk() {
            // What all classes hold is found by sixteen; a mark between is looked up.
            let length = (!words::plain(block)).trailing_zeros() as usize;
            if length >= BLOCK {
                rest = behind;
                continue;
            }
            let (Some(&mark), Some(behind)) = (rest.get(length), rest.get(length + 1..)) else { break };
            if !self.holds(mark) {
                return bytes.len() - behind.len() - 1;
            }
            rest = behind;
        }
        bytes.len() - rest.len() + self.run_in_tail(rest)
    }

    /// The same for less than a block.
    #[inline(always)]
    fn run_in_tail(self, bytes: &[u8]) -> usize {
        let bit = self.0;
        let (fours, tail) = bytes.as_chunks::<4>();
        for (at, &[a, b, c, d]) in fours.iter().enumerate() {
            // One branch for four looks; where the run ends is summed, since no branch would know.
            let one = TABLE[usize::from(a)] & bit;
            let two = TABLE[usize::from(b)] & one;
            let three = TABLE[usize::from(c)] & two;
            if TABLE[usize::from(d)] & three == 0 {
                let sum = usize::from(one) + usize::from(two) + usize::from(three);
                return at * 4 + (sum >> bit.trailing_zeros());
            }
        }
        fours.len() * 4 + tail.iter().take_while(|&&byte| self.holds(byte)).count()
    }
}

static TABLE: [u8; 256] = table();

const fn table() -> [u8; 256] {
    const MARKS: [(Class, &[u8]); 8] = [
        (Class::TOKEN, b"-.!%*_+`'~"),
        (Class::USER, b"-_.!~*'()&=+$,;?/#"),
        (Class::PASSWORD, b"-_.!~*'()&=+$,"),
        (Class::URI_PARAM, b"-_.!~*'()[]/:&+$"),
        (Class::URI_HEADER, b"-_.!~*'()[]/?:+$=&@"),
        (Class::HOST, b"-._"),
        (Class::WORD, b"-.!%*_+`'~()<>:\\\"/[]?{}@"),
        (Class::PARAM_VALUE, b"-.!%*_+`'~[]:/=@?&$()#|{}^"),
    ];
    let mut table = [0_u8; 256];
    let mut class = 0;
    while class < MARKS.len() {
        let (Class(bit), marks) = MARKS[class];
        let mut at = 0;
        while at < marks.len() {
            table[marks[at] as usize] |= bit;
            at += 1;
        }
        let mut byte = 0_u8;
        while byte < 128 {
            if byte.is_ascii_alphanumeric() {
                table[byte as usize] |= bit;
            }
            byte += 1;
        }
        class += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Class; 8] =
        [Class::TOKEN, Class::USER, Class::PASSWORD, Class::URI_PARAM, Class::URI_HEADER, Class::HOST, Class::WORD, Class::PARAM_VALUE];

    #[test]
    fn every_class_holds_letters_and_digits_and_no_space_or_byte_above_127() {
        for class in ALL {
            assert!((b'a'..=b'z').chain(b'A'..=b'Z').chain(b'0'..=b'9').all(|byte| class.holds(byte)));
            assert!((0..=b' ').chain(0x7f..=255).all(|byte| !class.holds(byte)));
        }
    }

    #[test]
    fn a_run_ends_at_the_first_byte_outside_wherever_it_stands() {
        for length in 0..20 {
            let text = format!("{};{}", "a".repeat(length), "b".repeat(9));
            for from in 0..=length {
                assert_eq!(Class::HOST.run(&text.as_bytes()[from..]), length - from, "{text} from {from}");
            }
        }
    }
}
