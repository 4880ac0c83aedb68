#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| teal_fuzz::pair::run(data));
