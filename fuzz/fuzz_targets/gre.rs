//! Fuzzes `wire::fuzzing::gre`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::gre(data));
