//! One uplink: what it is doing, what it holds, and the messages it sends.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use lease::Wall;
use tables::id::IfaceId;

use super::config::Config;
use super::counters::Counters;
use super::held::{Binding, Duid, Held, Settings, State};
use super::option::code;
use super::packet::IaKind;
use super::retransmit::{self, Limit, Pace};
use super::writer::{Asked, Sent, Writer};
use crate::Random;

/// What an Advertise offers, or what is to be requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) server: Duid,
    /// Greater is better; see `receive.rs`.
    pub(super) rank: (bool, bool, u8, usize),
    pub(super) ias: Vec<Asked>,
}

/// What an exchange is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// Find servers; the best offer so far.
    Solicit { best: Option<Offer> },
    /// Take an offer, or get what is missing from the server there is.
    Request { offer: Offer },
    /// Make it last longer.
    Renew,
    /// Make it last longer, by any server; `check`: after a restart or a change of link (RFC 8415 section 18.2.12).
    Rebind { check: bool },
    /// Are the addresses still right?
    Confirm,
    /// An address is somebody else's.
    Decline { server: Duid, leases: Vec<Asked> },
    /// Give back; `rest`: and rest then.
    Release {
        server: Duid,
        leases: Vec<Asked>,
        rest: bool,
    },
    /// Settings; to the server that asked for it.
    Inform { server: Option<Duid> },
}

impl Aim {
    pub(super) const fn sent(&self) -> Sent {
        match self {
            Aim::Solicit { .. } => Sent::Solicit,
            Aim::Request { .. } => Sent::Request,
            Aim::Renew => Sent::Renew,
            Aim::Rebind { .. } => Sent::Rebind,
            Aim::Confirm => Sent::Confirm,
            Aim::Decline { .. } => Sent::Decline,
            Aim::Release { .. } => Sent::Release,
            Aim::Inform { .. } => Sent::InformationRequest,
        }
    }

    const fn state(&self) -> State {
        match self {
            Aim::Solicit { .. } => State::Soliciting,
            Aim::Request { .. } => State::Requesting,
            Aim::Renew => State::Renewing,
            Aim::Rebind { .. } => State::Rebinding,
            Aim::Confirm => State::Confirming,
            Aim::Decline { .. } => State::Declining,
            Aim::Release { .. } => State::Releasing,
            Aim::Inform { .. } => State::Informing,
        }
    }
}

/// An exchange under way, or about to begin.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) aim: Aim,
    pub(super) xid: [u8; 3],
    pub(super) pace: Pace,
    /// When the first message was sent.
    pub(super) began: Option<Instant>,
    /// When it is given up (MRD).
    pub(super) end: Option<Instant>,
    /// The interval since the last message.
    pub(super) interval: Duration,
    /// How many were sent.
    pub(super) count: u32,
    /// When the next is sent, or the exchange given up.
    pub(super) due: Instant,
}

/// What the client of an uplink does.
#[derive(Clone, Debug)]
pub(super) enum Doing {
    /// Nothing, but to look at the clock: leases, T1, T2, the age of settings.
    Idle,
    /// It was told to.
    Rest,
    /// An exchange.
    Exchange(Box<Exchange>),
}

/// One uplink.
#[derive(Debug)]
pub(super) struct Uplink {
    pub(super) iface: IfaceId,
    pub(super) name: Box<str>,
    pub(super) config: Config,
    /// Not configured any more; it lives until its Release is answered.
    pub(super) is_removed: bool,
    pub(super) link_local: Option<Ipv6Addr>,
    pub(super) binding: Option<Binding>,
    /// Of a client that asks for settings only: what the server said, and who.
    pub(super) informed: Option<(Duid, Settings)>,
    pub(super) inform_key: Option<super::held::ReconfigureKey>,
    pub(super) refresh_at: Option<Instant>,
    pub(super) doing: Doing,
    pub(super) sol_max_rt: Duration,
    pub(super) inf_max_rt: Duration,
    /// How often in a row a server was found and gave nothing.
    pub(super) failures: u32,
    /// The server that gave nothing last.
    pub(super) refused_by: Option<Duid>,
    pub(super) limit: Limit,
    pub(super) counters: Counters,
    /// What the router and the store were told last.
    pub(super) told: Option<Held>,
    pub(super) kept: Option<Binding>,
}

impl Uplink {
    pub(super) fn new(iface: IfaceId, name: Box<str>, config: Config) -> Self {
        Uplink {
            iface,
            name,
            config,
            is_removed: false,
            link_local: None,
            binding: None,
            informed: None,
            inform_key: None,
            refresh_at: None,
            doing: Doing::Idle,
            sol_max_rt: retransmit::SOLICIT.max,
            inf_max_rt: retransmit::INFORM.max,
            failures: 0,
            refused_by: None,
            limit: Limit::default(),
            counters: Counters::default(),
            told: None,
            kept: None,
        }
    }

    /// The exchange under way.
    pub(super) fn exchange(&mut self) -> Option<&mut Exchange> {
        match &mut self.doing {
            Doing::Exchange(exchange) => Some(exchange),
            Doing::Idle | Doing::Rest => None,
        }
    }

    fn state(&self) -> State {
        match &self.doing {
            _ if self.is_removed => State::Removed,
            Doing::Rest => State::Released,
            _ if self.link_local.is_none() => State::Down,
            Doing::Exchange(exchange) => exchange.aim.state(),
            Doing::Idle if self.config.is_stateless() => State::Informed,
            Doing::Idle => State::Bound,
        }
    }

    /// The whole of what is held.
    pub(super) fn held(&self) -> Held {
        let nothing = Held::nothing(self.iface, self.state());
        if self.is_removed {
            return nothing;
        }
        match (&self.binding, &self.informed) {
            (Some(binding), _) => Held {
                server: Some(binding.server.clone()),
                renew_at: binding.renew_at,
                rebind_at: binding.rebind_at,
                addresses: binding.addresses.clone(),
                prefixes: binding.prefixes.clone(),
                settings: binding.settings.clone(),
                ..nothing
            },
            (None, Some((server, settings))) => Held {
                server: Some(server.clone()),
                settings: settings.clone(),
                ..nothing
            },
            (None, None) => nothing,
        }
    }

    /// Begins an exchange whose first message leaves after `delay`; `for_long`: when it is given up.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        random: &mut Random,
        aim: Aim,
        delay: Duration,
        for_long: Option<Duration>,
    ) {
        let pace = match &aim {
            Aim::Solicit { .. } => Pace {
                max: self.sol_max_rt,
                ..retransmit::SOLICIT
            },
            Aim::Request { .. } => retransmit::REQUEST,
            Aim::Renew | Aim::Rebind { check: false } => retransmit::RENEW,
            Aim::Confirm | Aim::Rebind { check: true } => retransmit::CONFIRM,
            Aim::Decline { .. } | Aim::Release { .. } => retransmit::RELEASE,
            Aim::Inform { .. } => Pace {
                max: self.inf_max_rt,
                ..retransmit::INFORM
            },
        };
        let [_, _, _, _, _, xid @ ..] = random.next_u64().to_be_bytes();
        self.doing = Doing::Exchange(Box::new(Exchange {
            aim,
            xid,
            pace,
            began: None,
            end: for_long.map(|long| now + delay + long),
            interval: Duration::ZERO,
            count: 0,
            due: now + delay,
        }));
    }

    /// The next message of the exchange, if the limit allows, and when the one after it is due.
    pub(super) fn send(
        &mut self,
        now: Instant,
        wall: Wall,
        client: &Duid,
        random: &mut Random,
    ) -> Option<Vec<u8>> {
        let exchange = self.exchange()?;
        exchange.interval = match exchange.count {
            0 => exchange.pace.first(random),
            _ => exchange.pace.next(exchange.interval, random),
        };
        exchange.count += 1;
        let began = *exchange.began.get_or_insert(now);
        let due = now + exchange.interval;
        exchange.due = exchange.end.map_or(due, |end| due.min(end));
        let (count, kind) = (exchange.count, exchange.aim.sent());
        if !self.limit.take(now) {
            self.counters.rate_limited += 1;
            return None;
        }
        let counter = match kind {
            Sent::Solicit => &mut self.counters.solicits,
            Sent::Request => &mut self.counters.requests,
            Sent::Confirm => &mut self.counters.confirms,
            Sent::Renew => &mut self.counters.renews,
            Sent::Rebind => &mut self.counters.rebinds,
            Sent::Release => &mut self.counters.releases,
            Sent::Decline => &mut self.counters.declines,
            Sent::InformationRequest => &mut self.counters.information_requests,
        };
        *counter += 1;
        self.counters.retransmissions += u64::from(count > 1);
        Some(self.compose(now.saturating_duration_since(began), wall, client))
    }

    /// The message of the exchange as it is now (RFC 8415 sections 18.2.1 to 18.2.8).
    fn compose(&self, elapsed: Duration, wall: Wall, client: &Duid) -> Vec<u8> {
        let Doing::Exchange(exchange) = &self.doing else {
            return Vec::new();
        };
        let mut w = Writer::new(exchange.aim.sent(), exchange.xid);
        w.data(code::CLIENT_ID, client.as_bytes());
        let server = match &exchange.aim {
            Aim::Request { offer } => Some(&offer.server),
            Aim::Renew => self.binding.as_ref().map(|b| &b.server),
            Aim::Decline { server, .. } | Aim::Release { server, .. } => Some(server),
            Aim::Inform { server } => server.as_ref(),
            Aim::Solicit { .. } | Aim::Rebind { .. } | Aim::Confirm => None,
        };
        if let Some(server) = server {
            w.data(code::SERVER_ID, server.as_bytes());
        }
        let hundredths = u16::try_from(elapsed.as_millis() / 10).unwrap_or(u16::MAX);
        w.data(code::ELAPSED_TIME, &hundredths.to_be_bytes());
        for ia in self.asked(&exchange.aim, wall) {
            w.ia(&ia);
        }
        let wants_settings = match exchange.aim {
            Aim::Confirm | Aim::Decline { .. } | Aim::Release { .. } => false,
            Aim::Solicit { .. } if self.config.rapid_commit => {
                w.data(code::RAPID_COMMIT, &[]);
                true
            }
            _ => true,
        };
        if wants_settings {
            if self.config.reconfigure {
                w.data(code::RECONF_ACCEPT, &[]);
            }
            w.request(self.requested(&exchange.aim));
        }
        w.finish()
    }

    fn asked(&self, aim: &Aim, wall: Wall) -> Vec<Asked> {
        let held = || match &self.binding {
            Some(binding) => binding.asked(&self.config, wall),
            None => super::merge::wanted(&self.config)
                .map(|(kind, iaid)| Asked {
                    kind,
                    iaid,
                    leases: Vec::new(),
                })
                .collect(),
        };
        match aim {
            Aim::Solicit { .. } => {
                let mut asked = held();
                for (iaid, hint) in self.config.wanted_prefixes() {
                    let of = |ia: &&mut Asked| {
                        ia.kind == IaKind::Pd && ia.iaid == iaid && ia.leases.is_empty()
                    };
                    if let Some(ia) = asked.iter_mut().find(of)
                        && (hint.prefix.is_some() || hint.len.is_some())
                    {
                        let prefix = hint.prefix.unwrap_or(Ipv6Addr::UNSPECIFIED);
                        ia.leases.push((prefix, hint.len.unwrap_or(64)));
                    }
                }
                asked
            }
            Aim::Request { offer } => offer.ias.clone(),
            Aim::Renew | Aim::Rebind { .. } => held(),
            Aim::Confirm => {
                let mut asked = held();
                asked.retain(|ia| ia.kind == IaKind::Na);
                asked
            }
            Aim::Decline { leases, .. } | Aim::Release { leases, .. } => leases.clone(),
            Aim::Inform { .. } => Vec::new(),
        }
    }

    /// Codes of the Option Request (RFC 8415 sections 18.2.1 to 18.2.6).
    fn requested(&self, aim: &Aim) -> Vec<u16> {
        let mut codes = vec![
            code::DNS_SERVERS,
            code::DOMAIN_LIST,
            code::SNTP_SERVERS,
            code::NTP_SERVER,
        ];
        match aim {
            Aim::Inform { .. } => codes.extend([code::INFORMATION_REFRESH_TIME, code::INF_MAX_RT]),
            _ => {
                if self.config.wanted_prefixes().next().is_some() {
                    codes.push(code::PD_EXCLUDE);
                }
                codes.push(code::SOL_MAX_RT);
            }
        }
        codes.extend(&self.config.options);
        codes
    }
}
