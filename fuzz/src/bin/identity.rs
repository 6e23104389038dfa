//! libFuzzer's entry point of the target `identity`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::identity::run(data));
