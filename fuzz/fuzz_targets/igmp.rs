//! Fuzzes `wire::fuzzing::igmp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::igmp(data));
