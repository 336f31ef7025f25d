//! The C interface of WebRTC's iLBC.
//! Shape:  opaque states and frames as slices.
//! Errors: none; a library that refuses to start panics.
//! Safety: states come from the library's own constructors, stay in one thread and are never freed; lengths come from the slices.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

#[link(name = "tg_owt", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {
    fn WebRtcIlbcfix_EncoderCreate(state: *mut *mut c_void) -> i16;
    fn WebRtcIlbcfix_EncoderInit(state: *mut c_void, milliseconds: i16) -> i16;
    fn WebRtcIlbcfix_Encode(state: *mut c_void, samples: *const i16, count: usize, octets: *mut u8) -> c_int;
    fn WebRtcIlbcfix_DecoderCreate(state: *mut *mut c_void) -> i16;
    fn WebRtcIlbcfix_DecoderInit(state: *mut c_void, milliseconds: i16) -> i16;
    fn WebRtcIlbcfix_Decode(state: *mut c_void, octets: *const u8, count: usize, samples: *mut i16, kind: *mut i16) -> c_int;
}

/// What the library calls when one of its checks fails. Its own would pull all of WebRTC into the bench.
#[unsafe(no_mangle)]
extern "C" fn rtc_FatalMessage(_file: *const c_char, _line: c_int, _message: *const c_char) -> ! {
    std::process::abort()
}

/// Encoder and decoder.
pub(super) struct WebrtcIlbc {
    encoder: *mut c_void,
    decoder: *mut c_void,
}

impl WebrtcIlbc {
    /// By samples of a frame: 160 or 240.
    pub(super) fn new(samples: i16) -> Self {
        let mut made = Self { encoder: null_mut(), decoder: null_mut() };
        // SAFETY: both are given a place for a state, and then the states that were put there.
        let refused = unsafe {
            WebRtcIlbcfix_EncoderCreate(&raw mut made.encoder) != 0
                || WebRtcIlbcfix_DecoderCreate(&raw mut made.decoder) != 0
                || WebRtcIlbcfix_EncoderInit(made.encoder, samples / 8) != 0
                || WebRtcIlbcfix_DecoderInit(made.decoder, samples / 8) != 0
        };
        assert!(!refused, "the library made its states");
        made
    }
}

impl super::Ilbc for WebrtcIlbc {
    fn encode(&mut self, samples: &[i16], octets: &mut [u8]) {
        assert!(octets.len() >= 50);
        // SAFETY: no frame is longer than 50 octets.
        let written = unsafe { WebRtcIlbcfix_Encode(self.encoder, samples.as_ptr(), samples.len(), octets.as_mut_ptr()) };
        assert!(written > 0, "a frame");
    }
    fn decode(&mut self, octets: &[u8], samples: &mut [i16]) {
        assert!(samples.len() >= 240);
        let mut kind = 0;
        // SAFETY: no frame has more than 240 samples.
        let made = unsafe { WebRtcIlbcfix_Decode(self.decoder, octets.as_ptr(), octets.len(), samples.as_mut_ptr(), &raw mut kind) };
        assert!(made > 0, "a frame");
    }
}
