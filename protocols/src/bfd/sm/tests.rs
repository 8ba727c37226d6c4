//! One session against a peer that is written by hand, in simulated time.

use super::*;
use crate::bfd::Auth;
use crate::bfd::packet::Control;

mod strangers;

pub(super) const IFACE: IfaceId = IfaceId(1);
const PEER_DISCRIMINATOR: u32 = 7;

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn id(local: &str, peer: &str) -> SessionId {
    SessionId {
        iface: IFACE,
        local: local.parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

fn session() -> SessionId {
    id("fe80::1", "fe80::2")
}

fn config(tx: u64, rx: u64) -> Config {
    Config {
        desired_min_tx: ms(tx),
        required_min_rx: ms(rx),
        ..Config::default()
    }
}

/// The packets among actions, as the peer reads them.
pub(super) fn sent(actions: &[Action]) -> Vec<Control> {
    let control = |action: &Action| match action {
        Action::Send { payload, .. } => Some(Packet::read(payload).unwrap().control),
        _ => None,
    };
    actions.iter().filter_map(control).collect()
}

fn paths(actions: &[Action]) -> Vec<Path> {
    let path = |action: &Action| match action {
        Action::Path { path, .. } => Some(*path),
        _ => None,
    };
    actions.iter().filter_map(path).collect()
}

struct Bench {
    machine: Machine,
    now: Instant,
    auth: Option<(Auth, u32)>,
}

impl Bench {
    fn new(seed: u64, config: Config) -> Self {
        let mut bench = Bench {
            machine: Machine::new(seed),
            now: Instant::now(),
            auth: None,
        };
        assert_eq!(bench.event(Event::LinkUp { iface: IFACE }), []);
        assert_eq!(bench.configure(config), []);
        bench
    }

    /// Up, and the poll that follows is answered; the peer has the same intervals.
    fn up(seed: u64, config: Config) -> Self {
        let mut bench = Bench::new(seed, config.clone());
        bench.run(ms(1));
        bench.receive(State::Down, |c| c.your_discriminator = 0);
        bench.receive(State::Init, |_| ());
        let of = config.clone();
        bench.receive(State::Up, move |c| {
            c.is_final = true;
            c.desired_min_tx = of.desired_min_tx;
            c.required_min_rx = of.required_min_rx;
        });
        assert_eq!(bench.shown().state, State::Up);
        assert!(!bench.shown().polling);
        bench
    }

    fn event(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out
    }

    fn configure(&mut self, config: Config) -> Vec<Action> {
        let (session, config) = (session(), Box::new(config));
        self.event(Event::Configure { session, config })
    }

    fn run(&mut self, span: Duration) -> Vec<(Duration, Action)> {
        let (begin, end) = (self.now, self.now + span);
        let mut all = Vec::new();
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline lies in the past");
            self.now = at;
            let out = self.event(Event::Timer);
            all.extend(out.into_iter().map(|action| (at - begin, action)));
        }
        self.now = end;
        all
    }

    fn datagram(&mut self, hop_limit: u8, payload: &[u8]) -> Vec<Action> {
        let session = session();
        self.event(Event::Packet(Datagram {
            iface: session.iface,
            source: session.peer,
            destination: session.local,
            hop_limit,
            payload,
        }))
    }

    /// A packet of the peer's that knows us, with 1 s and 1 us as intervals, but for what `change` changes.
    fn control(&self, state: State, change: impl FnOnce(&mut Control)) -> Control {
        let mut control = Control {
            diagnostic: Diagnostic::NONE,
            state,
            poll: false,
            is_final: false,
            independent: false,
            demand: false,
            detect_mult: 3,
            my_discriminator: PEER_DISCRIMINATOR,
            your_discriminator: self.shown().local_discriminator,
            desired_min_tx: ms(1000),
            required_min_rx: Duration::from_micros(1),
            required_min_echo_rx: Duration::ZERO,
        };
        change(&mut control);
        control
    }

    fn receive(&mut self, state: State, change: impl FnOnce(&mut Control)) -> Vec<Action> {
        let auth = self.auth.as_ref().map(|(auth, sequence)| (auth, *sequence));
        let payload = self.control(state, change).write(auth);
        self.datagram(HOP_LIMIT, &payload)
    }

    fn shown(&self) -> Snapshot {
        self.machine.snapshot().pop().unwrap()
    }

    fn counters(&self) -> &Counters {
        self.machine.counters().next().unwrap().1
    }

    fn strays(&self, why: &str) -> u64 {
        let each = self.machine.strays();
        each.filter_map(|(_, counters)| counters.invalid.get(why))
            .sum()
    }

    fn invalid(&self) -> Vec<(&'static str, u64)> {
        let each = self.machine.counters().map(|(_, counters)| counters);
        let all = each.chain(self.machine.strays().map(|(_, counters)| counters));
        let all = all.flat_map(|c| c.invalid.iter().map(|(why, n)| (*why, *n)));
        all.collect()
    }
}

#[test]
fn a_session_comes_up_and_then_sends_at_its_rate() {
    let mut bench = Bench::new(1, config(10, 20));
    let out = bench.run(ms(3000));
    assert!((3..=5).contains(&out.len()), "{out:?}");
    for (_, action) in &out {
        let [control] = sent(std::slice::from_ref(action))[..] else {
            panic!("{action:?}");
        };
        assert_eq!(control.state, State::Down);
        assert_eq!(control.your_discriminator, 0);
        // Section 6.8.3: not faster than 1 s before it is Up, and it says so.
        assert_eq!(control.desired_min_tx, ms(1000));
        assert_eq!(control.required_min_rx, ms(20));
        assert!(!control.poll && !control.is_final);
    }
    let out = bench.receive(State::Down, |c| c.your_discriminator = 0);
    let [control] = sent(&out)[..] else {
        panic!("{out:?}")
    };
    assert_eq!(control.state, State::Init);
    assert_eq!(control.your_discriminator, PEER_DISCRIMINATOR);
    let out = bench.receive(State::Init, |_| ());
    assert_eq!(paths(&out), [Path::Up]);
    let [control] = sent(&out)[..] else {
        panic!("{out:?}")
    };
    assert_eq!((control.state, control.poll), (State::Up, true));
    assert_eq!(control.desired_min_tx, ms(10));
    // The rate is ours at once, the question goes on until it is answered.
    let out = bench.run(ms(100));
    assert!((10..=14).contains(&out.len()), "{}", out.len());
    assert!(
        out.iter()
            .all(|(_, a)| sent(std::slice::from_ref(a))[0].poll)
    );
    bench.receive(State::Up, |c| c.is_final = true);
    let out = bench.run(ms(100));
    assert!(
        !out.iter()
            .any(|(_, a)| sent(std::slice::from_ref(a))[0].poll)
    );
    let counters = bench.counters();
    assert_eq!((counters.polls_begun, counters.polls_ended), (1, 1));
    assert_eq!((counters.ups, counters.failures), (1, 0));
}

#[test]
fn silence_is_noticed_after_the_peers_multiplier_of_the_slower_interval() {
    for (ours, theirs, multiplier, expected) in [
        (10, 10, 3, 30),
        (10, 50, 3, 150),
        (50, 10, 3, 150),
        (10, 10, 1, 10),
        (10, 10, 255, 2550),
    ] {
        let mut bench = Bench::up(3, config(1000, ours));
        bench.receive(State::Up, |c| {
            c.desired_min_tx = ms(theirs);
            c.detect_mult = multiplier;
        });
        assert_eq!(bench.shown().detection_time, Some(ms(expected)));
        let out = bench.run(ms(expected) - Duration::from_nanos(1));
        assert!(out.iter().all(|(_, a)| matches!(a, Action::Send { .. })));
        let out: Vec<_> = bench.run(ms(1)).into_iter().map(|(_, a)| a).collect();
        let down = Action::State {
            session: session(),
            from: State::Up,
            to: State::Down,
            diagnostic: Diagnostic::TIME_EXPIRED,
        };
        assert!(out.contains(&down), "{out:?}");
        assert_eq!(paths(&out), [Path::Failed]);
        let last = *sent(&out).last().unwrap();
        assert_eq!(last.diagnostic, Diagnostic::TIME_EXPIRED);
        // Section 6.8.1: it may be another one that speaks next.
        assert_eq!(last.your_discriminator, 0);
        assert_eq!(bench.shown().remote, None);
        assert_eq!(bench.counters().failures, 1);
    }
}

#[test]
fn every_packet_in_time_keeps_it_up() {
    let mut bench = Bench::up(4, config(10, 10));
    for _ in 0..1000 {
        bench.run(ms(29));
        bench.receive(State::Up, |c| c.desired_min_tx = ms(10));
    }
    assert_eq!(bench.shown().state, State::Up);
    assert_eq!(bench.counters().failures, 0);
}

#[test]
fn what_was_never_up_has_not_failed() {
    let mut bench = Bench::new(5, config(10, 10));
    bench.run(ms(1));
    bench.receive(State::Down, |c| c.your_discriminator = 0);
    let out = bench.run(ms(5000));
    let out: Vec<_> = out.into_iter().map(|(_, a)| a).collect();
    assert_eq!(paths(&out), []);
    let shown = bench.shown();
    assert_eq!((shown.state, shown.path), (State::Down, Path::Unknown));
    assert_eq!(shown.diagnostic, Diagnostic::TIME_EXPIRED);
}

#[test]
fn a_peer_that_is_switched_off_has_not_failed() {
    let mut bench = Bench::up(6, config(10, 10));
    let out = bench.receive(State::AdminDown, |_| ());
    assert_eq!(paths(&out), [Path::SwitchedOff]);
    assert_eq!(bench.shown().diagnostic, Diagnostic::NEIGHBOR_DOWN);
    // It may say so once and then be silent.
    bench.run(ms(5000));
    assert_eq!(bench.shown().path, Path::SwitchedOff);
    let out = bench.receive(State::Down, |c| c.your_discriminator = 0);
    assert_eq!(paths(&out), [Path::Unknown]);
    assert_eq!(paths(&bench.receive(State::Up, |_| ())), [Path::Up]);
    // Nor one that was given up, when it comes back only to say so.
    let lost = bench.run(ms(5000));
    assert!(
        lost.iter()
            .any(|(_, a)| paths(std::slice::from_ref(a)) == [Path::Failed])
    );
    let out = bench.receive(State::AdminDown, |c| c.your_discriminator = 0);
    assert_eq!(paths(&out), [Path::SwitchedOff]);
    assert_eq!(bench.shown().state, State::Down);
}

#[test]
fn intervals_are_jittered_and_kept() {
    for (multiplier, least, most) in [(3, 75, 100), (1, 75, 90)] {
        let mut config = config(100, 100);
        config.detect_mult = multiplier;
        let mut bench = Bench::up(7, config);
        let mut gaps = Vec::new();
        let mut last = None;
        while gaps.len() < 500 {
            for (_, action) in bench.run(ms(1)) {
                assert!(matches!(action, Action::Send { .. }), "{action:?}");
                gaps.extend(last.replace(bench.now).map(|then| bench.now - then));
            }
            bench.receive(State::Up, |c| c.desired_min_tx = ms(100));
        }
        let (least, most) = (ms(least), ms(most));
        // The bench looks at a grid of 1 ms.
        assert!(
            gaps.iter()
                .all(|gap| least <= *gap + ms(1) && *gap <= most + ms(1))
        );
        let middle = (least + most) / 2;
        let early = gaps.iter().filter(|gap| **gap < middle).count();
        assert!((150..350).contains(&early), "{early} of {}", gaps.len());
    }
}

#[test]
fn the_slower_of_both_is_the_rate_and_zero_is_silence() {
    let mut bench = Bench::up(8, config(10, 10));
    let heard = |bench: &mut Bench, rx| {
        bench.receive(State::Up, |c| {
            c.desired_min_tx = ms(10_000);
            c.required_min_rx = ms(rx);
        })
    };
    heard(&mut bench, 200);
    assert_eq!(bench.shown().transmit_interval, Some(ms(200)));
    bench.run(ms(200));
    assert!((5..=7).contains(&bench.run(ms(1000)).len()));
    heard(&mut bench, 0);
    assert_eq!(bench.shown().transmit_interval, None);
    assert_eq!(bench.run(ms(1000)), []);
    // But an answer is owed all the same (section 6.8.7).
    let out = bench.receive(State::Up, |c| {
        (c.poll, c.required_min_rx) = (true, Duration::ZERO);
        c.desired_min_tx = ms(10_000);
    });
    assert!(sent(&out)[0].is_final && !sent(&out)[0].poll);
    assert_eq!(bench.run(ms(1000)), []);
    // A shorter interval holds at once: it has passed already.
    heard(&mut bench, 10);
    let out = bench.run(Duration::ZERO);
    assert_eq!(out.len(), 1, "{out:?}");
}

#[test]
fn a_longer_interval_waits_for_the_peer() {
    let mut bench = Bench::up(9, config(50, 50));
    assert_eq!(bench.configure(config(200, 50)), []);
    let shown = bench.shown();
    assert!(shown.polling);
    assert_eq!(shown.transmit_interval, Some(ms(50)));
    let out = bench.run(ms(50));
    let [control] = sent(&[out[0].1.clone()])[..] else {
        panic!("{out:?}")
    };
    assert!(control.poll);
    assert_eq!(control.desired_min_tx, ms(200));
    // Another change waits for the answer to the first one, then asks for itself.
    bench.configure(config(400, 50));
    let out = bench.run(ms(50));
    assert_eq!(sent(&[out[0].1.clone()])[0].desired_min_tx, ms(200));
    bench.receive(State::Up, |c| c.is_final = true);
    assert_eq!(bench.shown().transmit_interval, Some(ms(200)));
    assert!(bench.shown().polling);
    bench.receive(State::Up, |c| c.is_final = true);
    assert_eq!(bench.shown().transmit_interval, Some(ms(400)));
    assert!(!bench.shown().polling);
    // A shorter one does not wait.
    bench.configure(config(10, 50));
    assert_eq!(bench.shown().transmit_interval, Some(ms(10)));
    assert_eq!(bench.counters().polls_begun, 4);
}

#[test]
fn less_patience_waits_for_the_peer() {
    let mut bench = Bench::up(10, config(50, 100));
    let heard = |bench: &mut Bench, is_final| {
        bench.receive(State::Up, |c| {
            (c.is_final, c.desired_min_tx) = (is_final, ms(10));
        });
        bench.shown().detection_time
    };
    assert_eq!(heard(&mut bench, false), Some(ms(300)));
    bench.configure(config(50, 20));
    assert_eq!(bench.shown().detection_time, Some(ms(300)));
    assert_eq!(heard(&mut bench, false), Some(ms(300)));
    assert_eq!(heard(&mut bench, true), Some(ms(60)));
    // More patience does not.
    bench.configure(config(50, 500));
    assert_eq!(bench.shown().detection_time, Some(ms(1500)));
    let out = bench.run(ms(1499));
    assert!(out.iter().all(|(_, a)| matches!(a, Action::Send { .. })));
    bench.run(ms(1));
    assert_eq!(bench.shown().state, State::Down);
}

#[test]
fn a_peer_in_demand_mode_gets_what_it_asks_for() {
    let mut bench = Bench::up(11, config(10, 10));
    let heard = |bench: &mut Bench, poll, is_final| {
        bench.receive(State::Up, |c| {
            (c.demand, c.poll, c.is_final) = (true, poll, is_final);
            c.desired_min_tx = ms(10_000);
        })
    };
    heard(&mut bench, false, false);
    assert_eq!(bench.run(ms(500)), []);
    let out = heard(&mut bench, true, false);
    assert!(sent(&out)[0].is_final);
    assert_eq!(bench.run(ms(500)), []);
    // Our own polls are sent until they are answered.
    bench.configure(config(20, 10));
    assert!(20 < bench.run(ms(500)).len());
    heard(&mut bench, false, true);
    assert_eq!(bench.run(ms(500)), []);
    // It ends with the session (section 6.6).
    bench.receive(State::Down, |c| c.demand = true);
    assert!(!bench.run(ms(2000)).is_empty());
}

#[test]
fn switched_off_it_says_so_and_believes_nothing() {
    let mut bench = Bench::up(12, config(10, 10));
    let mut off = config(10, 10);
    off.admin_down = true;
    let out = bench.configure(off);
    assert_eq!(paths(&out), [Path::SwitchedOff]);
    let [control] = sent(&out)[..] else {
        panic!("{out:?}")
    };
    assert_eq!(control.state, State::AdminDown);
    assert_eq!(control.diagnostic, Diagnostic::ADMIN_DOWN);
    for state in [State::Down, State::Init, State::Up, State::AdminDown] {
        assert_eq!(bench.receive(state, |c| c.poll = true), []);
    }
    assert_eq!(bench.counters().ignored, 4);
    assert!((4..=6).contains(&bench.run(ms(4000)).len()));
    let out = bench.configure(config(10, 10));
    assert_eq!(sent(&out)[0].state, State::Down);
    assert_eq!(paths(&out), [Path::Unknown]);
    bench.receive(State::Down, |_| ());
    assert_eq!(paths(&bench.receive(State::Up, |_| ())), [Path::Up]);
    // The end of the session and of the router are told in the same way.
    let out = bench.event(Event::Shutdown);
    assert_eq!(sent(&out)[0].state, State::AdminDown);
    bench.configure(config(10, 10));
    let out = bench.event(Event::Remove { session: session() });
    assert_eq!(sent(&out)[0].state, State::AdminDown);
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.machine.snapshot(), []);
}

#[test]
fn a_link_that_goes_takes_its_sessions_down_at_once() {
    let mut bench = Bench::up(13, config(10, 10));
    let other = IfaceId(2);
    assert_eq!(bench.event(Event::LinkDown { iface: other }), []);
    let out = bench.event(Event::LinkDown { iface: IFACE });
    assert_eq!(paths(&out), [Path::Failed]);
    assert_eq!(sent(&out), []);
    assert_eq!(bench.shown().diagnostic, Diagnostic::PATH_DOWN);
    assert_eq!(bench.machine.next_deadline(), None);
    // What was on its way is too late.
    assert_eq!(bench.receive(State::Down, |_| ()), []);
    assert_eq!(bench.receive(State::Init, |_| ()), []);
    assert_eq!(bench.shown().state, State::Down);
    bench.event(Event::LinkUp { iface: IFACE });
    assert_eq!(
        sent(&[bench.run(ms(1000))[0].1.clone()])[0].state,
        State::Down
    );
    bench.receive(State::Down, |c| c.your_discriminator = 0);
    assert_eq!(paths(&bench.receive(State::Up, |_| ())), [Path::Up]);
}

#[test]
fn a_passive_session_waits_for_the_peer() {
    let mut config = config(10, 10);
    config.passive = true;
    let mut bench = Bench::new(14, config);
    assert_eq!(bench.run(ms(10_000)), []);
    let out = bench.receive(State::Down, |c| c.your_discriminator = 0);
    assert_eq!(sent(&out)[0].state, State::Init);
    assert!(!bench.run(ms(2000)).is_empty());
    // Given up, the peer has to begin again.
    bench.run(ms(10_000));
    assert_eq!(bench.run(ms(10_000)), []);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut bench = Bench::up(18, config(10, 10));
    let before = bench.shown();
    let out = bench.configure(config(0, 10));
    assert!(
        matches!(&out[..], [Action::Refused { faults, .. }] if faults.len() == 1),
        "{out:?}"
    );
    assert_eq!(bench.shown(), before);
    let (session, config) = (id("ff02::1", "10.0.0.1"), Box::default());
    let out = bench.event(Event::Configure { session, config });
    assert!(
        matches!(&out[..], [Action::Refused { faults, .. }] if faults.len() == 2),
        "{out:?}"
    );
    assert_eq!(bench.machine.snapshot().len(), 1);
}

#[test]
fn the_shortest_interval_is_of_the_sessions_that_are_there() {
    let mut bench = Bench::new(20, config(300, 40));
    assert_eq!(bench.machine.shortest_interval(), Some(ms(40)));
    bench.configure(config(300, 500));
    assert_eq!(bench.machine.shortest_interval(), Some(ms(300)));
    bench.event(Event::Remove { session: session() });
    assert_eq!(bench.machine.shortest_interval(), None);
}

#[test]
fn a_full_machine_has_distinct_names_and_ports_and_takes_no_more() {
    let (mut machine, now) = (Machine::new(19), Instant::now());
    let mut out = Vec::new();
    for n in 0..=MAX_SESSIONS as u16 {
        let session = SessionId {
            peer: std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, n).into(),
            ..session()
        };
        let config = Box::default();
        machine.on_event(now, Event::Configure { session, config }, &mut out);
    }
    let full = ConfigError::Full(MAX_SESSIONS);
    assert!(matches!(&out[..], [Action::Refused { faults, .. }] if *faults == [full]));
    let shown = machine.snapshot();
    let names: BTreeSet<_> = shown.iter().map(|s| s.local_discriminator).collect();
    let ports: BTreeSet<_> = shown.iter().map(|s| s.source_port).collect();
    assert_eq!((names.len(), ports.len()), (MAX_SESSIONS, MAX_SESSIONS));
    assert!(!names.contains(&0) && *ports.first().unwrap() >= FIRST_SOURCE_PORT);
}
