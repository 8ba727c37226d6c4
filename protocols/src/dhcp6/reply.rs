//! Answers to bytes: Advertise, Reply and Reconfigure.

use ipnet::Ipv6Net;

use super::config::{ExcludedPrefix, RawOption, Settings};
use super::option::code;
use super::packet::{Ia, IaKind, Message};
use super::writer::Writer;
use super::{auth, settings};
use lease::Resource;

/// Status codes (RFC 8415 section 21.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0
    Success,
    /// 2: no address for this IA.
    NoAddrsAvail,
    /// 3: the server knows of no lease of this IA.
    NoBinding,
    /// 4: addresses that belong to another link.
    NotOnLink,
    /// 5: to be sent to all servers. RFC 9915 has dropped it together with the option that allows unicast.
    UseMulticast,
    /// 6: no prefix for this IA.
    NoPrefixAvail,
}

impl Status {
    const fn number(self) -> u16 {
        match self {
            Status::Success => 0,
            Status::NoAddrsAvail => 2,
            Status::NoBinding => 3,
            Status::NotOnLink => 4,
            Status::UseMulticast => 5,
            Status::NoPrefixAvail => 6,
        }
    }

    /// For people that read a client's log.
    const fn message(self) -> &'static str {
        match self {
            Status::Success => "success",
            Status::NoAddrsAvail => "no address is available",
            Status::NoBinding => "no lease is known",
            Status::NotOnLink => "an address belongs to another link",
            Status::UseMulticast => "send to ff02::1:2",
            Status::NoPrefixAvail => "no prefix is available",
        }
    }
}

/// A lease as the client is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub resource: Resource,
    /// Seconds.
    pub preferred: u32,
    pub valid: u32,
    /// T1 and T2 as configured for where it comes from.
    pub t1: Option<u32>,
    pub t2: Option<u32>,
    pub excluded: Option<ExcludedPrefix>,
}

impl Granted {
    /// What the client must not use any more.
    pub(super) fn ended(resource: Resource) -> Self {
        Granted {
            resource,
            preferred: 0,
            valid: 0,
            t1: None,
            t2: None,
            excluded: None,
        }
    }
}

/// The answer to one identity association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IaAnswer {
    pub kind: IaKind,
    pub iaid: u32,
    pub leases: Vec<Granted>,
    pub status: Option<Status>,
}

impl IaAnswer {
    pub(super) fn new(ia: &Ia) -> Self {
        IaAnswer {
            kind: ia.kind,
            iaid: ia.iaid,
            leases: Vec::new(),
            status: None,
        }
    }
}

/// An answer to a client.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// Advertise or Reply.
    pub kind: u8,
    pub status: Option<Status>,
    pub preference: Option<u8>,
    pub rapid_commit: bool,
    pub reconfigure_accept: bool,
    /// Replay detection value and reconfigure key.
    pub key: Option<(u64, auth::Key)>,
    pub ias: Vec<IaAnswer>,
    /// Whether settings besides leases belong into it.
    pub has_settings: bool,
}

impl Answer {
    /// An answer with nothing but the identifiers.
    pub(super) fn new(kind: u8) -> Self {
        Answer {
            kind,
            status: None,
            preference: None,
            rapid_commit: false,
            reconfigure_accept: false,
            key: None,
            ias: Vec::new(),
            has_settings: false,
        }
    }

    /// Writes the answer to `message` of a server with this DUID. `link` are the settings of the link, `own` the options of the
    /// client's reservation.
    pub(super) fn write(
        &self,
        w: &mut Writer,
        message: &Message<'_>,
        server: &[u8],
        link: &Settings,
        own: &[RawOption],
    ) {
        w.u8(self.kind);
        w.bytes(&message.xid);
        if let Some(client) = message.client_id {
            w.data(code::CLIENT_ID, client);
        }
        w.data(code::SERVER_ID, server);
        if let Some(registered) = &message.registered {
            // RFC 9686 section 4.3: as it came.
            w.data(code::IA_ADDR, registered.data);
        }
        if let Some(status) = self.status {
            write_status(w, status);
        }
        if let Some(preference) = self.preference {
            w.data(code::PREFERENCE, &[preference]);
        }
        if self.rapid_commit {
            w.data(code::RAPID_COMMIT, &[]);
        }
        let times = times(&self.ias);
        for ia in &self.ias {
            write_ia(w, ia, times, message);
        }
        if self.reconfigure_accept {
            w.data(code::RECONF_ACCEPT, &[]);
        }
        if let Some((replay, key)) = &self.key {
            auth::write_key(w, *replay, key);
        }
        if self.has_settings {
            settings::write(w, message, link, own);
            settings::write_fqdn(w, message, link);
        }
    }
}

fn write_status(w: &mut Writer, status: Status) {
    w.option(code::STATUS_CODE, |w| {
        w.u16(status.number());
        w.bytes(status.message().as_bytes());
    });
}

/// T1 and T2, the same in all associations of a message (RFC 8415 section 18.3.2): as configured, else 0.5 and 0.8 of the
/// shortest preferred lifetime (RFC 8415 section 21.4).
fn times(ias: &[IaAnswer]) -> (u32, u32) {
    let leases = || ias.iter().flat_map(|ia| &ia.leases).filter(|l| l.valid > 0);
    let preferred = leases().map(|l| l.preferred).filter(|p| *p > 0).min();
    // Deprecated leases alone: the client shall notice before they end.
    let Some(shortest) = preferred.or_else(|| leases().map(|l| l.valid).min()) else {
        return (0, 0);
    };
    if shortest == u32::MAX {
        return (u32::MAX, u32::MAX);
    }
    let t2 = leases().filter_map(|l| l.t2).min();
    let t2 = t2
        .unwrap_or((u64::from(shortest) * 4 / 5) as u32)
        .min(shortest);
    let t1 = leases()
        .filter_map(|l| l.t1)
        .min()
        .unwrap_or(shortest / 2)
        .min(t2);
    (t1, t2)
}

fn write_ia(w: &mut Writer, ia: &IaAnswer, (t1, t2): (u32, u32), message: &Message<'_>) {
    let code = match ia.kind {
        IaKind::Na => code::IA_NA,
        IaKind::Ta => code::IA_TA,
        IaKind::Pd => code::IA_PD,
    };
    w.option(code, |w| {
        w.u32(ia.iaid);
        if ia.kind != IaKind::Ta {
            let lives = ia.leases.iter().any(|lease| lease.valid > 0);
            let (t1, t2) = if lives { (t1, t2) } else { (0, 0) };
            w.u32(t1);
            w.u32(t2);
        }
        for lease in &ia.leases {
            write_lease(w, lease, message);
        }
        if let Some(status) = ia.status {
            write_status(w, status);
        }
    });
}

fn write_lease(w: &mut Writer, lease: &Granted, message: &Message<'_>) {
    match lease.resource {
        Resource::V6(address) => w.option(code::IA_ADDR, |w| {
            w.address(address);
            w.u32(lease.preferred);
            w.u32(lease.valid);
        }),
        Resource::Prefix(prefix) => w.option(code::IA_PREFIX, |w| {
            w.u32(lease.preferred);
            w.u32(lease.valid);
            w.u8(prefix.prefix_len());
            w.address(prefix.network());
            // A client that does not ask for the option does not know it and gets the prefix whole (RFC 6603 section 6.1).
            if let Some(excluded) = lease
                .excluded
                .filter(|_| message.requests(code::PD_EXCLUDE))
            {
                write_excluded(w, prefix, excluded);
            }
        }),
        Resource::V4(_) => unreachable!("this room leases no IPv4 addresses"),
    }
}

/// The Prefix Exclude option (RFC 6603 section 4.2): the length of the prefix left out, and its bits after those of the
/// delegated one, from the left.
fn write_excluded(w: &mut Writer, delegated: Ipv6Net, excluded: ExcludedPrefix) {
    // The configuration allows 1 to 64.
    let bits = u32::from(excluded.len.saturating_sub(delegated.prefix_len())).clamp(1, 64);
    let aligned = (excluded.subnet_id << (64 - bits)).to_be_bytes();
    w.option(code::PD_EXCLUDE, |w| {
        w.u8(excluded.len);
        w.bytes(&aligned[..bits.div_ceil(8) as usize]);
    });
}
