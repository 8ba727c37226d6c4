//! BFD for us: control packets over a single hop (RFC 5881), told by their UDP port, where the interface has sessions.

use dpdk::Mbuf;

use super::Verdict;
use super::datagram::{checked4, checked6, port};
use crate::drop::DropReason;
use crate::forwarding::Interface;
use crate::frame::Meta;
use crate::punt::PuntClass;
use crate::stages::route::hop_limit;

/// Port of control packets (RFC 5881 section 4).
const PORT: u16 = 3784;

/// The verdict on a packet to an address of ours over IPv6 if it is BFD that is heard.
pub(super) fn v6(mbuf: &Mbuf, meta: &Meta, interface: Option<&Interface>) -> Option<Verdict> {
    is_heard(mbuf, meta, interface).then(|| near(mbuf, meta, checked6))
}

/// The same over IPv4.
pub(super) fn v4(mbuf: &Mbuf, meta: &Meta, interface: Option<&Interface>) -> Option<Verdict> {
    is_heard(mbuf, meta, interface).then(|| near(mbuf, meta, checked4))
}

fn is_heard(mbuf: &Mbuf, meta: &Meta, interface: Option<&Interface>) -> bool {
    interface.is_some_and(|interface| interface.bfd) && port(mbuf, meta) == Some(PORT)
}

/// RFC 5881 section 5: what is not 255 has come through a router.
fn near(mbuf: &Mbuf, meta: &Meta, checked: fn(&Mbuf, &Meta, PuntClass) -> Verdict) -> Verdict {
    match hop_limit(mbuf, meta) {
        255 => checked(mbuf, meta, PuntClass::Bfd),
        _ => Verdict::Drop(DropReason::BfdHopLimit),
    }
}
