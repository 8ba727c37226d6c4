//! What the link-layer header of a frame says: addresses, tags, and what follows them.

use dpdk::{Mbuf, mbuf};
use wire::EtherType;

use crate::drop::DropReason;
use crate::forwarding::{MacAddr, PortView, Selected};

/// Bytes of an Ethernet header without tags.
pub const ETHERNET: usize = 14;
/// Bytes of a VLAN tag.
pub const TAG: usize = 4;

/// What the link-layer header says.
pub struct LinkLayer {
    /// To which station or group.
    pub destination: MacAddr,
    /// From which station.
    pub source: MacAddr,
    /// What follows.
    pub ether_type: EtherType,
    /// VIDs, outermost first; priority tags (VID 0) left out.
    pub vids: [u16; 2],
    /// How many there are.
    pub n_vids: usize,
    /// Bytes of the header, tags in the data included.
    pub len: u16,
}

impl LinkLayer {
    /// Reads it, or says why there is none.
    pub fn read(mbuf: &Mbuf) -> Result<Self, DropReason> {
        let data = mbuf.data();
        let Some(header) = data.first_chunk::<ETHERNET>() else {
            return Err(short(mbuf, ETHERNET, DropReason::FrameTruncated));
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        if s0 & 1 != 0 {
            return Err(DropReason::SourceMacMulticast);
        }
        let mut link = Self {
            destination: [d0, d1, d2, d3, d4, d5],
            source: [s0, s1, s2, s3, s4, s5],
            ether_type: EtherType(u16::from_be_bytes([t0, t1])),
            vids: [0; 2],
            n_vids: 0,
            len: ETHERNET as u16,
        };
        if mbuf.ol_flags() & mbuf::flags::RX_VLAN_STRIPPED != 0 {
            link.tag(mbuf.vlan_tci())?;
        }
        while link.ether_type.is_vlan() {
            let at = usize::from(link.len);
            let Some(&[c0, c1, t0, t1]) = data.get(at..).and_then(|rest| rest.first_chunk()) else {
                return Err(short(mbuf, at + TAG, DropReason::FrameTruncated));
            };
            link.tag(u16::from_be_bytes([c0, c1]))?;
            link.ether_type = EtherType(u16::from_be_bytes([t0, t1]));
            link.len += TAG as u16;
            if usize::from(link.len) > ETHERNET + 2 * TAG {
                return Err(DropReason::UnknownVlan);
            }
        }
        Ok(link)
    }

    fn tag(&mut self, control: u16) -> Result<(), DropReason> {
        let vid = control & 0xfff;
        if vid != 0 {
            *self
                .vids
                .get_mut(self.n_vids)
                .ok_or(DropReason::UnknownVlan)? = vid;
            self.n_vids += 1;
        }
        Ok(())
    }

    /// Whether the frame goes to a group.
    #[inline(always)]
    pub const fn is_group(&self) -> bool {
        self.destination[0] & 1 != 0
    }

    /// What its tags select on a port.
    #[inline(always)]
    pub fn select(&self, port: &PortView) -> Selected {
        port.tags.select(self.vids, self.n_vids)
    }
}

/// Why the first segment ends before byte `need`: because the packet does, or because another segment follows.
pub(super) fn short(mbuf: &Mbuf, need: usize, truncated: DropReason) -> DropReason {
    if (mbuf.pkt_len() as usize) < need {
        truncated
    } else {
        DropReason::HeaderNotContiguous
    }
}
