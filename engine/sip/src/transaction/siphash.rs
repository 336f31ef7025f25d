//! Keyed 128-bit hash of the fields that name a transaction.
//! Shape:  bytes in, 16 bytes out; SipHash with 2 compression and 4 finalisation rounds.
//! Units:  none.
//! Errors: none.
//! Why:    a table keyed by attacker-chosen text needs a secret key against flooding, and 128 bits of a keyed function stand
//!         for the text itself: one collision in 2^-90 for 2^19 live transactions, and no string is stored or allocated.
//! Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), with the authors' 128-bit variant.

/// Hash in the making.
#[derive(Debug, Clone)]
pub(crate) struct SipHash {
    v: [u64; 4],
    word: u64,
    length: u64,
}

impl SipHash {
    pub(crate) fn new(key: [u64; 2]) -> Self {
        let [k0, k1] = key;
        let v = [k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee, k0 ^ 0x6c79_6765_6e65_7261, k1 ^ 0x7465_6462_7974_6573];
        Self { v, word: 0, length: 0 }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.word |= u64::from(byte) << (8 * (self.length & 7));
            self.length += 1;
            if self.length & 7 == 0 {
                let word = std::mem::take(&mut self.word);
                self.compress(word);
            }
        }
    }

    /// Eight bytes at once, wherever in a word the hash stands.
    fn word(&mut self, word: u64) {
        let held = 8 * (self.length & 7);
        self.length += 8;
        self.compress(self.word | (word << held));
        // A shift by 64 has no value: then nothing is left over.
        self.word = word.checked_shr(64 - held as u32).unwrap_or(0);
    }

    pub(crate) fn finish(mut self) -> u128 {
        let last = self.word | (self.length << 56);
        self.compress(last);
        self.v[2] ^= 0xee;
        let low = self.finalise();
        self.v[1] ^= 0xdd;
        let high = self.finalise();
        u128::from(low) | (u128::from(high) << 64)
    }

    fn compress(&mut self, word: u64) {
        self.v[3] ^= word;
        self.round();
        self.round();
        self.v[0] ^= word;
    }

    fn finalise(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.v[0] ^ self.v[1] ^ self.v[2] ^ self.v[3]
    }

    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.v;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.v = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_hash_as_their_whole() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut whole = SipHash::new([1, 2]);
        whole.bytes(&bytes);
        let whole = whole.finish();
        for first in 0..20 {
            for second in 0..20 {
                let mut pieces = SipHash::new([1, 2]);
                pieces.bytes(&bytes[..first]);
                pieces.bytes(&bytes[first..first + second]);
                pieces.bytes(&bytes[first + second..]);
                assert_eq!(pieces.finish(), whole, "{first} and {second}");
            }
        }
    }

    fn hash(length: u8) -> String {
        let mut hash = SipHash::new([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        hash.bytes(&(0..length).collect::<Vec<_>>());
        hash.finish().to_le_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_agrees_with_the_reference_vectors() {
        // First two of the authors' vectors for 128 bits: key 00..0f, inputs "" and 00.
        assert_eq!(hash(0), "a3817f04ba25a8e66df67214c7550293");
        assert_eq!(hash(1), "da87c1d86b99af44347659119b22fc45");
    }
}
