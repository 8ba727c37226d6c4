//! Every path of the API: one list that the server, its tests and docs/api.md agree with.

/// Where `hextetd` listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/hextet/hextetd.sock";

/// One method on one path.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// HTTP method.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// Query parameters; those in brackets are optional.
    pub query: &'static str,
    /// Type of the request's body; empty when it has none.
    pub body: &'static str,
    /// Type of the answer.
    pub answer: &'static str,
    /// What it is for.
    pub about: &'static str,
}

/// Every endpoint.
pub const ENDPOINTS: &[Endpoint] = &[
    get("/v1/status", "", "Status", "How the appliance fares."),
    get(
        "/v1/devices",
        "",
        "[Device]",
        "Devices, with link, offloads, multicast filter and counters.",
    ),
    get(
        "/v1/interfaces",
        "",
        "[Interface]",
        "Interfaces, with addresses and counters.",
    ),
    get(
        "/v1/addresses",
        "",
        "[InterfaceAddress]",
        "Own addresses, one a row.",
    ),
    get(
        "/v1/routes",
        "[router] [prefix]",
        "[Route]",
        "Routes; with `prefix`, that prefix and those within it.",
    ),
    get(
        "/v1/routes/explain",
        "[router] address",
        "RouteExplain",
        "Why packets to an address go where they go.",
    ),
    post(
        "/v1/routes",
        "AddRoute",
        "RouteChanges",
        "Adds a route, or replaces the API's own for the same prefix.",
    ),
    Endpoint {
        method: "DELETE",
        path: "/v1/routes",
        query: "[router] prefix",
        body: "",
        answer: "RouteChanges",
        about: "Deletes a route that this API made.",
    },
    post(
        "/v1/routes/batch",
        "RouteBatch",
        "RouteChanges",
        "Many changes at once: all or none.",
    ),
    get(
        "/v1/neighbors",
        "",
        "[Neighbor]",
        "Neighbours of every interface.",
    ),
    post(
        "/v1/neighbors/flush",
        "NeighFlush",
        "NeighFlushed",
        "Forgets learned neighbours.",
    ),
    get(
        "/v1/ra",
        "",
        "[RaState]",
        "Router advertisement, interface by interface.",
    ),
    get(
        "/v1/workers",
        "",
        "[Worker]",
        "Workers: load, cycles for a packet, queues.",
    ),
    get(
        "/v1/drops",
        "",
        "[Drop]",
        "Dropped packets by reason; every reason is listed.",
    ),
    get(
        "/v1/counters",
        "",
        "Counters",
        "Everything else that is counted.",
    ),
    get(
        "/v1/accounting",
        "",
        "[Accounting]",
        "The books of every worker; they must balance.",
    ),
    post(
        "/v1/reload",
        "ReloadRequest",
        "ReloadResponse",
        "Reads the configuration file again; 422 and no change when it has faults.",
    ),
    get(
        "/v1/trace",
        "[interface] [src] [dst] [protocol] [count]",
        "TraceEvent, one a line (application/x-ndjson)",
        "Packets' way through the graph, as they pass.",
    ),
    get(
        "/v1/capture",
        "[interface] [src] [dst] [protocol] [count] [point] [snaplen]",
        "pcapng (application/x-pcapng)",
        "Packets as they pass; a dropped one has its reason as comment.",
    ),
];

const fn get(
    path: &'static str,
    query: &'static str,
    answer: &'static str,
    about: &'static str,
) -> Endpoint {
    Endpoint {
        method: "GET",
        path,
        query,
        body: "",
        answer,
        about,
    }
}

const fn post(
    path: &'static str,
    body: &'static str,
    answer: &'static str,
    about: &'static str,
) -> Endpoint {
    Endpoint {
        method: "POST",
        path,
        query: "",
        body,
        answer,
        about,
    }
}
