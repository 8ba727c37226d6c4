//! Fuzzes `wire::fuzzing::geneve`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::geneve(data));
