//! libFuzzer entry of `fuzz::uri`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::uri(bytes));
