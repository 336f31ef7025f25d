//! libFuzzer entry of `fuzz::machines::transactions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::machines::transactions(bytes));
