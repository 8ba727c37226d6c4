//! Fuzzes `wire::fuzzing::ipv6_chain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::ipv6_chain(data));
