//! Fuzzes what a DHCP relay reads: `protocols::relay4::read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(protocols::relay4::read(data)));
