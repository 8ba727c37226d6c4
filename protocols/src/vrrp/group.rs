//! One virtual router: the state machine of RFC 9568 section 6.4.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use wire::{EtherType, MacAddr};

use super::config::{Checksum, Config, Family, GroupId, Version};
use super::counters::Counters;
use super::packet::{self, Advertisement, GROUP4, GROUP6, Received};
use super::sm::{Action, Context, Key, Why};

/// Priority of who owns the addresses, and of who stops (RFC 9568 section 5.2.4).
const OWNER: u8 = 255;
const STOPS: u8 = 0;
/// When the addresses are announced again after the first time: for stations and switches that missed it.
const ANNOUNCE_AGAIN: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// State of a virtual router (RFC 9568 section 6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// It cannot take part: no link, no address of its own, or held down.
    #[default]
    Initialize,
    /// It listens and is silent.
    Backup,
    /// It does the virtual router's work.
    Active,
}

impl State {
    /// Its name for people and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
        }
    }
}

/// A virtual router as `show vrrp` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Which.
    pub id: GroupId,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The priority that counts now.
    pub priority: u8,
    /// What it is configured as.
    pub config: Config,
    /// Active_Adver_Interval: what the timers go by.
    pub interval: Duration,
    /// What advertisements are sent from.
    pub source: Option<IpAddr>,
    /// Who was active when it was heard last, and its priority; ourselves when we are.
    pub active: Option<(IpAddr, u8)>,
    /// When it takes over unless it hears something.
    pub takes_over: Option<Instant>,
    /// What it counted.
    pub counters: Counters,
}

#[derive(Debug)]
pub(super) struct Group {
    config: Config,
    state: State,
    since: Instant,
    /// Frames can be sent.
    up: bool,
    /// What advertisements are sent from.
    source: Option<IpAddr>,
    /// Taken off the priority because of what is watched.
    lowered: u8,
    /// What is watched forbids to take part.
    held: bool,
    /// Active_Adver_Interval.
    interval: Duration,
    /// Who is active, and its priority.
    active: Option<(IpAddr, u8)>,
    /// Since when a router of lower priority has been active.
    lower_since: Option<Instant>,
    /// Checksums of version 3 over IPv4 cover a pseudo-header, as a peer's did.
    pseudo_header: bool,
    /// It has slept, and listens until then before it speaks.
    listens_until: Option<Instant>,
    /// It has slept as backup, and listened once more.
    listened: bool,
    announced: usize,
    stopped: Option<Why>,
    pub counters: Counters,
}

impl Group {
    pub fn new(config: Config, now: Instant) -> Self {
        Self {
            interval: config.interval,
            config,
            state: State::Initialize,
            since: now,
            up: false,
            source: None,
            lowered: 0,
            held: false,
            active: None,
            lower_since: None,
            pseudo_header: false,
            listens_until: None,
            listened: false,
            announced: 0,
            stopped: None,
            counters: Counters::default(),
        }
    }

    // ----- what is told -----

    pub fn configure(&mut self, cx: &mut Context<'_>, config: Config) {
        if self.config == config {
            return;
        }
        let was = std::mem::replace(&mut self.config, config);
        match self.state {
            State::Initialize => {}
            State::Backup => {
                if self.config.interval != was.interval {
                    self.interval = self.config.interval;
                }
                self.arm_down(cx);
            }
            State::Active => {
                self.interval = self.config.interval;
                if (&self.config.addresses, self.config.mac) != (&was.addresses, was.mac) {
                    self.become_(cx, State::Active, Why::Configured);
                    self.announce_all(cx);
                }
                self.advertise(cx);
            }
        }
        self.update(cx);
    }

    pub fn set_up(&mut self, cx: &mut Context<'_>, up: bool) {
        self.up = up;
        self.update(cx);
    }

    pub fn set_source(&mut self, cx: &mut Context<'_>, source: Option<IpAddr>) {
        self.source = source;
        self.update(cx);
    }

    pub fn track(&mut self, cx: &mut Context<'_>, lowered: u8, held: bool) {
        let before = self.priority();
        (self.lowered, self.held) = (lowered, held);
        self.update(cx);
        if self.state == State::Active && self.priority() != before {
            // Another one may be better by now: it shall know at once.
            self.advertise(cx);
        }
    }

    /// Leaves the virtual router to others, for good.
    pub fn stop(&mut self, cx: &mut Context<'_>, why: Why) {
        self.stopped = Some(why);
        self.update(cx);
    }

    /// The priority that counts; the owner of the addresses stays it.
    fn priority(&self) -> u8 {
        match self.config.priority {
            OWNER => OWNER,
            priority => priority.saturating_sub(self.lowered).max(1),
        }
    }

    /// Takes part, or ceases to.
    fn update(&mut self, cx: &mut Context<'_>) {
        let why = match self {
            Self {
                stopped: Some(why), ..
            } => Some(*why),
            Self { up: false, .. } => Some(Why::LinkDown),
            Self { source: None, .. } => Some(Why::NoAddress),
            Self { held: true, .. } => Some(Why::Held),
            _ => None,
        };
        match (self.state, why) {
            (State::Initialize, None) => self.start(cx),
            (State::Backup | State::Active, Some(why)) => self.leave(cx, why),
            _ => {}
        }
    }

    fn start(&mut self, cx: &mut Context<'_>) {
        self.interval = self.config.interval;
        if self.priority() == OWNER {
            self.take_over(cx, Why::Started);
        } else {
            self.become_(cx, State::Backup, Why::Started);
            self.arm_down(cx);
        }
    }

    fn leave(&mut self, cx: &mut Context<'_>, why: Why) {
        if self.state == State::Active && self.up {
            self.counters.resigned += 1;
            self.send(cx, STOPS);
        }
        self.silence(cx);
        self.active = None;
        self.become_(cx, State::Initialize, why);
    }

    fn silence(&mut self, cx: &mut Context<'_>) {
        for key in [Key::Advertise, Key::Down, Key::Announce] {
            cx.timers.cancel(key(cx.id));
        }
        self.listens_until = None;
        self.listened = false;
        self.lower_since = None;
    }

    // ----- timers -----

    /// Skew_Time (RFC 9568 section 6.1): who is less important waits longer.
    fn skew(&self) -> Duration {
        let unit = match self.config.version {
            Version::V3 => self.interval,
            Version::V2 => Duration::from_secs(1),
        };
        unit * (256 - u32::from(self.priority())) / 256
    }

    /// Active_Down_Interval.
    fn down_interval(&self) -> Duration {
        self.interval * 3 + self.skew()
    }

    fn arm_down(&mut self, cx: &mut Context<'_>) {
        let at = cx.now + self.down_interval();
        self.listened = false;
        cx.timers.arm(Key::Down(cx.id), at);
    }

    /// No advertisement has come for too long. `late`: how long ago the timer should have gone off.
    pub fn down_timer(&mut self, cx: &mut Context<'_>, late: Duration) {
        if self.state != State::Backup {
            return;
        }
        if late > self.interval && !self.listened {
            // What came while we slept may not have reached us yet.
            self.counters.slept += 1;
            self.listened = true;
            cx.timers.arm(Key::Down(cx.id), cx.now + self.interval);
            return;
        }
        self.take_over(cx, Why::Silence);
    }

    pub fn advertise_timer(&mut self, cx: &mut Context<'_>, due: Instant) {
        if self.state != State::Active {
            return;
        }
        let late = cx.now.saturating_duration_since(due);
        if late > self.interval * 2 + self.skew() && self.listens_until.is_none() {
            // Others may have taken over: first listen.
            self.counters.slept += 1;
            let until = cx.now + self.interval;
            self.listens_until = Some(until);
            cx.timers.arm(Key::Advertise(cx.id), until);
            return;
        }
        self.listens_until = None;
        self.send(cx, self.priority());
        // From the time that was meant: lateness does not add up.
        let next = due + self.config.interval;
        let next = if next > cx.now {
            next
        } else {
            cx.now + self.config.interval
        };
        cx.timers.arm(Key::Advertise(cx.id), next);
    }

    pub fn announce_timer(&mut self, cx: &mut Context<'_>) {
        if self.state == State::Active {
            self.announce(cx);
        }
    }

    // ----- received -----

    /// A valid packet for this virtual router. An error names the rule that it broke.
    pub fn received(
        &mut self,
        cx: &mut Context<'_>,
        received: Received,
    ) -> Result<(), &'static str> {
        let Received {
            source,
            to_group,
            pseudo_header,
            advertisement: said,
        } = received;
        if self.state == State::Initialize {
            return Ok(());
        }
        if said.version != self.config.version {
            return Err("version");
        }
        if self.source == Some(source) {
            return Err("own_source");
        }
        match self.config.peers.as_slice() {
            [] if !to_group => return Err("destination"),
            [] => {}
            peers if to_group || !peers.contains(&source) => return Err("peer"),
            _ => {}
        }
        if said.version == Version::V2 && said.interval != self.config.interval {
            return Err("interval");
        }
        self.counters.received += 1;
        self.pseudo_header = pseudo_header;
        self.counters.interval_mismatches += u64::from(said.interval != self.config.interval);
        self.counters.address_mismatches += u64::from(!self.has_addresses(&said));
        if said.priority == STOPS {
            self.counters.resignations_received += 1;
        }
        match self.state {
            State::Initialize => {}
            State::Backup => self.heard_as_backup(cx, source, &said),
            State::Active => self.heard_as_active(cx, source, &said),
        }
        Ok(())
    }

    /// Whether the advertisement names our virtual addresses, in any order.
    fn has_addresses(&self, said: &Advertisement) -> bool {
        let ours = &self.config.addresses;
        ours.len() == said.addresses.len() && ours.iter().all(|a| said.addresses.contains(a))
    }

    fn heard_as_backup(&mut self, cx: &mut Context<'_>, source: IpAddr, said: &Advertisement) {
        if said.priority == STOPS {
            cx.timers.arm(Key::Down(cx.id), cx.now + self.skew());
            return;
        }
        self.active = Some((source, said.priority));
        if said.priority >= self.priority() {
            self.lower_since = None;
        } else {
            let since = *self.lower_since.get_or_insert(cx.now);
            let waited = cx.now.saturating_duration_since(since);
            if self.config.preempt && waited >= self.config.preempt_delay {
                return;
            }
            self.counters.tolerated += 1;
        }
        self.follow(cx, said);
    }

    /// Goes by the active router's interval from now on.
    fn follow(&mut self, cx: &mut Context<'_>, said: &Advertisement) {
        self.interval = said.interval;
        self.arm_down(cx);
    }

    fn heard_as_active(&mut self, cx: &mut Context<'_>, source: IpAddr, said: &Advertisement) {
        let ours = self.priority();
        if said.priority == STOPS {
            return self.advertise(cx);
        }
        let higher = said.priority > ours
            || (said.priority == ours && self.source.is_some_and(|own| own < source));
        // It took over while we slept, and is left alone as if we had just come.
        let left_alone = self.listens_until.is_some()
            && !(self.config.preempt && self.config.preempt_delay.is_zero());
        if higher || left_alone {
            self.silence(cx);
            self.counters.became_backup += 1;
            self.active = Some((source, said.priority));
            self.become_(cx, State::Backup, Why::Outranked(source));
            self.follow(cx, said);
        } else {
            self.counters.asserted += 1;
            self.listens_until = None;
            self.advertise(cx);
        }
    }

    // ----- sent -----

    fn take_over(&mut self, cx: &mut Context<'_>, why: Why) {
        self.silence(cx);
        self.interval = self.config.interval;
        self.counters.became_active += 1;
        self.active = self.source.map(|own| (own, self.priority()));
        self.become_(cx, State::Active, why);
        self.advertise(cx);
        self.announce_all(cx);
    }

    fn become_(&mut self, cx: &mut Context<'_>, state: State, why: Why) {
        if self.state != state {
            (self.state, self.since) = (state, cx.now);
        }
        cx.out.push(Action::Become {
            id: cx.id,
            state,
            why,
        });
    }

    /// Advertises now, and an interval from now.
    fn advertise(&mut self, cx: &mut Context<'_>) {
        self.send(cx, self.priority());
        let next = cx.now + self.config.interval;
        cx.timers.arm(Key::Advertise(cx.id), next);
    }

    fn send(&mut self, cx: &mut Context<'_>, priority: u8) {
        let Some(source) = self.source else {
            return;
        };
        let Config {
            version, interval, ..
        } = self.config;
        let said = Advertisement {
            version,
            vrid: cx.id.vrid,
            priority,
            interval,
            addresses: self.config.addresses.clone(),
        };
        let pseudo_header = match self.config.checksum {
            Checksum::Auto => self.pseudo_header,
            Checksum::Message => false,
            Checksum::PseudoHeader => true,
        };
        self.counters.sent += 1;
        let iface = cx.id.iface;
        if self.config.peers.is_empty() {
            let (group, ether_type) = match cx.id.family {
                Family::V6 => (GROUP6.into(), EtherType::IPV6),
                Family::V4 => (GROUP4.into(), EtherType::IPV4),
            };
            cx.out.push(Action::Send {
                iface,
                source_mac: self.config.mac,
                dst_mac: packet::group_mac(cx.id.family),
                ether_type,
                packet: packet::write(source, group, &said, pseudo_header),
            });
        }
        for &peer in &self.config.peers {
            cx.out.push(Action::Route {
                iface,
                packet: packet::write(source, peer, &said, pseudo_header),
            });
        }
    }

    fn announce_all(&mut self, cx: &mut Context<'_>) {
        self.announced = 0;
        self.announce(cx);
    }

    fn announce(&mut self, cx: &mut Context<'_>) {
        for &address in &self.config.addresses {
            let (dst_mac, ether_type, packet) = packet::announcement(self.config.mac, address);
            cx.out.push(Action::Send {
                iface: cx.id.iface,
                source_mac: self.config.mac,
                dst_mac,
                ether_type,
                packet,
            });
        }
        self.counters.announcements += self.config.addresses.len() as u64;
        if let Some(wait) = ANNOUNCE_AGAIN.get(self.announced) {
            cx.timers.arm(Key::Announce(cx.id), cx.now + *wait);
        }
        self.announced += 1;
    }

    pub fn snapshot(&self, id: GroupId, takes_over: Option<Instant>) -> Snapshot {
        Snapshot {
            id,
            state: self.state,
            since: self.since,
            priority: self.priority(),
            config: self.config.clone(),
            interval: self.interval,
            source: self.source,
            active: self.active,
            takes_over,
            counters: self.counters.clone(),
        }
    }

    pub fn mac(&self) -> MacAddr {
        self.config.mac
    }

    /// What its timers go by.
    pub fn interval(&self) -> Duration {
        self.interval.min(self.config.interval)
    }
}
