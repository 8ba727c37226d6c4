//! The appliance's API: the JSON types that `hextetd` serves over its UNIX socket and `hextetctl` reads.
//!
//! *What does the outside see of the router, and under which names?* Nothing here knows how the router works: the
//! crate holds data only, so that the CLI (and any program of yours) depends on nothing else.
//!
//! - Answers may grow fields and words: a reader ignores fields it does not know, and reads a word it does not know
//!   as `unknown` (see [`word`]).
//! - Requests are strict: an unknown field is refused, since ignoring it would do something else than was asked.
//! - Every number names its unit; durations are in milliseconds (`_ms`) or whole seconds (`_seconds`, where the
//!   protocol's field has that unit). Counters count from the start of the process.
//!
//! [`endpoint::ENDPOINTS`] lists every path with its method, parameters and types.
#![forbid(unsafe_code)]

pub mod accounting;
pub mod bfd;
pub mod config;
pub mod counters;
pub mod delegation;
pub mod device;
pub mod dhcp_client;
pub mod endpoint;
pub mod error;
pub mod event;
pub mod interface;
pub mod lease;
pub mod mac;
pub mod neighbor;
pub mod network;
pub mod query;
pub mod ra;
pub mod relay;
pub mod route;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod security;
pub mod status;
pub mod sync;
pub mod trace;
pub mod vrrp;
pub mod word;
pub mod worker;

pub use accounting::{Accounting, Drop, DropAt};
pub use bfd::{BfdPath, BfdRemote, BfdSession, BfdState};
pub use config::{Change, ChangeKind, Fault, ReloadRequest, ReloadResponse};
pub use counters::{
    Counters, Mempool, NeighborCount, OriginatedCounters, ProtocolCounters, ReloadCounters,
    RouteCount,
};
pub use delegation::{DelegatedSubnet, Delegation, DelegationState};
pub use device::{
    Device, DeviceCounters, DeviceKind, DeviceState, Link, MulticastFilter, MulticastMode, Offload,
    OffloadPlace,
};
pub use dhcp_client::{
    DhcpClient, DhcpClientLease, DhcpClientOption, DhcpClientOrder, DhcpClientOrdered,
    DhcpClientState, OrderDhcpClient,
};
pub use endpoint::DEFAULT_SOCKET;
pub use error::{ErrorBody, ErrorCode};
pub use event::{Event, Happening};
pub use interface::{
    Address, AddressOrigin, AddressState, FamilyCounters, Interface, InterfaceAddress,
    InterfaceCounters, InterfaceState,
};
pub use lease::{
    AddLease, ImportLeases, Lease, LeaseChanges, LeaseExport, LeaseFamily, LeaseFault, LeaseFormat,
    LeaseImported, LeaseKind, LeaseNextHop, LeasePool, LeaseQuery, LeaseState, ReleaseLease,
};
pub use mac::Mac;
pub use neighbor::{NeighFlush, NeighFlushed, Neighbor, NeighborOrigin, NudState};
pub use network::{
    Binding, BindingQuery, Network, NetworkCounters, NetworkSegment, SegmentKind, Station,
    StationQuery, Vtep, VtepCounters,
};
pub use ra::{
    ForeignRa, RaConfig, RaCounters, RaDnssl, RaPref64, RaPrefix, RaRdnss, RaRoute, RaState,
    RouterPreference,
};
pub use relay::{Relay, RelayedPrefix};
pub use route::{
    AddRoute, Candidate, DelRoute, Exit, ExplainQuery, ExplainStep, NextHopSpec, Route, RouteBatch,
    RouteChange, RouteChanges, RouteExplain, RouteKind, RouteNextHop, RouteQuery, RouteSource,
};
pub use security::{
    AllowedAddressPair, Denied, Flow, FlowDirection, FlowQuery, FlowUsage, GuardMode, Port,
    PortBinding, PortCounters, SecurityGroup, SecurityRule,
};
pub use status::Status;
pub use sync::{PairSync, SyncKind};
pub use trace::{
    CapturePoint, CaptureRequest, PacketFilter, Protocol, TraceEvent, TraceRequest, TraceStep,
};
pub use vrrp::{VirtualRouter, VrrpState};
pub use worker::{IdlePolicy, Worker, WorkerQueue};
