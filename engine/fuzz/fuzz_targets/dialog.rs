//! libFuzzer entry of `fuzz::machines::dialog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::machines::dialog(bytes));
