//! Ports of tenants' machines, and the security groups that say what may pass to and from them.

use std::collections::HashMap;
use std::net::IpAddr;

use dataplane::guard::{Learning, Mode, Roles};
use ipnet::IpNet;
use tables::classifier::{Protocol, SetId};
use tables::flow::Direction;
use tables::id::{AnchorId, PortId, RuleId};
use wire::MacAddr;

use super::{Carrier, Model, Tag};

/// What holds for all ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// Flows of all ports at most.
    pub max_flows: u32,
    /// Ports at most.
    pub max_ports: u16,
    /// Rules of all groups at most.
    pub max_rules: u32,
    /// Whether TCP segments beside the window of their flow are dropped.
    pub tcp_window_checks: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            max_flows: 1 << 20,
            max_ports: 1024,
            max_rules: 16_384,
            tcp_window_checks: true,
        }
    }
}

/// Addresses that rules name together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressGroup {
    /// Its id, among those of security groups too; never 0.
    pub id: SetId,
    /// Its name.
    pub name: String,
    /// Its addresses and prefixes, without host bits.
    pub addresses: Vec<IpNet>,
}

/// A security group: its rules allow, and what none of them allows does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its id, as the remote end of rules: the addresses of its members. Never 0.
    pub id: SetId,
    /// Its name.
    pub name: String,
    /// Whether what a rule allows becomes a flow, of which answers pass too.
    pub stateful: bool,
    /// Its rules; no two say the same.
    pub rules: Vec<SecurityRule>,
}

/// A rule of a security group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its id; never 0.
    pub id: RuleId,
    /// What it says.
    pub says: Said,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Said {
    /// To the machine, or from it.
    pub direction: Direction,
    /// IPv6, else IPv4.
    pub v6: bool,
    /// The upper-layer protocol.
    pub protocol: Protocol,
    /// Destination ports, both ends included; of ICMP and ICMPv6 `type << 8 | code`.
    pub ports: Option<(u16, u16)>,
    /// The other end.
    pub remote: RuleRemote,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleRemote {
    /// Anybody.
    Any,
    /// An address in a prefix, which has no host bits.
    Prefix(IpNet),
    /// A member of a security group.
    Group(SetId),
    /// An address of an address group.
    Addresses(SetId),
}

impl RuleRemote {
    /// The set that it is, if it is one.
    pub const fn set(self) -> Option<SetId> {
        match self {
            RuleRemote::Group(set) | RuleRemote::Addresses(set) => Some(set),
            RuleRemote::Any | RuleRemote::Prefix(_) => None,
        }
    }
}

/// Where a machine of a tenant is plugged, and who it may say that it is: a port, in Neutron's words.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantPort {
    /// Its id; never 0.
    pub id: AnchorId,
    /// Its name.
    pub name: String,
    /// The device.
    pub device: PortId,
    /// The tags of its frames there.
    pub tag: Tag,
    /// Its MAC address; `None`: any that nobody else on its link has.
    pub mac: Option<MacAddr>,
    /// Its addresses.
    pub fixed_ips: Vec<IpAddr>,
    /// What it may send from besides.
    pub pairs: Vec<AddressPair>,
    /// Whether there are a guard and groups at all.
    pub port_security: bool,
    /// Its security groups, in the order of the file.
    pub groups: Vec<SetId>,
    /// What becomes of frames that its guard does not let pass.
    pub mode: Mode,
    /// What its machine may play.
    pub roles: Roles,
    /// How it comes to addresses.
    pub learning: Learning,
    /// Addresses of each family that it learns at most.
    pub max_addresses: u16,
    /// Flows that it may have at once.
    pub max_flows: u32,
}

/// An address or a prefix that a port may send from, with a MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressPair {
    /// The prefix, without host bits; a single address has all bits.
    pub prefix: IpNet,
    /// The MAC; `None`: the port's.
    pub mac: Option<MacAddr>,
}

/// Where a port is plugged, as the rest of the model calls the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plug {
    /// A local place of a network, by its number.
    Local(u32),
    /// An interface.
    Interface(tables::id::IfaceId),
}

impl TenantPort {
    /// Whether its frames are on this device with these tags. Outer TPIDs are not told apart, as in the packet path.
    pub fn is_at(&self, device: PortId, tag: Tag) -> bool {
        self.device == device && self.tag.vlans() == tag.vlans()
    }

    /// The MACs that its machine may have, its own first; none: any.
    pub fn macs(&self) -> Vec<MacAddr> {
        let Some(own) = self.mac else {
            // With an own MAC that nobody knows, those of pairs must not be the only ones.
            return Vec::new();
        };
        let mut macs = vec![own];
        for mac in self.pairs.iter().filter_map(|pair| pair.mac) {
            if !macs.contains(&mac) {
                macs.push(mac);
            }
        }
        macs
    }
}

impl Model {
    /// The port of a tenant with this id.
    pub fn port(&self, id: AnchorId) -> Option<&TenantPort> {
        self.ports.iter().find(|port| port.id == id)
    }

    /// The security group with this id.
    pub fn security_group(&self, id: SetId) -> Option<&SecurityGroup> {
        self.security_groups.iter().find(|group| group.id == id)
    }

    /// The address group with this id.
    pub fn address_group(&self, id: SetId) -> Option<&AddressGroup> {
        self.address_groups.iter().find(|group| group.id == id)
    }

    /// The name of a security group or an address group.
    pub fn set_name(&self, id: SetId) -> Option<&str> {
        let group = self.security_group(id).map(|group| group.name.as_str());
        group.or_else(|| self.address_group(id).map(|group| group.name.as_str()))
    }

    /// All rules, each with its group.
    pub fn rules(&self) -> impl Iterator<Item = (&SecurityGroup, &SecurityRule)> {
        let groups = self.security_groups.iter();
        groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
    }

    /// Where a port is plugged.
    pub fn plug(&self, port: &TenantPort) -> Option<Plug> {
        let mut locals = self.networks.iter().flat_map(|network| &network.locals);
        let local = locals.find(|local| port.is_at(local.device, local.tag));
        let interface = || {
            let mut all = self.interfaces().map(|(_, interface)| interface);
            all.find(|interface| match interface.carrier {
                Carrier::Device { port: device, tag } => port.is_at(device, tag),
                Carrier::Network(_) | Carrier::Tunnel { .. } => false,
            })
        };
        local
            .map(|local| Plug::Local(local.number))
            .or_else(|| interface().map(|interface| Plug::Interface(interface.id)))
    }
}

/// A rule without ids: what tells it from others in every life of the router.
pub(super) type RuleKey<'a> = (
    &'a str,
    Direction,
    bool,
    Protocol,
    Option<(u16, u16)>,
    Option<IpNet>,
    Option<(bool, &'a str)>,
);

impl Model {
    /// Each rule by what it says, with its id.
    pub(super) fn rule_ids(&self) -> impl Iterator<Item = (RuleKey<'_>, u32)> {
        let names: HashMap<SetId, (bool, &str)> = self.set_ids().collect();
        self.rules().map(move |(group, rule)| {
            let says = rule.says;
            let prefix = match says.remote {
                RuleRemote::Prefix(prefix) => Some(prefix),
                _ => None,
            };
            let set = says.remote.set().and_then(|set| names.get(&set).copied());
            let SecurityGroup { name, .. } = group;
            let key = (
                name.as_str(),
                says.direction,
                says.v6,
                says.protocol,
                says.ports,
                prefix,
                set,
            );
            (key, rule.id.0)
        })
    }

    /// Each set's id, with whether it is a security group, and its name.
    pub(super) fn set_ids(&self) -> impl Iterator<Item = (SetId, (bool, &str))> {
        let groups = self.security_groups.iter();
        let groups = groups.map(|group| (group.id, (true, group.name.as_str())));
        let addresses = self.address_groups.iter();
        groups.chain(addresses.map(|group| (group.id, (false, group.name.as_str()))))
    }
}
