//! libFuzzer's entry point of the target `ddi`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::ddi::run(data));
