//! Headers on the wire: zero-copy views, builders and checksums. No I/O, no allocation, no clock,
//! no `unsafe`.
//!
//! One file a header, each opened by the bit diagram of its RFC. There are two kinds of types:
//!
//! - A **fixed header** (`EtherHeader`, `Ipv6Header`, `ArpPacket`, ...) is a `#[repr(C)]` struct
//!   without alignment, read in place: `X::parse(bytes)` checks lengths and constants once and
//!   returns a reference into the bytes and the rest; accessors after that cannot fail or panic. To
//!   send one, build it with `new` and copy `as_bytes`.
//! - A **message** (`nd::Message`, `nd_option::NdOption`, `mld::Message`, ...) is a small value
//!   that borrows its variable parts; its builder writes the whole packet, lengths and checksum
//!   included, into a caller's buffer.
//!
//! Byte order exists only in here: every accessor and constructor speaks host order, addresses are
//! `std::net` types at the edges and `u128`/`u32` in [`addr`], where the packet path asks its
//! questions.
//!
//! Every decoder takes arbitrary bytes and returns a typed error with what was wrong and where;
//! none panics (fuzzed, see [`fuzzing`], the only module that allocates).
#![forbid(unsafe_code)]

pub mod error;

pub mod addr;
pub mod checksum;

pub mod arp;
pub mod ether;
pub mod vlan;

pub mod ext_header;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;

pub mod igmp;
pub mod mld;
pub mod nd;
pub mod nd_option;

pub mod tcp;
pub mod udp;

pub mod geneve;
pub mod gre;
pub mod traffic_class;
pub mod vxlan;

pub mod fuzzing;

pub use error::{DecodeError, EmitError, Header};
pub use ether::{EtherHeader, EtherType, MacAddr};
pub use ipv4::Ipv4Header;
pub use ipv6::{Ipv6Header, Protocol};
pub use vxlan::Vni;
