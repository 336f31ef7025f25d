//! Tables 3 and 4 of G.711: mu-law and A-law codes into each other without a linear value between.
//! Shape:  index and entry are the low seven bits of octets as sent on RTP; the sign bit is the same in both laws.
//! Why:    the recommendation chose the pairs so that mu -> A -> mu loses least; decoding and encoding again differs in some codes.
//! Errors: none.
//! Source: ITU-T G.711 tables 3/G.711 and 4/G.711, by decoder output value number: A-law from 1 to 128, mu-law from 0 to 127.

/// A-law value number of each mu-law value number.
const ALAW_NUMBER: [u8; 128] = [
    1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, //
    9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, //
    25, 27, 29, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, //
    46, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, //
    64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, //
    80, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, //
    97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, //
    113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128,
];

/// Mu-law value number of each A-law value number.
const ULAW_NUMBER: [u8; 128] = [
    1, 3, 5, 7, 9, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, //
    24, 25, 26, 27, 28, 29, 30, 31, 32, 32, 33, 33, 34, 34, 35, 35, //
    36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 48, 49, 49, //
    50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 64, //
    65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, //
    80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, //
    96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, //
    112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];

/// A-law octets hold the number with every second bit toggled.
const ALAW_TOGGLE: u8 = 0x55;
/// Mu-law octets hold the number complemented.
const ULAW_TOGGLE: u8 = 0x7F;

/// Low seven bits of the A-law octet for the low seven bits of a mu-law octet.
pub(super) const ULAW_TO_ALAW: [u8; 128] = by_octet(&ALAW_NUMBER, 1, ULAW_TOGGLE, ALAW_TOGGLE);
/// Low seven bits of the mu-law octet for the low seven bits of an A-law octet.
pub(super) const ALAW_TO_ULAW: [u8; 128] = by_octet(&ULAW_NUMBER, 0, ALAW_TOGGLE, ULAW_TOGGLE);

const fn by_octet(numbers: &[u8; 128], first: u8, from: u8, to: u8) -> [u8; 128] {
    let mut table = [0; 128];
    let mut i = 0;
    while i < 128 {
        table[(i as u8 ^ from) as usize] = (numbers[i] - first) ^ to;
        i += 1;
    }
    table
}
