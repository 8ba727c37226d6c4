//! Fuzzes the decoder of the DHCPv6 server: `protocols::dhcp6::read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(protocols::dhcp6::read(data)));
