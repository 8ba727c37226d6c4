//! Fuzzes `wire::fuzzing::ipv4`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::ipv4(data));
