//! libFuzzer's entry point of the target `smp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::smp::run(data));
