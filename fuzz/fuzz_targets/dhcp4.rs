//! Fuzzes the decoder of the DHCPv4 server: `protocols::dhcp4::Message::read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(protocols::dhcp4::Message::read(data)));
