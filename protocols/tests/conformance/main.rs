//! Conversations as data: each case is a folder `<protocol>/<case>/` with `NN-input.jsonl` and `NN-output.jsonl`.
//!
//! An input line is an event with its time (`at_ms`, from the start of the case; `"do": "wait"` only lets time pass); an output
//! line is what the machine did, when. Timers run between events. Randomness has a fixed seed, so that a case is exact;
//! bounds over many seeds are the unit tests'. `CONFORMANCE_WRITE=1` writes the outputs anew, to be read before they are committed.

mod bfd;
mod dhcp4;
mod dhcp6;
mod dhcp6_client;
mod nd;
mod pair;
mod ra;
mod relay4;
mod relay6;
mod savi;
mod text;
mod vrrp;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A machine under test, driven by JSON.
trait Subject {
    /// Handles one event; what was done, in words.
    fn event(&mut self, now: Instant, step: &Value) -> Vec<String>;
    /// Handles `Event::Timer`.
    fn timer(&mut self, now: Instant) -> Vec<String>;
    /// When the timer is due.
    fn deadline(&self) -> Option<Instant>;
}

fn case(protocol: &str, name: &str, start: Instant, mut subject: impl Subject) {
    let folder: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "tests/conformance",
        protocol,
        name,
    ]
    .iter()
    .collect();
    let mut inputs: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("-input.jsonl"))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no input in {}", folder.display());
    for input in inputs {
        let mut lines = Vec::new();
        for line in fs::read_to_string(&input).unwrap().lines() {
            let step: Value = serde_json::from_str(line).unwrap();
            let at = start + Duration::from_millis(step["at_ms"].as_u64().unwrap());
            while let Some(due) = subject.deadline().filter(|due| *due <= at) {
                let out = subject.timer(due);
                record(&mut lines, due - start, out);
            }
            if step["do"] != "wait" {
                let out = subject.event(at, &step);
                record(&mut lines, at - start, out);
            }
        }
        compare(&input, &lines);
    }
}

fn record(lines: &mut Vec<String>, at: Duration, out: Vec<String>) {
    let line = |action| {
        format!(
            "{{\"at_ms\":{},\"action\":{}}}",
            at.as_millis(),
            Value::String(action)
        )
    };
    lines.extend(out.into_iter().map(line));
}

fn compare(input: &Path, lines: &[String]) {
    let path = PathBuf::from(input.to_string_lossy().replace("-input.", "-output."));
    if std::env::var_os("CONFORMANCE_WRITE").is_some() {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    let expected: Vec<_> = expected.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, expected, "{} differs", path.display());
}

// Input: an address is added; a packet waits for a host; the host answers, falls silent while in use, and is given up.
// Output: duplicate detection, resolution, probes, multicast probes, withdrawal.
#[test]
fn nd_life_of_a_neighbour() {
    nd::run("life_of_a_neighbour");
}

// Input: another host answers the duplicate detection of our link-local address.
// Output: the address is a duplicate and stays silent.
#[test]
fn nd_duplicate_address() {
    nd::run("duplicate_address");
}

// Input: solicitations for an own, an anycast and a proxied address, and another host's duplicate detection.
// Output: advertisements with the flags of RFC 4861 sections 7.2.4, 7.2.7 and 7.2.8.
#[test]
fn nd_answers() {
    nd::run("answers");
}

// Input: IPv4 address, request for it, resolution, a host that moves, a conflict.
// Output: probes and announcements of RFC 5227, replies, the defence.
#[test]
fn nd_arp() {
    nd::run("arp");
}

// Input: switched on, solicited by unicast and from the unspecified address, shut down.
// Output: initial, solicited and final advertisements.
#[test]
fn ra_life_of_a_router() {
    ra::run("life_of_a_router");
}

// Input: a prefix is configured away and comes back.
// Output: lifetime 0, then the old lifetimes.
#[test]
fn ra_renumbering() {
    ra::run("renumbering");
}

// Input: another router advertises other variables, twice, then a third time with others.
// Output: each contradiction once.
#[test]
fn ra_inconsistent_router() {
    ra::run("inconsistent_router");
}

// Input: the four messages, a renewal, silence until the lease has run out.
// Output: nothing stored for a Solicit; the answers wait for the store; the lease becomes a kept one and is forgotten.
#[test]
fn dhcp6_life_of_a_lease() {
    dhcp6::run("life_of_a_lease");
}

// Input: as the even one of a pair: the other's lease, clients that ask for its addresses and for ours, its questions, a split, a
// link that is not served, the operator's word that the other one is gone.
// Output: what is told, asked for and taken over; routes at once; silence where the other one may know better, or serves.
#[test]
fn dhcp6_pair() {
    dhcp6::run("pair");
}

// Input: a router asks for a prefix of a length and for an address, renews, releases the prefix.
// Output: both in one answer with the same times; the route comes and goes.
#[test]
fn dhcp6_prefix_delegation() {
    dhcp6::run("prefix_delegation");
}

// Input: a client of a port, another that asks for the port's address, a Confirm from another link, a wrong renewal.
// Output: the port's address; one of the pool; not on link; lifetimes of 0.
#[test]
fn dhcp6_port() {
    dhcp6::run("port");
}

// Input: settings alone, with and without a request for each.
// Output: what was requested.
#[test]
fn dhcp6_stateless() {
    dhcp6::run("stateless");
}

// Input: a Request whose lease cannot be stored; the client tries again at once and later.
// Output: refusal, silence, a trial, service.
#[test]
fn dhcp6_store_fails() {
    dhcp6::run("store_fails");
}

// Input: a client behind a relay solicits with Rapid Commit for a prefix, and is reconfigured.
// Output: answers in the relay's envelope; the route leads to the relay; Reconfigure until the client renews.
#[test]
fn dhcp6_relayed() {
    dhcp6::run("relayed");
}

// Input: a host asks whether registrations are taken, and registers an address; another registers that, and one of another link; a
// registration is taken back.
// Output: it is told so; what is the sender's own is written and answered, the rest is nothing; the first ends with its lifetime.
#[test]
fn dhcp6_registration() {
    dhcp6::run("registration");
}

// Input: as the odd one of a pair, the same as for DHCPv6.
// Output: no Nak for an address that the other one may have given; asked for, it is offered and then not given.
#[test]
fn dhcp4_pair() {
    dhcp4::run("pair");
}

// Input: a client discovers, requests another address than it was offered, asks again; renews, releases, comes back.
// Output: offers, the lease stored before its answer; later the same address again, and in the end nothing is kept.
#[test]
fn dhcp4_life_of_a_lease() {
    dhcp4::run("life_of_a_lease");
}

// Input: a client of a port, another that claims the port's address, the first one on a wrong network and for another server.
// Output: the port's address; refusals; silence.
#[test]
fn dhcp4_port() {
    dhcp4::run("port");
}

// Input: somebody answers for the address that was to be offered.
// Output: quarantine, another address asked for, and offered when nobody answers, to the latest of the client's messages.
#[test]
fn dhcp4_conflict() {
    dhcp4::run("conflict");
}

// Input: a client behind a relay, and another that claims its address.
// Output: answers to the relay, with its information; a refusal.
#[test]
fn dhcp4_relayed() {
    dhcp4::run("relayed");
}

// Input: a Request whose lease cannot be stored; the client tries again at once and later.
// Output: refusal, silence, a trial, service.
#[test]
fn dhcp4_store_fails() {
    dhcp4::run("store_fails");
}

// Input: settings alone, from the link and from elsewhere; a Decline of what was never given.
// Output: settings; silence.
#[test]
fn dhcp4_inform() {
    dhcp4::run("inform");
}

// Input: two servers answer a client, by unicast and by broadcast; it renews by unicast, and is refused by one; the link goes.
// Output: each message to both servers, with what the relay says of itself; answers to the client's MAC or to all; silence.
#[test]
fn relay4_life_of_a_lease() {
    relay4::run("life_of_a_lease");
}

// Input: relays behind us, up to the limit and past it, one that nobody trusts, one that says it is us; an answer to one.
// Output: what they said, with one hop more; drops by name.
#[test]
fn relay4_chain() {
    relay4::run("chain");
}

// Input: two links share a giaddr; clients and a switch say Relay Agent Information themselves; servers echo it or do not.
// Output: it is dropped, kept or replaced; answers go by the Circuit ID, and nowhere without one.
#[test]
fn relay4_agent_option() {
    relay4::run("agent_option");
}

// Input: answers of who is no server, for a link that is not there, damaged, of a wrong kind; a client that speaks as a
// server, as our own address, and as a relay.
// Output: nothing but the names of the drops.
#[test]
fn relay4_wrong_servers() {
    relay4::run("wrong_servers");
}

// Input: a client is delegated a prefix, renews it while the store fails and again, releases it; another runs out.
// Output: envelopes; the Reply and the route wait for the store; both go with the server's word, or with the end.
#[test]
fn relay6_life_of_a_prefix() {
    relay6::run("life_of_a_prefix");
}

// Input: relays behind us, up to the limit and past it, and one that nobody trusts.
// Output: one envelope more for each server, one less for the relay behind; drops by name.
#[test]
fn relay6_chain() {
    relay6::run("chain");
}

// Input: answers of who is no server, from a wrong port, for a link that is not there, of a wrong kind, with a wrong prefix;
// a client that speaks as a server, as a relay, and as nobody.
// Output: nothing but the names of the drops.
#[test]
fn relay6_wrong_servers() {
    relay6::run("wrong_servers");
}

// Input: both offered in an Advertise, a renewal, the removal of the uplink.
// Output: the four messages, what is kept and held; Renew at T1; a Release, and silence after it is answered.
#[test]
fn dhcp6_client_life_of_an_uplink() {
    dhcp6_client::run("life_of_an_uplink");
}

// Input: Renew is answered with the old prefix withdrawn and a new one; then with the old one deprecated.
// Output: the first goes at once; the second is held until its end and not asked for any more.
#[test]
fn dhcp6_client_renumbering() {
    dhcp6_client::run("renumbering");
}

// Input: the server is silent; when nothing is preferred any more, another one answers.
// Output: Renew, Rebind, Solicit; the old leases are held until their end, beside the new ones.
#[test]
fn dhcp6_client_server_vanishes() {
    dhcp6_client::run("server_vanishes");
}

// Input: settings only, answered once.
// Output: asked for again after a day.
#[test]
fn dhcp6_client_settings() {
    dhcp6_client::run("settings");
}

// Input: the process starts again, and the link is down for a while.
// Output: what was kept is held at once; Rebind both times; without an answer nothing changes.
#[test]
fn dhcp6_client_restart() {
    dhcp6_client::run("restart");
}

// Input: the leased address is somebody else's.
// Output: Decline, then a Request that holds on to the prefix and asks for another address.
#[test]
fn dhcp6_client_duplicate_address() {
    dhcp6_client::run("duplicate_address");
}

// Input: a probe on a link with strangers; use for a while, an answer when asked, silence.
// Output: tentative for half a second, valid, asked when unused, forgotten after the third question.
#[test]
fn savi_life_of_an_address() {
    savi::run("life_of_an_address");
}

// Input: another port probes and uses an address, and one of ours; again when its owner was silent for a while, and answers, and does not.
// Output: it is told who has the address; the owner is asked; the address moves in the end.
#[test]
fn savi_rivals() {
    savi::run("rivals");
}

// Input: an address that a machine without a port answers for; one that such a machine begins to use while its owner is silent.
// Output: it is not bound; the owner loses it.
#[test]
fn savi_strangers() {
    savi::run("strangers");
}

// Input: leases for machines of a port, and for one whose MAC is not configured; a prefix; an address too many.
// Output: who only was first loses the address; the client shows where it is; all ends with its time.
#[test]
fn savi_leases() {
    savi::run("leases");
}

// Input: each state hears each state, in the order in which one session can come to them: 16 pairs.
// Output: the table of RFC 5880 sections 6.2 and 6.8.6; a change is told to the peer at once.
#[test]
fn bfd_state_table() {
    bfd::run("state_table");
}

// Input: silence in Init; Up with a fast peer, a slow one, and one that tells a multiplier of 1; silence; another peer with the address.
// Output: Down after the peer's multiplier of the slower interval, without its discriminator; the path has failed only where it was up.
#[test]
fn bfd_detection() {
    bfd::run("detection");
}

// Input: the peer answers the poll; our intervals change, one up, one down; the peer slows us down, asks, silences us, asks, wants more.
// Output: once a second until Up; the old interval until the answer; the peer's interval; only the answer; a packet at once; once a second.
#[test]
fn bfd_timers() {
    bfd::run("timers");
}

// Input: a peer in demand mode; it asks; our interval changes and it answers; it leaves demand mode, comes back, and goes down.
// Output: silence but for answers and our own question; packets again.
#[test]
fn bfd_demand() {
    bfd::run("demand");
}

// Input: switched off and on here, then there; the router stops, the session is taken away.
// Output: the path is unknown and never failed; the peer is told each time.
#[test]
fn bfd_switched_off() {
    bfd::run("switched_off");
}

// Input: sessions before their link, one of them passive; the link goes and comes back.
// Output: silence, and for the passive one until the peer speaks; down at once; nothing that is too late is believed.
#[test]
fn bfd_link() {
    bfd::run("link");
}

// Input: packets that break each rule, and those of strangers with and without our discriminator.
// Output: nothing but the names of the drops; the session stays Up.
#[test]
fn bfd_strangers() {
    bfd::run("strangers");
}

// Input: the start of a router, silence, its stop; RFC 9568 section 6.4.1 and 6.4.2.
// Output: backup, active after Active_Down_Interval, adverts and announcements, priority 0.
#[test]
fn vrrp_initialize() {
    vrrp::run("initialize");
}

// Input: what a backup can hear: higher, equal, lower, priority 0, another interval; its link goes; RFC 9568 section 6.4.2.
// Output: it waits, or takes over after Skew_Time or Active_Down_Interval.
#[test]
fn vrrp_backup() {
    vrrp::run("backup");
}

// Input: what an active router can hear: lower, equal from lower and from higher addresses, higher, priority 0; RFC 9568 section 6.4.3.
// Output: it asserts itself, or becomes backup.
#[test]
fn vrrp_active() {
    vrrp::run("active");
}

// Input: priority 255.
// Output: active at once.
#[test]
fn vrrp_owner() {
    vrrp::run("owner");
}

// Input: version 2 and its skew, an interval that is not ours; IPv4.
// Output: discarded; the times of RFC 3768 section 6.1.
#[test]
fn vrrp_version_2() {
    vrrp::run("version_2");
}
