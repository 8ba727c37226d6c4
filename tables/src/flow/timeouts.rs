//! How long a flow is kept without a packet.

use std::sync::atomic::{AtomicU32, Ordering};

use super::key::FlowKey;
use super::state::State;
use super::{sctp, tcp};

macro_rules! timeouts {
    ($($(#[$doc:meta])* $name:ident: $seconds:literal,)*) => {
        /// Seconds without a packet after which a flow is forgotten, by protocol and state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Timeouts {
            $($(#[$doc])* pub $name: u32,)*
        }

        impl Default for Timeouts {
            fn default() -> Self {
                Self { $($name: $seconds,)* }
            }
        }

        /// The same, shared: the control plane sets it, workers read it when a flow may be due.
        #[derive(Debug)]
        pub(super) struct Shared {
            $($name: AtomicU32,)*
        }

        impl Shared {
            pub fn new(timeouts: &Timeouts) -> Self {
                Self { $($name: AtomicU32::new(timeouts.$name),)* }
            }

            pub fn set(&self, timeouts: &Timeouts) {
                $(self.$name.store(timeouts.$name, Ordering::Relaxed);)*
            }

            pub fn get(&self) -> Timeouts {
                Timeouts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

timeouts! {
    /// TCP, only the first SYN was seen. Shorter than any state with an answer: SYN floods stop here.
    tcp_syn_sent: 30,
    /// TCP, the handshake is not over. A SYN+ACK is sent again for about a minute (RFC 6298 section 5.7).
    tcp_syn_received: 60,
    /// TCP, established: two hours and four minutes (RFC 5382 REQ-5, RFC 6092 section 3.3).
    tcp_established: 7440,
    /// TCP, one side has sent its FIN: the transitory timeout of four minutes (RFC 5382 REQ-5).
    tcp_closing: 240,
    /// TCP, both sides have. A filter keeps no port from being used again: FINs that are sent once more is all that can come.
    tcp_time_wait: 120,
    /// TCP, reset by a segment that the receiver takes for genuine too (RFC 5961 section 3).
    tcp_closed: 10,
    /// UDP and UDP-Lite without a port below 1024: not under two minutes (RFC 4787 REQ-5, RFC 6092 section 3.2).
    udp: 120,
    /// UDP and UDP-Lite with a port below 1024: may be shorter (RFC 4787 REQ-5 a). Mostly names and time.
    udp_well_known: 60,
    /// UDP and UDP-Lite where both sides have sent for some seconds: the five minutes that RFC 4787 REQ-5 c recommends.
    udp_stream: 300,
    /// ICMP and ICMPv6 queries (RFC 5508 REQ-2).
    icmp: 60,
    /// SCTP until the cookie is acknowledged: RTO.Max (RFC 9260 section 16).
    sctp_init: 60,
    /// SCTP: HB.interval and Association.Max.Retrans of RTO.Max (RFC 9260 section 16) are about eleven minutes.
    sctp_associated: 900,
    /// SCTP, shutting down, or over.
    sctp_shutdown: 60,
    /// Other protocols, unanswered.
    other_unreplied: 120,
    /// Other protocols: as UDP streams.
    other: 300,
}

/// UDP and UDP-Lite (RFC 3828).
pub(super) const UDP: u8 = 17;
const UDP_LITE: u8 = 136;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMPV6: u8 = 58;
const WELL_KNOWN: u16 = 1024;

/// Whether a protocol has UDP's states.
#[inline(always)]
pub(super) const fn is_udp(protocol: u8) -> bool {
    matches!(protocol, UDP | UDP_LITE)
}

impl Timeouts {
    /// The seconds for a flow in a state.
    pub fn of(&self, key: &FlowKey, state: State) -> u32 {
        match (key.protocol, state) {
            (_, State::SynSent) => self.tcp_syn_sent,
            (_, State::SynReceived) => self.tcp_syn_received,
            (_, State::Established) => self.tcp_established,
            (_, State::Closing) => self.tcp_closing,
            (_, State::TimeWait) => self.tcp_time_wait,
            (tcp::PROTOCOL, State::Closed) => self.tcp_closed,
            (_, State::Init | State::Cookie) => self.sctp_init,
            (_, State::Associated) => self.sctp_associated,
            (sctp::PROTOCOL, _) | (_, State::Shutdown | State::Closed) => self.sctp_shutdown,
            (_, State::Stream) => self.udp_stream,
            (protocol, _) if is_udp(protocol) => match key.local.1.min(key.remote.1) < WELL_KNOWN {
                true => self.udp_well_known,
                false => self.udp,
            },
            (ICMP | ICMPV6, _) => self.icmp,
            (_, State::Unreplied) => self.other_unreplied,
            (_, State::Replied) => self.other,
        }
    }
}
