//! libFuzzer entry of `codecs::codecs`: bytes are frames into a codec at every SIMD level.
#![no_main]

#[path = "../src/codecs.rs"]
mod codecs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecs::codecs(bytes));
