//! Fuzzes the VRRP machine and its decoder: `protocols::vrrp::fuzzing::drive`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    protocols::vrrp::fuzzing::drive(data);
});
