//! Two machines on a wire that loses, delays and forges.

use proptest::prelude::*;

use super::tests::{IFACE, id, ms, sent};
use super::*;
use crate::bfd::packet::Control;

/// What happens to both ends.
#[derive(Clone, Debug)]
enum Op {
    /// Time passes; so many per cent of packets are lost.
    Run { ms: u64, loss: u8 },
    /// One end gets other variables.
    Configure { end: usize, config: Config },
    /// One end's link.
    Link { end: usize, up: bool },
    /// Somebody sends what is no packet.
    Bytes { end: usize, bytes: Vec<u8> },
}

fn config() -> impl Strategy<Value = Config> {
    (4..200u64, 4..200u64, 1..6u8, 0..8u8).prop_map(|(tx, rx, detect_mult, off)| Config {
        desired_min_tx: ms(tx),
        required_min_rx: ms(rx),
        detect_mult,
        admin_down: off == 0,
        ..Config::default()
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4000u64, 0..100u8).prop_map(|(ms, loss)| Op::Run { ms, loss }),
        4 => (0..4000u64).prop_map(|ms| Op::Run { ms, loss: 0 }),
        2 => (0..2usize, config()).prop_map(|(end, config)| Op::Configure { end, config }),
        1 => (0..2usize, any::<bool>()).prop_map(|(end, up)| Op::Link { end, up }),
        1 => (0..2usize, proptest::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(end, bytes)| Op::Bytes { end, bytes }),
    ]
}

struct Wire {
    ends: [Machine; 2],
    up: [bool; 2],
    now: Instant,
    random: Random,
    /// When it arrives where.
    flying: Vec<(Instant, usize, Vec<u8>)>,
    /// The last packet of each end that was no answer, and when.
    last: [Option<(Instant, Control)>; 2],
    /// The least interval at which each end may have been asked to send since then.
    asked: [Duration; 2],
}

impl Wire {
    fn new(seed: u64) -> Self {
        let mut wire = Wire {
            ends: [Machine::new(seed), Machine::new(!seed)],
            up: [false; 2],
            now: Instant::now(),
            random: Random::new(seed),
            flying: Vec::new(),
            last: [None; 2],
            asked: [Duration::ZERO; 2],
        };
        for end in 0..2 {
            wire.link(end, true);
            wire.configure(end, Config::default());
        }
        wire
    }

    fn session(end: usize) -> SessionId {
        match end {
            0 => id("fe80::1", "fe80::2"),
            _ => id("fe80::2", "fe80::1"),
        }
    }

    fn link(&mut self, end: usize, up: bool) {
        self.up[end] = up;
        let iface = IFACE;
        let event = if up {
            Event::LinkUp { iface }
        } else {
            Event::LinkDown { iface }
        };
        self.event(end, event, 0);
    }

    fn configure(&mut self, end: usize, config: Config) {
        let (session, config) = (Self::session(end), Box::new(config));
        self.event(end, Event::Configure { session, config }, 0);
    }

    fn receive(&mut self, end: usize, payload: &[u8], loss: u8) {
        let to = Self::session(end);
        if let Ok(packet) = Packet::read(payload) {
            let asked = &mut self.asked[end];
            *asked = (*asked).min(packet.control.required_min_rx);
        }
        let datagram = Datagram {
            iface: IFACE,
            source: to.peer,
            destination: to.local,
            hop_limit: HOP_LIMIT,
            payload,
        };
        self.event(end, Event::Packet(datagram), loss);
    }

    fn event(&mut self, end: usize, event: Event<'_>, loss: u8) {
        let mut out = Vec::new();
        self.ends[end].on_event(self.now, event, &mut out);
        for control in sent(&out) {
            assert!(self.up[end], "sent on a link that is down");
            if !control.is_final {
                self.check_rate(end, control);
            }
        }
        for action in out {
            let Action::Send { payload, .. } = action else {
                continue;
            };
            let lost = self.random.next_u64() % 100 < u64::from(loss);
            if !lost && self.up[1 - end] {
                let delay = self.random.between(Duration::ZERO, ms(2));
                self.flying.push((self.now + delay, 1 - end, payload));
            }
        }
    }

    /// Packets that say the same are not closer than what both want, less jitter.
    fn check_rate(&mut self, end: usize, control: Control) {
        let now = self.now;
        let before = self.last[end].replace((now, control));
        let remote = self.ends[end].snapshot().pop().and_then(|s| s.remote);
        let asked = remote.map_or(Duration::ZERO, |remote| remote.required_min_rx);
        let asked = std::mem::replace(&mut self.asked[end], asked).min(asked);
        if control.state != State::Up {
            assert!(control.desired_min_tx >= ms(1000), "{control:?}");
        }
        if let Some((then, before)) = before.filter(|(_, before)| *before == control) {
            // While it polls it may still hold to a shorter interval than it tells.
            if !control.poll {
                let least = control.desired_min_tx.max(asked) * 3 / 4;
                assert!(
                    then + least <= now,
                    "{:?} is less than {least:?}: {before:?}",
                    now - then
                );
            }
        }
    }

    fn run(&mut self, span: Duration, loss: u8) {
        let end = self.now + span;
        loop {
            let arrival = self.flying.iter().map(|(at, ..)| *at).min();
            let timers = self.ends.iter().filter_map(Machine::next_deadline).min();
            let Some(at) = arrival
                .into_iter()
                .chain(timers)
                .min()
                .filter(|at| *at <= end)
            else {
                break;
            };
            self.now = self.now.max(at);
            // Packets before timers, as the task does.
            if let Some(n) = self.flying.iter().position(|(at, ..)| *at <= self.now) {
                let (_, to, payload) = self.flying.swap_remove(n);
                if self.up[to] {
                    self.receive(to, &payload, loss);
                }
                continue;
            }
            for n in 0..2 {
                if self.ends[n]
                    .next_deadline()
                    .is_some_and(|at| at <= self.now)
                {
                    self.event(n, Event::Timer, loss);
                }
            }
        }
        self.now = end;
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|n| self.ends[n].snapshot()[0].state)
    }
}

proptest! {
    #[test]
    fn two_ends_agree_when_the_wire_is_good_and_give_up_when_it_is_cut(
        seed: u64,
        ops in proptest::collection::vec(op(), 0..24),
        last in (config(), config()),
    ) {
        let mut wire = Wire::new(seed);
        for op in ops {
            match op {
                Op::Run { ms: span, loss } => wire.run(ms(span), loss),
                Op::Configure { end, config } => wire.configure(end, config),
                Op::Link { end, up } => wire.link(end, up),
                Op::Bytes { end, bytes } => wire.receive(end, &bytes, 0),
            }
        }
        // At least twice, so that the delay of the wire is no loss.
        let on = |config: Config| Config {
            admin_down: false,
            detect_mult: config.detect_mult.max(2),
            ..config
        };
        for (end, config) in [last.0, last.1].into_iter().enumerate() {
            wire.link(end, true);
            wire.configure(end, on(config));
        }
        // What both knew of each other may have to be forgotten first.
        wire.run(ms(20_000), 0);
        prop_assert_eq!(wire.states(), [State::Up; 2]);
        let failures = |wire: &Wire| {
            let each = wire.ends.iter().flat_map(Machine::counters);
            each.map(|(_, counters)| counters.failures).sum::<u64>()
        };
        let before = failures(&wire);
        wire.run(ms(10_000), 0);
        prop_assert_eq!(wire.states(), [State::Up; 2]);
        prop_assert_eq!(failures(&wire), before);
        for (n, other) in [(0, 1), (1, 0)] {
            let (ours, theirs) = (&wire.ends[n].snapshot()[0], &wire.ends[other].snapshot()[0]);
            let remote = ours.remote.unwrap();
            prop_assert!(!ours.polling);
            prop_assert_eq!(remote.discriminator, theirs.local_discriminator);
            let rate = ours.config.desired_min_tx.max(theirs.config.required_min_rx);
            prop_assert_eq!(ours.transmit_interval, Some(rate));
            let patience = u32::from(ours.config.detect_mult) * rate;
            prop_assert_eq!(theirs.detection_time, Some(patience));
        }
        let longest = wire.ends.iter().filter_map(|end| end.snapshot()[0].detection_time).max();
        // What is still on the wire when it is cut arrives.
        wire.run(longest.unwrap() + ms(2), 100);
        prop_assert_eq!(wire.states(), [State::Down; 2]);
        prop_assert_eq!(failures(&wire), before + 2);
    }
}
