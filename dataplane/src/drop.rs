//! The one list of drop reasons.
//!
//! A row gives the variant, its label and its help text. The label is the counter's label in Prometheus, the word in
//! a packet trace, the row of `hextetctl show drops` and the comment in a capture: one spelling everywhere.

/// How a reason should be read by whoever watches the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Part of normal life: scans, expired hop limits, discard routes.
    Normal,
    /// The sender's packet is malformed or forbidden.
    Sender,
    /// This router lacked something: buffers, room, a route, a neighbour.
    Router,
}

macro_rules! reasons {
    ($($variant:ident $label:literal $severity:ident $help:literal;)*) => {
        /// Why a packet went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $help] $variant,)*
        }

        impl DropReason {
            /// Every reason, in the order of the list; a reason's number is its place.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant,)*];

            /// The reason's name: snake case, unique, never changed without a note to users.
            pub const fn label(self) -> &'static str {
                match self { $(DropReason::$variant => $label,)* }
            }

            /// One line for humans.
            pub const fn help(self) -> &'static str {
                match self { $(DropReason::$variant => $help,)* }
            }

            /// How to read the counter.
            pub const fn severity(self) -> Severity {
                match self { $(DropReason::$variant => Severity::$severity,)* }
            }
        }
    };
}

reasons! {
    // Layer 2
    FrameTruncated "frame_truncated" Sender "shorter than its Ethernet header";
    SourceMacMulticast "source_mac_multicast" Sender "Ethernet source address is a group address";
    NotOurMac "not_our_mac" Normal "unicast frame for another station's address";
    VirtualRouterBackup "virtual_router_backup" Normal "frame for a virtual router that is not active here (RFC 9568 section 6.4.2)";
    UnknownVlan "unknown_vlan" Normal "no interface for the frame's VLAN tags, or none untagged";
    UnknownEtherType "unknown_ethertype" Normal "neither IPv6, IPv4 nor ARP";
    HeaderNotContiguous "header_not_contiguous" Router "packet headers do not lie in the first buffer segment";
    ArpMalformed "arp_malformed" Sender "ARP packet truncated or not for Ethernet and IPv4";
    ArpNotEnabled "arp_not_enabled" Normal "ARP on an interface without IPv4";
    // Networks
    L2TooBig "l2_too_big" Normal "longer than its network's MTU";
    L2OwnSource "l2_own_source" Sender "frame in a network with a router of ours as its source";
    L2StationElsewhere "l2_station_elsewhere" Sender "source is a station that is configured to be elsewhere in its network";
    L2SamePlace "l2_same_place" Normal "destination is where the frame came from";
    L2SplitHorizon "l2_split_horizon" Normal "from one tunnel of a network to another";
    L2UnknownUnicast "l2_unknown_unicast" Normal "unknown station, in a network that does not flood";
    L2StormPoliced "l2_storm_policed" Normal "policer of what goes everywhere in a network";
    L2Nobody "l2_nobody" Normal "to everybody in a network where nobody else is";
    L2NoPlace "l2_no_place" Router "place of the destination in its network is gone";
    // Tunnels
    TunnelMalformed "tunnel_malformed" Sender "VXLAN, Geneve or GRE header truncated, or of no version that is spoken";
    TunnelUnsupported "tunnel_unsupported" Sender "tunnelled protocol or option that is not spoken here";
    TunnelChecksum "tunnel_checksum" Sender "outer checksum wrong, or absent where there must be one (RFC 6936)";
    TunnelUnknownPeer "tunnel_unknown_peer" Sender "outer source is no configured peer of the address";
    TunnelUnknownNetwork "tunnel_unknown_network" Sender "identifier (VNI, key) of no network";
    TunnelNotMember "tunnel_not_member" Sender "peer that the identifier's network is not stretched to";
    TunnelInnerTag "tunnel_inner_tag" Sender "VLAN tag inside a tunnel (RFC 7348 6.1)";
    TunnelEcn "tunnel_ecn" Sender "congestion was marked, and the inner packet cannot say so (RFC 6040 4.2)";
    TunnelTooBig "tunnel_too_big" Normal "outer packet longer than the path's MTU";
    TunnelDepth "tunnel_depth" Router "tunnel in a tunnel in a tunnel: a route leads a tunnel into itself";
    // IPv6 header
    Ip6NotEnabled "ip6_not_enabled" Normal "IPv6 packet on an interface without IPv6";
    Ip6Truncated "ip6_truncated" Sender "shorter than an IPv6 header";
    Ip6BadVersion "ip6_bad_version" Sender "version field of an IPv6 packet is not 6";
    Ip6BadLength "ip6_bad_length" Sender "payload length exceeds the frame";
    Ip6Jumbogram "ip6_jumbogram" Sender "payload length 0 with a payload to come (RFC 2675 is not supported)";
    Ip6SourceUnspecified "ip6_source_unspecified" Sender "source :: would have to be forwarded (RFC 4291 2.5.2)";
    Ip6SourceMulticast "ip6_source_multicast" Sender "source is a multicast address (RFC 4291 2.7)";
    Ip6SourceLoopback "ip6_source_loopback" Sender "source ::1 came from a link (RFC 4291 2.5.3)";
    Ip6SourceLinkLocal "ip6_source_link_local" Sender "link-local source would have to be forwarded (RFC 4291 2.5.6)";
    Ip6SourceMapped "ip6_source_mapped" Sender "IPv4-mapped or IPv4-compatible source on the wire";
    Ip6DestinationUnspecified "ip6_destination_unspecified" Sender "destination :: (RFC 4291 2.5.2)";
    Ip6DestinationLoopback "ip6_destination_loopback" Sender "destination ::1 came from a link (RFC 4291 2.5.3)";
    Ip6DestinationMapped "ip6_destination_mapped" Sender "IPv4-mapped or IPv4-compatible destination on the wire";
    Ip6DestinationLinkLocal "ip6_destination_link_local" Normal "link-local destination that is not ours (RFC 4291 2.5.6)";
    Ip6MulticastScope "ip6_multicast_scope" Sender "multicast destination of reserved or interface-local scope (RFC 4291 2.7)";
    Ip6UnicastInMulticastFrame "ip6_unicast_in_multicast_frame" Sender "unicast IP packet in a multicast or broadcast frame (RFC 1122 3.3.6)";
    Ip6RoutingHeader0 "ip6_routing_header_0" Sender "type 0 routing header (RFC 5095)";
    Ip6RoutingHeader "ip6_routing_header" Sender "routing header with segments left, for us (RFC 8200 4.4)";
    Ip6ExtensionTruncated "ip6_extension_truncated" Sender "extension header runs past the packet";
    Ip6ExtensionTooMany "ip6_extension_too_many" Sender "more extension headers than are walked";
    Ip6HopByHopNotFirst "ip6_hop_by_hop_not_first" Sender "hop-by-hop header not right after the IPv6 header (RFC 8200 4.1)";
    Ip6OptionUnknown "ip6_option_unknown" Sender "option that must be recognised and is not (RFC 8200 4.2)";
    Ip6FirstFragmentIncomplete "ip6_first_fragment_incomplete" Sender "first fragment lacks the upper-layer header (RFC 7112)";
    Ip6FragmentMalformed "ip6_fragment_malformed" Sender "fragment whose length or offset is impossible (RFC 8200 4.5)";
    Ip6HopLimit "ip6_hop_limit_exceeded" Normal "hop limit used up (RFC 8200 3)";
    // IPv4 header
    Ip4NotEnabled "ip4_not_enabled" Normal "IPv4 packet on an interface without IPv4";
    Ip4Truncated "ip4_truncated" Sender "shorter than its IPv4 header";
    Ip4BadVersion "ip4_bad_version" Sender "version field of an IPv4 packet is not 4";
    Ip4BadHeaderLength "ip4_bad_header_length" Sender "header length below 20 octets";
    Ip4BadLength "ip4_bad_length" Sender "total length exceeds the frame or is below the header length";
    Ip4BadChecksum "ip4_bad_checksum" Sender "header checksum is wrong (RFC 1812 5.2.2)";
    Ip4Options "ip4_options_malformed" Sender "options run past the header";
    Ip4SourceRoute "ip4_source_route" Sender "loose or strict source route option (RFC 7126 4.3)";
    Ip4SourceUnspecified "ip4_source_unspecified" Sender "source in 0.0.0.0/8 (RFC 1812 5.3.7)";
    Ip4SourceMulticast "ip4_source_multicast" Sender "source is a multicast, reserved or broadcast address (RFC 1812 5.3.7)";
    Ip4SourceLoopback "ip4_source_loopback" Sender "source in 127.0.0.0/8 came from a link (RFC 1812 5.3.7)";
    Ip4SourceLinkLocal "ip4_source_link_local" Sender "link-local source would have to be forwarded (RFC 3927 2.7)";
    Ip4DestinationMartian "ip4_destination_martian" Sender "destination in 0.0.0.0/8, 127.0.0.0/8 or 240.0.0.0/4";
    Ip4DestinationLinkLocal "ip4_destination_link_local" Normal "link-local destination may not be forwarded (RFC 3927 2.7)";
    Ip4Broadcast "ip4_broadcast" Normal "limited broadcast that no service here takes";
    Ip4DirectedBroadcast "ip4_directed_broadcast" Normal "broadcast address of a connected prefix (RFC 2644)";
    Ip4UnicastInMulticastFrame "ip4_unicast_in_multicast_frame" Sender "unicast IP packet in a multicast or broadcast frame (RFC 1122 3.3.6)";
    Ip4FragmentMalformed "ip4_fragment_malformed" Sender "fragment whose length or offset is impossible (RFC 791)";
    Ip4TtlExceeded "ip4_ttl_exceeded" Normal "time to live used up (RFC 1812 5.3.1)";
    // Route
    Urpf "urpf" Sender "reverse path check failed (RFC 3704)";
    SourceStation "source_station" Sender "source belongs to another station than sent the frame (RFC 7039)";
    SourceUnknown "source_unknown" Sender "no station of the link answers for the source (RFC 7039)";
    Ip6NoRoute "ip6_no_route" Router "no IPv6 route to the destination";
    Ip4NoRoute "ip4_no_route" Router "no IPv4 route to the destination";
    Blackhole "blackhole" Normal "discard route (RFC 6666)";
    Unreachable "unreachable" Normal "unreachable route";
    Prohibited "prohibited" Normal "prohibit route";
    BeyondScope "beyond_scope" Sender "source scope does not reach the destination (RFC 4443 3.1)";
    GroupEmpty "group_empty" Router "next-hop group without a usable member";
    RouterLoop "router_loop" Router "looked up in one router's table after another too often";
    InterfaceDown "interface_down" Router "next hop's interface or port is gone";
    // Size
    Ip6PacketTooBig "ip6_packet_too_big" Normal "longer than the next hop's MTU (RFC 8201)";
    Ip4FragmentationNeeded "ip4_fragmentation_needed" Normal "longer than the next hop's MTU with DF set (RFC 1191)";
    FragmentFailed "fragment_failed" Router "could not be fragmented: no buffers or no room";
    // Security
    MacSpoofed "mac_spoofed" Sender "source MAC is none of the port's";
    Ip6SourceSpoofed "ip6_source_spoofed" Sender "IPv6 source is not bound to the port and its MAC, nor one of its pairs (RFC 7039)";
    Ip4SourceSpoofed "ip4_source_spoofed" Sender "IPv4 source is not bound to the port and its MAC, nor one of its pairs (RFC 7039)";
    ArpSpoofed "arp_spoofed" Sender "ARP that speaks of a MAC or an address that is not the port's";
    NdSpoofed "nd_spoofed" Sender "neighbour discovery that speaks of a MAC or an address that is not the port's";
    AddressClaimed "address_claimed" Sender "claim to an address that somebody else on the link has (RFC 6620)";
    AddressLimit "address_limit" Sender "claim to one address more than the port may learn";
    RaGuard "ra_guard" Sender "router advertisement from a port that may not be a router (RFC 6105)";
    RedirectGuard "redirect_guard" Sender "redirect from a port that may not be a router";
    Dhcp6Guard "dhcp6_guard" Sender "DHCPv6 server's or relay's message from a port that may not be one (RFC 7610)";
    Dhcp4Guard "dhcp4_guard" Sender "DHCPv4 server's or relay's message from a port that may not be one, or a client's of another MAC";
    MldQueryGuard "mld_query_guard" Sender "query for listeners from a port that may not be a router";
    VrrpGuard "vrrp_guard" Sender "advertisement of a virtual router of ours from a port that may not be another router";
    NdFragmented "nd_fragmented" Sender "neighbour or listener discovery with a fragment header (RFC 6980)";
    GuardUndecidable "guard_undecidable" Sender "packet from a port whose upper layer cannot be seen or could be written over (RFC 7113)";
    NdPoliced "nd_policed" Normal "policer of a port's neighbour discovery";
    RsPoliced "rs_policed" Normal "policer of a port's router discovery";
    MldPoliced "mld_policed" Normal "policer of a port's MLD and IGMP";
    ArpPoliced "arp_policed" Normal "policer of a port's ARP";
    DhcpPoliced "dhcp_policed" Normal "policer of a port's DHCP";
    MacElsewhere "mac_elsewhere" Normal "unicast frame that went everywhere, to a port that has another MAC";
    EtherTypeDenied "ethertype_denied" Sender "neither IPv6, IPv4 nor ARP, at a filtered port";
    EgressDenied "egress_denied" Sender "no rule of the port's security groups lets it out";
    IngressDenied "ingress_denied" Normal "no rule of the port's security groups lets it in";
    FlowInvalid "flow_invalid" Sender "not what its flow can be followed by: TCP state or window, SCTP tag";
    FlowQuota "flow_quota" Sender "port has as many flows as it may have";
    FlowTableFull "flow_table_full" Router "no room for another flow";
    FragmentUnknown "fragment_unknown" Normal "fragment of a packet whose first fragment did not pass, or not yet";
    FragmentOverlap "fragment_overlap" Sender "fragment that overlaps another one of its packet (RFC 5722)";
    UpperLayerTruncated "upper_layer_truncated" Sender "upper-layer header is not whole, at a filtered port";
    // Local
    Ip6NoGroup "ip6_no_group_member" Normal "multicast group that the interface has not joined";
    Ip4NoGroup "ip4_no_group_member" Normal "multicast group that the interface has not joined";
    VrrpHopLimit "vrrp_hop_limit" Sender "VRRP advertisement with a hop limit other than 255: it has come through a router";
    BfdHopLimit "bfd_hop_limit" Sender "BFD control packet with a hop limit other than 255: it has come through a router (RFC 5881 section 5)";
    UnacceptedAddress "unaccepted_address" Normal "for an address of a virtual router that does not accept packets (accept = false)";
    NoListener "no_listener" Normal "for one of our addresses, where nothing listens on the port";
    NoProtocol "no_protocol" Normal "for one of our addresses, with a protocol nobody here speaks";
    LocalFragment "local_fragment" Normal "fragment for one of our groups (reassembled for DHCPv6 servers and relay agents only)";
    IcmpMalformed "icmp_malformed" Sender "ICMP message for us truncated or of a wrong checksum";
    IcmpIgnored "icmp_ignored" Normal "ICMP message for us that needs no action";
    UdpBadLength "udp_bad_length" Sender "UDP length for a service of ours below 8 octets or beyond the packet (RFC 768)";
    UdpBadChecksum "udp_bad_checksum" Sender "UDP checksum for a service of ours wrong, or absent over IPv6 (RFC 8200 8.1)";
    NdHopLimit "nd_hop_limit" Sender "neighbour discovery message whose hop limit is not 255 (RFC 4861 6.1)";
    // Neighbours
    HoldFull "hold_full" Router "no room for another packet that waits for a neighbour";
    HoldDisplaced "hold_displaced" Normal "waited for a neighbour; a newer packet took its place (RFC 4861 7.2.2)";
    NeighbourFailed "neighbour_failed" Normal "neighbour did not answer (RFC 4861 7.2.2)";
    HoldTimeout "hold_timeout" Router "waited for a neighbour; the control plane gave no verdict";
    GleanLimited "glean_limited" Router "too many addresses being resolved on the interface (RFC 6583)";
    // Doors
    PuntPoliced "punt_policed" Normal "policer of the punt class or port";
    PuntRingFull "punt_ring_full" Router "control plane does not keep up with punts";
    PuntTooBig "punt_too_big" Router "longer than a punt slot";
    InjectMalformed "inject_malformed" Router "control plane injected a packet that cannot be sent";
    OriginatedFull "originated_full" Router "no room for a packet made here";
    // Send
    TxPortDown "tx_port_down" Router "output port is down or gone";
    TxFull "tx_full" Router "device did not take the packet";
    TxHandoffFull "tx_handoff_full" Router "ring to the worker that owns the output queue is full";
    TxUnfit "tx_unfit" Router "offload asked for by the sender cannot be completed for this device";
    NoHeadroom "no_headroom" Router "no room before the packet for a longer link-layer header";
    NoBuffer "no_buffer" Router "no free packet buffer";
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The reasons that a port's guard and groups have.
    pub const SECURITY: std::ops::RangeInclusive<usize> =
        DropReason::MacSpoofed as usize..=DropReason::UpperLayerTruncated as usize;

    /// The reason as an index into a table of counters.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}

const _: () = assert!(DropReason::COUNT <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_unique_snake_case_and_explained() {
        let mut seen = HashSet::new();
        for (place, &reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place, "{reason}");
            assert!(seen.insert(reason.label()), "{reason} twice");
            let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(reason.label().chars().all(snake), "{reason}");
            assert!(reason.help().len() > 8, "{reason} has no help");
        }
    }
}
