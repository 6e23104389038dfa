//! libFuzzer's entry point of the target `image`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| otaru_fuzz::image::run(data));
