//! The C interfaces of the peers.
//! Shape:  opaque states and frames as slices.
//! Errors: none; a library that refuses to start panics.
//! Safety: states come from the library's own constructors and stay in one thread; lengths come from the slices. States are never freed:
//!         a bench makes a few dozen.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};

#[link(name = "spandsp")]
unsafe extern "C" {
    fn g722_encode_init(state: *mut c_void, rate: c_int, options: c_int) -> *mut c_void;
    fn g722_encode(state: *mut c_void, codes: *mut u8, samples: *const i16, count: c_int) -> c_int;
    fn g722_decode_init(state: *mut c_void, rate: c_int, options: c_int) -> *mut c_void;
    fn g722_decode(state: *mut c_void, samples: *mut i16, codes: *const u8, count: c_int) -> c_int;
    fn g711_init(state: *mut c_void, law: c_int) -> *mut c_void;
    fn g711_decode(state: *mut c_void, samples: *mut i16, codes: *const u8, count: c_int) -> c_int;
    fn g711_encode(state: *mut c_void, codes: *mut u8, samples: *const i16, count: c_int) -> c_int;
    fn g711_transcode(state: *mut c_void, to: *mut u8, from: *const u8, count: c_int) -> c_int;
    fn dtmf_rx_init(state: *mut c_void, callback: *const c_void, user: *mut c_void) -> *mut c_void;
    fn dtmf_rx(state: *mut c_void, samples: *const i16, count: c_int) -> c_int;
    fn dtmf_rx_get(state: *mut c_void, digits: *mut c_char, max: c_int) -> usize;
}

#[link(name = "speexdsp")]
unsafe extern "C" {
    fn speex_resampler_init(channels: u32, from: u32, to: u32, quality: c_int, error: *mut c_int) -> *mut c_void;
    fn speex_resampler_process_int(
        state: *mut c_void,
        channel: u32,
        from: *const i16,
        from_len: *mut u32,
        to: *mut i16,
        to_len: *mut u32,
    ) -> c_int;
}

/// A state of the library.
struct State(NonNull<c_void>);

impl State {
    fn new(pointer: *mut c_void) -> Self {
        Self(NonNull::new(pointer).expect("the library made a state"))
    }
}

fn length<T>(slice: &[T]) -> c_int {
    c_int::try_from(slice.len()).expect("a frame")
}

/// One law of G.711.
pub(super) struct SpandspG711(State);

impl SpandspG711 {
    pub(super) fn new(alaw: bool) -> Self {
        // SAFETY: a null state asks for a new one.
        Self(State::new(unsafe { g711_init(null_mut(), c_int::from(!alaw)) }))
    }
}

impl super::G711 for SpandspG711 {
    fn decode(&mut self, codes: &[u8], samples: &mut [i16]) {
        assert!(samples.len() >= codes.len());
        // SAFETY: the slices are as long as told.
        unsafe { g711_decode(self.0.0.as_ptr(), samples.as_mut_ptr(), codes.as_ptr(), length(codes)) };
    }
    fn encode(&mut self, samples: &[i16], codes: &mut [u8]) {
        assert!(codes.len() >= samples.len());
        // SAFETY: as above.
        unsafe { g711_encode(self.0.0.as_ptr(), codes.as_mut_ptr(), samples.as_ptr(), length(samples)) };
    }
    fn transcode(&mut self, from: &[u8], to: &mut [u8]) {
        assert!(to.len() >= from.len());
        // SAFETY: as above.
        unsafe { g711_transcode(self.0.0.as_ptr(), to.as_mut_ptr(), from.as_ptr(), length(from)) };
    }
}

/// Encoder and decoder.
pub(super) struct SpandspG722(State, State);

impl SpandspG722 {
    pub(super) fn new() -> Self {
        // SAFETY: a null state asks for a new one.
        let encoder = State::new(unsafe { g722_encode_init(null_mut(), 64_000, 0) });
        // SAFETY: as above.
        let decoder = State::new(unsafe { g722_decode_init(null_mut(), 64_000, 0) });
        Self(encoder, decoder)
    }
}

impl super::G722 for SpandspG722 {
    fn encode(&mut self, samples: &[i16], codes: &mut [u8]) {
        assert!(2 * codes.len() >= samples.len());
        // SAFETY: the slices are as long as told.
        unsafe { g722_encode(self.0.0.as_ptr(), codes.as_mut_ptr(), samples.as_ptr(), length(samples)) };
    }
    fn decode(&mut self, codes: &[u8], samples: &mut [i16]) {
        assert!(samples.len() >= 2 * codes.len());
        // SAFETY: as above.
        unsafe { g722_decode(self.1.0.as_ptr(), samples.as_mut_ptr(), codes.as_ptr(), length(codes)) };
    }
}

pub(super) struct SpandspDtmf(State);

impl SpandspDtmf {
    pub(super) fn new() -> Self {
        // SAFETY: a null state asks for a new one; no callback.
        Self(State::new(unsafe { dtmf_rx_init(null_mut(), std::ptr::null(), null_mut()) }))
    }
}

impl super::Dtmf for SpandspDtmf {
    fn listen(&mut self, samples: &[i16]) -> usize {
        let mut digits = [0; 32];
        // SAFETY: the slice is as long as told.
        unsafe { dtmf_rx(self.0.0.as_ptr(), samples.as_ptr(), length(samples)) };
        // SAFETY: the buffer holds 31 digits and the zero after them.
        unsafe { dtmf_rx_get(self.0.0.as_ptr(), digits.as_mut_ptr(), 31) }
    }
}

pub(super) struct Speex(State);

impl Speex {
    pub(super) fn new(from_hz: u32, to_hz: u32, quality: i32) -> Self {
        let mut error = 0;
        // SAFETY: the pointer is to a live integer.
        Self(State::new(unsafe { speex_resampler_init(1, from_hz, to_hz, quality, &raw mut error) }))
    }
}

impl super::Resampler for Speex {
    fn process(&mut self, from: &[i16], to: &mut [i16]) {
        let (mut from_len, mut to_len) = (from.len() as u32, to.len() as u32);
        // SAFETY: the slices are as long as told.
        unsafe { speex_resampler_process_int(self.0.0.as_ptr(), 0, from.as_ptr(), &raw mut from_len, to.as_mut_ptr(), &raw mut to_len) };
    }
}
