//! Ports, groups, flows and what did not pass, as the API sees them.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use api::{
    AllowedAddressPair, Denied, FlowDirection, FlowQuery, FlowUsage, GuardMode, Port, PortBinding,
    PortCounters, SecurityGroup, SecurityRule,
};
use dataplane::denied;
use dataplane::guard::{LinkId, Mode};
use dataplane::observe::Summary;
use tables::classifier::Protocol;
use tables::flow::{Direction, FlowInfo, FlowTable, State};
use tables::id::{AnchorId, RuleId};
use wire::MacAddr;

use super::Engine;
use super::configure::vlans;
use super::views::api_mac;
use crate::api::Error;
use crate::compile::security::{interface_link, network_link};
use crate::model::security::{RuleRemote, Said, TenantPort};
use crate::model::{self};

mod remedy;

/// Bindings and flows of an answer, unless another limit is asked for.
const ENTRIES: u64 = 1000;

/// What is needed to read flows outside of the engine's thread: all of their table is looked at.
pub struct FlowSource {
    flows: Arc<FlowTable>,
    /// Ports with their names, and the generation of their filters.
    ports: HashMap<AnchorId, (String, Option<u32>)>,
    anchor: Option<AnchorId>,
    limit: usize,
}

impl Engine {
    /// Ports in the order of the configuration; counters come from the workers.
    pub fn port_views(&self) -> Vec<(AnchorId, Port)> {
        let mut learned: HashMap<AnchorId, Vec<IpAddr>> = HashMap::new();
        for binding in self.guards.bindings(None) {
            if let (Some(anchor), "learned" | "lease") = (binding.anchor, binding.origin) {
                learned.entry(anchor).or_default().push(binding.address);
            }
        }
        let mut events: HashMap<AnchorId, BTreeMap<String, u64>> = HashMap::new();
        for guard in self.guards.guards() {
            let counted = guard.counters.iter();
            let counted = counted.map(|(name, _, n)| (name.to_owned(), n)).collect();
            events.insert(guard.anchor, counted);
        }
        let view = |port: &TenantPort| {
            let shown = Port {
                name: port.name.clone(),
                device: self
                    .model
                    .device(port.device)
                    .map(|device| device.name.clone())
                    .unwrap_or_default(),
                vlans: vlans(port.tag),
                link: self.link_of(port),
                mac_address: port.mac.map(api_mac),
                fixed_ips: port.fixed_ips.clone(),
                allowed_address_pairs: port
                    .pairs
                    .iter()
                    .map(|pair| AllowedAddressPair {
                        ip_address: pair.prefix,
                        mac_address: pair.mac.map(api_mac),
                    })
                    .collect(),
                learned_ips: learned.remove(&port.id).unwrap_or_default(),
                port_security_enabled: port.port_security,
                security_groups: self.set_names(&port.groups),
                guard: match (port.port_security, port.mode) {
                    (false, _) => GuardMode::Off,
                    (true, Mode::Enforce) => GuardMode::Enforce,
                    (true, Mode::Observe) => GuardMode::Observe,
                },
                trusted: trusted(port),
                max_addresses: port.max_addresses,
                flows: self.security.flows.count(port.id).into(),
                max_flows: port.max_flows.into(),
                counters: PortCounters::default(),
                drops: BTreeMap::new(),
                observed: BTreeMap::new(),
                events: events.remove(&port.id).unwrap_or_default(),
            };
            (port.id, shown)
        };
        self.model.ports.iter().map(view).collect()
    }

    fn set_names(&self, ids: &[tables::classifier::SetId]) -> Vec<String> {
        let names = ids.iter().filter_map(|id| self.model.set_name(*id));
        names.map(str::to_owned).collect()
    }

    /// The network or interface that a port is plugged into.
    fn link_of(&self, port: &TenantPort) -> String {
        match self.model.plug(port) {
            Some(model::security::Plug::Local(number)) => {
                let mut networks = self.model.networks.iter();
                let on = |network: &&model::Network| {
                    let mut locals = network.locals.iter();
                    locals.any(|local| local.number == number)
                };
                let network = networks.find(on);
                network
                    .map(|network| network.name.clone())
                    .unwrap_or_default()
            }
            Some(model::security::Plug::Interface(iface)) => {
                self.interface_name(iface).unwrap_or_default()
            }
            None => String::new(),
        }
    }

    /// Security groups in the order of the configuration, or the one with this name; counters come from the workers.
    ///
    /// # Errors
    /// When there is no group of that name.
    pub fn group_views(&self, name: Option<&str>) -> Result<Vec<SecurityGroup>, Error> {
        let groups = self.model.security_groups.iter();
        let groups = groups.filter(|group| name.is_none_or(|name| name == group.name));
        let view = |group: &model::SecurityGroup| {
            let ports = self.model.ports.iter();
            let ports = ports.filter(|port| port.groups.contains(&group.id)).count();
            let members = self.security.members(group.id);
            SecurityGroup {
                name: group.name.clone(),
                stateful: group.stateful,
                ports: ports as u64,
                members: members as u64,
                rules: group
                    .rules
                    .iter()
                    .map(|rule| self.rule_view(rule.id, rule.says))
                    .collect(),
            }
        };
        let views: Vec<_> = groups.map(view).collect();
        if let (Some(name), true) = (name, views.is_empty()) {
            let why = format!("there is no security group {name}");
            return Err(Error::not_found("name", why));
        }
        Ok(views)
    }

    /// A rule. Its counters are what workers had counted before it was this one: to be taken off from what they have by now.
    fn rule_view(&self, id: RuleId, says: Said) -> SecurityRule {
        let before = self.security.counted_before(id);
        let named = |set| self.model.set_name(set).map(str::to_owned);
        let is_icmp = matches!(says.protocol, Protocol::Number(1 | 58));
        let (min, max) = match (says.ports, is_icmp) {
            (None, _) => (None, None),
            (Some((low, high)), false) => (Some(low), Some(high)),
            (Some((low, high)), true) => {
                let code = (low == high).then_some(low & 255);
                (Some(low >> 8), code)
            }
        };
        SecurityRule {
            id: id.0,
            direction: direction(says.direction),
            ethertype: if says.v6 { "ipv6" } else { "ipv4" }.to_owned(),
            protocol: match says.protocol {
                Protocol::Any => "any".to_owned(),
                Protocol::Number(number) => protocol(number),
            },
            port_range_min: min,
            port_range_max: max,
            remote_ip_prefix: match says.remote {
                RuleRemote::Prefix(prefix) => Some(prefix),
                _ => None,
            },
            remote_group: match says.remote {
                RuleRemote::Group(set) => named(set),
                _ => None,
            },
            remote_address_group: match says.remote {
                RuleRemote::Addresses(set) => named(set),
                _ => None,
            },
            packets: before.packets,
            bytes: before.bytes,
        }
    }

    /// The port of a name, if one is given.
    fn named_port(&self, name: Option<&str>) -> Result<Option<&TenantPort>, Error> {
        let Some(name) = name else { return Ok(None) };
        let mut ports = self.model.ports.iter();
        let port = ports.find(|port| port.name == name);
        let missing = || Error::not_found("port", format!("there is no port {name}"));
        port.map(Some).ok_or_else(missing)
    }

    /// Addresses of links with ports that a query selects, by link and address.
    ///
    /// # Errors
    /// When it names a port that does not exist.
    pub fn port_binding_list(&self, query: &FlowQuery) -> Result<Vec<PortBinding>, Error> {
        let port = self.named_port(query.port.as_deref())?;
        let names: HashMap<LinkId, String> = self.link_names();
        let limit = usize::try_from(query.limit.unwrap_or(ENTRIES)).unwrap_or(usize::MAX);
        let bindings = self.guards.bindings(port.map(|port| port.id)).into_iter();
        let view = |known: crate::rooms::savi::BindingView| PortBinding {
            link: names.get(&known.link).cloned().unwrap_or_default(),
            port: known
                .anchor
                .and_then(|id| self.model.port(id))
                .map(|port| port.name.clone()),
            address: known.address,
            mac: known.mac.map(api_mac),
            origin: known.origin.to_owned(),
            state: known.state.to_owned(),
            age_seconds: known.age,
            left_seconds: known.left,
        };
        Ok(bindings.take(limit).map(view).collect())
    }

    fn link_names(&self) -> HashMap<LinkId, String> {
        let networks = self.model.networks.iter();
        let networks = networks.map(|network| (network_link(network.id), network.name.clone()));
        let interfaces = self.model.interfaces();
        networks
            .chain(
                interfaces
                    .map(|(_, interface)| (interface_link(interface.id), interface.name.clone())),
            )
            .collect()
    }

    /// What is needed to read the flows that a query selects.
    ///
    /// # Errors
    /// When it names a port that does not exist.
    pub fn flow_source(&self, query: &FlowQuery) -> Result<FlowSource, Error> {
        let port = self.named_port(query.port.as_deref())?;
        let named = |port: &TenantPort| {
            let generation = self.security.generation(port.id);
            (port.id, (port.name.clone(), generation))
        };
        Ok(FlowSource {
            flows: Arc::clone(&self.security.flows),
            ports: self.model.ports.iter().map(named).collect(),
            anchor: port.map(|port| port.id),
            limit: usize::try_from(query.limit.unwrap_or(ENTRIES)).unwrap_or(usize::MAX),
        })
    }

    /// How full the table of flows is.
    pub fn flow_usage(&self) -> FlowUsage {
        let usage = self.security.flows.usage();
        FlowUsage {
            capacity: usage.capacity,
            flows: usage.flows,
            created: usage.created,
            expired: usage.expired,
            evicted: usage.evicted,
        }
    }

    /// The last packets of a port that did not pass, the newest first.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn denied_list(&self, port: &str) -> Result<Vec<Denied>, Error> {
        let Some(port) = self.named_port(Some(port))? else {
            return Ok(Vec::new());
        };
        let now = now();
        let denials = self.security.denials(port.id);
        Ok(denials.map(|note| denied_view(note, port, now)).collect())
    }
}

/// Seconds of the workers' clock.
fn now() -> u32 {
    (dataplane::ticks() / dataplane::hz().max(1)) as u32
}

fn denied_view(note: &denied::Denied, port: &TenantPort, now: u32) -> Denied {
    let bytes = note.bytes.get(..usize::from(note.len)).unwrap_or_default();
    let l3 = bytes.get(usize::from(note.l3)..).unwrap_or_default();
    let mac = |at: usize| {
        let octets = bytes.get(at..).and_then(|rest| rest.first_chunk::<6>());
        api_mac(MacAddr(octets.copied().unwrap_or_default()))
    };
    let said = remedy::Spoken::of(bytes, usize::from(note.l3), Summary::of(l3));
    Denied {
        age_seconds: now.saturating_sub(note.seconds),
        direction: direction(note.direction),
        reason: note.reason.label().to_owned(),
        about: note.reason.help().to_owned(),
        observed: note.observed,
        rule: (note.rule != RuleId(0)).then_some(note.rule.0),
        source: mac(6),
        destination: mac(0),
        packet: said.to_string(),
        bytes: note.frame_len,
        remedy: remedy::remedy(note.reason, note.direction, &said, port),
    }
}

impl FlowSource {
    /// Reads them.
    pub fn read(&self) -> Vec<api::Flow> {
        let flows = self.flows.snapshot(self.anchor, self.limit, now());
        flows.iter().map(|flow| self.view(flow)).collect()
    }

    fn view(&self, flow: &FlowInfo) -> api::Flow {
        let (port, generation) = match self.ports.get(&flow.key.anchor) {
            Some((name, generation)) => (name.clone(), *generation),
            None => (flow.key.anchor.to_string(), None),
        };
        let (local, local_port) = flow.key.local;
        let (remote, remote_port) = flow.key.remote;
        // Queries of both sides with one identifier are told apart by the other port.
        let is_query = matches!(flow.key.protocol, 1 | 58);
        api::Flow {
            port,
            opened: direction(flow.opened),
            protocol: protocol(flow.key.protocol),
            local: address(local),
            local_port,
            remote: address(remote),
            remote_port: if is_query { local_port } else { remote_port },
            state: state(flow.state).to_owned(),
            age_seconds: flow.age,
            idle_seconds: flow.idle,
            left_seconds: flow.seconds_left,
            rule: flow.rule.0,
            stale: generation != Some(flow.generation),
            counters: PortCounters {
                egress_packets: flow.egress.packets,
                egress_bytes: flow.egress.bytes,
                ingress_packets: flow.ingress.packets,
                ingress_bytes: flow.ingress.bytes,
            },
        }
    }
}

/// An address as flows have it: IPv4 as an IPv4-mapped one.
fn address(bits: u128) -> IpAddr {
    Ipv6Addr::from_bits(bits).to_canonical()
}

const fn direction(direction: Direction) -> FlowDirection {
    match direction {
        Direction::Egress => FlowDirection::Egress,
        Direction::Ingress => FlowDirection::Ingress,
    }
}

fn trusted(port: &TenantPort) -> Vec<String> {
    let roles = [
        (port.roles.router, "ra"),
        (port.roles.dhcp6_server, "dhcpv6"),
        (port.roles.dhcp4_server, "dhcpv4"),
        (port.roles.vrrp, "vrrp"),
    ];
    let played = roles.into_iter().filter(|(plays, _)| *plays);
    played.map(|(_, word)| word.to_owned()).collect()
}

/// A flow's state in a word.
const fn state(state: State) -> &'static str {
    match state {
        State::Unreplied => "unreplied",
        State::Replied => "replied",
        State::Stream => "stream",
        State::SynSent => "syn_sent",
        State::SynReceived => "syn_received",
        State::Established => "established",
        State::Closing => "closing",
        State::TimeWait => "time_wait",
        State::Closed => "closed",
        State::Init => "init",
        State::Cookie => "cookie",
        State::Associated => "associated",
        State::Shutdown => "shutdown",
    }
}

/// A protocol in a word, or its number.
fn protocol(number: u8) -> String {
    let names: [(u8, &str); 12] = [
        (1, "icmp"),
        (2, "igmp"),
        (4, "ipip"),
        (6, "tcp"),
        (17, "udp"),
        (33, "dccp"),
        (47, "gre"),
        (50, "esp"),
        (58, "icmpv6"),
        (112, "vrrp"),
        (132, "sctp"),
        (136, "udplite"),
    ];
    let known = names.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}
