//! Fuzzes `wire::fuzzing::ether`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::ether(data));
