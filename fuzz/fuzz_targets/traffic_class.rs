//! Fuzzes `wire::fuzzing::traffic_class`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::traffic_class(data));
