//! A publisher over real tables, with a reader's eyes.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use tables::group::{GroupTable, GroupWriter};
use tables::id::{IfaceId, NextHopId, PortId, VrfId};
use tables::lpm::{Lpm, LpmWriter};
use tables::next_hop::{NextHop, NextHopKind, NextHopTable, NextHopWriter};
use tables::publish::{Qsbr, Reader};
use wire::MacAddr;

use super::*;
use crate::model::{Carrier, Tag};

/// The routing domain of the tests.
pub(super) const VRF: VrfId = VrfId(0);

pub(super) struct Testbed {
    pub(super) publisher: Publisher,
    lpm6: Arc<Lpm<u128>>,
    lpm4: Arc<Lpm<u32>>,
    next_hops: Arc<NextHopTable>,
    groups: Arc<GroupTable>,
    reader: Reader,
}

impl Testbed {
    pub(super) fn new() -> Self {
        Self::with_next_hops(256)
    }

    /// With room for that many next hops.
    pub(super) fn with_next_hops(capacity: usize) -> Self {
        let qsbr = Qsbr::new(1);
        let (lpm6, lpm6_reader) = LpmWriter::new(4, qsbr.clone()).unwrap();
        let (lpm4, lpm4_reader) = LpmWriter::new(4, qsbr.clone()).unwrap();
        let (next_hops, next_hops_reader) = NextHopWriter::new(capacity, qsbr.clone()).unwrap();
        let (groups, groups_reader) = GroupWriter::new(16, qsbr.clone()).unwrap();
        let mut publisher = Publisher::new(Writers {
            lpm6,
            lpm4,
            next_hops,
            groups,
        })
        .unwrap();
        publisher.add_vrf(VRF).unwrap();
        Self {
            publisher,
            lpm6: lpm6_reader,
            lpm4: lpm4_reader,
            next_hops: next_hops_reader,
            groups: groups_reader,
            reader: qsbr.register().unwrap(),
        }
    }

    pub(super) fn id(&self, address: IpAddr) -> NextHopId {
        match address {
            IpAddr::V6(a) => self.lpm6.lookup(&self.reader, VRF, a.to_bits()),
            IpAddr::V4(a) => self.lpm4.lookup(&self.reader, VRF, a.to_bits()),
        }
    }

    pub(super) fn record(&self, id: NextHopId) -> NextHop {
        *self.next_hops.read(&self.reader).get(id)
    }

    /// What a worker finds for an address.
    pub(super) fn at(&self, address: &str) -> NextHop {
        self.record(self.id(ip(address)))
    }

    /// The kind and gateway that a worker finds.
    pub(super) fn kind(&self, address: &str) -> NextHopKind {
        self.at(address).kind
    }

    /// The members that a group's flows are spread over.
    /// The member that a flow hash selects.
    pub(super) fn select(&self, group: u16, hash: u32) -> NextHopId {
        self.groups.select(&self.reader, group, hash)
    }

    pub(super) fn members(&self, group: u16) -> std::collections::BTreeSet<NextHopId> {
        (0..256)
            .map(|hash| self.groups.select(&self.reader, group, hash))
            .collect()
    }

    /// Next hops and groups that are in use.
    pub(super) fn in_use(&self) -> (usize, usize) {
        let Writers {
            next_hops, groups, ..
        } = &self.publisher.tables;
        (next_hops.len(), groups.len())
    }

    /// The worker has been quiescent, and the writer takes back what it may.
    pub(super) fn quiesce(&mut self) {
        self.reader.quiescent();
        self.publisher.reclaim();
    }

    pub(super) fn route(&mut self, prefix: &str, resolution: Resolution) {
        self.publisher
            .route(VRF, net(prefix), Some(&resolution))
            .unwrap();
    }

    pub(super) fn withdraw(&mut self, prefix: &str) {
        self.publisher.route(VRF, net(prefix), None).unwrap();
    }

    pub(super) fn interface(&mut self, iface: u16) {
        self.publisher
            .set_interface(IfaceId(iface), link(iface))
            .unwrap();
    }

    pub(super) fn up(&mut self, iface: u16, address: &str, last: u8) {
        self.publisher
            .neighbor_up(IfaceId(iface), ip(address), mac(last))
            .unwrap();
    }

    pub(super) fn down(&mut self, iface: u16, address: &str) {
        self.publisher
            .neighbor_down(IfaceId(iface), ip(address))
            .unwrap();
    }
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub(super) fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

pub(super) fn link(iface: u16) -> Link {
    Link {
        carrier: Carrier::Device {
            port: PortId(iface - 1),
            tag: Tag::Untagged,
        },
        vrf: VRF,
        mac: MacAddr([2, 0xff, 0, 0, 0, iface as u8]),
        mtu: 1500,
    }
}

pub(super) fn hop(iface: u16, gateway: &str) -> Hop {
    Hop {
        iface: IfaceId(iface),
        gateway: ip(gateway),
        weight: 1,
    }
}

pub(super) fn via(hops: &[(u16, &str)]) -> Resolution {
    Resolution::Via(hops.iter().map(|(iface, gw)| hop(*iface, gw)).collect())
}

pub(super) fn connected(iface: u16) -> Resolution {
    Resolution::Connected(IfaceId(iface))
}
