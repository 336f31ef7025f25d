//! libFuzzer entry of `media::media`: bytes are operations on a media shard.
#![no_main]

#[path = "../src/media.rs"]
mod media;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| media::media(bytes, std::time::Instant::now()));
