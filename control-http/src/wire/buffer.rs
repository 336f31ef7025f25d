//! Bytes received and not yet read.
//!
//! ```text
//!   extend ──► [ read | unread ] ──► consume
//! ```
//! Shape:  grows by what is pushed; the owner stops pushing while messages wait, so it holds at most one head or one
//!         chunk line (both bounded by `Limits`) plus one push.
//! Units:  bytes.
//! Errors: none; consuming more than there is empties it.

/// A queue of bytes, readable as one slice.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    read: usize,
}

impl Buffer {
    /// Appends `bytes`.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        // Moving the unread tail only when it is the smaller part keeps the cost at one copy per byte.
        if self.read > self.bytes.len() / 2 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What was pushed and not consumed.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    /// Drops the first `count` unread bytes.
    pub(super) fn consume(&mut self, count: usize) {
        self.read = self.read.saturating_add(count).min(self.bytes.len());
        if self.read == self.bytes.len() {
            self.read = 0;
            self.bytes.clear();
            // One large message must not pin its memory for the life of a keep-alive connection.
            self.bytes.shrink_to(KEPT_BYTES);
        }
    }

    /// Bytes of memory held.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Capacity kept by an empty buffer: one read of the server.
const KEPT_BYTES: usize = 8 << 10;
