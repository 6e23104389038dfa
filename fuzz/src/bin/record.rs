//! libFuzzer's entry point of the target `record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::record::run(data));
