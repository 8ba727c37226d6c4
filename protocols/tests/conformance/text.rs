//! JSON fields to values, packets to words.

use std::str::FromStr;

use serde_json::Value;
use wire::arp::ArpPacket;
use wire::nd::{self, Message, NeighborAdvertisement, parse_packet};
use wire::nd_option::NdOption;

/// A field of a step that must be there and be a `T`.
pub fn get<T: FromStr>(step: &Value, field: &str) -> T {
    maybe(step, field).unwrap_or_else(|| panic!("{field} is missing or wrong in {step}"))
}

/// A field of a step that may be missing.
pub fn maybe<T: FromStr>(step: &Value, field: &str) -> Option<T> {
    let text = match &step[field] {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{field} is wrong in {step}")),
    )
}

/// A list of texts, empty when the field is missing.
pub fn list<T: FromStr>(step: &Value, field: &str) -> Vec<T> {
    let items = step[field].as_array().into_iter().flatten();
    items
        .map(|item| {
            item.as_str()
                .unwrap()
                .parse()
                .ok()
                .expect("a list item is wrong")
        })
        .collect()
}

/// The neighbour discovery packet that a step describes; `kind` is `ns`, `na` or `rs`.
pub fn nd_packet(step: &Value, kind: &str) -> Vec<u8> {
    let flags: String = maybe(step, "flags").unwrap_or_default();
    let message = match kind {
        "rs" => Message::RouterSolicitation,
        "ns" => Message::NeighborSolicitation {
            target: get(step, "target"),
        },
        "na" => Message::NeighborAdvertisement(NeighborAdvertisement {
            router: flags.contains('R'),
            solicited: flags.contains('S'),
            override_flag: flags.contains('O'),
            target: get(step, "target"),
        }),
        other => panic!("{other} is not a packet"),
    };
    let mut options = Vec::new();
    options.extend(maybe(step, "slla").map(NdOption::SourceLinkLayer));
    options.extend(maybe(step, "tlla").map(NdOption::TargetLinkLayer));
    write(step, &message, &options)
}

/// `message` from the step's `src` to its `dst`.
pub fn write(step: &Value, message: &Message, options: &[NdOption<'_>]) -> Vec<u8> {
    let mut packet = vec![0; nd::packet_len(message, options)];
    nd::write(
        &mut packet,
        &get(step, "src"),
        &get(step, "dst"),
        message,
        options,
    )
    .unwrap();
    packet
}

/// An IPv6 packet in words; it must pass the receiver's rules. Nonces are random and only named.
pub fn show_nd(packet: &[u8]) -> String {
    let received = parse_packet(packet).unwrap();
    let (src, dst) = (received.envelope.source, received.envelope.destination);
    let what = match received.message {
        Message::NeighborSolicitation { target } => format!("NS target {target}"),
        Message::NeighborAdvertisement(na) => {
            let flag = |set, name| if set { name } else { "" };
            let (r, s) = (flag(na.router, "R"), flag(na.solicited, "S"));
            format!(
                "NA target {} flags {r}{s}{}",
                na.target,
                flag(na.override_flag, "O")
            )
        }
        Message::RouterAdvertisement(ra) => format!(
            "RA hop-limit {} managed {} other {} lifetime {}",
            ra.cur_hop_limit, ra.managed, ra.other_config, ra.router_lifetime
        ),
        other => format!("{other:?}"),
    };
    let options = received.options.map(|option| match option.unwrap() {
        NdOption::SourceLinkLayer(mac) => format!("slla {mac}"),
        NdOption::TargetLinkLayer(mac) => format!("tlla {mac}"),
        NdOption::Nonce(nonce) => format!("nonce of {} bytes", nonce.len()),
        NdOption::PrefixInformation(p) => {
            format!(
                "prefix {}/{} {} {}",
                p.prefix, p.prefix_len, p.valid_lifetime, p.preferred_lifetime
            )
        }
        NdOption::Rdnss { lifetime, servers } => format!("rdnss {servers:?} {lifetime}"),
        other => format!("{other:?}"),
    });
    let options: Vec<_> = options.collect();
    format!("{what} from {src} to {dst} [{}]", options.join(", "))
}

/// An ARP packet in words.
pub fn show_arp(packet: &[u8]) -> String {
    let arp = ArpPacket::parse(packet).unwrap();
    let (mac, from, to) = (arp.sender_mac(), arp.sender_ip(), arp.target_ip());
    format!("ARP {:?} from {from} ({mac}) about {to}", arp.operation())
}
