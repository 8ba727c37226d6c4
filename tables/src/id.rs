//! Newtypes for every id: a port is not an interface, and the compiler knows.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into a table.
            #[inline(always)]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A device of the dataplane (a DPDK ethdev), in the order of the configuration.
    PortId(u16)
}
id! {
    /// A layer-3 interface. 0 is never used: it means "no interface".
    IfaceId(u16)
}
id! {
    /// A routing domain (RFC 4364 calls it a VRF); a router of the configuration.
    VrfId(u16)
}
id! {
    /// What a route leads to. 0 means "no route".
    NextHopId(u32)
}
id! {
    /// A layer-2 network. 0 is never used: it means "no network".
    NetworkId(u16)
}
id! {
    /// A peer of tunnels (a remote VTEP) as one of our addresses reaches it. 0 is never used.
    TunnelId(u16)
}
id! {
    /// A place in a network where stations can be; see [`Place`]. 0 means "nowhere".
    AttachId(u32)
}
id! {
    /// Where a tenant's machine is plugged: a binding anchor (RFC 7039 section 2.3), the port of the tenant model. 0 means "none".
    AnchorId(u16)
}
id! {
    /// A link on which anchors are: a layer-2 network, or an interface of a router on a device. 0 is never used.
    LinkId(u16)
}
id! {
    /// A rule of a security group. 0 means "none".
    RuleId(u32)
}

/// What an [`AttachId`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Nowhere.
    Nowhere,
    /// A device, or a VLAN on one: a number of the snapshot's list, not 0.
    Local(u32),
    /// Behind a tunnel, under the network's own identifier.
    Tunnel(TunnelId),
    /// Our own router, by this interface.
    Router(IfaceId),
}

impl AttachId {
    const KIND: u32 = 0xc000_0000;
    const TUNNEL: u32 = 0x8000_0000;
    const ROUTER: u32 = 0xc000_0000;

    /// Local numbers are below it: the FDB keeps a mark in that bit.
    pub const MAX_LOCAL: u32 = 1 << 29;

    /// The id of a place. A local number that is not below [`AttachId::MAX_LOCAL`] is nowhere.
    pub const fn of(place: Place) -> Self {
        match place {
            Place::Local(number) if number < Self::MAX_LOCAL => Self(number),
            Place::Nowhere | Place::Local(_) => Self(0),
            Place::Tunnel(tunnel) => Self(Self::TUNNEL | tunnel.0 as u32),
            Place::Router(iface) => Self(Self::ROUTER | iface.0 as u32),
        }
    }

    /// The place.
    #[inline(always)]
    pub const fn place(self) -> Place {
        match self.0 & Self::KIND {
            Self::TUNNEL => Place::Tunnel(TunnelId(self.0 as u16)),
            Self::ROUTER => Place::Router(IfaceId(self.0 as u16)),
            _ if self.0 == 0 => Place::Nowhere,
            _ => Place::Local(self.0),
        }
    }
}

impl PortId {
    /// The port of next hops and interfaces that are on a network: where the packet leaves is asked of its FDB.
    pub const NETWORK: PortId = PortId(u16::MAX);
    /// The port of interfaces that are a tunnel.
    pub const TUNNEL: PortId = PortId(u16::MAX - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_keep_their_kinds_apart() {
        let places = [
            Place::Nowhere,
            Place::Local(1),
            Place::Local(AttachId::MAX_LOCAL - 1),
            Place::Tunnel(TunnelId(0)),
            Place::Tunnel(TunnelId(u16::MAX)),
            Place::Router(IfaceId(1)),
            Place::Router(IfaceId(u16::MAX)),
        ];
        for place in places {
            assert_eq!(AttachId::of(place).place(), place);
        }
        assert_eq!(
            AttachId::of(Place::Local(AttachId::MAX_LOCAL)).place(),
            Place::Nowhere
        );
    }
}
