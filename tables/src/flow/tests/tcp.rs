//! Every edge of TCP's states, and what does not take one.

use super::*;
use Direction::{Egress, Ingress};

const TCP: u8 = 6;
const F: u8 = 1;
const S: u8 = 2;
const R: u8 = 4;
const A: u8 = 16;

/// Where the two sides begin to count.
const CLIENT: u32 = u32::MAX - 500;
const SERVER: u32 = 7_000_000;

/// A connection that the machine opens.
struct Connection {
    kit: Kit,
    key: FlowKey,
    liberal: bool,
}

fn tcp(flags: u8, sequence: u32, acknowledgment: u32) -> Tcp {
    Tcp {
        flags,
        sequence,
        acknowledgment,
        window: 1000,
        data: 0,
        scale: None,
    }
}

/// From the client: numbers count from its SYN and the server's.
fn client(flags: u8, sequence: u32, acknowledgment: u32) -> Tcp {
    tcp(
        flags,
        CLIENT.wrapping_add(sequence),
        SERVER.wrapping_add(acknowledgment),
    )
}

fn server(flags: u8, sequence: u32, acknowledgment: u32) -> Tcp {
    tcp(
        flags,
        SERVER.wrapping_add(sequence),
        CLIENT.wrapping_add(acknowledgment),
    )
}

impl Connection {
    fn begin(first: Tcp) -> Result<Self, Refused> {
        Self::begin_with(first, false)
    }

    fn begin_with(first: Tcp, liberal: bool) -> Result<Self, Refused> {
        let mut kit = Kit::new(64, 1);
        let key = key(TCP, 1);
        let segment = Segment {
            liberal,
            ..segment(Upper::Tcp(first))
        };
        kit.insert_by(0, &key, Egress, segment)?;
        Ok(Self { kit, key, liberal })
    }

    /// Established, with windows of 1000.
    fn established() -> Self {
        let mut connection = Self::begin(client(S, 0, 0)).unwrap();
        connection.answer(server(S | A, 0, 1), State::SynReceived);
        connection.send(client(A, 1, 1), State::Established);
        connection
    }

    fn judge(&self, direction: Direction, tcp: Tcp) -> Verdict {
        let segment = Segment {
            liberal: self.liberal,
            ..segment(Upper::Tcp(tcp))
        };
        let flow = self.kit.find(&self.key).expect("the flow is there");
        flow.packet(direction, &segment, self.kit.now)
    }

    /// A segment of the client passes, and the flow is in a state then.
    #[track_caller]
    fn send(&mut self, tcp: Tcp, state: State) {
        assert_eq!(self.judge(Egress, tcp), Verdict::Pass);
        assert_eq!(self.kit.state(&self.key), state);
    }

    #[track_caller]
    fn answer(&mut self, tcp: Tcp, state: State) {
        assert_eq!(self.judge(Ingress, tcp), Verdict::Pass);
        assert_eq!(self.kit.state(&self.key), state);
    }

    /// A segment does not pass, and changes nothing.
    #[track_caller]
    fn refuse(&mut self, direction: Direction, tcp: Tcp) {
        let flow = self.kit.find(&self.key).expect("the flow is there");
        let before = format!("{flow:?}");
        assert_eq!(self.judge(direction, tcp), Verdict::Invalid);
        assert_eq!(format!("{flow:?}"), before);
    }

    #[track_caller]
    fn lives_for(&mut self, seconds: u32) {
        assert_eq!(self.kit.wait(seconds - 1), 0);
        assert_eq!(self.kit.wait(1), 1);
    }
}

fn with_data(tcp: Tcp, data: u32) -> Tcp {
    Tcp { data, ..tcp }
}

#[test]
fn only_a_syn_begins_a_connection() {
    for flags in 0..=255 {
        let begins = Connection::begin(client(flags, 0, 0)).is_ok();
        // Whatever PSH, URG, ECE and CWR say.
        assert_eq!(begins, flags & (F | S | R | A) == S, "{flags:#x}");
    }
    let mut kit = Kit::new(64, 1);
    assert_eq!(
        kit.insert(&key(TCP, 1), Egress, Upper::Other),
        Err(Refused::Invalid)
    );
}

#[test]
fn flags_that_no_stack_sends_do_not_pass() {
    let mut connection = Connection::established();
    for flags in [
        0,
        F,
        S | F,
        S | R,
        F | R,
        S | F | A,
        F | R | A,
        F | S | R | A,
        0x29,
        0x08,
    ] {
        connection.refuse(Egress, client(flags, 1, 1));
        connection.refuse(Ingress, server(flags, 1, 1));
    }
    let flow = connection.kit.find(&connection.key).unwrap();
    assert_eq!(
        flow.packet(Egress, &segment(Upper::Other), 1000),
        Verdict::Invalid
    );
}

#[test]
fn a_connection_opens_talks_and_closes() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.send(client(S, 0, 0), State::SynSent);
    c.answer(server(S | A, 0, 1), State::SynReceived);
    c.answer(server(S | A, 0, 1), State::SynReceived);
    c.send(client(S, 0, 0), State::SynReceived);
    c.send(client(A, 1, 1), State::Established);
    c.send(with_data(client(A, 1, 1), 900), State::Established);
    c.answer(with_data(server(A, 1, 901), 1000), State::Established);
    c.send(client(A | F, 901, 1001), State::Closing);
    c.answer(with_data(server(A, 1001, 902), 500), State::Closing);
    c.send(client(A, 902, 1501), State::Closing);
    c.answer(server(A | F, 1501, 902), State::TimeWait);
    c.send(client(A, 902, 1502), State::TimeWait);
    // The last ACK was lost.
    c.answer(server(A | F, 1501, 902), State::TimeWait);
    c.send(client(A, 902, 1502), State::TimeWait);
    c.lives_for(120);
}

#[test]
fn a_late_copy_of_a_syn_begins_nothing_and_a_new_one_does() {
    let mut c = Connection::established();
    c.send(client(A | F, 1, 1), State::Closing);
    c.answer(server(A | F, 1, 2), State::TimeWait);
    c.send(client(S, 0, 0), State::TimeWait);
    c.send(client(A, 2, 2), State::TimeWait);
    c.answer(server(A | F, 1, 2), State::TimeWait);
    // The next connection of the same ports, and of a machine that forgot this one.
    for first in [2, 1 << 31] {
        let mut again = Connection::established();
        again.send(client(A | F, 1, 1), State::Closing);
        again.answer(server(A | F, 1, 2), State::TimeWait);
        again.send(client(S, first, 0), State::SynSent);
    }
}

#[test]
fn each_state_has_its_time() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.lives_for(30);
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.answer(server(S | A, 0, 1), State::SynReceived);
    c.lives_for(60);
    Connection::established().lives_for(7440);
    let mut c = Connection::established();
    c.send(client(A | F, 1, 1), State::Closing);
    c.lives_for(240);
    let mut c = Connection::established();
    c.kit.wait(1);
    c.send(client(R, 1, 0), State::Closed);
    // Ten seconds; but it is looked at again when its SYN would have been too old.
    c.lives_for(29);
}

#[test]
fn both_may_open_at_once() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.answer(server(S, 0, 0), State::SynReceived);
    c.send(client(S | A, 0, 1), State::SynReceived);
    c.answer(server(S | A, 0, 1), State::Established);
    c.send(with_data(client(A, 1, 1), 1000), State::Established);
    c.refuse(Egress, client(A, 1003, 1));
    c.answer(with_data(server(A, 1, 1001), 1000), State::Established);
    // With plain ACKs too.
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.answer(server(S, 0, 0), State::SynReceived);
    c.answer(server(A, 1, 1), State::SynReceived);
    c.send(client(A, 1, 1), State::Established);
}

#[test]
fn a_syn_is_answered_by_its_own_number() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    c.refuse(Ingress, server(S | A, 0, 2));
    c.refuse(Ingress, server(S | A, 0, 0u32.wrapping_sub(20_000)));
    c.refuse(Egress, client(S | A, 0, 1));
    c.refuse(Egress, client(A, 1, 1));
    c.refuse(Ingress, with_data(server(A, 1, 1), 1));
    c.refuse(Ingress, server(R | A, 0, 2));
    c.refuse(Ingress, server(R, 0, 1));
    c.answer(server(R | A, 0, 1), State::Closed);
    // Data in a SYN (RFC 7413) may be taken, or not.
    for taken in [1, 101] {
        let mut c = Connection::begin(with_data(client(S, 0, 0), 100)).unwrap();
        c.answer(server(S | A, 0, taken), State::SynReceived);
        c.send(client(A, 101, 1), State::Established);
    }
}

/// The other end remembers a connection that this side has forgotten (RFC 9293 section 3.5.1).
#[test]
fn an_older_connection_is_found_out_and_reset() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    let elsewhere = CLIENT.wrapping_add(1 << 30);
    c.answer(tcp(A, SERVER, elsewhere), State::SynSent);
    c.send(tcp(R, elsewhere, 0), State::SynSent);
    c.kit.wait(1);
    c.send(client(S, 0, 0), State::SynSent);
    c.answer(server(S | A, 0, 1), State::SynReceived);
}

#[test]
fn data_stays_within_the_windows() {
    let mut c = Connection::established();
    // The server has let the client send up to 1001, and a probe.
    c.refuse(Egress, client(A, 1003, 1));
    c.send(client(A, 1001, 1), State::Established);
    c.send(with_data(client(A, 1, 1), 1000), State::Established);
    // It lets it go on.
    c.answer(server(A, 1, 1001), State::Established);
    c.send(with_data(client(A, 1001, 1), 1000), State::Established);
    // What is sent once more, at most a window back.
    c.send(with_data(client(A, 1001, 1), 1000), State::Established);
    c.send(with_data(client(A, 1, 1), 1000), State::Established);
    c.refuse(Egress, with_data(client(A, 1, 1), 999));
    // A keep-alive.
    c.send(client(A, 2000, 1), State::Established);
    // Nobody acknowledges what was not sent.
    c.refuse(Egress, client(A, 2001, 2));
    c.refuse(Ingress, server(A, 1, 2002));
    c.answer(server(A, 1, 2001), State::Established);
    // Nor what was acknowledged long ago.
    c.answer(
        server(A, 1, 2001u32.wrapping_sub(66_000)),
        State::Established,
    );
    c.refuse(Ingress, server(A, 1, 2001u32.wrapping_sub(66_001)));
}

#[test]
fn a_closed_window_is_probed() {
    let mut c = Connection::established();
    c.send(with_data(client(A, 1, 1), 1000), State::Established);
    c.answer(
        Tcp {
            window: 0,
            ..server(A, 1, 1001)
        },
        State::Established,
    );
    c.send(with_data(client(A, 1001, 1), 1), State::Established);
    c.send(client(A, 1002, 1), State::Established);
    c.refuse(Egress, with_data(client(A, 1003, 1), 1));
}

#[test]
fn windows_are_scaled_if_both_say_so() {
    for (scale, limit) in [(Some(4), 16_000), (None, 1000)] {
        let mut c = Connection::begin(Tcp {
            scale: Some(7),
            ..client(S, 0, 0)
        })
        .unwrap();
        // The windows of SYNs are not scaled.
        c.answer(
            Tcp {
                scale,
                ..server(S | A, 0, 1)
            },
            State::SynReceived,
        );
        c.send(client(A, 1, 1), State::Established);
        c.refuse(Egress, client(A, 1003, 1));
        c.answer(server(A, 1, 1), State::Established);
        c.refuse(Egress, client(A, 1 + limit + 2, 1));
        c.send(client(A, 1 + limit, 1), State::Established);
        let client_limit = if scale.is_some() { 128_000 } else { 1000 };
        c.refuse(Ingress, server(A, 1 + client_limit + 2, 1));
        c.answer(server(A, 1 + client_limit, 1), State::Established);
    }
}

#[test]
fn a_reset_ends_a_connection_only_where_its_receiver_believes_it() {
    let fresh = || {
        let mut c = Connection::established();
        // 600 bytes, of which 100 are acknowledged.
        c.send(with_data(client(A, 1, 1), 600), State::Established);
        c.answer(server(A, 1, 101), State::Established);
        c
    };
    let mut c = fresh();
    for outside in [1103, 1 << 20, 0u32.wrapping_sub(1000)] {
        c.refuse(Egress, client(R, outside, 0));
    }
    // In the window, but not where the receiver expects it: that one asks again (RFC 5961 section 3).
    for elsewhere in [1100, 602, 100, 1] {
        c.send(client(R, elsewhere, 0), State::Established);
    }
    for believed in [101, 601, 300] {
        let mut c = fresh();
        c.send(client(R | A, believed, 1), State::Closed);
        // What was on the way goes by, but keeps nothing alive.
        c.kit.wait(5);
        c.answer(server(A, 1, 601), State::Closed);
        c.send(client(R, believed, 0), State::Closed);
        c.refuse(Egress, client(R, 5000, 0));
    }
    let mut c = fresh();
    c.answer(server(R, 1, 0), State::Closed);
}

#[test]
fn a_syn_in_an_open_connection_changes_nothing() {
    let mut c = Connection::established();
    c.kit.wait(1);
    let before = c.kit.table.snapshot(None, 1, c.kit.now)[0].idle;
    c.send(client(S, 100_000, 0), State::Established);
    assert_eq!(
        c.kit.table.snapshot(None, 1, c.kit.now)[0].idle,
        before,
        "nor keeps it alive"
    );
    c.refuse(Ingress, server(S, 100_000, 0));
    c.refuse(Egress, client(S | A, 100_000, 1));
    // The challenge (RFC 5961 section 4) and its answer.
    c.answer(server(A, 1, 1), State::Established);
    c.send(client(R, 1, 0), State::Closed);
    c.send(client(S, 200_000, 0), State::SynSent);
    c.answer(server(S | A, 900_000, 200_001), State::SynReceived);
    c.send(client(A, 200_001, 900_001), State::Established);
}

#[test]
fn a_syn_opens_again_what_is_over() {
    let over = || {
        let mut c = Connection::established();
        c.send(client(A | F, 1, 1), State::Closing);
        c.answer(server(A | F, 1, 2), State::TimeWait);
        c
    };
    let mut c = over();
    c.send(
        Tcp {
            scale: Some(3),
            ..client(S, 9000, 0)
        },
        State::SynSent,
    );
    c.refuse(Ingress, server(A | F, 1, 9000));
    c.answer(server(S | A, 50, 9001), State::SynReceived);
    // From the other side the rules have to be asked.
    let c = over();
    assert_eq!(c.judge(Ingress, server(S, 9000, 0)), Verdict::Over);
    assert_eq!(c.kit.state(&c.key), State::TimeWait);
    let flows = c.kit.table.read(&c.kit.readers[0]);
    let flow = c.kit.find(&c.key).unwrap();
    flows.remove(flow);
    assert_eq!(
        flow.packet(Ingress, &segment(Upper::Tcp(server(A, 1, 2))), 1000),
        Verdict::Over
    );
    assert!(c.kit.find(&c.key).is_none());
}

#[test]
fn liberal_is_states_without_windows() {
    let mut c = Connection::begin_with(client(S, 0, 0), true).unwrap();
    c.answer(server(S | A, 0, 99), State::SynReceived);
    c.send(client(A, 77_777, 99_999), State::Established);
    c.answer(server(A, 1 << 30, 1 << 29), State::Established);
    c.send(client(A | F, 5, 5), State::Closing);
    c.answer(server(R, 12_345, 0), State::Closed);
    c.send(client(S, 4, 0), State::SynSent);
    // What was not followed is not checked later.
    c.liberal = false;
    c.answer(server(S | A, 5, 50), State::SynReceived);
    c.send(client(A, 1 << 30, 1 << 29), State::Established);
    // A connection is picked up in mid-stream, but not by its end.
    let mut c = Connection::begin_with(client(A, 1, 1), true).unwrap();
    assert_eq!(c.kit.state(&c.key), State::Established);
    c.answer(server(A, 1 << 30, 3), State::Established);
    for flags in [R, R | A, S | A, 0, F] {
        assert!(Connection::begin_with(client(flags, 1, 1), true).is_err());
    }
    // A connection whose windows were followed is let go from the first liberal segment on.
    let mut c = Connection::established();
    c.liberal = true;
    c.send(client(A, 1 << 30, 1 << 29), State::Established);
}

#[test]
fn an_error_cites_what_is_in_flight() {
    let mut c = Connection::begin(client(S, 0, 0)).unwrap();
    let cites = |c: &Connection, direction, sequence| {
        let flow = c.kit.find(&c.key).unwrap();
        flow.cites(direction, sequence)
    };
    assert!(cites(&c, Egress, Some(CLIENT)));
    assert!(!cites(&c, Egress, Some(CLIENT.wrapping_add(2))));
    assert!(!cites(&c, Ingress, Some(SERVER)) && !cites(&c, Egress, None));
    c.answer(server(S | A, 0, 1), State::SynReceived);
    c.send(client(A, 1, 1), State::Established);
    c.send(with_data(client(A, 1, 1), 600), State::Established);
    c.answer(server(A, 1, 301), State::Established);
    let sequences = [300, 301, 500, 601, 602].map(|n| CLIENT.wrapping_add(n));
    let cited = sequences.map(|sequence| cites(&c, Egress, Some(sequence)));
    assert_eq!(cited, [false, true, true, true, false]);
}

/// Floods of SYNs cost neither others nor the connections that their sender has, even if all SYNs are answered.
#[test]
fn answered_syns_are_no_connections() {
    let mut kit = Kit::new(256, 1);
    let kept = key(TCP, 0);
    let open = |kit: &mut Kit, key: &FlowKey| {
        kit.insert(key, Ingress, Upper::Tcp(client(S, 0, 0)))
            .unwrap();
        kit.packet(key, Egress, Upper::Tcp(server(S | A, 0, 1)))
    };
    open(&mut kit, &kept);
    kit.packet(&kept, Ingress, Upper::Tcp(client(A, 1, 1)));
    assert_eq!(kit.state(&kept), State::Established);
    for n in 1..5000 {
        assert_eq!(open(&mut kit, &key(TCP, n)), Verdict::Pass);
        kit.round();
    }
    assert_eq!(kit.state(&kept), State::Established);
    assert!(kit.table.usage().evicted > 4000);
}

/// Connections that are over make room, those that are open do not.
#[test]
fn what_is_over_makes_room() {
    let mut kit = Kit::new(256, 1);
    let connect = |kit: &mut Kit, key: &FlowKey| {
        kit.insert(key, Egress, Upper::Tcp(client(S, 0, 0)))?;
        kit.packet(key, Ingress, Upper::Tcp(server(S | A, 0, 1)));
        kit.packet(key, Egress, Upper::Tcp(client(A, 1, 1)));
        Ok(())
    };
    let keys: Vec<FlowKey> = (0..400).map(|n| key(TCP, n)).collect();
    for key in &keys[..256] {
        connect(&mut kit, key).unwrap();
    }
    // All are looked at while they are open.
    kit.wait(31);
    assert_eq!(connect(&mut kit, &keys[256]), Err(Refused::Full));
    for key in &keys[..200] {
        kit.packet(key, Egress, Upper::Tcp(client(A | F, 1, 1)));
        kit.packet(key, Ingress, Upper::Tcp(server(A | F, 1, 2)));
        assert_eq!(kit.state(key), State::TimeWait);
    }
    kit.wait(wheel::CHECK);
    // The first takes the first one's place, but not at once: somebody may hold it.
    assert_eq!(connect(&mut kit, &keys[256]), Err(Refused::Full));
    for key in &keys[257..400] {
        kit.wait(0);
        kit.round();
        connect(&mut kit, key).unwrap();
    }
    assert!(
        keys[200..256]
            .iter()
            .all(|key| kit.state(key) == State::Established)
    );
}
