//! The Internet checksum: RFC 1071 over bytes, pseudo headers of both IP versions, RFC 1624
//! updates.
//!
//! All values are in host order, as the accessors of the headers give and take them. Sums are
//! computed in the machine's byte order and swapped once at the end (RFC 1071 section 2(B)): the
//! loop is plain wide additions, which the compiler turns into vector code.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::ipv6::Protocol;

/// A ones' complement sum in the making, over pieces of any length.
///
/// A piece may end on an odd byte: the next one continues in the other half of the 16-bit word, as
/// if the pieces were one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sum of 16-bit words in the machine's byte order, not folded.
    acc: u64,
    /// Whether an odd number of bytes has been added so far.
    odd: bool,
}

impl Sum {
    /// The empty sum.
    pub const fn new() -> Self {
        Sum { acc: 0, odd: false }
    }

    /// The pseudo header of an upper-layer packet over IPv6 (RFC 8200 section 8.1); `len` in bytes.
    pub fn pseudo_v6(src: &Ipv6Addr, dst: &Ipv6Addr, protocol: Protocol, len: usize) -> Self {
        let mut sum = Sum::new();
        sum.add(&src.octets());
        sum.add(&dst.octets());
        sum.add_u32(len as u32);
        sum.add_u32(u32::from(protocol.0));
        sum
    }

    /// The pseudo header of TCP or UDP over IPv4 (RFC 9293 section 3.1, RFC 768); `len` in bytes.
    pub fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, len: usize) -> Self {
        let mut sum = Sum::new();
        sum.add(&src.octets());
        sum.add(&dst.octets());
        sum.add_u16(u16::from(protocol.0));
        sum.add_u16(len as u16);
        sum
    }

    /// Adds bytes as they stand on the wire.
    pub fn add(&mut self, bytes: &[u8]) {
        let piece = fold(sum_ne(bytes));
        // A piece that starts on an odd byte has every byte in the other half of its word (RFC 1071
        // section 2(B)).
        let piece = if self.odd { piece.swap_bytes() } else { piece };
        self.acc += u64::from(piece);
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// Adds a 16-bit field. The sum must stand on an even byte, as fields of headers do.
    pub fn add_u16(&mut self, value: u16) {
        debug_assert!(!self.odd, "a field starts on an even byte");
        self.acc += u64::from(value.to_be());
    }

    /// Adds a 32-bit field; like [`Sum::add_u16`].
    pub fn add_u32(&mut self, value: u32) {
        debug_assert!(!self.odd, "a field starts on an even byte");
        self.acc += u64::from(value.to_be());
    }

    /// The sum of all words, folded to 16 bits: 0xffff when the bytes contain their own valid
    /// checksum.
    pub fn fold(self) -> u16 {
        u16::from_be(fold(self.acc))
    }

    /// The checksum: the complement of the folded sum.
    pub fn finish(self) -> u16 {
        !self.fold()
    }

    /// The checksum as UDP sends it, where 0 means "none" and is sent as 0xffff (RFC 768).
    pub fn finish_udp(self) -> u16 {
        match self.finish() {
            0 => 0xffff,
            sum => sum,
        }
    }

    /// Whether the bytes added, which contain their checksum field, are intact.
    pub fn is_valid(self) -> bool {
        self.fold() == 0xffff
    }
}

/// Sum of the 16-bit words of `bytes` in the machine's byte order; an odd last byte is padded with
/// zero.
#[inline]
fn sum_ne(bytes: &[u8]) -> u64 {
    // 32-bit words in 64-bit lanes cannot overflow below 2^32 words, and a carry out of 16 or 32
    // bits is folded later without loss.
    let mut lanes = [0u64; 8];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
            *lane += u64::from(u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        }
    }
    let mut acc: u64 = lanes.iter().sum();
    let mut words = blocks.remainder().chunks_exact(2);
    for word in &mut words {
        acc += u64::from(u16::from_ne_bytes([word[0], word[1]]));
    }
    if let [last] = words.remainder() {
        acc += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    acc
}

/// Folds the carries of a sum of 16-bit words into 16 bits.
#[inline]
const fn fold(acc: u64) -> u16 {
    let acc = (acc & 0xffff_ffff) + (acc >> 32);
    let acc = (acc & 0xffff) + ((acc >> 16) & 0xffff) + (acc >> 32);
    let acc = (acc & 0xffff) + (acc >> 16);
    ((acc & 0xffff) + (acc >> 16)) as u16
}

/// The checksum of `bytes`, whose checksum field must be zero.
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = Sum::new();
    sum.add(bytes);
    sum.finish()
}

/// Whether `bytes`, which contain their checksum, are intact.
pub fn is_valid(bytes: &[u8]) -> bool {
    let mut sum = Sum::new();
    sum.add(bytes);
    sum.is_valid()
}

/// The checksum of an upper-layer packet over IPv6, whose checksum field must be zero.
pub fn checksum_v6(src: &Ipv6Addr, dst: &Ipv6Addr, protocol: Protocol, payload: &[u8]) -> u16 {
    let mut sum = Sum::pseudo_v6(src, dst, protocol, payload.len());
    sum.add(payload);
    sum.finish()
}

/// Whether an upper-layer packet over IPv6, which contains its checksum, is intact.
pub fn is_valid_v6(src: &Ipv6Addr, dst: &Ipv6Addr, protocol: Protocol, payload: &[u8]) -> bool {
    let mut sum = Sum::pseudo_v6(src, dst, protocol, payload.len());
    sum.add(payload);
    sum.is_valid()
}

/// The checksum of a TCP or UDP packet over IPv4, whose checksum field must be zero.
pub fn checksum_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, payload: &[u8]) -> u16 {
    let mut sum = Sum::pseudo_v4(src, dst, protocol, payload.len());
    sum.add(payload);
    sum.finish()
}

/// Whether a TCP or UDP packet over IPv4, which contains its checksum, is intact.
pub fn is_valid_v4(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, payload: &[u8]) -> bool {
    let mut sum = Sum::pseudo_v4(src, dst, protocol, payload.len());
    sum.add(payload);
    sum.is_valid()
}

/// A checksum after a 16-bit field it covers went from `old` to `new`: `HC' = ~(~HC + ~m + m')`
/// (RFC 1624 eqn. 3).
#[inline]
pub const fn update_u16(check: u16, old: u16, new: u16) -> u16 {
    !fold(!check as u64 + !old as u64 + new as u64)
}

/// A checksum after a 32-bit field (an IPv4 address) changed.
#[inline]
pub const fn update_u32(check: u16, old: u32, new: u32) -> u16 {
    !fold(!check as u64 + !old as u64 + new as u64)
}

/// A checksum after a 128-bit field (an IPv6 address) changed.
#[inline]
pub const fn update_u128(check: u16, old: u128, new: u128) -> u16 {
    !fold(!check as u64 + fold(words_u128(!old)) as u64 + fold(words_u128(new)) as u64)
}

/// The sum of the 32-bit words of a value: at most 2^34, so nothing is lost before folding.
#[inline]
const fn words_u128(value: u128) -> u64 {
    (value as u64 & 0xffff_ffff)
        + ((value >> 32) as u64 & 0xffff_ffff)
        + ((value >> 64) as u64 & 0xffff_ffff)
        + (value >> 96) as u64
}

/// An IPv4 header checksum after the TTL went down by one (RFC 1624; TTL is the high byte of its
/// word).
#[inline]
pub const fn update_ttl_decremented(check: u16) -> u16 {
    // m' = m - 0x0100, so ~m + m' = 0xffff - 0x0100 in ones' complement, whatever m is. The sum has one carry at most.
    let sum = !check as u32 + 0xfeff;
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests;
