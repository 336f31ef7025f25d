//! Tones: a small language for them, the tones of the telephone network in it, and the generator that plays them.
//!   "400+450*0.5/0:400/200" ─► Spec ─► Generator ─► samples
//! Shape:  a spec is sections one after the other, each a sum of up to eight sines for some milliseconds; at most 256 sections.
//! Units:  Hz, milliseconds; amplitude 1 is full scale for the whole section, shared evenly by its tones.
//! Errors: `SpecError` tells what is wrong and at which character.
//! Speed:  a sine is a polynomial of a 32-bit phase: no table, no drift, 16-bit quality; about 0.1 us per tone and 20 ms frame.
//! Not here: files; the caller writes the samples where it wants.

mod generator;
pub mod progress;
mod spec;

pub use generator::{Generator, Repeat};
pub use spec::{Ramp, Section, Spec, SpecError, SpecErrorKind};
