//! Fuzzes `wire::fuzzing::nd_options`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::nd_options(data));
