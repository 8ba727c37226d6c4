//! Every path of the API: one list that the server, its tests and docs/api.md agree with.

/// Where `hextetd` listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/hextet/api.sock";

/// One method on one path.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// HTTP method.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// Query parameters; those in brackets are optional.
    pub query: &'static str,
    /// The same with values.
    pub query_example: &'static str,
    /// Type of the request's body; empty when it has none.
    pub body: &'static str,
    /// The same with values.
    pub body_example: &'static str,
    /// Type of the answer; in brackets when it is a list.
    pub answer: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// Every endpoint.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/v1/status", "Status", "How the appliance fares."),
    get("/v1/devices", "[Device]", "Devices, with link, offloads, multicast filter and counters."),
    get("/v1/interfaces", "[Interface]", "Interfaces, with addresses, own and virtual, and counters."),
    get("/v1/addresses", "[InterfaceAddress]", "Addresses of interfaces, own and virtual, one a row."),
    get("/v1/networks", "[Network]", "Layer-2 networks, with segments and counters."),
    get("/v1/stations", "[Station]", "Stations of networks, up to a `limit` (1000 by default): the FDB.")
        .query("[network] [mac] [limit]", "network=blue&limit=10"),
    get("/v1/bindings", "[Binding]", "Addresses of networks with `arp_nd_suppression` and whose they are, up to a `limit` (1000 by default).")
        .query("[network] [address] [limit]", "network=blue&limit=10"),
    get("/v1/vteps", "[Vtep]", "Peers of tunnels, with counters."),
    get("/v1/ports", "[Port]", "Ports of tenants' machines, with their guards, groups and counters."),
    get("/v1/ports/bindings", "[PortBinding]", "Addresses of links with ports and whose they are, up to a `limit` (1000 by default).")
        .query("[port] [limit]", "port=vm1&limit=10"),
    get("/v1/ports/denied", "[Denied]", "The last packets of a port that did not pass, the newest first, and what would let them pass.")
        .query("port", "port=vm1"),
    get("/v1/security-groups", "[SecurityGroup]", "Security groups, with rules and what passed because of each.")
        .query("[name]", "name=web"),
    get("/v1/flows", "[Flow]", "Flows of ports, up to a `limit` (1000 by default).")
        .query("[port] [limit]", "port=vm1&limit=10"),
    get("/v1/flows/usage", "FlowUsage", "How full the table of flows is."),
    get("/v1/routes", "[Route]", "Routes; with `prefix`, that prefix and those within it.")
        .query("[router] [prefix]", "router=main&prefix=2001:db8::/32"),
    get("/v1/routes/explain", "RouteExplain", "Why packets to an address go where they go.")
        .query("[router] address", "address=2001:db8:9::42"),
    post("/v1/routes", "RouteChanges", "Adds a route, or replaces the API's own for the same prefix.")
        .body(
            "AddRoute",
            r#"{"prefix": "2001:db8:7::/48", "next_hops": [{"via": "fe80::7", "interface": "lan0"}]}"#,
        ),
    method("DELETE", "/v1/routes", "RouteChanges", "Deletes a route that this API made.")
        .query("[router] prefix", "prefix=2001:db8:dead::/48"),
    post("/v1/routes/batch", "RouteChanges", "Many changes at once, in order: all or none.").body(
        "RouteBatch",
        r#"{"changes": [{"add": {"prefix": "2001:db8:8::/48", "kind": "unreachable"}}, {"delete": {"prefix": "2001:db8:dead::/48"}}]}"#,
    ),
    get("/v1/neighbors", "[Neighbor]", "Neighbours of every interface."),
    post("/v1/neighbors/flush", "NeighFlushed", "Forgets learned neighbours: all, or those named.")
        .body("NeighFlush", r#"{"interface": "lan0"}"#),
    get("/v1/ra", "[RaState]", "Router advertisement, interface by interface."),
    get("/v1/leases", "[Lease]", "Leases of the DHCP servers, up to a `limit` (1000 by default).").query(
        "[router] [pool] [client] [within] [kind] [limit]",
        "within=2001:db8:1::/64&kind=address&limit=10",
    ),
    post("/v1/leases", "LeaseChanges", "Gives a lease to a client, or changes it.").body(
        "AddLease",
        r#"{"resource": "2001:db8:1::1001", "router": "main", "client": "000300010200000000aa", "iaid": 1, "valid_seconds": 3600}"#,
    ),
    method("DELETE", "/v1/leases", "LeaseChanges", "Ends a lease, or lifts a quarantine; the client is not told.")
        .query("resource [router]", "resource=2001:db8:1::1000&router=main"),
    get("/v1/leases/export", "leases", "All leases as a file, CSV or JSON: to keep, to edit, or to import elsewhere.")
        .query("[format] [family]", "format=json&family=ipv6"),
    post(
        "/v1/leases/import",
        "LeaseImported",
        "Leases of such a file, all or none; status 422 and no change when it has faults.",
    )
    .query("[format]", "format=json")
    .body(
        "leases",
        r#"[{"resource": "2001:db8:1::1001", "router": "main", "kind": "ia_na", "client": "000300010200000000aa", "iaid": 1, "state": "bound", "scope": "main 2001:db8:1::/64", "starts": "2026-08-22T10:00:00Z", "preferred_until": "2026-08-22T22:00:00Z", "ends": "2026-08-23T10:00:00Z"}]"#,
    ),
    get("/v1/pools", "[LeasePool]", "Subnets and prefix pools, with how much of each is in use."),
    get("/v1/delegations", "[Delegation]", "Prefixes that are delegated to us, with the subnets assigned of them."),
    get("/v1/relays", "[Relay]", "Links that DHCP is relayed for, with what is delegated behind each."),
    get("/v1/dhcp-client", "[DhcpClient]", "The DHCPv6 client: what each uplink has been given."),
    post("/v1/dhcp-client", "DhcpClientOrdered", "Has an uplink's leases renewed now, or given back.")
        .body("OrderDhcpClient", r#"{"interface": "wan0", "order": "renew"}"#),
    get("/v1/vrrp", "[VirtualRouter]", "Virtual routers: who is active, and since when."),
    get("/v1/sync", "[PairSync]", "The other router of a pair: what each has told the other."),
    get("/v1/bfd", "[BfdSession]", "BFD sessions: which neighbours are there, and since when."),
    get("/v1/workers", "[Worker]", "Workers: load, cycles for a packet, queues."),
    get("/v1/drops", "[Drop]", "Dropped packets by reason; every reason is listed."),
    get("/v1/counters", "Counters", "Everything else that is counted."),
    get("/v1/accounting", "[Accounting]", "The books of every worker; they must balance."),
    post(
        "/v1/reload",
        "ReloadResponse",
        "Reads the configuration file again; status 422 and no change when it has faults.",
    )
    .body("ReloadRequest", r#"{"dry_run": false}"#),
    get("/v1/events", "Event", "Changes of state as they happen, one a line: virtual routers, BFD sessions, the pair, links of devices.")
        .query("[count]", "count=1"),
    get("/v1/trace", "TraceEvent", "Packets' way through the graph as they pass, an event a line.")
        .query("[interface] [src] [dst] [protocol] [count]", "protocol=icmp6&count=1"),
    get(
        "/v1/capture",
        "pcapng",
        "Packets as they pass, as a pcapng file; a dropped one has its reason as comment.",
    )
    .query("[interface] [src] [dst] [protocol] [count] [point] [snaplen]", "point=drop&count=10"),
];

impl Endpoint {
    const fn query(mut self, query: &'static str, example: &'static str) -> Self {
        self.query = query;
        self.query_example = example;
        self
    }

    const fn body(mut self, body: &'static str, example: &'static str) -> Self {
        self.body = body;
        self.body_example = example;
        self
    }
}

const fn get(path: &'static str, answer: &'static str, about: &'static str) -> Endpoint {
    method("GET", path, answer, about)
}

const fn post(path: &'static str, answer: &'static str, about: &'static str) -> Endpoint {
    method("POST", path, answer, about)
}

const fn method(
    method: &'static str,
    path: &'static str,
    answer: &'static str,
    about: &'static str,
) -> Endpoint {
    Endpoint {
        method,
        path,
        query: "",
        query_example: "",
        body: "",
        body_example: "",
        answer,
        about,
    }
}
