//! Fuzzes `dataplane::guard::fuzzing::guard`: what a port may send, read twice.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dataplane::guard::fuzzing::guard(data));
