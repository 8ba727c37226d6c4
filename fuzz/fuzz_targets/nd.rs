//! Fuzzes `wire::fuzzing::nd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::nd(data));
