//! Fuzzes `wire::fuzzing::mld`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::mld(data));
