//! UDP datagrams for a service of ours.
//!
//! The control plane is given no datagram whose length or checksum is wrong. A checksum that a device has verified, or
//! that a virtual machine leaves open because its packet never was on a wire, is not computed.

use dpdk::{Mbuf, mbuf};
use wire::checksum::Sum;

use super::{UDP, Verdict, is_intact, upper, upper_len};
use crate::drop::DropReason;
use crate::frame::Meta;
use crate::punt::PuntClass;
use crate::stages::route::{destination4, destination6, source4, source6};

/// Bytes of a UDP header.
const HEADER: u32 = 8;

/// The destination port of a UDP datagram, if the packet reaches that far.
pub(super) fn port(mbuf: &Mbuf, meta: &Meta) -> Option<u16> {
    if meta.protocol != UDP {
        return None;
    }
    let &[_, _, p0, p1] = upper(mbuf, meta)?;
    Some(u16::from_be_bytes([p0, p1]))
}

/// To the control plane, of a datagram over IPv6, if its length and checksum are right.
pub(super) fn checked6(mbuf: &Mbuf, meta: &Meta, class: PuntClass) -> Verdict {
    let mut sum = Sum::new();
    sum.add(&source6(mbuf, meta).to_be_bytes());
    sum.add(&destination6(mbuf, meta).to_be_bytes());
    checked(mbuf, meta, sum, false, class)
}

/// The same over IPv4, where there need not be a checksum.
pub(super) fn checked4(mbuf: &Mbuf, meta: &Meta, class: PuntClass) -> Verdict {
    let mut sum = Sum::new();
    sum.add(&source4(mbuf, meta).to_be_bytes());
    sum.add(&destination4(mbuf, meta).to_be_bytes());
    checked(mbuf, meta, sum, true, class)
}

/// `addresses` is the sum of both addresses.
fn checked(
    mbuf: &Mbuf,
    meta: &Meta,
    addresses: Sum,
    may_lack_checksum: bool,
    class: PuntClass,
) -> Verdict {
    let Some(&[_, _, _, _, l0, l1, c0, c1]) = upper(mbuf, meta) else {
        return Verdict::Drop(DropReason::UdpBadLength);
    };
    let len = u32::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER || len > upper_len(meta) {
        return Verdict::Drop(DropReason::UdpBadLength);
    }
    let intact = || {
        let mut sum = addresses;
        sum.add_u32(len);
        sum.add_u32(UDP.into());
        is_intact(sum, mbuf, meta, len)
    };
    let is_absent = [c0, c1] == [0, 0];
    let right = match mbuf.ol_flags() & mbuf::flags::RX_L4_CKSUM_MASK {
        mbuf::flags::RX_L4_CKSUM_NONE => true,
        _ if is_absent => may_lack_checksum,
        mbuf::flags::RX_L4_CKSUM_GOOD => true,
        _ => intact(),
    };
    match right {
        true => Verdict::Punt(class),
        false => Verdict::Drop(DropReason::UdpBadChecksum),
    }
}
