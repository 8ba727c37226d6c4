//! Messages to bytes: options whose lengths are filled in when they end.

use std::net::Ipv6Addr;

/// Most octets of a message: what fits a UDP datagram over IPv6 (RFC 8200 section 8.1).
pub(super) const MAX_MESSAGE: usize = 65_527;

/// A message being written. One that outgrows [`MAX_MESSAGE`] is noticed at its end.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    too_big: bool,
}

impl Writer {
    /// An empty message with room for a usual one.
    pub(super) fn new() -> Self {
        Writer {
            bytes: Vec::with_capacity(256),
            too_big: false,
        }
    }

    /// The message; `None` when it does not fit a datagram.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.too_big && self.bytes.len() <= MAX_MESSAGE).then_some(self.bytes)
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn address(&mut self, value: Ipv6Addr) {
        self.bytes(&value.octets());
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// An option whose data `fill` writes.
    pub(super) fn option<R>(&mut self, code: u16, fill: impl FnOnce(&mut Writer) -> R) -> R {
        self.u16(code);
        self.counted(fill)
    }

    /// An option with the data given.
    pub(super) fn data(&mut self, code: u16, data: &[u8]) {
        self.option(code, |w| w.bytes(data));
    }

    /// A length of two octets and what it counts, which `fill` writes.
    pub(super) fn counted<R>(&mut self, fill: impl FnOnce(&mut Writer) -> R) -> R {
        let at = self.bytes.len();
        self.u16(0);
        let result = fill(self);
        match u16::try_from(self.bytes.len() - at - 2) {
            Ok(len) => self.bytes[at..at + 2].copy_from_slice(&len.to_be_bytes()),
            Err(_) => self.too_big = true,
        }
        result
    }

    /// A domain name in labels, without compression (RFC 8415 section 10). The name has passed validation.
    pub(super) fn domain(&mut self, name: &str) {
        for label in name.split('.').filter(|label| !label.is_empty()) {
            // At most 63: `Config::validate`.
            self.u8(label.len() as u8);
            self.bytes(label.as_bytes());
        }
        self.u8(0);
    }

    /// How long it is by now.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What has been written since `start`.
    pub(super) fn since(&self, start: usize) -> &[u8] {
        &self.bytes[start..]
    }

    /// Overwrites what stands at `at`.
    pub(super) fn patch(&mut self, at: usize, value: &[u8]) {
        self.bytes[at..at + value.len()].copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_filled_in() {
        let mut w = Writer::new();
        w.option(17, |w| {
            w.u32(9);
            w.data(1, b"ab");
        });
        assert_eq!(
            w.finish().unwrap(),
            [0, 17, 0, 10, 0, 0, 0, 9, 0, 1, 0, 2, b'a', b'b']
        );
    }

    #[test]
    fn too_big_is_noticed() {
        let mut w = Writer::new();
        w.data(1, &[0; 65_536]);
        assert_eq!(w.finish(), None);
        let mut w = Writer::new();
        w.data(1, &[0; 65_535]);
        assert_eq!(w.finish(), None, "no datagram holds it");
        let mut w = Writer::new();
        w.data(1, &[0; MAX_MESSAGE - 4]);
        assert_eq!(w.finish().map(|bytes| bytes.len()), Some(MAX_MESSAGE));
    }

    #[test]
    fn a_domain_is_labels() {
        let mut w = Writer::new();
        w.domain("ab.c.");
        assert_eq!(w.finish().unwrap(), [2, b'a', b'b', 1, b'c', 0]);
    }
}
