//! Fuzzes what a router of a pair reads from the other one: `pair::fuzzing::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pair::fuzzing::message(data));
