//! Fuzzes `wire::fuzzing::checksum`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::checksum(data));
