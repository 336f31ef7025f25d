//! System calls that no safe crate of ours covers, each behind a safe function.
//!
//! Shape:  one file per subject: files below a directory, limits, scheduling, signals, batches of datagrams. No policy here: the callers decide.
//! Units:  as the kernel has them: bytes, descriptors, nice levels; times as `Duration`.
//! Errors: `io::Error` with the kernel's number.
//! Unsafe: every block is one call whose arguments live on the same screen. With `ring` the only place in this crate that has any.
//! Source: man pages of section 2, Linux 6.18.

#![allow(unsafe_code)]

pub mod address;
pub mod beneath;
pub mod datagrams;
pub mod limits;
pub mod sched;
pub mod signals;
