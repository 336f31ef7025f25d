//! Telephony codecs and signal processing in batches, one channel per SIMD lane.
//!   frames of many channels ─► one call of one kernel ─► frames of many channels
//! Shape:  samples in, samples out: no clock, no I/O, no randomness, no allocation after a batch has grown to its size.
//! Kinds:  what has no feedback (`g711`, `l16`, `resample`) is vectorised inside a frame: slices in, slices out.
//!         What feeds back sample by sample (G.722, iLBC, detectors) runs one channel per lane.
//! State:  a channel's state is a plain value that the channel owns (`Upsampler`, `Decoder`, ...): moving a channel is
//!         moving the value. A batch takes copies in, runs them in lanes, and hands them back.
//! Level:  `Kernels` is chosen once at start (`kernels`) and passed by reference.
//! Units:  16-bit samples at the rate of the codec; octets are RTP payload.
//! Errors: a payload never panics and is never refused here: any octets decode to something.

pub mod batch;
pub mod dtmf;
pub mod g711;
pub mod g722;
pub mod ilbc;
pub mod kernels;
pub mod l16;
mod lanes;
pub mod meter;
pub mod mix;
pub mod plc;
pub mod resample;
pub mod silence;
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
#[cfg(test)]
mod testing;
pub mod tone;

pub use batch::{Batch, Full, Ticket};
pub use kernels::{Kernels, Level, LevelError};
