//! The command line.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

use api::{
    CapturePoint, DEFAULT_SOCKET, LeaseFamily, LeaseFormat, LeaseKind, Mac, PacketFilter, Protocol,
};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use ipnet::IpNet;

use crate::words;

const EXAMPLES: &str = "\
Examples:
  hextetctl show interfaces
  hextetctl show routes --router main 2001:db8::/32
  hextetctl route explain 2001:db8:9::42
  hextetctl route add 2001:db8:9::/48 via fe80::1 dev wan0
  hextetctl trace --interface lan0 --proto icmp6 --count 10
  hextetctl capture --point drop -w drops.pcapng
  hextetctl show drops --json | jq '.[] | select(.total > 0)'

Exit codes:
  0  done
  1  the command line makes no sense
  2  hextetd cannot be reached
  3  hextetd refused, or the configuration or a file has faults; nothing was changed
  4  the connection broke, or a file could not be read or written";

/// Looks at a running Hextet router, and changes its routes and neighbours.
#[derive(Debug, Parser)]
#[command(name = "hextetctl", version, after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    /// Socket of hextetd [default: $HEXTET_SOCKET, or /run/hextet/api.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print the API's answer as it came, in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The socket to use: from the command line, the environment, or the default.
    pub(crate) fn socket(&self) -> PathBuf {
        let environment = || std::env::var_os("HEXTET_SOCKET").filter(|value| !value.is_empty());
        self.socket
            .clone()
            .or_else(|| environment().map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the state of something
    #[command(subcommand)]
    Show(Show),
    /// Explain, add or delete routes
    #[command(subcommand)]
    Route(Route),
    /// Forget neighbours
    #[command(subcommand)]
    Neigh(Neigh),
    /// Give leases, end them, or keep them in a file
    #[command(subcommand, visible_alias = "leases")]
    Lease(Lease),
    /// Renew what an uplink has been given, or give it back
    #[command(subcommand)]
    DhcpClient(DhcpClient),
    /// Watch virtual routers, BFD sessions, the pair and links change
    #[command(after_help = "\
It goes on until you stop it (Ctrl-C). Who reads too slowly is told how many
records it has missed.

Example:
  hextetctl monitor --json | jq 'select(.event == \"virtual_router\")'")]
    Monitor {
        /// End after so many records
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Follow packets through the router, stage by stage
    #[command(after_help = "\
Without --count it goes on until you stop it (Ctrl-C).

Example:
  hextetctl trace --dst 2001:db8:9::/48 --proto tcp --count 3")]
    Trace {
        /// Which packets.
        #[command(flatten)]
        filter: Filter,
        /// End after so many packets
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Capture packets in pcapng; a dropped packet's comment tells the reason
    #[command(after_help = "\
Without --count it goes on until you stop it (Ctrl-C).

Examples:
  hextetctl capture --point drop -w drops.pcapng
  hextetctl capture --interface lan0 | tcpdump -nr -")]
    Capture {
        /// Which packets.
        #[command(flatten)]
        filter: Filter,
        /// File to write [default: standard output, unless that is a terminal]
        #[arg(short, long, value_name = "FILE")]
        write: Option<PathBuf>,
        /// Where to listen: all, rx, tx or drop
        #[arg(long, value_name = "POINT", default_value = "all")]
        point: CapturePoint,
        /// End after so many packets
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
        /// Keep so many bytes of each packet [default: all]
        #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
        snaplen: Option<u32>,
    },
    /// Tell why packets of a port did not pass, and what would let them pass
    #[command(after_help = "\
Example:
  hextetctl why-dropped vm1")]
    WhyDropped {
        /// The port
        port: String,
    },
    /// Read the configuration file again; a file with faults changes nothing
    Reload {
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a script that completes hextetctl's words in a shell
    #[command(after_help = "\
Examples:
  hextetctl completion bash > /etc/bash_completion.d/hextetctl
  hextetctl completion zsh > /usr/share/zsh/vendor-completions/_hextetctl
  hextetctl completion fish > ~/.config/fish/completions/hextetctl.fish")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

/// What to show.
#[derive(Debug, Subcommand)]
pub enum Show {
    /// Version, uptime, readiness and warnings
    Status,
    /// Devices; with a name, one in detail
    Devices {
        /// Only this device, in detail
        name: Option<String>,
    },
    /// Interfaces and what passed through them
    Interfaces,
    /// Layer-2 networks: segments, stations and what passed through them
    Networks,
    /// Stations of layer-2 networks, and where they are
    Fdb {
        /// Only of this network
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
        /// So many at most [default: 1000]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Only with this Ethernet address
        mac: Option<Mac>,
    },
    /// Addresses of networks with ARP and ND suppression, and whose they are; with --port, those of a port
    Bindings {
        /// Of this port, as `show port-bindings` tells
        #[arg(long, value_name = "NAME", conflicts_with_all = ["network", "address"])]
        port: Option<String>,
        /// Only of this network
        #[arg(long, value_name = "NAME")]
        network: Option<String>,
        /// So many at most [default: 1000]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Only of this address
        address: Option<IpAddr>,
    },
    /// Peers of tunnels and what passed between them and us
    Vteps,
    /// Ports of tenants' machines, their groups and what passed
    Ports,
    /// Guards of ports: what they dropped and what they only observed
    Guards {
        /// Only of this port
        port: Option<String>,
    },
    /// Addresses of links with ports, and whose they are
    PortBindings {
        /// So many at most [default: 1000]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Only of this port
        port: Option<String>,
    },
    /// Security groups: rules, and what passed because of each
    SecurityGroups {
        /// Only this group
        name: Option<String>,
    },
    /// Flows of ports
    Flows {
        /// Only of this port
        #[arg(long, value_name = "NAME")]
        port: Option<String>,
        /// So many at most [default: 1000]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Own addresses
    Addresses,
    /// Routes; with a prefix, that prefix and those within it
    Routes {
        /// Only this router's
        #[arg(long, value_name = "NAME")]
        router: Option<String>,
        /// Only this prefix and those within it
        #[arg(value_parser = words::prefix)]
        prefix: Option<IpNet>,
    },
    /// Explain a route (the same as `hextetctl route explain`)
    #[command(subcommand)]
    Route(ShowRoute),
    /// Neighbours (IPv6 neighbour discovery and ARP)
    Neighbors {
        /// Only on this interface
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
    },
    /// Router advertisements sent and heard
    Ra {
        /// Only on this interface
        interface: Option<String>,
    },
    /// Leases of the DHCP servers
    Leases {
        /// Only of this router
        #[arg(long, value_name = "NAME")]
        router: Option<String>,
        /// Only of this pool
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// Only of this client: its DUID or identifier in hex digits
        #[arg(long, value_name = "HEX")]
        client: Option<String>,
        /// Only of this kind: address, temporary, prefix or address4
        #[arg(long, value_name = "KIND")]
        kind: Option<LeaseKind>,
        /// So many at most [default: 1000]
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
        /// Only this address or those within this prefix
        #[arg(value_parser = words::prefix)]
        within: Option<IpNet>,
    },
    /// Delegated prefixes, and where they lead
    Pd,
    /// Prefixes that are delegated to us, and the subnets assigned of them
    Delegations,
    /// Subnets and prefix pools, and how much of each is in use
    Pools,
    /// Links that DHCP is relayed for, and what is delegated behind them
    Relays,
    /// Virtual routers: who is active, and since when
    Vrrp,
    /// The other router of a pair: what each has told the other
    Sync,
    /// BFD sessions: which neighbours are there, and since when
    Bfd,
    /// Uplinks of the DHCPv6 client, and what they have been given
    DhcpClient,
    /// Workers: load, cycles for a packet, queues
    Workers,
    /// Dropped packets by reason
    Drops {
        /// Also the reasons that did not occur
        #[arg(long)]
        all: bool,
    },
    /// Counters of devices and interfaces, punts, packet buffers, routes, neighbours
    Counters,
    /// The books of every worker: no packet may be lost without a reason
    Accounting,
}

/// The singular of `show routes`.
#[derive(Debug, Subcommand)]
pub enum ShowRoute {
    /// Why packets to an address go where they go
    Explain(Explain),
}

/// A lookup to explain.
#[derive(Debug, Args)]
pub struct Explain {
    /// The destination
    #[arg(value_parser = words::address)]
    pub address: IpAddr,
    /// The router; needed when there are several
    #[arg(long, value_name = "NAME")]
    pub router: Option<String>,
}

/// What to do with routes.
#[derive(Debug, Subcommand)]
pub enum Route {
    /// Why packets to an address go where they go
    Explain(Explain),
    /// Add a route, or replace the one added before for the same prefix
    #[command(
        override_usage = "hextetctl route add PREFIX (via ADDRESS [dev INTERFACE] | dev INTERFACE) [weight N] ... [router NAME]\n       \
                          hextetctl route add PREFIX (blackhole | unreachable | prohibit) [router NAME]",
        after_help = "\
Several next hops share the flows by weight (ECMP). Routes of the configuration file are not touched.

Examples:
  hextetctl route add default via fe80::1 dev wan0
  hextetctl route add 2001:db8:9::/48 via 2001:db8:2::1 weight 3 via 2001:db8:3::1
  hextetctl route add 192.0.2.0/24 unreachable router blue"
    )]
    Add {
        /// Prefix, then where it leads
        #[arg(required = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Delete a route that was added with `route add` or through the API
    #[command(override_usage = "hextetctl route del PREFIX [router NAME]")]
    Del {
        /// Prefix, and the router
        #[arg(required = true, value_name = "WORDS")]
        words: Vec<String>,
    },
}

/// What to do with neighbours.
#[derive(Debug, Subcommand)]
pub enum Neigh {
    /// Forget learned neighbours; those in use are resolved again
    #[command(after_help = "\
Examples:
  hextetctl neigh flush --interface lan0
  hextetctl neigh flush 2001:db8:1::10")]
    Flush {
        /// Only on this interface
        #[arg(long, value_name = "NAME")]
        interface: Option<String>,
        /// Only this address
        #[arg(value_parser = words::address)]
        address: Option<IpAddr>,
    },
}

/// What to do with leases.
#[derive(Debug, Subcommand)]
pub enum Lease {
    /// Give a lease to a client, or change it
    #[command(after_help = "\
Examples:
  hextetctl lease add 2001:db8:1::1001 --client 000300010200000000aa --iaid 1
  hextetctl lease add 2001:db8:8000::/56 --client 000300010200000000aa --iaid 1 --via fe80::aa --dev lan0
  hextetctl lease add 192.0.2.51 --client 010200000000aa")]
    Add {
        /// Address, or prefix with its length, of a pool
        resource: String,
        /// The router [default: the only one that has such a pool]
        #[arg(long, value_name = "NAME")]
        router: Option<String>,
        /// The client's DUID in hex digits; of IPv4 its client identifier, or hardware type and MAC
        #[arg(long, value_name = "HEX")]
        client: String,
        /// The client's identity association; IPv4 has none
        #[arg(long, value_name = "N", default_value_t = 0)]
        iaid: u32,
        /// Seconds that it is valid [default: as its pool says]
        #[arg(long, value_name = "SECONDS")]
        valid: Option<u32>,
        /// The client's MAC address
        #[arg(long, value_name = "MAC")]
        mac: Option<Mac>,
        /// Who routes a prefix on
        #[arg(long, value_name = "ADDRESS")]
        via: Option<Ipv6Addr>,
        /// The interface of a link-local gateway
        #[arg(long, value_name = "NAME", requires = "via")]
        dev: Option<String>,
    },
    /// Print all leases as a file: to keep, to edit, or to import elsewhere
    #[command(after_help = "\
Keys for Reconfigure messages are left out: clients get new ones. With --json the form is JSON.

Examples:
  hextetctl lease export > leases.csv
  hextetctl lease export --format json --family ipv6 > leases.json")]
    Export {
        /// Form of the file: csv or json [default: csv]
        #[arg(long, value_name = "FORM")]
        format: Option<LeaseFormat>,
        /// Only of this family: ipv6 or ipv4
        #[arg(long, value_name = "FAMILY")]
        family: Option<LeaseFamily>,
    },
    /// Give all leases of a file, or none of them
    #[command(after_help = "\
Every fault is told with its line and field; then nothing was changed. A lease that is known already is no fault, and one
that its client has renewed since the export stays as it is. What is imported is on disk when this returns.

Examples:
  hextetctl lease import leases.csv
  ssh old-router hextetctl lease export | hextetctl lease import -")]
    Import {
        /// The file, or - for standard input
        file: PathBuf,
        /// Form of the file: csv or json [default: json when it begins with a bracket, else csv]
        #[arg(long, value_name = "FORM")]
        format: Option<LeaseFormat>,
    },
    /// End a lease, or lift a quarantine; the client is not told
    Release {
        /// Address, or prefix with its length
        resource: String,
        /// The router [default: the only one that has a lease of it]
        #[arg(long, value_name = "NAME")]
        router: Option<String>,
    },
}

/// What to do with an uplink's leases.
#[derive(Debug, Subcommand)]
pub enum DhcpClient {
    /// Ask the server now, or go on after a release
    Renew {
        /// The uplink
        interface: String,
    },
    /// Give the leases back, and rest until `renew`
    Release {
        /// The uplink
        interface: String,
    },
}

/// Which packets: all conditions must hold.
#[derive(Debug, Args)]
pub struct Filter {
    /// Received on this interface
    #[arg(long, value_name = "NAME")]
    interface: Option<String>,
    /// Source within this prefix
    #[arg(long, value_name = "PREFIX", value_parser = words::prefix)]
    src: Option<IpNet>,
    /// Destination within this prefix
    #[arg(long, value_name = "PREFIX", value_parser = words::prefix)]
    dst: Option<IpNet>,
    /// Upper-layer protocol: a name (icmp6, tcp, udp, ...) or number
    #[arg(long, value_name = "PROTOCOL")]
    proto: Option<Protocol>,
}

impl From<Filter> for PacketFilter {
    fn from(filter: Filter) -> Self {
        let Filter {
            interface,
            src,
            dst,
            proto,
        } = filter;
        Self {
            interface,
            src,
            dst,
            protocol: proto,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_the_default_socket() {
        assert!(
            Cli::command()
                .render_help()
                .to_string()
                .contains(DEFAULT_SOCKET)
        );
    }
}
