//! The `[[router.interface.bfd]]` tables.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use protocols::bfd::config::{MAX_INTERVAL, MAX_SESSIONS, MIN_INTERVAL};
use protocols::bfd::{Auth, Config, Key};

use super::document::Seen;
use super::interface::on_link;
use super::net;
use super::reader::Table;
use super::schema::BFD;
use super::time::{Unit, duration};
use crate::model::Bfd;

/// Reads the sessions of an interface with these own addresses.
pub(super) fn read(
    table: &Table<'_>,
    own: &[IpNet],
    link_local: Option<Ipv6Addr>,
    seen: &mut Seen,
) -> Vec<Bfd> {
    let mut sessions: Vec<Bfd> = Vec::new();
    for table in table.tables("bfd", &BFD) {
        let Some(session) = session(&table, own, link_local) else {
            continue;
        };
        let peer = session.peer;
        if sessions.iter().any(|other| other.peer == peer) {
            let why = format!("the interface has a session with {peer} already");
            table.fault("peer", why);
            continue;
        }
        seen.bfd_sessions += 1;
        if seen.bfd_sessions == MAX_SESSIONS + 1 {
            let why = format!("there are {MAX_SESSIONS} sessions already, the most there can be");
            table.fault("peer", why);
        }
        seen.bfd_peers.push(peer);
        sessions.push(session);
    }
    sessions
}

fn session(table: &Table<'_>, own: &[IpNet], link_local: Option<Ipv6Addr>) -> Option<Bfd> {
    let is_own = |address: IpAddr| {
        own.iter().any(|net| net.addr() == address) || link_local.is_some_and(|own| own == address)
    };
    let peer = table.require("peer").and_then(|value| {
        let peer = net::unicast(&value)?;
        let fault = |why: &str| value.fault(format_args!("{peer} {why}"));
        if is_own(peer) {
            fault("is the interface's own address");
        } else if !on_link(own, peer) {
            fault("is neither link-local nor on a subnet of the interface");
        } else {
            return Some(peer);
        }
        None
    });
    let local = local(table, peer, is_own);
    let default = Config::default();
    let interval = |name| duration(table, name, Unit::Ms, MIN_INTERVAL, MAX_INTERVAL);
    let config = Config {
        desired_min_tx: interval("transmit_interval").unwrap_or(default.desired_min_tx),
        required_min_rx: interval("receive_interval").unwrap_or(default.required_min_rx),
        detect_mult: {
            let multiplier = table.integer("detect_multiplier", 1..=255);
            multiplier.unwrap_or(default.detect_mult)
        },
        passive: table.boolean("passive").unwrap_or(default.passive),
        admin_down: !table.boolean("enabled").unwrap_or(true),
        auth: auth(table),
    };
    let withdraw_routes = table.boolean("withdraw_routes").unwrap_or(true);
    Some(Bfd {
        peer: peer?,
        local,
        config,
        withdraw_routes,
    })
}

fn local(
    table: &Table<'_>,
    peer: Option<IpAddr>,
    is_own: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let value = table.get("local")?;
    let local = net::unicast(&value)?;
    let fault = |why: &str| value.fault(format_args!("{local} {why}"));
    if peer.is_some_and(|peer| peer.is_ipv6() != local.is_ipv6()) {
        fault("is of another IP version than the peer");
    } else if !is_own(local) {
        // A link-local one that is made of the MAC is taken anyway.
        fault("is none of the interface's `addresses`, nor its `link_local`");
    } else {
        return Some(local);
    }
    None
}

fn auth(table: &Table<'_>) -> Option<Auth> {
    let kinds = [("keyed-sha1", false), ("meticulous-keyed-sha1", true)];
    let meticulous = table.choice("auth", &kinds);
    let key_id = table.integer("key_id", 0..=255);
    let Some(value) = table.get("key") else {
        for name in ["auth", "key_id"] {
            if table.get(name).is_some() {
                table.fault(name, "says nothing without a `key`");
            }
        }
        return None;
    };
    let key = value.string()?;
    match Key::new(key.as_bytes()) {
        Ok(key) => Some(Auth {
            key_id: key_id.unwrap_or(1),
            key,
            meticulous: meticulous.unwrap_or(true),
        }),
        // The value of a secret stays out of messages.
        Err(error) => {
            value.fault(error);
            None
        }
    }
}

#[cfg(test)]
mod tests;
