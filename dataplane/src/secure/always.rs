//! What must always work, whatever the rules say (RFC 4890): without it a machine has no address and no router.
//!
//! Nothing of it opens a way for anything else: what it is has been checked by the guard of the port that sent it, and what comes from
//! beyond the link cannot look like it.

use super::upper::{ICMPV6, Says, UDP, Upper};
use crate::denied::Direction;

/// Ports of DHCPv6 clients and servers (RFC 8415 section 7.2) ...
const CLIENT6: u16 = 546;
const SERVER6: u16 = 547;
/// ... and of DHCPv4 (RFC 2131 section 4.1).
const CLIENT4: u16 = 68;
const SERVER4: u16 = 67;
/// The limited broadcast address, IPv4-mapped.
const BROADCAST: u128 = 0xffff_ffff_ffff;
/// ICMPv6 messages of neighbour discovery (RFC 4861) ...
const DISCOVERY: std::ops::RangeInclusive<u8> = 133..=137;
/// ... and of MLD (RFC 2710, RFC 3810).
const LISTENERS: [u8; 4] = [130, 131, 132, 143];

/// Whether a packet passes without a rule. `hop_limit` is as it came; `switched`: no router of ours has forwarded it.
pub fn passes(upper: &Upper, direction: Direction, hop_limit: u8, switched: bool) -> bool {
    let ports = match upper.says {
        // A router that forwards it makes it less than 255: such a message comes from the link (RFC 4861 section 3.1).
        Says::Message(kind, _) if upper.protocol == ICMPV6 => {
            return DISCOVERY.contains(&kind) && hop_limit == 255
                || LISTENERS.contains(&kind) && hop_limit == 1;
        }
        Says::Ports(source, destination) if upper.protocol == UDP => (source, destination),
        _ => return false,
    };
    let on_link = |address: u128| address >> 118 == 0xfe80 >> 6 || address >> 112 == 0xff02;
    match (direction, upper.v6) {
        (Direction::Egress, true) => {
            ports == (CLIENT6, SERVER6) && on_link(upper.source) && on_link(upper.destination)
        }
        (Direction::Ingress, true) => {
            switched
                && ports == (SERVER6, CLIENT6)
                && on_link(upper.source)
                && on_link(upper.destination)
        }
        (Direction::Egress, false) => ports == (CLIENT4, SERVER4) && upper.destination == BROADCAST,
        (Direction::Ingress, false) => switched && ports == (SERVER4, CLIENT4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::upper::TCP;

    const LINK_LOCAL: u128 = 0xfe80 << 112 | 1;
    const GLOBAL: u128 = 0x2001_0db8 << 96 | 1;
    const AGENTS: u128 = 0xff02 << 112 | 0x1_0002;

    fn upper(says: Says) -> Upper {
        Upper {
            v6: true,
            source: LINK_LOCAL,
            destination: AGENTS,
            protocol: match says {
                Says::Message(..) => ICMPV6,
                _ => UDP,
            },
            offset: 40,
            len: 80,
            says,
            piece: None,
        }
    }

    #[test]
    fn discovery_passes_from_the_link_alone() {
        for direction in [Direction::Ingress, Direction::Egress] {
            for kind in 133..=137 {
                let message = upper(Says::Message(kind, 0));
                assert!(passes(&message, direction, 255, true));
                assert!(!passes(&message, direction, 254, false));
            }
            assert!(passes(&upper(Says::Message(143, 0)), direction, 1, true));
            assert!(!passes(&upper(Says::Message(143, 0)), direction, 64, true));
            assert!(!passes(&upper(Says::Message(138, 0)), direction, 255, true));
        }
    }

    #[test]
    fn dhcp_passes_between_client_and_server_of_the_link() {
        let ask = upper(Says::Ports(546, 547));
        assert!(passes(&ask, Direction::Egress, 1, true));
        assert!(!passes(&ask, Direction::Ingress, 1, true));
        let beyond = Upper {
            destination: GLOBAL,
            ..ask
        };
        assert!(!passes(&beyond, Direction::Egress, 64, true));
        let answer = Upper {
            destination: LINK_LOCAL | 2,
            ..upper(Says::Ports(547, 546))
        };
        assert!(passes(&answer, Direction::Ingress, 64, true));
        assert!(!passes(&answer, Direction::Ingress, 64, false), "routed");
        assert!(!passes(
            &Upper {
                source: GLOBAL,
                ..answer
            },
            Direction::Ingress,
            64,
            true
        ));
        assert!(!passes(
            &Upper {
                protocol: TCP,
                ..answer
            },
            Direction::Ingress,
            64,
            true
        ));
        let v4 = |source, destination| Upper {
            v6: false,
            source: 0xffff << 32,
            destination: BROADCAST,
            ..upper(Says::Ports(source, destination))
        };
        assert!(passes(&v4(68, 67), Direction::Egress, 64, true));
        assert!(passes(&v4(67, 68), Direction::Ingress, 64, true));
        assert!(!passes(&v4(67, 68), Direction::Egress, 64, true));
    }
}
