//! Random text that SIP wants unguessable: branches, tags, Call-IDs.
//! Shape:  lower case letters and digits, 5 bits each, so that peers which fold or keep case agree; from one seeded generator.
//! Units:  none.
//! Errors: none.
//! Seed:   the driver's, from the system; tests give a fixed one and get the same text each run.
//! Source: RFC 3261 §8.1.1.7 (branch), §19.3 (tag: at least 32 bits), §8.1.1.4 (Call-ID).

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::message::MAGIC_COOKIE;

const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 20 letters × 5 bits = 100 bits behind the cookie.
const BRANCH_RANDOM: usize = 20;
const BRANCH_LENGTH: usize = MAGIC_COOKIE.len() + BRANCH_RANDOM;

/// A branch of ours: unique by itself, and not to be guessed, so that a response which carries it saw the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Branch([u8; BRANCH_LENGTH]);

impl Branch {
    /// The branch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Source of random text.
#[derive(Debug)]
pub struct Tokens {
    rng: ChaCha12Rng,
    /// First letter of branches and tags, where it has to say whose they are; 75 random bits are left of a tag, 95 of a branch.
    mark: Option<u8>,
}

/// The letter of a number below 32.
pub(crate) fn letter(value: u8) -> u8 {
    ALPHABET[usize::from(value & 31)]
}

/// The number of a letter of ours.
pub(crate) fn letter_value(letter: u8) -> Option<u8> {
    ALPHABET.iter().position(|known| *known == letter).and_then(|at| u8::try_from(at).ok())
}

impl Tokens {
    /// The generator of this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { rng: ChaCha12Rng::from_seed(seed), mark: None }
    }

    /// The same, with branches and tags that begin with a letter of ours (see `shard`).
    #[must_use]
    pub fn marked(self, mark: Option<u8>) -> Self {
        Self { mark, ..self }
    }

    /// A new branch.
    pub fn branch(&mut self) -> Branch {
        let mut branch = [0; BRANCH_LENGTH];
        let (cookie, random) = branch.split_at_mut(MAGIC_COOKIE.len());
        cookie.copy_from_slice(MAGIC_COOKIE.as_bytes());
        self.fill(random);
        self.sign(random);
        Branch(branch)
    }

    /// A new tag of 16 letters, 80 bits.
    pub fn tag(&mut self) -> String {
        let mut bytes = vec![0; 16];
        self.fill(&mut bytes);
        self.sign(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// `length` random letters.
    pub fn text(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// A random number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.rng.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A random word, for keys.
    pub fn word(&mut self) -> u64 {
        self.rng.next_u64()
    }

    fn sign(&self, text: &mut [u8]) {
        if let (Some(mark), Some(first)) = (self.mark, text.first_mut()) {
            *first = mark;
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
        for byte in bytes {
            *byte = ALPHABET[usize::from(*byte & 31)];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_repeat_with_their_seed_and_not_within_a_run() {
        let (mut a, mut b) = (Tokens::new([1; 32]), Tokens::new([1; 32]));
        let first = a.branch();
        assert_eq!(first, b.branch());
        assert_ne!(first, a.branch());
        assert!(first.as_str().starts_with("z9hG4bK"));
        assert_eq!(first.as_str().len(), 27);
        assert_eq!(a.tag().len(), 16);
        assert!(a.below(10) < 10);
    }

    #[test]
    fn a_mark_begins_branches_and_tags() {
        let mut marked = Tokens::new([1; 32]).marked(Some(letter(30)));
        assert!(marked.branch().as_str().starts_with("z9hG4bK8") && marked.tag().starts_with('8'));
        assert_eq!((letter_value(b'8'), letter_value(b'z'), letter_value(b'-')), (Some(30), Some(23), None));
    }
}
