//! Fuzzes `wire::fuzzing::icmpv6`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wire::fuzzing::icmpv6(data));
