//! Fuzzes the decoder of the DHCPv6 client: `protocols::dhcp6_client::packet::Message::read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(
    protocols::dhcp6_client::packet::Message::read(data)
));
