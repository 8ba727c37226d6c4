//! An answer to bytes: which options, in which order (RFC 2131 section 4.3.1 and table 3).

use std::net::Ipv4Addr;
use std::time::Duration;

use super::config::{Config, RawOption, Settings, Subnet};
use super::option::code;
use super::packet::{BOOTREPLY, FILE, FIXED, Message, NAK};
use super::writer::{LEAST, Options, domain};

/// Longest answer, headers included, whatever the client takes: what passes any Ethernet in one piece.
const MAX_SIZE: u16 = 1500;
/// Headers of IPv4 and UDP.
pub(super) const HEADERS: u16 = 28;
/// What a client gets that sends no Parameter Request List.
const DEFAULT: [u8; 8] = [
    code::ROUTER,
    code::DNS_SERVERS,
    code::DOMAIN_NAME,
    code::MTU,
    code::NTP_SERVERS,
    code::DOMAIN_SEARCH,
    code::TFTP_SERVER,
    code::BOOT_FILE,
];

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Message type.
    pub kind: u8,
    /// The client's address, or 0.0.0.0.
    pub yiaddr: Ipv4Addr,
    /// The subnet whose settings are told; none in a Nak.
    pub subnet: Option<usize>,
    /// Lease time, T1 and T2, seconds; none where no lease is given.
    pub times: Option<Times>,
    /// Whether the Ack answers a Discover (RFC 4039).
    pub rapid: bool,
    /// For how long the client shall do without IPv4, seconds (RFC 8925).
    pub ipv6_only: Option<u32>,
    /// What people shall read in it (RFC 2132 section 9.9).
    pub message: &'static str,
}

/// Lease time, T1 and T2, seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub lease: u32,
    pub t1: u32,
    pub t2: u32,
}

impl Answer {
    pub(super) fn new(kind: u8) -> Self {
        Answer {
            kind,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            subnet: None,
            times: None,
            rapid: false,
            ipv6_only: None,
            message: "",
        }
    }

    /// The message to send, and how many options were left out. `own`: the client's reservation's options; `server`: our
    /// address.
    pub(super) fn write(
        &self,
        message: &Message<'_>,
        config: &Config,
        own: &[RawOption],
        server: Ipv4Addr,
    ) -> (Vec<u8>, u64) {
        let settings = &config.settings;
        let is_nak = self.kind == NAK;
        let mut fixed = self.fixed(message, settings);
        let boot_file = boot_file(settings, own).filter(|_| !is_nak);
        let in_field = boot_file.filter(|file| file.len() < FILE.len());
        if let Some(file) = in_field {
            fixed[FILE.start..FILE.start + file.len()].copy_from_slice(file);
        }
        // RFC 2132 section 9.10: no more than the client takes; and not in fragments, where that can be helped.
        let mtu = settings.mtu.unwrap_or(MAX_SIZE).min(config.link_mtu);
        let size = message.max_size.min(mtu);
        let size = size.clamp(LEAST + HEADERS, MAX_SIZE) - HEADERS;
        let mut options = Options::new(size.into(), in_field.is_none(), true);
        // RFC 6842: what the client said goes back. RFC 3046 section 2.2: the relay's last.
        if let Some(id) = &message.client_id {
            options.last(code::CLIENT_ID, id);
        }
        if let Some(info) = &message.relay_info {
            options.last(code::RELAY_INFO, info);
        }
        options.put(code::MESSAGE_TYPE, &[self.kind]);
        let server = message.agent.server_id.unwrap_or(server);
        options.put(code::SERVER_ID, &server.octets());
        if let Some(times) = self.times {
            options.put(code::LEASE_TIME, &times.lease.to_be_bytes());
            if times.lease != u32::MAX {
                options.put(code::T1, &times.t1.to_be_bytes());
                options.put(code::T2, &times.t2.to_be_bytes());
            }
        }
        if self.rapid {
            options.put(code::RAPID_COMMIT, &[]);
        }
        if !self.message.is_empty() {
            options.put(code::MESSAGE, self.message.as_bytes());
        }
        if let Some(wait) = self.ipv6_only {
            options.put(code::IPV6_ONLY, &wait.to_be_bytes());
        }
        if let Some(subnet) = self.subnet.and_then(|i| config.subnets.get(i)) {
            // Before the routers (RFC 2132 section 3.3), whether requested or not.
            let mask = subnet.prefix.netmask();
            options.put(code::SUBNET_MASK, &mask.octets());
            parameters(&mut options, message, subnet, settings, own);
        }
        let left_out = options.left_out;
        (options.finish(fixed), left_out)
    }

    /// The fixed fields (RFC 2131 table 3).
    fn fixed(&self, message: &Message<'_>, settings: &Settings) -> [u8; FIXED] {
        let mut fixed = [0; FIXED];
        fixed[0] = BOOTREPLY;
        fixed[1] = message.htype;
        // At most 16: the reader.
        fixed[2] = message.chaddr.len() as u8;
        fixed[4..8].copy_from_slice(&message.xid);
        let mut flags = message.flags;
        if self.kind == NAK && message.is_relayed() {
            // RFC 2131 section 4.3.2: the relay shall broadcast it.
            flags |= 0x8000;
        }
        fixed[10..12].copy_from_slice(&flags.to_be_bytes());
        if self.kind != NAK {
            let keeps = self.kind == super::packet::ACK;
            let ciaddr = Some(message.ciaddr).filter(|_| keeps);
            let next = settings.next_server.unwrap_or(Ipv4Addr::UNSPECIFIED);
            fixed[12..16].copy_from_slice(&ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
            fixed[16..20].copy_from_slice(&self.yiaddr.octets());
            fixed[20..24].copy_from_slice(&next.octets());
        }
        fixed[24..28].copy_from_slice(&message.giaddr.octets());
        fixed[28..28 + message.chaddr.len()].copy_from_slice(message.chaddr);
        fixed
    }
}

/// The boot file: the reservation's, or the link's.
fn boot_file<'a>(settings: &'a Settings, own: &'a [RawOption]) -> Option<&'a [u8]> {
    let of_own = own.iter().find(|option| option.code == code::BOOT_FILE);
    of_own
        .map(|option| option.data.as_slice())
        .or(settings.boot_file.as_deref().map(str::as_bytes))
}

/// What the client requests, in its order (RFC 2131 section 4.3.1), then what it gets unasked.
fn parameters(
    options: &mut Options,
    message: &Message<'_>,
    subnet: &Subnet,
    settings: &Settings,
    own: &[RawOption],
) {
    let list = message.parameters.as_deref().unwrap_or(&DEFAULT);
    let routes = routes(subnet);
    let has_routes = |code: &u8| matches!(*code, code::ROUTES | code::ROUTES_MS);
    let by_routes = routes.is_some() && list.iter().any(has_routes);
    let raw = || own.iter().chain(&settings.extra);
    let mut written = [false; 256];
    let mut put = |code: u8, data: &[u8]| {
        // A code is written once, however often it is asked for.
        if !std::mem::replace(&mut written[usize::from(code)], true) {
            options.put(code, data);
        }
    };
    for code in list {
        if let Some(option) = raw().find(|option| option.code == *code) {
            put(*code, &option.data);
            continue;
        }
        let data = match *code {
            // RFC 3442: who follows classless routes must ignore the routers.
            code::ROUTER if by_routes => None,
            code::ROUTES | code::ROUTES_MS => routes.clone(),
            code => setting(code, subnet, settings),
        };
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            put(*code, &data);
        }
    }
    for option in raw().filter(|option| option.always) {
        put(option.code, &option.data);
    }
}

/// The data of an option, as far as it is configured.
fn setting(code: u8, subnet: &Subnet, settings: &Settings) -> Option<Vec<u8>> {
    let addresses = |list: &[Ipv4Addr]| list.iter().flat_map(|a| a.octets()).collect();
    let text = |text: &Option<String>| text.as_ref().map(|t| t.as_bytes().to_vec());
    match code {
        code::ROUTER => Some(addresses(&subnet.routers)),
        code::DNS_SERVERS => {
            let own = Some(&subnet.dns_servers).filter(|list| !list.is_empty());
            Some(addresses(own.unwrap_or(&settings.dns_servers)))
        }
        code::DOMAIN_NAME => text(&settings.domain),
        code::DOMAIN_SEARCH => {
            let own = Some(&subnet.domain_search).filter(|list| !list.is_empty());
            let mut bytes = Vec::new();
            for name in own.unwrap_or(&settings.domain_search) {
                domain(name, &mut bytes);
            }
            Some(bytes)
        }
        code::MTU => settings.mtu.map(|mtu| mtu.to_be_bytes().to_vec()),
        code::BROADCAST => Some(subnet.prefix.broadcast().octets().to_vec()),
        code::NTP_SERVERS => Some(addresses(&settings.ntp_servers)),
        code::TFTP_SERVER => text(&settings.tftp_server),
        code::BOOT_FILE => text(&settings.boot_file),
        _ => None,
    }
}

/// The routes of a subnet with the default route (RFC 3442), when there are any besides that.
fn routes(subnet: &Subnet) -> Option<Vec<u8>> {
    if subnet.routes.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for route in &subnet.routes {
        let len = route.destination.prefix_len();
        bytes.push(len);
        let significant = usize::from(len.div_ceil(8));
        bytes.extend(&route.destination.network().octets()[..significant]);
        bytes.extend(route.gateway.octets());
    }
    let has_default = subnet
        .routes
        .iter()
        .any(|r| r.destination.prefix_len() == 0);
    if let Some(router) = subnet.routers.first().filter(|_| !has_default) {
        bytes.push(0);
        bytes.extend(router.octets());
    }
    Some(bytes)
}

/// Whole seconds as they stand on the wire.
pub(super) fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
