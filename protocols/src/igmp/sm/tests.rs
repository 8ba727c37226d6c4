use super::*;

const IFACE: IfaceId = IfaceId(3);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

struct Link {
    machine: Machine,
    now: Instant,
}

impl Link {
    /// An interface in these groups whose link is down.
    fn down(groups: &[Ipv4Addr]) -> Self {
        let mut link = Self {
            machine: Machine::new(7),
            now: Instant::now(),
        };
        assert_eq!(link.configure(groups), [] as [String; 0]);
        link
    }

    /// As `down`, with a link that has just come up and all told.
    fn up(groups: &[Ipv4Addr]) -> Self {
        let mut link = Self::down(groups);
        link.tell(Event::LinkUp { iface: IFACE });
        link.wait(2);
        link
    }

    fn tell(&mut self, event: Event<'_>) -> Vec<String> {
        let mut out = Vec::new();
        self.machine.on_event(self.now, event, &mut out);
        out.into_iter().map(said).collect()
    }

    fn configure(&mut self, groups: &[Ipv4Addr]) -> Vec<String> {
        self.tell(Event::ConfigureInterface {
            iface: IFACE,
            source: SOURCE,
            groups: groups.iter().copied().collect(),
        })
    }

    /// What is said within so many seconds.
    fn wait(&mut self, seconds: u64) -> Vec<String> {
        let end = self.now + Duration::from_secs(seconds);
        let mut all = Vec::new();
        while let Some(due) = self.machine.next_deadline().filter(|due| *due <= end) {
            self.now = due;
            all.extend(self.tell(Event::Timer));
        }
        self.now = end;
        all
    }

    fn query(&mut self, version: u8, group: Ipv4Addr) {
        let mut igmp = vec![0x11, if version == 1 { 0 } else { 20 }, 0, 0];
        igmp.extend_from_slice(&group.octets());
        if version == 3 {
            igmp.extend_from_slice(&[2, 125, 0, 0]);
        }
        self.hear(igmp);
    }

    /// An IGMP message that came, its checksum made right.
    fn hear(&mut self, mut igmp: Vec<u8>) {
        let sum = wire::checksum::checksum(&igmp).to_be_bytes();
        igmp[2..4].copy_from_slice(&sum);
        let len = 20 + igmp.len() as u8;
        let mut packet = vec![
            0x45, 0, 0, len, 0, 0, 0, 0, 1, 2, 0, 0, 192, 0, 2, 9, 224, 0, 0, 1,
        ];
        let sum = wire::checksum::checksum(&packet).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet.extend_from_slice(&igmp);
        let none = self.tell(Event::Packet {
            iface: IFACE,
            packet: &packet,
        });
        assert_eq!(none, [] as [String; 0], "answers wait");
    }

    fn counters(&self) -> Counters {
        self.machine.counters().next().unwrap().1.clone()
    }
}

/// A packet in words, everything that is the same of all checked.
fn said(
    Action::Send {
        iface,
        dst,
        dst_mac,
        packet,
    }: Action,
) -> String {
    assert_eq!(iface, IFACE);
    assert_eq!(dst_mac, MacAddr::for_ipv4_multicast(dst));
    assert_eq!(
        (packet[0], packet[8], packet[9]),
        (0x46, 1, 2),
        "TTL 1, an option"
    );
    assert_eq!(packet[12..16], SOURCE.octets());
    assert_eq!(packet[16..20], dst.octets());
    assert_eq!(packet[20..24], [0x94, 4, 0, 0], "router alert");
    assert!(wire::checksum::is_valid(&packet[..24]) && wire::checksum::is_valid(&packet[24..]));
    let group =
        |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    match packet[24] {
        0x22 => {
            let records = packet[32..].chunks(8).enumerate();
            let words = records.map(|(n, record)| {
                let word = match record[0] {
                    2 => "is",
                    3 => "left",
                    4 => "joined",
                    other => panic!("record {other}"),
                };
                format!("{word} {}", group(32 + 8 * n + 4))
            });
            assert_eq!(dst, ALL_V3_ROUTERS);
            words.collect::<Vec<_>>().join(", ")
        }
        0x16 => format!("v2 report {} to {dst}", group(28)),
        0x17 => format!("v2 leave {} to {dst}", group(28)),
        other => panic!("type {other:#x}"),
    }
}

#[test]
fn groups_are_told_when_the_link_comes_up_and_again_soon() {
    let mut link = Link::down(&[GROUP, Ipv4Addr::new(224, 0, 0, 1)]);
    assert_eq!(link.wait(10), [] as [String; 0]);
    let up = link.tell(Event::LinkUp { iface: IFACE });
    assert_eq!(up, ["joined 239.1.2.3"]);
    assert_eq!(link.tell(Event::LinkUp { iface: IFACE }), [] as [String; 0]);
    assert_eq!(link.wait(1), ["joined 239.1.2.3"]);
    assert_eq!(link.wait(100), [] as [String; 0]);
    assert_eq!(
        link.configure(&[OTHER]),
        ["left 239.1.2.3, joined 239.9.9.9"]
    );
    assert_eq!(link.wait(1).len(), 1);
    link.tell(Event::LinkDown { iface: IFACE });
    assert_eq!(link.configure(&[GROUP]), [] as [String; 0]);
    let up = link.tell(Event::LinkUp { iface: IFACE });
    assert_eq!(up, ["joined 239.1.2.3"], "nobody here knows of the other");
    assert_eq!(
        link.tell(Event::RemoveInterface { iface: IFACE }),
        ["left 239.1.2.3"]
    );
    assert_eq!(link.machine.next_deadline(), None);
}

#[test]
fn queries_are_answered_within_the_time_they_give() {
    let mut link = Link::up(&[GROUP, OTHER]);
    link.query(3, Ipv4Addr::UNSPECIFIED);
    assert_eq!(link.wait(2), ["is 239.1.2.3, is 239.9.9.9"]);
    link.query(3, OTHER);
    assert_eq!(link.wait(2), ["is 239.9.9.9"]);
    link.query(3, Ipv4Addr::new(239, 7, 7, 7));
    assert_eq!(link.wait(2), [] as [String; 0]);
    let counters = link.counters();
    assert_eq!((counters.queries_received, counters.answers_sent), (3, 2));
    // Somebody else's report says nothing of us in version 3.
    link.query(3, GROUP);
    link.hear(vec![0x16, 0, 0, 0, 239, 1, 2, 3]);
    assert_eq!(link.wait(2).len(), 1);
    let mut nobody = Link::up(&[]);
    nobody.query(3, Ipv4Addr::UNSPECIFIED);
    assert_eq!(nobody.wait(30), [] as [String; 0]);
}

#[test]
fn an_older_querier_is_spoken_to_in_its_version_as_long_as_it_is_there() {
    for version in [1, 2] {
        let mut link = Link::up(&[GROUP]);
        link.query(version, Ipv4Addr::UNSPECIFIED);
        assert_eq!(link.wait(10), ["v2 report 239.1.2.3 to 239.1.2.3"]);
        link.query(version, GROUP);
        link.hear(vec![0x16, 0, 0, 0, 239, 1, 2, 3]);
        assert_eq!(link.wait(10), [] as [String; 0], "another has said so");
        assert_eq!(link.counters().suppressed, 1);
        let change = link.configure(&[OTHER]);
        let left = "v2 leave 239.1.2.3 to 224.0.0.2";
        assert_eq!(change, [left, "v2 report 239.9.9.9 to 239.9.9.9"]);
        assert_eq!(link.wait(10), ["v2 report 239.9.9.9 to 239.9.9.9"]);
        link.wait(300);
        link.query(3, Ipv4Addr::UNSPECIFIED);
        assert_eq!(link.wait(10), ["is 239.9.9.9"]);
        assert_eq!(link.counters().queries_older_received, 2);
    }
}

#[test]
fn what_breaks_a_rule_is_counted_and_changes_nothing() {
    let mut link = Link::up(&[GROUP]);
    for packet in [&[][..], &[0x45; 20], &[0x60; 60]] {
        link.tell(Event::Packet {
            iface: IFACE,
            packet,
        });
    }
    link.hear(vec![0x99, 0, 0, 0, 0, 0, 0, 0]);
    link.hear(vec![0x11, 0, 0, 0, 10, 0, 0, 1]);
    assert_eq!(link.counters().invalid.values().sum::<u64>(), 5);
    assert_eq!(link.wait(30), [] as [String; 0]);
    link.hear(vec![0x22, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(link.counters().ignored, 1);
}
