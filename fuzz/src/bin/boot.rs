//! libFuzzer's entry point of the target `boot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::boot::run(data));
