#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| teal_fuzz::hpack::run(data));
