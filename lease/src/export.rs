//! Leases for people: CSV (RFC 4180, with a header) and JSON (an array, one lease a line), and back.
//!
//! Both have the same fields under the same names; times are UTC, router and scope stand under their names where the
//! configuration knows them. Files of older releases name no router: which one is meant the importer tells by the scope. Keys for Reconfigure are left out: an export is no place for secrets, and a client gets a new one with its next
//! Request. Offers are left out, too.
//!
//! An import takes a whole file or none of it: every fault is told with line and field.

mod csv;
mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wire::MacAddr;

use super::{
    ClientId, Holder, Kind, Lease, NextHop, PoolId, RealmId, RelayId, RelayInfo, Resource, ScopeId,
    Stamp, State, Wall,
};

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// A JSON array of objects.
    Json,
}

/// What is wrong in one place of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The field; empty when it is the line as a whole.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why a file was not imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(faults))]
pub struct ImportError {
    /// The first so many faults; at least one.
    pub faults: Vec<Fault>,
}

/// So many faults are told.
const FAULTS: usize = 50;

/// The longest name of a client, octets: a domain name is no longer (RFC 1035 section 2.3.4).
const HOSTNAME: usize = 255;

/// Writes leases, in the order in which they come. `router` gives the name of a router that the configuration knows, `name`
/// that of a scope.
///
/// # Errors
/// When the writer fails.
pub fn export<'a, 'b>(
    format: Format,
    leases: impl Iterator<Item = &'a Lease>,
    router: impl Fn(RealmId) -> Option<&'b str>,
    name: impl Fn(ScopeId) -> Option<&'b str>,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let lasting = leases.filter(|l| !matches!(l.state, State::Offered | State::Registered));
    let rows = lasting.map(|lease| Row::of(lease, &router, &name));
    match format {
        Format::Csv => csv::write(rows, out),
        Format::Json => json::write(rows, out),
    }
}

impl Format {
    /// What a text seems to be: JSON begins with a bracket, no column's name does.
    pub fn of(text: &str) -> Self {
        match text.trim_start_matches('\u{feff}').trim_start() {
            text if text.starts_with('[') => Format::Json,
            _ => Format::Csv,
        }
    }
}

/// Reads leases, each with its line.
///
/// # Errors
/// Every fault, up to fifty: fields that are missing, unknown, or hold what they cannot; a resource of a router that comes twice,
/// prefixes that overlap, a kind of IA that does not have such resources, a lease that is preferred longer than valid, a next
/// hop of what is no prefix, or one that nobody can find.
pub fn import(format: Format, text: &str) -> Result<Vec<(usize, Lease)>, ImportError> {
    let mut faults = Vec::new();
    let rows = match format {
        Format::Csv => csv::read(text, &mut faults),
        Format::Json => json::read(text, &mut faults),
    };
    check(&rows, &mut faults);
    if faults.is_empty() {
        let lease = |(line, row): (usize, Row)| (line, row.into());
        return Ok(rows.into_iter().map(lease).collect());
    }
    Err(ImportError::new(faults))
}

impl ImportError {
    /// The first of these faults, in the order of lines. There must be one.
    pub fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.line);
        faults.truncate(FAULTS);
        Self { faults }
    }
}

/// A lease as it is written: each field by its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(with = "json::text")]
    resource: Resource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    router: Option<Box<str>>,
    #[serde(with = "json::text")]
    kind: Kind,
    #[serde(with = "json::text")]
    client: ClientId,
    iaid: u32,
    #[serde(with = "json::text")]
    state: State,
    scope: String,
    #[serde(with = "json::text")]
    starts: Wall,
    #[serde(with = "json::text")]
    preferred_until: Wall,
    #[serde(with = "json::text")]
    ends: Wall,
    #[serde(with = "json::maybe_text")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<MacAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hostname: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_hop_interface: Option<Box<str>>,
    #[serde(with = "json::maybe_text")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_hop_address: Option<Ipv6Addr>,
    #[serde(with = "json::maybe_text")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relay_interface_id: Option<RelayId>,
    #[serde(with = "json::maybe_text")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relay_remote_id: Option<RelayId>,
    #[serde(with = "json::maybe_text")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relay_subscriber_id: Option<RelayId>,
}

impl Row {
    fn of<'b>(
        lease: &Lease,
        router: impl Fn(RealmId) -> Option<&'b str>,
        name: impl Fn(ScopeId) -> Option<&'b str>,
    ) -> Self {
        let realm = Some(lease.realm()).filter(|realm| *realm != RealmId::UNKNOWN);
        let named = |realm| router(realm).map_or_else(|| realm.to_string().into(), Box::from);
        let next_hop = lease.next_hop.as_deref();
        let relay = lease.relay.as_deref().cloned().unwrap_or_default();
        Row {
            resource: lease.resource,
            router: realm.map(named),
            kind: lease.holder.kind,
            client: lease.holder.client.clone(),
            iaid: lease.holder.iaid,
            state: lease.state,
            scope: name(lease.scope).map_or_else(|| lease.scope.pool.to_string(), str::to_owned),
            starts: lease.starts,
            preferred_until: lease.preferred_until,
            ends: lease.ends,
            mac: lease.mac,
            hostname: lease.hostname.clone(),
            next_hop_interface: next_hop
                .map(|hop| hop.iface.clone())
                .filter(|iface| !iface.is_empty()),
            next_hop_address: next_hop.map(|hop| hop.address),
            relay_interface_id: relay.interface_id,
            relay_remote_id: relay.remote_id,
            relay_subscriber_id: relay.subscriber_id,
        }
    }
}

impl From<Row> for Lease {
    fn from(row: Row) -> Self {
        // Without an interface it is looked up in the routing table.
        let iface = row.next_hop_interface.unwrap_or_default();
        let next_hop = row.next_hop_address.map(|address| (iface, address));
        let relay = RelayInfo {
            interface_id: row.relay_interface_id,
            remote_id: row.relay_remote_id,
            subscriber_id: row.relay_subscriber_id,
        };
        Lease {
            resource: row.resource,
            state: row.state,
            mac: row.mac,
            holder: Holder {
                client: row.client,
                iaid: row.iaid,
                kind: row.kind,
            },
            scope: ScopeId {
                realm: row.router.map_or(RealmId::UNKNOWN, |router| {
                    router.parse().unwrap_or_else(|_| RealmId::of(&router))
                }),
                pool: row.scope.parse().unwrap_or_else(|_| PoolId::of(&row.scope)),
            },
            stamp: Stamp::NONE,
            starts: row.starts,
            preferred_until: row.preferred_until,
            ends: row.ends,
            hostname: row.hostname,
            next_hop: next_hop.map(|(iface, address)| Box::new(NextHop { iface, address })),
            reconfigure_key: None,
            relay: relay.into_option(),
        }
    }
}

/// What each row, and the rows together, must be besides readable.
fn check(rows: &[(usize, Row)], faults: &mut Vec<Fault>) {
    let mut seen: BTreeMap<(&Option<Box<str>>, Resource), usize> = BTreeMap::new();
    // In the order of prefixes of a router a prefix is followed by those inside it.
    let mut around: Vec<(&Option<Box<str>>, Resource, usize)> = Vec::new();
    let mut in_order: Vec<&(usize, Row)> = rows.iter().collect();
    in_order.sort_by_key(|(line, row)| (&row.router, row.resource, *line));
    for (line, row) in in_order {
        let mut fault = |field, why: String| faults.push(Fault::new(*line, field, why));
        let (router, resource) = (&row.router, row.resource);
        around.retain(|(of, outer, _)| *of == router && is_around(*outer, resource));
        if let Some(first) = seen.insert((router, resource), *line) {
            fault(
                "resource",
                format!("{resource} stands in line {first} already"),
            );
        } else if let Some((_, outer, first)) = around.last() {
            fault(
                "resource",
                format!("{resource} is in {outer} of line {first}"),
            );
        }
        around.push((router, resource, *line));
        let fits = match resource {
            Resource::V6(_) => matches!(row.kind, Kind::Na | Kind::Ta),
            Resource::Prefix(_) => row.kind == Kind::Pd,
            Resource::V4(_) => row.kind == Kind::V4,
        };
        if !fits {
            fault("kind", format!("{resource} cannot be in an {}", row.kind));
        }
        if row.state == State::Offered {
            fault("state", "an offer is not kept".to_owned());
        }
        if row.state == State::Registered {
            fault("state", "a registration is its host's to make".to_owned());
        }
        if row.preferred_until > row.ends {
            fault("preferred_until", "it is after the end".to_owned());
        }
        if let Some(name) = &row.hostname
            && name.len() > HOSTNAME
        {
            let why = format!("a name has {HOSTNAME} octets at most");
            fault("hostname", why);
        }
        let interface = row.next_hop_interface.as_ref().filter(|i| !i.is_empty());
        match row.next_hop_address {
            None if interface.is_some() => {
                fault("next_hop_address", "it is missing".to_owned());
            }
            Some(_) if row.kind != Kind::Pd => {
                let why = "only a prefix has a next hop".to_owned();
                fault("next_hop_address", why);
            }
            Some(address) if address.is_unicast_link_local() && interface.is_none() => {
                let why = format!("{address} is link-local: it needs its interface");
                fault("next_hop_interface", why);
            }
            _ => {}
        }
    }
}

fn is_around(outer: Resource, inner: Resource) -> bool {
    match (outer, inner) {
        (Resource::Prefix(outer), Resource::Prefix(inner)) => outer.contains(&inner),
        _ => false,
    }
}

impl Fault {
    /// A fault of a line, counted from 1.
    pub fn new(line: usize, field: &str, why: impl Into<String>) -> Self {
        Self {
            line,
            field: field.to_owned(),
            why: why.into(),
        }
    }
}

fn list(faults: &[Fault]) -> String {
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    faults.join("; ")
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.why),
            field => write!(f, "line {}, {field}: {}", self.line, self.why),
        }
    }
}

/// A word that is not one of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of {0}")]
pub struct WordError(String);

macro_rules! words {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.label())
            }
        }

        impl FromStr for $type {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                let found = Self::ALL.into_iter().find(|word| word.label() == text);
                found.ok_or_else(|| WordError(Self::ALL.map(Self::label).join(", ")))
            }
        }
    };
}

words!(Kind);
words!(State);

#[cfg(test)]
mod tests;
