//! Fuzzes the BFD machine and its decoder: `protocols::bfd::fuzzing::drive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(protocols::bfd::fuzzing::drive(data)));
