//! The other router of a pair, driven by JSON: what it says to a DHCP server, and what it hears.

use std::collections::HashMap;

use lease::sync::{Family, Message};
use lease::{
    ClientId, Half, Holder, Kind, Lease, RealmId, Resource, ScopeId, Stamp, Standing, State, Wall,
};
use protocols::pairing::PairEvent;
use serde_json::Value;
use wire::MacAddr;

use crate::text::{get, maybe};

/// What the server has said of each resource last.
#[derive(Default)]
pub struct Peer {
    said: HashMap<Resource, Lease>,
}

impl Peer {
    /// Hears what the server says; the words for it.
    pub fn hear(&mut self, message: &Message) -> String {
        if let Message::Lease(lease) | Message::Ask(lease) = message {
            self.said.insert(lease.resource, Lease::clone(lease));
        }
        words(message)
    }

    /// The event of a step, when it is one of the pair.
    pub fn event(&self, step: &Value, realm: RealmId, family: Family) -> Option<PairEvent> {
        let resource = || get::<Resource>(step, "resource");
        let told = |message| Some(PairEvent::Told(message));
        match step["do"].as_str().unwrap() {
            "pair" => Some(PairEvent::Standing(match step["as"].as_str().unwrap() {
                "even" => Standing::Paired(Half::Even),
                "odd" => Standing::Paired(Half::Odd),
                _ => Standing::Survivor(Half::Even),
            })),
            "up" => Some(PairEvent::Up),
            "down" => Some(PairEvent::Down),
            "more" => Some(PairEvent::More),
            // It has what the server has said.
            "ack" => told(Message::ack(&self.said[&resource()], true)),
            // It allows what the server has asked for.
            "allow" => {
                let mut lease = self.said[&resource()].clone();
                lease.stamp = Stamp::from_bits(lease.stamp.to_bits() + (1 << 40));
                told(Message::Lease(Box::new(lease)))
            }
            "refuse" => told(Message::No {
                realm,
                resource: resource(),
            }),
            "end" => told(Message::End(family)),
            "met" => told(Message::Met(family)),
            "told" => told(Message::Lease(Box::new(lease(step, realm)))),
            "asked" => told(Message::Ask(Box::new(lease(step, realm)))),
            _ => None,
        }
    }
}

/// A lease of a client known by its MAC, given at a second after the start of the case.
fn lease(step: &Value, realm: RealmId) -> Lease {
    let resource: Resource = get(step, "resource");
    let mac: MacAddr = get(step, "mac");
    let (kind, id) = match resource {
        Resource::V4(_) => (Kind::V4, [&[1][..], &mac.octets()].concat()),
        Resource::V6(_) => (Kind::Na, [&[0, 3, 0, 1][..], &mac.octets()].concat()),
        Resource::Prefix(_) => (Kind::Pd, [&[0, 3, 0, 1][..], &mac.octets()].concat()),
    };
    let starts = Wall::from_secs(1_800_000_000 + step["given_s"].as_u64().unwrap());
    let ends = starts.after(step["lasts_s"].as_u64().unwrap() as u32);
    let holder = Holder {
        client: ClientId::new(&id).unwrap(),
        iaid: maybe(step, "iaid").unwrap_or(0),
        kind,
    };
    let scope = ScopeId::of(realm, step["scope"].as_str().unwrap());
    let gateway = maybe(step, "gateway").map(|address| {
        Box::new(lease::NextHop {
            iface: "lan".into(),
            address,
        })
    });
    Lease {
        mac: Some(mac),
        stamp: Stamp::of_start(starts),
        next_hop: gateway,
        state: match step["state"].as_str() {
            Some("released") => State::Released,
            _ => State::Bound,
        },
        ..Lease::bound(resource, holder, scope, starts, ends, ends)
    }
}

fn words(message: &Message) -> String {
    match message {
        Message::Lease(lease) => format!(
            "tell {}: {} by {} until {}",
            lease.resource,
            lease.state.label(),
            lease.holder.client,
            lease.ends
        ),
        Message::Ack { resource, has, .. } => match has {
            true => format!("tell {resource}: i have it"),
            false => format!("tell {resource}: i do not take it"),
        },
        Message::Ask(lease) => format!("ask {}: for {}", lease.resource, lease.holder.client),
        Message::No { resource, .. } => format!("tell {resource}: you may not"),
        Message::End(_) => "tell: that is all".to_owned(),
        Message::Met(_) => "tell: i have all".to_owned(),
    }
}
