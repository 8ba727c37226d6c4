//! The attacks: what is run, what it tries, and under which names the router counts it.

/// What others do meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stir {
    Nothing,
    /// Neighbours forget the router and each other, and ask again.
    Resolves,
    /// The victim takes one more address, and asks whether anybody has it.
    NewAddress,
    /// The victim asks for configuration by DHCPv6.
    AsksDhcp,
}

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    pub name: &'static str,
    /// For the reader.
    pub tries: &'static str,
    /// In the attacker's namespace; `{victim}` and such stand for addresses. Of a program, its words.
    pub command: &'static str,
    /// For scapy, where no tool does it.
    pub program: Option<&'static str>,
    /// Drop reasons that rise, each.
    pub counters: &'static [&'static str],
    /// What reaches the victim.
    pub seen: &'static str,
    pub seconds: u64,
    pub stir: Stir,
}

const fn tool(
    name: &'static str,
    tries: &'static str,
    command: &'static str,
    counters: &'static [&'static str],
) -> Attack {
    Attack {
        name,
        tries,
        command,
        program: None,
        counters,
        seen: NOTHING,
        seconds: 2,
        stir: Stir::Nothing,
    }
}

const fn stirred(mut attack: Attack, stir: Stir) -> Attack {
    attack.stir = stir;
    attack.seconds = 4;
    attack
}

/// One whose single messages are what any neighbour may say.
const fn policed(mut attack: Attack) -> Attack {
    attack.seen = "no more than its policer lets pass";
    attack
}

const fn long(mut attack: Attack) -> Attack {
    attack.seconds = 6;
    attack
}

const fn scapy(
    name: &'static str,
    tries: &'static str,
    program: &'static str,
    counters: &'static [&'static str],
) -> Attack {
    let mut attack = tool(
        name,
        tries,
        "{victim} {router_ll} {router_mac} {own_ll} {uplink}",
        counters,
    );
    attack.program = Some(program);
    // Scapy takes its time to begin.
    attack.seconds = 8;
    attack
}

/// What is to be seen of an attack.
pub const NOTHING: &str = "nothing";

const ROUTERS: &str = "become the default router, and give the victim addresses";
const HIDDEN: &str = "the same, hidden from a guard that reads the first header alone";
const NEIGHBOR: &str = "draw the victim's traffic to itself";

/// All of them.
pub const ATTACKS: &[Attack] = &[
    long(tool(
        "nmap -6",
        "find open ports",
        "nmap -6 -sT -Pn -n --disable-arp-ping --host-timeout 5 -p 1-500 {victim}",
        &["ingress_denied"],
    )),
    tool(
        "fake_router26",
        ROUTERS,
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 eth0",
        &["ra_guard"],
    ),
    tool(
        "fake_router26 -E H",
        HIDDEN,
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E H eth0",
        &["ra_guard"],
    ),
    tool(
        "fake_router26 -E H111",
        HIDDEN,
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E H111 eth0",
        &["ra_guard"],
    ),
    tool(
        "fake_router26 -E D",
        "the same, in a second fragment behind a large destination header",
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E D eth0",
        &["guard_undecidable"],
    ),
    tool(
        "fake_router26 -E O",
        "the same, by fragments that overlap, for hosts that keep the first",
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E O eth0",
        &["guard_undecidable"],
    ),
    tool(
        "fake_router26 -E o",
        "the same, by fragments that overlap, for hosts that keep the last",
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E o eth0",
        &["guard_undecidable"],
    ),
    tool(
        "fake_router26 -E F",
        "the same, in small fragments with routing and destination headers",
        "atk6-fake_router26 -A 2001:db8:bad::/64 -n 2 -i 1 -E F eth0",
        &["guard_undecidable"],
    ),
    tool(
        "flood_router26",
        "thousands of routers and prefixes, so that hosts stand still",
        "atk6-flood_router26 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "flood_router26 -F",
        "the same in fragments",
        "atk6-flood_router26 -F eth0",
        &["mac_spoofed"],
    ),
    tool(
        "kill_router6",
        "say in the router's name that it leaves",
        "atk6-kill_router6 eth0 {router_ll}",
        &["ra_guard"],
    ),
    tool(
        "kill_router6 -H",
        "the same behind a hop-by-hop header",
        "atk6-kill_router6 -H eth0 {router_ll}",
        &["ra_guard"],
    ),
    tool(
        "ra6",
        ROUTERS,
        "ra6 -i eth0 -s fe80::bad -d ff02::1 -P 2001:db8:bad::/64#LA#300#300 -e",
        &["ra_guard"],
    ),
    stirred(
        tool(
            "parasite6",
            "answer whatever neighbours ask for, with its own MAC",
            "atk6-parasite6 -l eth0",
            &["address_claimed"],
        ),
        Stir::Resolves,
    ),
    tool(
        "fake_advertise6",
        NEIGHBOR,
        "atk6-fake_advertise6 -n 2 -w 1 eth0 {victim}",
        &["address_claimed"],
    ),
    tool(
        "fake_advertise6 -H",
        NEIGHBOR,
        "atk6-fake_advertise6 -H -n 2 -w 1 eth0 {victim}",
        &["address_claimed"],
    ),
    tool(
        "fake_advertise6 -F",
        NEIGHBOR,
        "atk6-fake_advertise6 -F -n 2 -w 1 eth0 {victim}",
        &["guard_undecidable"],
    ),
    tool(
        "na6",
        "be the router, with another MAC",
        "na6 -i eth0 -t {router_ll} -d ff02::1 -s {router_ll} -E 02:00:00:00:00:66 -o -r",
        &["nd_spoofed"],
    ),
    tool(
        "ns6",
        "poison the victim's neighbour cache by a solicitation",
        "ns6 -i eth0 -d {victim} -t {victim} -s {router_ll} -E 02:00:00:00:00:66",
        &["mac_spoofed"],
    ),
    stirred(
        tool(
            "dos-new-ip6",
            "deny the victim every new address by duplicate detection",
            "atk6-dos-new-ip6 eth0",
            &["mac_spoofed"],
        ),
        Stir::NewAddress,
    ),
    tool(
        "flood_advertise6",
        "fill neighbour caches",
        "atk6-flood_advertise6 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "flood_advertise6 -k",
        "fill neighbour caches, with its own MAC outside",
        "atk6-flood_advertise6 -k eth0",
        &["nd_spoofed"],
    ),
    tool(
        "flood_solicitate6",
        "make everybody answer and remember",
        "atk6-flood_solicitate6 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "flood_solicitate6 -k",
        "make the victim answer and remember, with its own MAC outside",
        "atk6-flood_solicitate6 -k eth0 {victim}",
        &["nd_spoofed"],
    ),
    policed(tool(
        "flood_rs6",
        "make the router answer",
        "atk6-flood_rs6 eth0",
        &["rs_policed"],
    )),
    stirred(
        tool(
            "fake_dhcps6",
            "hand out addresses and a name server",
            "atk6-fake_dhcps6 eth0 2001:db8:bad::/64 2001:db8:bad::53",
            &["dhcp6_guard"],
        ),
        Stir::AsksDhcp,
    ),
    tool(
        "flood_dhcpc6",
        "empty the pool, as thousands of hosts",
        "atk6-flood_dhcpc6 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "flood_dhcpc6 -N",
        "empty the pool, with its own MAC and address",
        "atk6-flood_dhcpc6 -N eth0",
        &["dhcp_policed"],
    ),
    tool(
        "redir6",
        "redirect what the victim sends to the uplink",
        "atk6-redir6 eth0 {victim} {uplink} {router_ll} {own_ll}",
        &["mac_spoofed"],
    ),
    tool(
        "flood_redir6",
        "redirects by the thousand",
        "atk6-flood_redir6 eth0",
        &["redirect_guard"],
    ),
    tool(
        "rd6",
        "redirect what the victim sends to the uplink",
        "rd6 -i eth0 -s {router_ll} -d {victim} -r {uplink} -t {own_ll} -l -z 1",
        &["redirect_guard"],
    ),
    tool(
        "fake_mld26 query",
        "become the querier of groups",
        "atk6-fake_mld26 -l eth0 query",
        &["mld_query_guard"],
    ),
    policed(tool(
        "fake_mld26 add",
        "join groups by the thousand",
        "atk6-fake_mld26 -l eth0 add ff02::1:ff00:10",
        &["mld_policed"],
    )),
    tool(
        "flood_mld26",
        "join groups as thousands of hosts",
        "atk6-flood_mld26 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "flood_mldrouter6",
        "be thousands of multicast routers",
        "atk6-flood_mldrouter6 eth0",
        &["mac_spoofed"],
    ),
    tool(
        "smurf6",
        "make everybody answer to the victim",
        "atk6-smurf6 eth0 {victim}",
        &["mac_spoofed"],
    ),
    tool(
        "rsmurf6",
        "make the victim answer to everybody",
        "atk6-rsmurf6 eth0 {victim}",
        &["mac_spoofed"],
    ),
    tool(
        "thcsyn6",
        "SYNs from every port",
        "atk6-thcsyn6 eth0 {victim} 80",
        &["ingress_denied"],
    ),
    tool(
        "tcp6",
        "SYNs of invented sources",
        "tcp6 -i eth0 -S 02:00:00:00:01:66 -d {victim} -a 80 -X S -s 2001:db8:5::/64 -l -z 1",
        &["ip6_source_spoofed"],
    ),
    tool(
        "ndpexhaust26",
        "make the router ask for every address behind it",
        "atk6-ndpexhaust26 -p eth0 2001:db8:2::/64",
        &["glean_limited"],
    ),
    tool(
        "ndpexhaust26 -r",
        "the same with invented sources of its network",
        "atk6-ndpexhaust26 -r -p eth0 2001:db8:2::/64",
        &["ip6_source_spoofed"],
    ),
    long(tool(
        "fragmentation6",
        "fragments of every odd kind",
        "atk6-fragmentation6 -p eth0 {victim}",
        &["ingress_denied", "fragment_overlap"],
    )),
    long(tool(
        "implementation6",
        "headers of every odd kind",
        "atk6-implementation6 -p eth0 {victim}",
        &["ingress_denied"],
    )),
    tool(
        "frag6",
        "guess how fragments are numbered",
        "frag6 -i eth0 -d {victim} --frag-id-policy",
        &["ingress_denied", "fragment_unknown"],
    ),
    tool(
        "hping3",
        "SYNs of invented IPv4 sources",
        "hping3 -q -S -p 80 --rand-source -i u1000 192.0.2.10",
        &["ip4_source_spoofed"],
    ),
    scapy(
        "scapy: ARP",
        "be the router for IPv4",
        "out(Ether(dst='ff:ff:ff:ff:ff:ff')/ARP(op=2, psrc='192.0.2.1', hwsrc=me, pdst='192.0.2.10'))\n",
        &["arp_spoofed"],
    ),
    scapy(
        "scapy: DHCPv4 server",
        "hand out IPv4 addresses",
        "out(Ether(dst='ff:ff:ff:ff:ff:ff')/IP(src='192.0.2.66', dst='255.255.255.255')/UDP(sport=67, dport=68)/BOOTP(op=2, yiaddr='192.0.2.99', chaddr=bytes(6))/DHCP(options=[('message-type', 'offer'), 'end']))\n",
        &["dhcp4_guard"],
    ),
    scapy(
        "scapy: DHCPv6 server",
        "hand out a name server that nobody asked for",
        "out(Ether(dst='33:33:00:00:00:01')/IPv6(src=sys.argv[4], dst='ff02::1')/UDP(sport=547, dport=546)/DHCP6_Reply()/DHCP6OptDNSServers(dnsservers=['2001:db8:bad::53']))\n",
        &["dhcp6_guard"],
    ),
    scapy(
        "scapy: RA in nested headers",
        HIDDEN,
        "out(Ether(dst='33:33:00:00:00:01')/IPv6(src=sys.argv[4], dst='ff02::1', hlim=255)/IPv6ExtHdrHopByHop(options=PadN(optdata=bytes(4)))/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(12)))/IPv6ExtHdrRouting(type=253, segleft=0)/IPv6ExtHdrDestOpt(options=PadN(optdata=bytes(4)))/ICMPv6ND_RA()/ICMPv6NDOptSrcLLAddr(lladdr=me))\n",
        &["ra_guard"],
    ),
    scapy(
        "scapy: atomic fragment",
        "a spoofed advertisement in a fragment that is the whole",
        "out(Ether(dst='33:33:00:00:00:01')/IPv6(src=sys.argv[4], dst='ff02::1', hlim=255)/IPv6ExtHdrFragment(m=0, offset=0)/ICMPv6ND_NA(tgt=sys.argv[2], R=1, O=1)/ICMPv6NDOptDstLLAddr(lladdr=me))\n",
        &["nd_fragmented"],
    ),
    scapy(
        "scapy: overlapping fragments",
        "write over what was let pass",
        "p = IPv6(src='2001:db8:1::66', dst=sys.argv[1])\nd = Ether(dst='02:00:00:00:01:0a')\nout(d/p/IPv6ExtHdrFragment(id=7, m=1, offset=0, nh=17)/UDP(sport=9, dport=9, len=72)/bytes(56), d/p/IPv6ExtHdrFragment(id=7, m=0, offset=1, nh=17)/bytes(64))\n",
        &["guard_undecidable"],
    ),
];
