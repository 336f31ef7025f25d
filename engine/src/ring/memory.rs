//! Page-aligned memory that the kernel is told about.
//!
//! Shape:  zeroed, anonymous, private; pages become resident when first used.
//! Errors: `io::Error` of `mmap`.
//! Owns:   freed on drop, unless [`Mapping::leak`] was called because the kernel may still write to it.

use std::{io, ptr::NonNull};

#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    leaked: bool,
}

impl Mapping {
    pub fn new(len: usize) -> io::Result<Self> {
        // SAFETY: a new anonymous mapping touches no memory of ours.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        NonNull::new(start.cast()).map(|start| Self { start, len, leaked: false }).ok_or_else(io::Error::last_os_error)
    }

    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// Gives the memory up: it stays mapped until the process ends.
    pub const fn leak(&mut self) {
        self.leaked = true;
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if !self.leaked {
            // SAFETY: `start` and `len` are those of our own mapping, and nobody uses it: the owner drops it last.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}
