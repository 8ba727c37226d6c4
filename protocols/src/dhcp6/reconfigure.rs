//! Reconfigure: the server asks a client to come and ask (RFC 8415 section 18.3.11), retransmits, and sees whether it came.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant, SystemTime};

use tables::id::IfaceId;
use wire::MacAddr;

use super::auth;
use super::link::LinkId;
use super::option::code;
use super::packet::{MessageType, RECONFIGURE};
use super::receive::{self, CLIENT_PORT};
use super::relay::{self, Layer};
use super::sm::{Action, Datagram, Machine, Notice, Via, Whom};
use super::writer::Writer;
use crate::timers::Timers;
use lease::{ClientId, Kind, RealmId, Resource, State};

/// REC_TIMEOUT (RFC 8415 section 7.6).
const REC_TIMEOUT: Duration = Duration::from_secs(2);
/// REC_MAX_RC (RFC 8415 section 7.6).
const REC_MAX_RC: u32 = 8;
/// Time between the first messages to two clients, so that they do not all come at once.
const PACE: Duration = Duration::from_millis(1);
/// Clients whose whereabouts are remembered in one generation; there are two.
const MAX_CONTACTS: usize = 65_536;
/// Clients asked to come at a time.
const MAX_PENDING: usize = 1 << 20;
/// Seconds from 1900, which NTP counts from, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

/// Where a client was met last.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    link: LinkId,
    iface: IfaceId,
    mac: MacAddr,
    src: Ipv6Addr,
    src_port: u16,
    dst: Ipv6Addr,
    /// The whole Relay-forward message, to be answered once more; empty when there was none.
    relayed: Box<[u8]>,
}

impl Contact {
    pub(super) fn new(link: LinkId, datagram: &Datagram<'_>, layers: &[Layer<'_>]) -> Self {
        Contact {
            link,
            iface: datagram.iface,
            mac: datagram.src_mac,
            src: datagram.src,
            src_port: datagram.src_port,
            dst: datagram.dst,
            relayed: if layers.is_empty() {
                Box::default()
            } else {
                datagram.payload.into()
            },
        }
    }
}

/// A client that is being asked to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconfigure<'a> {
    /// Who.
    pub client: &'a ClientId,
    /// What it shall come with.
    pub with: MessageType,
    /// How often it was asked.
    pub attempts: u32,
}

/// A client of a router: the same identifier in another one is another client.
type Whose = (RealmId, ClientId);

#[derive(Debug)]
struct Pending {
    client: Whose,
    link: LinkId,
    with: MessageType,
    attempts: u32,
    /// An address that it has leased: where it is met when nobody has seen it since a restart.
    address: Option<Ipv6Addr>,
}

/// Clients that accept Reconfigure messages, and those that are being sent some.
#[derive(Debug, Default)]
pub(super) struct Reconfigures {
    /// Met lately, and before that: when the first is full it becomes the second. So both are bounded and none is searched.
    young: HashMap<Whose, Contact>,
    old: HashMap<Whose, Contact>,
    pending: BTreeMap<u32, Pending>,
    by_client: HashMap<Whose, u32>,
    timers: Timers<u32>,
    next: u32,
    /// The last replay detection value.
    replay: u64,
}

impl Reconfigures {
    /// A replay detection value greater than all before (RFC 8415 section 20.3): an NTP timestamp, so that it is greater after a
    /// restart, too. LIMIT: not after the clock was set back; clients then take no Reconfigure until it has caught up.
    pub(super) fn replay(&mut self, wall: SystemTime) -> u64 {
        let since = wall
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        let stamp = ((since.as_secs() + NTP_EPOCH) << 32) | fraction;
        self.replay = stamp.max(self.replay.saturating_add(1));
        self.replay
    }

    /// Remembers where a client is that accepts Reconfigure messages.
    pub(super) fn note(&mut self, client: Whose, contact: Contact) {
        if self.young.len() >= MAX_CONTACTS && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, contact);
    }

    fn contact(&self, client: &Whose) -> Option<&Contact> {
        self.young.get(client).or_else(|| self.old.get(client))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Reconfigure<'_>> {
        self.pending.values().map(|pending| Reconfigure {
            client: &pending.client.1,
            with: pending.with,
            attempts: pending.attempts,
        })
    }

    fn begin(&mut self, pending: Pending, at: Instant) {
        self.end(&pending.client);
        if self.pending.len() >= MAX_PENDING {
            return;
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.by_client.insert(pending.client.clone(), id);
        self.pending.insert(id, pending);
        self.timers.arm(id, at);
    }

    fn end(&mut self, client: &Whose) -> Option<Pending> {
        let id = self.by_client.remove(client)?;
        self.timers.cancel(id);
        self.pending.remove(&id)
    }
}

impl Machine {
    /// Begins to send Reconfigure messages. Clients that never accepted them are left alone.
    pub(super) fn reconfigure(&mut self, whom: &Whom, with: MessageType, out: &mut Vec<Action>) {
        use MessageType::{InformationRequest, Rebind, Renew};
        // RFC 8415 section 21.19.
        if !matches!(with, Renew | Rebind | InformationRequest) {
            return;
        }
        let (now, _) = self.clock;
        let mut clients = BTreeMap::new();
        let reconfigures = &self.reconfigures;
        let is_meant = |client: &ClientId, link: LinkId| match whom {
            Whom::Client(one) => one == client,
            Whom::Link(one) => *one == link,
            Whom::All => true,
        };
        for (client, contact) in reconfigures.old.iter().chain(&reconfigures.young) {
            if is_meant(&client.1, contact.link) {
                clients.insert(client.clone(), (contact.link, None));
            }
        }
        for lease in self.book.iter().filter(|l| l.reconfigure_key.is_some()) {
            let client = &lease.holder.client;
            if let Some(link) = self.by_scope(lease.scope)
                && lease.state == State::Bound
                && is_meant(client, link)
            {
                let whose = (lease.realm(), client.clone());
                let (_, address) = clients.entry(whose).or_insert((link, None));
                if let (Resource::V6(leased), Kind::Na) = (lease.resource, lease.holder.kind) {
                    *address = Some(leased);
                }
            }
        }
        for (i, (client, (link, address))) in clients.into_iter().enumerate() {
            let at = now + PACE * u32::try_from(i).unwrap_or(u32::MAX);
            let pending = Pending {
                client,
                link,
                with,
                attempts: 0,
                address,
            };
            self.reconfigures.begin(pending, at);
        }
        self.reconfigure_timer(out);
    }

    /// A client came: it may be because it was asked.
    pub(super) fn has_come(&mut self, link: LinkId, client: &Whose, kind: MessageType) {
        let Some(id) = self.reconfigures.by_client.get(client) else {
            return;
        };
        if self
            .reconfigures
            .pending
            .get(id)
            .is_some_and(|p| p.with == kind)
        {
            self.reconfigures.end(client);
            if let Some(link) = self.links.get_mut(&link) {
                link.counters.reconfigures_followed += 1;
            }
        }
    }

    /// Sends what is due.
    pub(super) fn reconfigure_timer(&mut self, out: &mut Vec<Action>) {
        let (now, _) = self.clock;
        while let Some(id) = self.reconfigures.timers.pop_due(now) {
            let Some(pending) = self.reconfigures.pending.get_mut(&id) else {
                continue;
            };
            let (client, link, with) = (pending.client.clone(), pending.link, pending.with);
            if self.silent.contains(&link) {
                // The other router serves it now.
                self.reconfigures.end(&client);
                continue;
            }
            let address = pending.address;
            if pending.attempts == REC_MAX_RC {
                self.reconfigures.end(&client);
                if let Some(link) = self.links.get_mut(&link) {
                    link.counters.reconfigures_given_up += 1;
                }
                let (_, client) = client;
                out.push(Action::Notice(Notice::ReconfigureFailed { client }));
                continue;
            }
            let wait = REC_TIMEOUT * (1 << pending.attempts);
            pending.attempts += 1;
            if self.send_reconfigure(&client, link, with, address, out) {
                self.reconfigures.timers.arm(id, now + wait);
            } else {
                self.reconfigures.end(&client);
                let (_, client) = client;
                out.push(Action::Notice(Notice::ReconfigureFailed { client }));
            }
        }
    }

    /// Sends one; `false` when nobody knows where the client is.
    fn send_reconfigure(
        &mut self,
        client: &Whose,
        id: LinkId,
        with: MessageType,
        address: Option<Ipv6Addr>,
        out: &mut Vec<Action>,
    ) -> bool {
        let replay = self.reconfigures.replay(self.clock.1);
        let duid_of_client = client.1.as_bytes();
        let key = self.identity.secret.key(duid_of_client);
        let Some(link) = self.links.get(&id) else {
            return false;
        };
        let duid = &self.identity.duid;
        let mut w = Writer::new();
        let mut write = |w: &mut Writer| {
            let start = w.len();
            w.bytes(&[RECONFIGURE, 0, 0, 0]);
            w.data(code::SERVER_ID, duid);
            w.data(code::CLIENT_ID, duid_of_client);
            w.data(code::RECONF_MSG, &[with.number()]);
            let at = auth::write_zeros(w, replay);
            auth::sign(w, start, at, &key);
        };
        let (via, src, dst, dst_port);
        if let Some(contact) = self.reconfigures.contact(client) {
            let datagram = Datagram {
                iface: contact.iface,
                src_mac: contact.mac,
                src: contact.src,
                src_port: contact.src_port,
                dst: contact.dst,
                payload: &contact.relayed,
            };
            // It was opened before.
            let Ok((layers, _)) = relay::unwrap(&contact.relayed) else {
                return false;
            };
            (via, dst_port) = receive::way(&datagram, &layers, link);
            (src, dst) = (Some(contact.dst).filter(|a| !a.is_multicast()), contact.src);
            relay::wrap(&layers, &mut w, &mut write);
        } else if let Some(address) = address {
            (via, dst_port) = (Via::Routed { vrf: link.vrf }, CLIENT_PORT);
            (src, dst) = (None, address);
            write(&mut w);
        } else {
            return false;
        }
        let Some(payload) = w.finish() else {
            return false;
        };
        out.push(Action::Send {
            via,
            src,
            dst,
            dst_port,
            payload,
            after_commit: false,
        });
        if let Some(link) = self.links.get_mut(&id) {
            link.counters.reconfigures += 1;
        }
        true
    }
}
