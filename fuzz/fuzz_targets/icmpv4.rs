//! Fuzzes `wire::fuzzing::icmpv4`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::icmpv4(data));
