//! Reconfigure with RKAP (RFC 8415 sections 18.2.11 and 20.4).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::*;

const KEY: [u8; 16] = [0x5a; 16];

fn auth(replay: u64, kind: u8, value: &[u8; 16]) -> Vec<u8> {
    let mut data = vec![3, 1, 0];
    data.extend(replay.to_be_bytes());
    data.push(kind);
    data.extend(value);
    option(11, &data)
}

/// A Reconfigure that asks for `with`, signed.
fn reconfigure(with: u8, replay: u64, key: &[u8; 16]) -> Vec<u8> {
    let mut payload = vec![10, 0, 0, 0];
    payload.extend(option(1, OURS));
    payload.extend(option(2, SERVER));
    payload.extend(auth(replay, 2, &[0; 16]));
    let at = payload.len() - 16;
    payload.extend(option(19, &[with]));
    let mut mac = Hmac::<Md5>::new_from_slice(key).unwrap();
    mac.update(&payload);
    let digest = mac.finalize().into_bytes();
    payload[at..at + 16].copy_from_slice(&digest);
    payload
}

fn agreed() -> Bench {
    let mut bench = Bench::new(Config {
        reconfigure: true,
        ..Bench::usual()
    });
    assert_eq!(bench.until_sent(1).options(20).len(), 1);
    bench.answer(ADVERTISE, SERVER, &both());
    bench.until_sent(3);
    let mut parts = both();
    parts.push(auth(5, 1, &KEY));
    bench.answer(REPLY, SERVER, &parts);
    bench
}

#[test]
fn a_server_that_proves_itself_is_followed() {
    for (with, sent) in [(5, 5), (6, 6), (11, 11)] {
        let mut bench = agreed();
        bench.packet(&reconfigure(with, 6, &KEY));
        assert_eq!(bench.last().kind, sent);
        assert_eq!(bench.counters().reconfigures, 1);
        assert_eq!(bench.kept["wan0"].lease.reconfigure.unwrap().replay, 6);
        if with == 11 {
            assert_eq!(bench.last().options(2), [SERVER]);
            bench.answer(REPLY, SERVER, &[option(23, &ll("2001:db8::99").octets())]);
            assert_eq!(bench.held().settings.dns_servers, [ll("2001:db8::99")]);
            assert_eq!((bench.state(), bench.leases().len()), (State::Bound, 2));
        }
        // Once more while it is followed: one at a time.
        let busy = u64::from(with != 11);
        bench.packet(&reconfigure(5, 7, &KEY));
        assert_eq!(bench.counters().reconfigures_busy, busy);
    }
}

#[test]
fn others_are_refused_each_by_its_name() {
    let mut bench = agreed();
    let mut without = reconfigure(5, 6, &KEY);
    without.truncate(without.len() - 5);
    let mut no_auth = vec![10, 0, 0, 0];
    no_auth.extend(option(1, OURS));
    no_auth.extend(option(2, SERVER));
    no_auth.extend(option(19, &[5]));
    let mut other = reconfigure(5, 6, &KEY);
    other[18 + 4 + 9] = 9;
    let cases = [
        (Invalid::Digest, reconfigure(5, 6, &[1; 16])),
        (Invalid::Digest, no_auth),
        (Invalid::Replayed, reconfigure(5, 5, &KEY)),
        (Invalid::NoReconfMsg, without),
        (Invalid::OtherServer, other),
        (Invalid::Unexpected, reconfigure(3, 6, &KEY)),
    ];
    for (invalid, packet) in cases {
        let before = bench.invalid(invalid.label());
        bench.packet(&packet);
        assert_eq!(bench.invalid(invalid.label()), before + 1, "{invalid}");
    }
    let payload = reconfigure(5, 9, &KEY);
    bench.event(Event::Packet(Datagram {
        iface: IFACE,
        src: ll("fe80::1"),
        dst: ll("ff02::1"),
        payload: &payload,
    }));
    assert_eq!(bench.invalid("multicast"), 1);
    assert_eq!(bench.kinds(), [1, 3]);
    // A client that does not take them has kept no key.
    let mut bench = Bench::bound();
    bench.packet(&reconfigure(5, 6, &KEY));
    assert_eq!(bench.invalid("not_agreed"), 1);
}

#[test]
fn a_key_outlives_a_restart_and_a_replayed_message_does_not() {
    let mut bench = agreed();
    let message = reconfigure(5, 6, &KEY);
    bench.packet(&message);
    let kept: Vec<_> = bench.kept.into_values().collect();
    let mut bench = Bench::bare();
    bench.event(Event::Restore(kept));
    bench.configure(Config {
        reconfigure: true,
        ..Bench::usual()
    });
    bench.up();
    bench.until_sent(6);
    bench.answer(REPLY, SERVER, &both());
    bench.packet(&message);
    assert_eq!(bench.invalid("replayed"), 1);
    bench.packet(&reconfigure(5, 7, &KEY));
    assert_eq!(bench.last().kind, 5);
}

#[test]
fn a_client_of_settings_is_reconfigured_too() {
    let mut bench = Bench::new(Config {
        information_only: true,
        reconfigure: true,
        ..Bench::usual()
    });
    assert_eq!(bench.until_sent(11).options(20).len(), 1);
    bench.answer(REPLY, SERVER, &[auth(1, 1, &KEY)]);
    bench.packet(&reconfigure(5, 2, &KEY));
    assert_eq!(bench.invalid("unexpected"), 1, "there is nothing to renew");
    bench.packet(&reconfigure(11, 3, &KEY));
    assert_eq!(bench.kinds(), [11, 11]);
}
