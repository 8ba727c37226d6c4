//! The bfd room, driven by JSON.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use protocols::bfd::packet::{Control, Packet};
use protocols::bfd::{
    Action, Config, Datagram, Diagnostic, Event, HOP_LIMIT, Machine, SessionId, State,
};
use serde_json::Value;
use tables::id::IfaceId;

use crate::Subject;
use crate::text::{get, maybe};

const IFACE: IfaceId = IfaceId(1);
/// The peer's name of the session.
const THEIRS: u32 = 7;

struct Bfd(Machine);

pub fn run(case: &str) {
    crate::case("bfd", case, Instant::now(), Bfd(Machine::new(1)));
}

impl Bfd {
    fn act(&mut self, now: Instant, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.0.on_event(now, event, &mut out);
        out.iter().map(|action| self.show(action)).collect()
    }

    /// A packet: what state it came to and in what state it left the session, or by which name it was dropped.
    fn packet(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let session = session(step);
        let control = self.control(step, session);
        let mut payload = control.write(None);
        if let Some(len) = maybe(step, "cut") {
            payload.truncate(len);
        }
        if let Some(at) = maybe::<usize>(step, "octet") {
            payload[at] = get(step, "value");
        }
        let datagram = Datagram {
            iface: session.iface,
            source: maybe(step, "from").unwrap_or(session.peer),
            destination: session.local,
            hop_limit: maybe(step, "hop_limit").unwrap_or(HOP_LIMIT),
            payload: &payload,
        };
        let (dropped, before) = (self.dropped(), self.state(session));
        let mut out = self.act(now, Event::Packet(datagram));
        let after = self.dropped();
        let is_new = |(why, n): &(&&str, &u64)| dropped.get(*why) != Some(n);
        let new: Vec<_> = after.iter().filter(is_new).collect();
        match new[..] {
            [] => {
                let line = format!("{before} hears {}: {}", control.state, self.state(session));
                out.insert(0, line);
            }
            [(why, _)] => out.push(format!("drop {why}")),
            _ => panic!("one packet, many drops: {new:?}"),
        }
        out
    }

    fn control(&self, step: &Value, session: SessionId) -> Control {
        let flags: String = maybe(step, "flags").unwrap_or_default();
        let ms = |field, default| Duration::from_millis(maybe(step, field).unwrap_or(default));
        let ours = || {
            let shown = self.0.snapshot();
            let of = shown.iter().find(|shown| shown.session == session);
            of.map_or(1, |shown| shown.local_discriminator)
        };
        Control {
            diagnostic: Diagnostic::NONE,
            state: match get::<String>(step, "state").as_str() {
                "admin_down" => State::AdminDown,
                "down" => State::Down,
                "init" => State::Init,
                "up" => State::Up,
                other => panic!("{other} is not a state"),
            },
            poll: flags.contains('P'),
            is_final: flags.contains('F'),
            independent: flags.contains('C'),
            demand: flags.contains('D'),
            detect_mult: maybe(step, "mult").unwrap_or(3),
            my_discriminator: maybe(step, "my").unwrap_or(THEIRS),
            your_discriminator: maybe(step, "your").unwrap_or_else(ours),
            desired_min_tx: ms("tx", 1000),
            required_min_rx: ms("rx", 1000),
            required_min_echo_rx: Duration::ZERO,
        }
    }

    fn state(&self, session: SessionId) -> State {
        let shown = self.0.snapshot();
        let of = shown.iter().find(|shown| shown.session == session);
        of.map_or(State::Down, |shown| shown.state)
    }

    fn dropped(&self) -> BTreeMap<&'static str, u64> {
        let each = self.0.counters().map(|(_, counters)| counters);
        let all = each.chain(self.0.strays().map(|(_, counters)| counters));
        let mut dropped = BTreeMap::new();
        for (why, n) in all.flat_map(|counters| &counters.invalid) {
            *dropped.entry(*why).or_default() += n;
        }
        dropped
    }

    fn show(&self, action: &Action) -> String {
        match action {
            Action::Send {
                session, payload, ..
            } => format!("send to {}: {}", session.peer, words(payload)),
            Action::State {
                from,
                to,
                diagnostic,
                ..
            } => format!("state {from} to {to}: {diagnostic}"),
            Action::Path { path, .. } => format!("path {}", path.label()),
            Action::Refused { faults, .. } => format!("refused {faults:?}"),
        }
    }
}

impl Subject for Bfd {
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String> {
        let session = session(step);
        let event = match step["do"].as_str().unwrap() {
            "configure" => {
                let default = Config::default();
                let ms = |field, default| maybe(step, field).map_or(default, Duration::from_millis);
                let config = Box::new(Config {
                    desired_min_tx: ms("tx", default.desired_min_tx),
                    required_min_rx: ms("rx", default.required_min_rx),
                    detect_mult: maybe(step, "mult").unwrap_or(default.detect_mult),
                    passive: maybe(step, "passive").unwrap_or(false),
                    admin_down: maybe(step, "off").unwrap_or(false),
                    auth: None,
                });
                Event::Configure { session, config }
            }
            "remove" => Event::Remove { session },
            "link_up" => Event::LinkUp { iface: IFACE },
            "link_down" => Event::LinkDown { iface: IFACE },
            "shutdown" => Event::Shutdown,
            "packet" => return self.packet(now, step),
            other => panic!("{other} is not an event of this room"),
        };
        self.act(now, event)
    }

    fn timer(&mut self, now: Instant) -> Vec<String> {
        self.act(now, Event::Timer)
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.next_deadline()
    }
}

/// The session of a step: over IPv6, unless it names a peer.
fn session(step: &Value) -> SessionId {
    let peer = maybe(step, "peer").unwrap_or_else(|| "fe80::2".parse().unwrap());
    let local: IpAddr = match peer {
        IpAddr::V6(_) => "fe80::1".parse().unwrap(),
        IpAddr::V4(_) => "192.0.2.1".parse().unwrap(),
    };
    SessionId {
        iface: IFACE,
        local,
        peer,
    }
}

/// A packet of ours in words; intervals in milliseconds.
fn words(payload: &[u8]) -> String {
    let control = Packet::read(payload).unwrap().control;
    let flag = |set, name| if set { name } else { "" };
    format!(
        "{}{}{} diag {} mult {} tx {} rx {} your {}",
        control.state,
        flag(control.poll, " P"),
        flag(control.is_final, " F"),
        control.diagnostic,
        control.detect_mult,
        control.desired_min_tx.as_millis(),
        control.required_min_rx.as_millis(),
        control.your_discriminator
    )
}
