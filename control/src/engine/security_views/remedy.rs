//! What would let a packet pass: for whoever asks why it did not.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dataplane::drop::DropReason;
use dataplane::observe::{Addresses, Summary};
use tables::flow::Direction;
use wire::{EtherType, MacAddr};

use super::protocol;
use crate::model::security::TenantPort;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;
/// Neighbour solicitation and advertisement (RFC 4861 section 4.3, 4.4): the target stands behind eight bytes.
const NEIGHBOR: std::ops::RangeInclusive<u16> = 135..=136;

/// What would let a packet pass of which the headers cannot be read.
const NOTHING: &str = "nothing: machines that do well do not send such packets";

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    summary: Summary,
    ether_type: u16,
    source: MacAddr,
    /// The address of which it speaks: the sender's of ARP, the target's of neighbour discovery, else its source.
    about: Option<IpAddr>,
    /// The address that an ARP message asks for.
    asked: Option<Ipv4Addr>,
}

impl Spoken {
    /// Reads a frame whose IP or ARP header is at `l3`.
    pub(super) fn of(frame: &[u8], l3: usize, summary: Summary) -> Self {
        let chunk = |at: usize| frame.get(at..);
        let ether_type = l3
            .checked_sub(2)
            .and_then(|at| chunk(at)?.first_chunk::<2>())
            .map_or(0, |bytes| u16::from_be_bytes(*bytes));
        let source = chunk(6).and_then(|rest| rest.first_chunk::<6>());
        let v4 = |at: usize| {
            let octets = chunk(l3 + at)?.first_chunk::<4>()?;
            Some(Ipv4Addr::from(*octets))
        };
        let is_arp = ether_type == EtherType::ARP.0;
        let is_neighbor = summary.protocol == Some(ICMPV6)
            && summary
                .ports
                .is_some_and(|(kind, _)| NEIGHBOR.contains(&kind));
        // LIMIT: behind extension headers the target is not looked for.
        let target = chunk(l3 + 48).and_then(|rest| rest.first_chunk::<16>());
        let about = if is_arp {
            v4(14).map(IpAddr::V4)
        } else if let (true, Some(target), Some(&ICMPV6)) = (is_neighbor, target, frame.get(l3 + 6))
        {
            Some(IpAddr::V6(Ipv6Addr::from(*target)))
        } else {
            summary.addresses.map(|addresses| addresses.src)
        };
        Self {
            summary,
            ether_type,
            source: MacAddr(source.copied().unwrap_or_default()),
            about,
            asked: is_arp.then(|| v4(24)).flatten(),
        }
    }

    /// The sender's address of IP, of whose use the packet is.
    fn sender(&self) -> Option<IpAddr> {
        self.summary.addresses.map(|addresses| addresses.src)
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(about), Some(asked)) = (self.about, self.asked) {
            return write!(f, "arp {about} is at {}, of {asked}", self.source);
        }
        if self.summary.addresses.is_none() {
            return write!(f, "ethertype {:#06x}", self.ether_type);
        }
        self.summary.fmt(f)?;
        match (self.about, self.sender()) {
            (Some(about), Some(sender)) if about != sender => write!(f, " target {about}"),
            _ => Ok(()),
        }
    }
}

/// What would let a packet of a port pass, in words of the configuration.
pub(super) fn remedy(
    reason: DropReason,
    direction: Direction,
    said: &Spoken,
    port: &TenantPort,
) -> String {
    match reason {
        DropReason::EgressDenied | DropReason::IngressDenied => rule(direction, said),
        DropReason::MacSpoofed => format!(
            "`mac_address` or a MAC of `allowed_address_pairs`: {}",
            said.source
        ),
        DropReason::Ip6SourceSpoofed | DropReason::Ip4SourceSpoofed => {
            owned(said.sender(), said, port)
        }
        DropReason::ArpSpoofed | DropReason::NdSpoofed => owned(said.about, said, port),
        DropReason::AddressClaimed => match said.about {
            Some(about) => format!(
                "another address: {about} is somebody else's, `show port-bindings` says whose"
            ),
            None => "another address: `show port-bindings` says whose it is".to_owned(),
        },
        DropReason::AddressLimit => {
            let most = port.max_addresses;
            let address = said.about.map(|about| format!(" with {about}"));
            let address = address.unwrap_or_default();
            format!("`max_addresses` above {most}, or `fixed_ips`{address}")
        }
        DropReason::RaGuard | DropReason::RedirectGuard | DropReason::MldQueryGuard => {
            "`trusted` with \"ra\": the machine is a router".to_owned()
        }
        DropReason::VrrpGuard => {
            "`trusted` with \"vrrp\": the machine is another router of this virtual router".to_owned()
        }
        DropReason::Dhcp6Guard => {
            "`trusted` with \"dhcpv6\": the machine is a server or a relay agent".to_owned()
        }
        DropReason::Dhcp4Guard => {
            "`trusted` with \"dhcpv4\", if the machine is a server; a client speaks of its own MAC"
                .to_owned()
        }
        DropReason::NdPoliced
        | DropReason::RsPoliced
        | DropReason::MldPoliced
        | DropReason::ArpPoliced
        | DropReason::DhcpPoliced => "fewer of them in a second".to_owned(),
        DropReason::EtherTypeDenied => {
            "nothing but `port_security_enabled = false`: only IP and ARP pass".to_owned()
        }
        DropReason::FlowInvalid => match said.summary.protocol {
            Some(TCP) => {
                "`tcp_window_checks = false` in `[security]`, if one direction takes another way"
                    .to_owned()
            }
            Some(ICMP | ICMPV6) => "a question that it answers, sent before it".to_owned(),
            _ => "what opens its flow, sent before it".to_owned(),
        },
        DropReason::FlowQuota => format!("`max_flows` of the port above {}", port.max_flows),
        DropReason::FlowTableFull => "`max_flows` in `[security]` above what it is".to_owned(),
        DropReason::FragmentUnknown => "its first fragment, if a rule lets that pass".to_owned(),
        DropReason::MacElsewhere => {
            "nothing, if another machine has its destination MAC; else that one as `mac_address`, \
             or in `allowed_address_pairs`"
                .to_owned()
        }
        DropReason::NdFragmented => {
            "the same message in one packet, without a fragment header".to_owned()
        }
        DropReason::GuardUndecidable => {
            "its upper-layer header where it can be seen: in the first fragment, behind few extension \
             headers, without another VLAN tag"
                .to_owned()
        }
        DropReason::FragmentOverlap => {
            "fragments that do not overlap: no byte of a packet passes twice".to_owned()
        }
        DropReason::UpperLayerTruncated => {
            "a whole upper-layer header, in the first fragment if there are several".to_owned()
        }
        // Headers that cannot be read.
        _ => NOTHING.to_owned(),
    }
}

/// The rule that would let it pass.
fn rule(direction: Direction, said: &Spoken) -> String {
    let Some(Addresses { src, dst }) = said.summary.addresses else {
        return "a rule for its protocol".to_owned();
    };
    let (word, way, remote) = match direction {
        Direction::Ingress => ("ingress", "from", src),
        Direction::Egress => ("egress", "to", dst),
    };
    let family = if remote.is_ipv6() { "ipv6" } else { "ipv4" };
    let number = said.summary.protocol.unwrap_or_default();
    let name = protocol(number);
    let upper = match (number, said.summary.ports) {
        (ICMP | ICMPV6, Some((kind, code))) => format!("{name} type {kind} code {code}"),
        (_, Some((_, port))) => format!("{name} {port}"),
        (_, None) => format!("protocol {name}"),
    };
    format!("a rule: {word}, {family}, {upper}, {way} {remote}")
}

/// How an address becomes the port's.
fn owned(address: Option<IpAddr>, said: &Spoken, port: &TenantPort) -> String {
    let Some(address) = address else {
        return "`allowed_address_pairs` with the address".to_owned();
    };
    let foreign = port.mac.is_some_and(|mac| mac != said.source);
    let with = if foreign {
        format!(" and `mac_address` {}", said.source)
    } else {
        String::new()
    };
    format!("`fixed_ips` or `allowed_address_pairs` with {address}{with}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn port() -> TenantPort {
        let text = "[[device]]\nname = \"d\"\nkind = \"null\"\n[[network]]\nname = \"n\"\n\
                    segments = [{ kind = \"flat\", device = \"d\" }]\n[[port]]\nname = \"p\"\ndevice = \"d\"\n\
                    mac_address = \"52:54:00:00:00:01\"\n";
        let loaded = crate::config::parse(Path::new("t.toml"), text).unwrap();
        loaded.model.ports[0].clone()
    }

    fn frame(ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x33; 6];
        frame.extend([0x52, 0x54, 0, 0, 0, 1]);
        frame.extend(ether_type.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn v6(protocol: u8, upper: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, upper.len() as u8, protocol, 64];
        packet.extend("2001:db8::5".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend("2001:db8::6".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(upper);
        frame(0x86dd, &packet)
    }

    fn told(frame: &[u8], reason: DropReason, direction: Direction) -> (String, String) {
        let said = Spoken::of(frame, 14, Summary::of(&frame[14..]));
        let remedy = remedy(reason, direction, &said, &port());
        (said.to_string(), remedy)
    }

    #[test]
    fn a_rule_is_named_that_would_do() {
        let syn = v6(6, &[0x9c, 0x41, 0x01, 0xbb, 0, 0, 0, 0]);
        let (packet, remedy) = told(&syn, DropReason::IngressDenied, Direction::Ingress);
        assert_eq!(
            packet,
            "2001:db8::5 > 2001:db8::6 tcp 40001 > 443 hop limit 64"
        );
        assert_eq!(remedy, "a rule: ingress, ipv6, tcp 443, from 2001:db8::5");
        let (_, remedy) = told(&syn, DropReason::EgressDenied, Direction::Egress);
        assert_eq!(remedy, "a rule: egress, ipv6, tcp 443, to 2001:db8::6");
        let echo = v6(58, &[128, 0, 0, 0, 0, 1, 0, 1]);
        let (_, remedy) = told(&echo, DropReason::EgressDenied, Direction::Egress);
        assert_eq!(
            remedy,
            "a rule: egress, ipv6, icmpv6 type 128 code 0, to 2001:db8::6"
        );
        let gre = v6(47, &[0, 0, 0x86, 0xdd]);
        let (_, remedy) = told(&gre, DropReason::EgressDenied, Direction::Egress);
        assert_eq!(remedy, "a rule: egress, ipv6, protocol gre, to 2001:db8::6");
    }

    #[test]
    fn what_is_of_no_flow_is_told_by_protocol() {
        let told = |protocol, upper: &[u8]| {
            let frame = v6(protocol, upper);
            told(&frame, DropReason::FlowInvalid, Direction::Ingress).1
        };
        assert!(told(6, &[0, 1, 0, 2]).contains("tcp_window_checks"));
        assert!(told(58, &[129, 0, 0, 0, 0, 1, 0, 1]).contains("a question"));
        assert!(told(132, &[0, 1, 0, 2]).contains("what opens its flow"));
    }

    #[test]
    fn who_speaks_for_another_is_told_how_to_own_it() {
        let syn = v6(6, &[0, 1, 0, 2]);
        let (_, remedy) = told(&syn, DropReason::Ip6SourceSpoofed, Direction::Egress);
        assert_eq!(
            remedy,
            "`fixed_ips` or `allowed_address_pairs` with 2001:db8::5"
        );
        let mut other = syn.clone();
        other[11] = 9;
        let (_, remedy) = told(&other, DropReason::Ip6SourceSpoofed, Direction::Egress);
        assert!(remedy.ends_with("2001:db8::5 and `mac_address` 52:54:00:00:00:09"));
        let mut advertisement = vec![136, 0, 0, 0, 0x20, 0, 0, 0];
        advertisement.extend("2001:db8::77".parse::<Ipv6Addr>().unwrap().octets());
        let (packet, remedy) = told(
            &v6(58, &advertisement),
            DropReason::NdSpoofed,
            Direction::Egress,
        );
        assert!(packet.ends_with("icmp6 type 136 code 0 hop limit 64 target 2001:db8::77"));
        assert!(remedy.ends_with("with 2001:db8::77"), "{remedy}");
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 192, 0, 2, 9];
        arp.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        let (packet, remedy) = told(
            &frame(0x0806, &arp),
            DropReason::ArpSpoofed,
            Direction::Egress,
        );
        assert_eq!(
            packet,
            "arp 192.0.2.9 is at 52:54:00:00:00:01, of 192.0.2.1"
        );
        assert!(remedy.ends_with("with 192.0.2.9"), "{remedy}");
    }

    #[test]
    fn every_reason_of_ports_has_a_remedy_and_short_frames_no_panic() {
        let frame = frame(0x88cc, &[1, 2]);
        for len in 0..=frame.len() {
            let said = Spoken::of(&frame[..len], 14, Summary::default());
            for index in DropReason::SECURITY {
                let reason = DropReason::ALL[index];
                let remedy = remedy(reason, Direction::Egress, &said, &port());
                assert_ne!(remedy, NOTHING, "{reason:?}");
            }
        }
        let (packet, _) = told(&frame, DropReason::EtherTypeDenied, Direction::Egress);
        assert_eq!(packet, "ethertype 0x88cc");
    }
}
