//! Fuzzes `dataplane::secure::fuzzing::groups`: what security groups let pass, beside a naive model.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dataplane::secure::fuzzing::groups(data));
