//! Fuzzes `wire::fuzzing::udp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::udp(data));
