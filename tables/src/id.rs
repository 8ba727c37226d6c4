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
