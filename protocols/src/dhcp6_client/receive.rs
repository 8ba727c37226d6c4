//! What servers answer (RFC 8415 sections 16, 18.2.9 to 18.2.11).

use std::time::Duration;

use super::auth;
use super::held::{Binding, Duid, Settings};
use super::merge::{Mode, wanted};
use super::option::{Invalid, LeftOut};
use super::packet::{IaKind, Message, MessageType, Status};
use super::sm::{Action, Datagram, Machine, Notice};
use super::uplink::{Aim, Doing, Offer, Uplink};
use super::writer::Asked;
use lease::Wall;
use tables::id::IfaceId;

/// IRT_DEFAULT and IRT_MINIMUM (RFC 8415 section 21.23), seconds.
const REFRESH_DEFAULT: u32 = 86_400;
const REFRESH_MINIMUM: u32 = 600;
/// The preference that ends the wait for other servers (RFC 8415 section 18.2.1).
const AT_ONCE: u8 = 255;

impl Machine {
    pub(super) fn packet(&mut self, datagram: &Datagram<'_>, out: &mut Vec<Action>) {
        let known = self.uplinks.contains_key(&datagram.iface);
        let result = match Message::read(datagram.payload) {
            _ if datagram.src.is_multicast() || datagram.src.is_unspecified() => {
                Err(Invalid::Source)
            }
            Ok(_) if !known => Err(Invalid::ForeignTransaction),
            Ok(message) => self.message(datagram, &message, out),
            Err(invalid) => Err(invalid),
        };
        if let Err(invalid) = result {
            let counters = match self.uplinks.get_mut(&datagram.iface) {
                Some(uplink) => &mut uplink.counters,
                None => self.elsewhere(),
            };
            counters.count_invalid(invalid.label());
        }
    }

    fn message(
        &mut self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        if message.client_id != self.duid.as_bytes() {
            return Err(Invalid::ForeignClient);
        }
        let Ok(server) = Duid::new(message.server_id) else {
            return Err(Invalid::ShortDuid);
        };
        match message.kind {
            MessageType::Reconfigure => self.reconfigure(datagram, message, server, out),
            MessageType::Advertise => self.advertise(datagram.iface, message, server),
            MessageType::Reply => self.reply(datagram.iface, message, server, out),
        }
    }

    /// RFC 8415 section 18.2.9.
    fn advertise(
        &mut self,
        iface: IfaceId,
        message: &Message<'_>,
        server: Duid,
    ) -> Result<(), Invalid> {
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return Err(Invalid::ForeignTransaction);
        };
        let exchange = uplink.exchange().ok_or(Invalid::ForeignTransaction)?;
        let is_ours = exchange.xid == message.xid && exchange.began.is_some();
        if !is_ours {
            return Err(Invalid::ForeignTransaction);
        }
        let Aim::Solicit { best } = &exchange.aim else {
            return Err(Invalid::Unexpected);
        };
        let (best, is_first) = (best.clone(), exchange.count <= 1);
        take_max_rts(uplink, message);
        count_left_out(uplink, message);
        count_status(uplink, message);
        let ias = offered(uplink, message);
        let wanted = wanted(&uplink.config).count();
        // A status of the whole that speaks of one kind only says nothing of the other.
        if is_refused(message.status) || ias.iter().all(|ia| ia.leases.is_empty()) {
            uplink.counters.empty_advertises += 1;
            return Ok(());
        }
        uplink.counters.advertises += 1;
        let satisfied = ias.iter().filter(|ia| !ia.leases.is_empty()).count();
        // One that has just refused comes last; one that gives all comes before one that is preferred and does not.
        let rank = (
            uplink.refused_by.as_ref() != Some(&server),
            satisfied == wanted,
            message.preference,
            satisfied,
        );
        let offer = Offer { server, rank, ias };
        if message.preference == AT_ONCE || !is_first {
            self.request(iface, offer);
            return Ok(());
        }
        let is_better = best.is_none_or(|best| offer.rank > best.rank);
        if let Some(exchange) = uplink.exchange()
            && let Aim::Solicit { best } = &mut exchange.aim
            && is_better
        {
            *best = Some(offer);
        }
        Ok(())
    }

    /// RFC 8415 section 18.2.10.
    fn reply(
        &mut self,
        iface: IfaceId,
        message: &Message<'_>,
        server: Duid,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return Err(Invalid::ForeignTransaction);
        };
        let exchange = uplink.exchange().ok_or(Invalid::ForeignTransaction)?;
        if exchange.xid != message.xid || exchange.began.is_none() {
            return Err(Invalid::ForeignTransaction);
        }
        let aim = exchange.aim.clone();
        let asked = match &aim {
            Aim::Solicit { .. } if !(uplink.config.rapid_commit && message.rapid_commit) => {
                return Err(Invalid::Unexpected);
            }
            Aim::Request { offer } => Some(&offer.server),
            Aim::Renew => uplink.binding.as_ref().map(|b| &b.server),
            Aim::Decline { server, .. } | Aim::Release { server, .. } => Some(server),
            Aim::Inform { server } => server.as_ref(),
            Aim::Solicit { .. } | Aim::Rebind { .. } | Aim::Confirm => None,
        };
        if asked.is_some_and(|asked| *asked != server) {
            return Err(Invalid::OtherServer);
        }
        uplink.counters.replies += 1;
        take_max_rts(uplink, message);
        count_left_out(uplink, message);
        count_status(uplink, message);
        match aim {
            Aim::Confirm => match message.status {
                // The leases' times are as they were.
                Status::Success => uplink.doing = Doing::Idle,
                Status::NotOnLink => {
                    uplink.binding = None;
                    out.push(Action::Notice(Notice::Lost { iface }));
                    self.start_over(iface);
                }
                _ => {}
            },
            // Whatever the status, the server has heard (sections 18.2.10.2 and 18.2.10.3).
            Aim::Decline { .. } | Aim::Release { .. } => self.go_on(iface),
            Aim::Inform { .. } => self.inform(iface, message, server),
            Aim::Solicit { .. } | Aim::Request { .. } => {
                self.fresh(iface, message, server, out);
            }
            Aim::Renew | Aim::Rebind { .. } => self.longer(iface, message, server, out),
        }
        Ok(())
    }

    /// Settings, and nothing else (section 18.2.10.4).
    fn inform(&mut self, iface: IfaceId, message: &Message<'_>, server: Duid) {
        let (now, _) = self.now();
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        if message.status != Status::Success {
            return;
        }
        let settings = settings(uplink, message);
        uplink.doing = Doing::Idle;
        match &mut uplink.binding {
            Some(binding) => binding.settings = settings,
            None => {
                let refresh = message.information_refresh_time.unwrap_or(REFRESH_DEFAULT);
                uplink.informed = Some((server, settings));
                let seconds = u64::from(refresh.max(REFRESH_MINIMUM));
                let is_finite = refresh != u32::MAX;
                uplink.refresh_at = is_finite.then(|| now + Duration::from_secs(seconds));
            }
        }
        if let Some((_, data)) = message.auth
            && uplink.config.reconfigure
        {
            uplink.inform_key = auth::key(data).or(uplink.inform_key);
        }
    }

    /// A Reply to a Request, or to a Solicit with Rapid Commit (section 18.2.10.1).
    fn fresh(
        &mut self,
        iface: IfaceId,
        message: &Message<'_>,
        server: Duid,
        out: &mut Vec<Action>,
    ) {
        let (_, wall) = self.now();
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        // UnspecFail: the client goes on asking, at the pace of repetitions. UseMulticast: it does.
        if matches!(message.status, Status::Failed(_) | Status::UseMulticast) {
            return;
        }
        let gives = offered(uplink, message);
        let gives_nothing = gives.iter().all(|ia| ia.leases.is_empty());
        if is_refused(message.status) || gives_nothing {
            uplink.refused_by = Some(server.clone());
            out.push(Action::Notice(Notice::Refused { iface, server }));
            self.start_over(iface);
            return;
        }
        uplink.failures = 0;
        uplink.refused_by = None;
        let is_new = uplink.binding.as_ref().is_none_or(|b| b.server != server);
        if is_new {
            out.push(Action::Notice(Notice::Bound {
                iface,
                server: server.clone(),
            }));
        }
        take_in(uplink, message, server, Mode::Fresh, wall);
        uplink.doing = Doing::Idle;
    }

    /// A Reply to a Renew or Rebind (section 18.2.10.1).
    fn longer(
        &mut self,
        iface: IfaceId,
        message: &Message<'_>,
        server: Duid,
        out: &mut Vec<Action>,
    ) {
        let (_, wall) = self.now();
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return;
        };
        let unknown = |status| matches!(status, Status::NoBinding | Status::NotOnLink);
        let is_unknown = unknown(message.status) || message.ias.iter().any(|ia| unknown(ia.status));
        let says = message.ias.iter().any(|ia| !ia.leases.is_empty());
        if !is_unknown && (message.status != Status::Success || !says) {
            // Nothing is made longer: the client goes on asking, at the pace of repetitions, and then other servers.
            return;
        }
        let Some(binding) = &mut uplink.binding else {
            return;
        };
        let not_on_link: Vec<_> = message
            .ias
            .iter()
            .filter(|ia| ia.status == Status::NotOnLink && ia.kind == IaKind::Na)
            .map(|ia| ia.iaid)
            .collect();
        binding
            .addresses
            .retain(|held| !not_on_link.contains(&held.iaid));
        if says {
            take_in(uplink, message, server.clone(), Mode::Longer, wall);
        }
        uplink.failures = 0;
        uplink.doing = Doing::Idle;
        match uplink.binding.as_ref().filter(|b| !b.is_empty()) {
            Some(binding) if is_unknown => {
                // "Sends a Request message to the server that responded if any of the IAs contains NoBinding", for all IAs.
                let ias = binding.asked(&uplink.config, wall);
                let rank = (false, false, 0, 0);
                self.request(iface, Offer { server, rank, ias });
            }
            Some(_) => {}
            None => {
                uplink.binding = None;
                out.push(Action::Notice(Notice::Lost { iface }));
                self.start_over(iface);
            }
        }
    }

    /// RFC 8415 sections 16.11, 18.2.11 and 20.4.
    fn reconfigure(
        &mut self,
        datagram: &Datagram<'_>,
        message: &Message<'_>,
        server: Duid,
        out: &mut Vec<Action>,
    ) -> Result<(), Invalid> {
        let iface = datagram.iface;
        let (now, _) = self.now();
        let long = self.until_rebind(iface);
        let Some(uplink) = self.uplinks.get_mut(&iface) else {
            return Err(Invalid::ForeignTransaction);
        };
        if datagram.dst.is_multicast() {
            return Err(Invalid::Multicast);
        }
        let with = message.reconf_msg.ok_or(Invalid::NoReconfMsg)?;
        let (ours, key) = match (&mut uplink.binding, &uplink.informed) {
            (Some(binding), _) => (&binding.server, binding.reconfigure.as_mut()),
            (None, Some((server, _))) => (server, uplink.inform_key.as_mut()),
            (None, None) => return Err(Invalid::NotAgreed),
        };
        if *ours != server {
            return Err(Invalid::OtherServer);
        }
        let key = key
            .filter(|_| uplink.config.reconfigure)
            .ok_or(Invalid::NotAgreed)?;
        let (at, _) = message.auth.ok_or(Invalid::Digest)?;
        key.replay = auth::check(message.bytes(), at, key)?;
        let has_leases = uplink.binding.is_some();
        let aim = match with {
            5 if has_leases => Aim::Renew,
            6 if has_leases => Aim::Rebind { check: false },
            11 => Aim::Inform {
                server: Some(server),
            },
            _ => return Err(Invalid::Unexpected),
        };
        // One at a time (section 18.2.11).
        if !matches!(uplink.doing, Doing::Idle) {
            uplink.counters.reconfigures_busy += 1;
            return Ok(());
        }
        uplink.counters.reconfigures += 1;
        out.push(Action::Notice(Notice::Reconfigured { iface }));
        match aim {
            Aim::Rebind { .. } => self.rebind(iface),
            aim => {
                let long = long.filter(|_| aim == Aim::Renew);
                uplink.begin(now, &mut self.random, aim, Duration::ZERO, long);
            }
        }
        Ok(())
    }
}

/// Whether a status of a whole message says that nothing is given.
fn is_refused(status: Status) -> bool {
    use Status::{NoAddrsAvail, NoPrefixAvail, Success};
    !matches!(status, Success | NoAddrsAvail | NoPrefixAvail)
}

/// What `message` gives of what the uplink asks for, to be asked for in a Request.
fn offered(uplink: &Uplink, message: &Message<'_>) -> Vec<Asked> {
    wanted(&uplink.config)
        .map(|(kind, iaid)| {
            let ias = message
                .ias
                .iter()
                .filter(|ia| (ia.kind, ia.iaid) == (kind, iaid) && ia.status == Status::Success);
            let given = ias.flat_map(|ia| &ia.leases).filter(|g| g.valid > 0);
            Asked {
                kind,
                iaid,
                leases: given.map(|g| (g.address, g.len)).collect(),
            }
        })
        .collect()
}

fn settings(uplink: &Uplink, message: &Message<'_>) -> Settings {
    Settings {
        options: message.options(&uplink.config.options),
        ..message.settings.clone()
    }
}

/// Leases, settings, server and key of a Reply.
fn take_in(uplink: &mut Uplink, message: &Message<'_>, server: Duid, mode: Mode, wall: Wall) {
    let settings = settings(uplink, message);
    let binding = uplink.binding.get_or_insert_with(|| Binding {
        server: server.clone(),
        renew_at: Wall::NEVER,
        rebind_at: Wall::NEVER,
        addresses: Vec::new(),
        prefixes: Vec::new(),
        settings: Settings::default(),
        reconfigure: None,
    });
    if binding.server != server {
        binding.server = server;
        binding.reconfigure = None;
    }
    if let Some((_, data)) = message.auth
        && uplink.config.reconfigure
    {
        binding.reconfigure = auth::key(data).or(binding.reconfigure);
    }
    binding.settings = settings;
    let (config, counters) = (&uplink.config, &mut uplink.counters);
    binding.merge(&message.ias, mode, config, wall, counters);
}

/// SOL_MAX_RT and INF_MAX_RT (RFC 8415 section 18.2.9), from useless messages too.
fn take_max_rts(uplink: &mut Uplink, message: &Message<'_>) {
    if let Some(seconds) = message.sol_max_rt {
        uplink.sol_max_rt = Duration::from_secs(u64::from(seconds));
    }
    if let Some(seconds) = message.inf_max_rt {
        uplink.inf_max_rt = Duration::from_secs(u64::from(seconds));
    }
    let (sol_max_rt, inf_max_rt) = (uplink.sol_max_rt, uplink.inf_max_rt);
    if let Some(exchange) = uplink.exchange() {
        match exchange.aim {
            Aim::Solicit { .. } => exchange.pace.max = sol_max_rt,
            Aim::Inform { .. } => exchange.pace.max = inf_max_rt,
            _ => {}
        }
    }
}

fn count_left_out(uplink: &mut Uplink, message: &Message<'_>) {
    for left_out in message.left_out.iter().copied().map(LeftOut::label) {
        uplink.counters.count_invalid(left_out);
    }
}

fn count_status(uplink: &mut Uplink, message: &Message<'_>) {
    let of_ias = message.ias.iter().map(|ia| ia.status);
    for status in of_ias.chain([message.status]) {
        let counters = &mut uplink.counters;
        let counter = match status {
            Status::Success => continue,
            Status::NoAddrsAvail => &mut counters.no_addrs_avail,
            Status::NoBinding => &mut counters.no_binding,
            Status::NotOnLink => &mut counters.not_on_link,
            Status::UseMulticast => &mut counters.use_multicast,
            Status::NoPrefixAvail => &mut counters.no_prefix_avail,
            Status::Failed(_) => &mut counters.unspec_fail,
        };
        *counter += 1;
    }
}
