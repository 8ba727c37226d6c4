//! The guards' room: runs `protocols::savi`, writes the book of addresses that the workers' guards read.
//!
//! ```text
//!   workers ── notes ──► Guards ── Heard ──► Machine ── Bind, Hold, ... ──► dataplane::guard::Book ──► workers
//!   engine ── ports, links, leases ──►   │
//!                                        └── Probe, Ask, Defend ──► frames for the engine to send
//! ```
//!
//! It lives in the engine's thread, as the bindings' room does, and works for a bounded time.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dataplane::forwarding::network::mapped;
use dataplane::guard::{BookWriter, Holder, LinkId, Note, NoteConsumer, Saying};
use protocols::savi::{
    self, Action, Anchor, Configuration, Event, Link, Machine, Millis, Origin, Prefix, State,
    Timing, Used,
};
use tables::id::AnchorId;
use wire::MacAddr;

use crate::bus::unmapped;

mod frame;

#[cfg(test)]
mod tests;

/// Notes of each worker that are read at once.
const NOTES: usize = 1024;
/// Addresses that are looked at at once, since their time has come.
const DUE: usize = 1024;
/// Frames that wait to be sent; more are not made. Machines are asked again, and who probes probes again.
const MAX_FRAMES: usize = 1024;

/// What a link with ports is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// Every address of our own on it, in use or not, and its MAC.
    pub own: BTreeMap<IpAddr, MacAddr>,
    /// Whether machines without a port can be on it: an uplink, a tunnel, any place that is no anchor and no router of ours.
    pub has_strangers: bool,
    /// From which MAC machines are asked on it: of the interface that we have there, or of the node.
    pub speaker: MacAddr,
}

/// What a port is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorConfig {
    /// Its link.
    pub link: LinkId,
    /// The MACs that its machine may have, its own first. Empty: any that nobody else on the link has.
    pub macs: Vec<MacAddr>,
    /// Its own addresses (`fixed_ips`), and the addresses of reservations. Each with the port's own MAC, if that is configured; the
    /// link-local address of that MAC (RFC 4291 appendix A) is added here.
    pub fixed: Vec<IpAddr>,
    /// Single addresses of its pairs, which other ports may have too. Without a MAC: with the port's own. Prefixes are its guard's alone.
    pub shared: Vec<(IpAddr, Option<MacAddr>)>,
    /// Whether it learns addresses (`address_learning = "fcfs"`).
    pub learns: bool,
    /// Most addresses of each family that it learns.
    pub max_addresses: u16,
}

/// Everything that the room is told of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Links with ports.
    pub links: BTreeMap<LinkId, LinkConfig>,
    /// Ports.
    pub anchors: BTreeMap<AnchorId, AnchorConfig>,
}

/// Where a frame of ours goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// To a port.
    Anchor(AnchorId),
    /// To all places of a link that are no ports, nor routers of ours.
    Strangers(LinkId),
}

/// A frame to be sent, without tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub towards: Towards,
    /// From the Ethernet header on, without FCS.
    pub bytes: Vec<u8>,
}

/// An address as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingView {
    /// Its link.
    pub link: LinkId,
    /// The port that has it, if one has.
    pub anchor: Option<AnchorId>,
    /// It.
    pub address: IpAddr,
    /// Its MAC; `None`: any that its port may have.
    pub mac: Option<MacAddr>,
    /// How it came to its holder: `own`, `fixed`, `shared`, `lease`, `learned`, `stranger`.
    pub origin: &'static str,
    /// Where it is in its life (RFC 6620): `tentative`, `valid`, `testing_life`, `testing_stranger`, `testing_rival`.
    pub state: &'static str,
    /// Seconds since it was last used, where that is noted.
    pub age: Option<u32>,
    /// Seconds that it has left if it is not used again, or renewed. `None`: it stays.
    pub left: Option<u32>,
}

/// A port's guard as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardView {
    /// The port.
    pub anchor: AnchorId,
    /// IPv6 addresses learned.
    pub learned6: u32,
    /// IPv4 addresses learned.
    pub learned4: u32,
    /// Most of each.
    pub max_addresses: u16,
    /// The room's counters.
    pub counters: savi::Counters,
}

/// See the module.
#[derive(Debug)]
pub struct Guards {
    machine: Machine,
    book: BookWriter,
    notes: Vec<NoteConsumer>,
    configured: Configured,
    frames: VecDeque<Outgoing>,
    /// Whether an address was bound or unbound since that was asked.
    changed: bool,
    /// Reused.
    actions: Vec<Action>,
    heard: Vec<Note>,
}

impl Guards {
    /// A room that writes an empty book, and reads the notes of these workers.
    pub fn new(book: BookWriter, notes: Vec<NoteConsumer>, timing: Timing) -> Self {
        Self {
            machine: Machine::new(timing),
            book,
            notes,
            configured: Configured::default(),
            frames: VecDeque::new(),
            changed: false,
            actions: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Has these ports guarded, and no others. Whether that is another thing than before.
    pub fn follow(&mut self, wanted: Configured) -> bool {
        if wanted == self.configured {
            return false;
        }
        let configuration = configuration(&wanted);
        self.configured = wanted;
        self.handle(Event::Configure(configuration));
        true
    }

    /// Whether a link has ports.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.configured.links.contains_key(&link)
    }

    /// A server of this router has leased an address on a link to the client with this MAC, or renewed that; `left`: for so long.
    /// `None`: for ever.
    pub fn leased(&mut self, link: LinkId, address: IpAddr, mac: MacAddr, left: Option<u32>) {
        let until = left.map(|seconds| now() + Millis::from(seconds) * 1000);
        self.handle(Event::Leased {
            link,
            address,
            mac,
            until,
        });
    }

    /// A machine with this MAC has registered an address that it has formed (RFC 9686), for so many seconds or for ever. `None`: it has
    /// taken that back, or the time is over.
    pub fn registered(
        &mut self,
        link: LinkId,
        address: IpAddr,
        given: Option<(MacAddr, Option<u32>)>,
    ) {
        let until = |left: Option<u32>| left.map(|secs| now() + Millis::from(secs) * 1000);
        self.handle(match given {
            Some((mac, left)) => Event::Registered {
                link,
                address,
                mac,
                until: until(left),
            },
            None => Event::Unregistered { link, address },
        });
    }

    /// Another router that guards the same port has found that it has an address; `left`: for so many seconds at least.
    pub fn known(&mut self, anchor: AnchorId, address: IpAddr, mac: MacAddr, left: u32) {
        let link = self.link_of(anchor);
        let until = now() + Millis::from(left) * 1000;
        self.handle(Event::Known {
            link,
            anchor,
            address,
            mac,
            until,
        });
    }

    /// A lease has ended.
    pub fn released(&mut self, link: LinkId, address: IpAddr) {
        self.handle(Event::Released { link, address });
    }

    /// A server of this router has delegated a prefix to the client with this MAC, or renewed that. Times are those of [`Guards::leased`].
    pub fn delegated(
        &mut self,
        link: LinkId,
        (prefix, len): (Ipv6Addr, u8),
        mac: MacAddr,
        left: Option<u32>,
    ) {
        let until = left.map(|seconds| now() + Millis::from(seconds) * 1000);
        let prefix = Prefix { prefix, len };
        self.handle(Event::Delegated {
            link,
            prefix,
            mac,
            until,
        });
    }

    /// A prefix is not delegated any more.
    pub fn undelegated(&mut self, link: LinkId, (prefix, len): (Ipv6Addr, u8)) {
        let prefix = Prefix { prefix, len };
        self.handle(Event::Undelegated { link, prefix });
    }

    /// Reads the workers' notes, and does what is due. Frames to be sent wait in [`Guards::take_frames`].
    pub fn tick(&mut self) {
        let mut heard = std::mem::take(&mut self.heard);
        for notes in &mut self.notes {
            heard.extend(std::iter::from_fn(|| notes.pop().ok()).take(NOTES));
        }
        // Who came first has it, whichever worker heard it.
        heard.sort_by_key(|note| note.at);
        for note in heard.drain(..) {
            self.handle(Event::Heard {
                link: note.link,
                anchor: (note.anchor != AnchorId(0)).then_some(note.anchor),
                mac: MacAddr(note.mac),
                address: unmapped(note.address.to_be_bytes()),
                probes: note.saying == Saying::Probes,
            });
        }
        self.heard = heard;
        let now = now();
        if self.machine.next_deadline().is_some_and(|due| due <= now) {
            let Self {
                machine,
                book,
                actions,
                ..
            } = self;
            machine.on_timer(now, DUE, &|used| seen(book, used), actions);
            self.act(now);
        }
    }

    /// Whether a port has got or lost an address since that was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The frames to be sent since it was last asked.
    pub fn take_frames(&mut self) -> impl Iterator<Item = Outgoing> + '_ {
        self.frames.drain(..)
    }

    /// The addresses of one port, or of all links, by link and address.
    pub fn bindings(&self, anchor: Option<AnchorId>) -> Vec<BindingView> {
        let seen = |used| seen(&self.book, used);
        let all = self.machine.snapshot(now(), anchor, &seen);
        let seconds = |millis: Millis| u32::try_from(millis / 1000).unwrap_or(u32::MAX);
        let view = |known: savi::Snapshot| BindingView {
            link: known.link,
            anchor: known.anchor,
            address: known.address,
            mac: Some(known.mac).filter(|mac| *mac != MacAddr::ZERO),
            origin: origin(known.origin),
            state: state(known.state),
            age: known.age.map(seconds),
            left: known.left.map(seconds),
        };
        all.into_iter().map(view).collect()
    }

    /// Every port.
    pub fn guards(&self) -> Vec<GuardView> {
        let ports = self.machine.ports();
        let view = |(anchor, [learned6, learned4], counters): (_, [usize; 2], &savi::Counters)| {
            let config = self.configured.anchors.get(&anchor);
            GuardView {
                anchor,
                learned6: learned6 as u32,
                learned4: learned4 as u32,
                max_addresses: config.map_or(0, |config| config.max_addresses),
                counters: counters.clone(),
            }
        };
        ports.map(view).collect()
    }

    fn handle(&mut self, event: Event) {
        let now = now();
        let Self {
            machine,
            book,
            actions,
            ..
        } = self;
        machine.on_event(now, event, &|used| seen(book, used), actions);
        self.act(now);
    }

    /// Does what the machine wants, in order. What a table refuses is told of before anything else happens.
    fn act(&mut self, now: Millis) {
        let mut todo: VecDeque<Action> = self.actions.drain(..).collect();
        while let Some(action) = todo.pop_front() {
            let Err((link, address)) = self.write(now, action) else {
                continue;
            };
            let Self {
                machine,
                book,
                actions,
                ..
            } = self;
            let refused = Event::Refused { link, address };
            machine.on_event(now, refused, &|used| seen(book, used), actions);
            for action in self.actions.drain(..).rev() {
                todo.push_front(action);
            }
        }
    }

    /// Does one thing. An error: there was no room for this address.
    fn write(&mut self, now: Millis, action: Action) -> Result<(), (LinkId, IpAddr)> {
        let seconds = (now / 1000) as u32;
        self.changed |= matches!(action, Action::Bind { .. } | Action::Unbind { .. });
        let book = &mut self.book;
        match action {
            Action::Bind {
                anchor,
                address,
                mac,
            } => {
                let bound = book.bind(anchor, mapped(address), mac.octets(), seconds);
                let config = self.configured.anchors.get(&anchor);
                let link = config.map_or(LinkId(0), |config| config.link);
                bound.map_err(|_| (link, address))?;
            }
            Action::Unbind { anchor, address } => book.unbind(anchor, mapped(address)),
            Action::Hold {
                link,
                address,
                anchor,
                is_tentative,
            } => {
                let anchor = anchor.unwrap_or_default();
                let holder = Holder {
                    anchor,
                    is_tentative,
                };
                let held = book.hold(link, mapped(address), holder, seconds);
                held.map_err(|_| (link, address))?;
            }
            Action::Release { link, address } => book.release(link, mapped(address)),
            // Without room for a MAC it is nobody's: it is the addresses that are guarded.
            Action::HoldMac { link, mac, anchor } => {
                let holder = Holder {
                    anchor: anchor.unwrap_or_default(),
                    is_tentative: false,
                };
                let _ = book.hold_mac(link, mac.octets(), Some(holder), seconds);
            }
            Action::ReleaseMac { link, mac } => {
                let _ = book.hold_mac(link, mac.octets(), None, seconds);
            }
            Action::Delegate {
                anchor,
                prefix,
                mac,
            } => {
                let prefix = (prefix.prefix.to_bits(), prefix.len);
                if let Err(error) = book.delegate(anchor, prefix, mac.octets()) {
                    tracing::warn!(%anchor, %error, "a delegated prefix is not let through");
                }
            }
            Action::Undelegate { anchor, prefix } => {
                book.undelegate(anchor, (prefix.prefix.to_bits(), prefix.len));
            }
            // Without room for the mark its claims are called by another name.
            Action::Full {
                anchor,
                is_ipv4,
                is_full,
            } => {
                let _ = book.set_full(anchor, is_ipv4, is_full);
            }
            Action::Probe {
                anchor,
                address,
                mac,
            } => {
                let from = self.speaker(self.link_of(anchor));
                self.send(Towards::Anchor(anchor), frame::question(from, mac, address));
            }
            Action::Ask { link, address } => {
                let from = self.speaker(link);
                let to = match address {
                    IpAddr::V6(address) => frame::solicited_node(address).1,
                    IpAddr::V4(_) => MacAddr::BROADCAST,
                };
                self.send(Towards::Strangers(link), frame::question(from, to, address));
            }
            Action::Defend {
                anchor,
                to,
                address,
                owner,
            } => {
                let from = self.speaker(self.link_of(anchor));
                let bytes = frame::defence(from, to, address, owner);
                self.send(Towards::Anchor(anchor), bytes);
            }
        }
        Ok(())
    }

    fn link_of(&self, anchor: AnchorId) -> LinkId {
        let config = self.configured.anchors.get(&anchor);
        config.map_or(LinkId(0), |config| config.link)
    }

    fn speaker(&self, link: LinkId) -> MacAddr {
        let config = self.configured.links.get(&link);
        config.map_or(MacAddr::ZERO, |config| config.speaker)
    }

    fn send(&mut self, towards: Towards, bytes: Vec<u8>) {
        if self.frames.len() < MAX_FRAMES {
            self.frames.push_back(Outgoing { towards, bytes });
        }
    }
}

/// When something was last used.
fn seen(book: &BookWriter, used: Used) -> Option<u32> {
    match used {
        Used::At(anchor, address) => book.seen(anchor, mapped(address)),
        Used::On(link, address) => book.heard(link, mapped(address)),
    }
}

/// Milliseconds of the workers' clock.
fn now() -> Millis {
    let millis = u128::from(dataplane::ticks()) * 1000 / u128::from(dataplane::hz().max(1));
    millis as Millis
}

/// The configuration in the machine's words.
fn configuration(configured: &Configured) -> Configuration {
    let link = |config: &LinkConfig| Link {
        own: config.own.clone(),
        has_strangers: config.has_strangers,
    };
    let anchor = |config: &AnchorConfig| {
        let own = config.macs.first().copied();
        let link_local = own.map(|mac| (IpAddr::V6(mac.link_local()), own));
        let fixed = config.fixed.iter().map(|address| (*address, own));
        Anchor {
            link: config.link,
            macs: config.macs.clone(),
            fixed: link_local.into_iter().chain(fixed).collect(),
            shared: config
                .shared
                .iter()
                .map(|(address, mac)| (*address, mac.or(own)))
                .collect(),
            learns: config.learns,
            max_addresses: config.max_addresses,
        }
    };
    Configuration {
        links: configured
            .links
            .iter()
            .map(|(id, config)| (*id, link(config)))
            .collect(),
        anchors: configured
            .anchors
            .iter()
            .map(|(id, config)| (*id, anchor(config)))
            .collect(),
    }
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Own => "own",
        Origin::Fixed => "fixed",
        Origin::Shared => "shared",
        Origin::Leased => "lease",
        Origin::Learned => "learned",
        Origin::Stranger => "stranger",
    }
}

const fn state(state: State) -> &'static str {
    match state {
        State::Tentative => "tentative",
        State::Valid => "valid",
        State::TestingLife => "testing_life",
        State::TestingStranger => "testing_stranger",
        State::TestingRival => "testing_rival",
    }
}
