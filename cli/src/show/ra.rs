//! Router advertisements.

use std::fmt::Write as _;

use api::RaState;

use super::{Facts, join, yes};
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};
use crate::units::{lifetime, span};

/// All interfaces, one a row.
pub(crate) fn summary(states: &[RaState], paint: Paint) -> String {
    let mut table = Table::new([
        "interface",
        "router",
        "advertising",
        "prefixes",
        ">lifetime",
        ">next",
        ">sent",
        ">solicited",
        ">heard",
        ">inconsistent",
    ]);
    for s in states {
        let c = &s.counters;
        table.row([
            cell(&s.interface),
            cell(&s.router),
            Cell::from(yes(s.advertising)),
            Cell::from(join(s.config.prefixes.iter().map(|p| p.prefix), ", ")),
            Cell::from(lifetime(s.config.router_lifetime_seconds.into())),
            Cell::maybe(s.next_due_ms.map(span)),
            cell(c.ra_sent_unsolicited + c.ra_sent_solicited),
            cell(c.ra_sent_solicited),
            cell(c.ra_received),
            cell(c.ra_inconsistent).bad_if(c.ra_inconsistent > 0),
        ]);
    }
    table.render(paint, "no interface advertises")
}

/// A field in which 0 leaves the choice to the hosts.
fn told(value: impl Into<u32>, text: String) -> String {
    if value.into() == 0 {
        "unspecified".to_owned()
    } else {
        text
    }
}

/// One interface in detail: every field and option.
pub(crate) fn detail(s: &RaState, paint: Paint) -> String {
    let config = &s.config;
    let mut facts = Facts::default();
    facts
        .add(
            "interface",
            format!("{} (router {})", s.interface, s.router),
        )
        .add("advertising", yes(s.advertising))
        .add("next", s.next_due_ms.map_or_else(|| "-".to_owned(), span))
        .add(
            "interval",
            format!(
                "{} to {}",
                span(config.min_interval_ms),
                span(config.max_interval_ms)
            ),
        )
        .add("lifetime", lifetime(config.router_lifetime_seconds.into()))
        .add("preference", config.preference.to_string())
        .add(
            "flags",
            format!("M {}, O {}", yes(config.managed), yes(config.other_config)),
        )
        .add(
            "hop limit",
            told(config.cur_hop_limit, config.cur_hop_limit.to_string()),
        )
        .add(
            "reachable",
            told(
                config.reachable_time_ms,
                span(config.reachable_time_ms.into()),
            ),
        )
        .add(
            "retrans",
            told(
                config.retrans_timer_ms,
                span(config.retrans_timer_ms.into()),
            ),
        )
        .add(
            "source",
            config
                .source_link_layer_address
                .map_or_else(|| "-".into(), |m| m.to_string()),
        )
        .add(
            "mtu",
            config.mtu.map_or_else(|| "-".into(), |mtu| mtu.to_string()),
        );
    for p in &config.prefixes {
        facts.add(
            "prefix",
            format!(
                "{} on-link {}, autonomous {}, prefer delegation {}, valid {}, preferred {}",
                p.prefix,
                yes(p.on_link),
                yes(p.autonomous),
                yes(p.prefer_delegation),
                lifetime(p.valid_lifetime_seconds),
                lifetime(p.preferred_lifetime_seconds)
            ),
        );
    }
    for r in &config.routes {
        let life = lifetime(r.lifetime_seconds);
        facts.add(
            "route",
            format!("{} preference {}, lifetime {life}", r.prefix, r.preference),
        );
    }
    for r in &config.rdnss {
        facts.add(
            "dns",
            format!(
                "{} lifetime {}",
                join(&r.servers, " "),
                lifetime(r.lifetime_seconds)
            ),
        );
    }
    for d in &config.dnssl {
        facts.add(
            "search",
            format!(
                "{} lifetime {}",
                join(&d.domains, " "),
                lifetime(d.lifetime_seconds)
            ),
        );
    }
    for p in &config.pref64 {
        facts.add(
            "pref64",
            format!(
                "{} lifetime {}",
                p.prefix,
                lifetime(p.lifetime_seconds.into())
            ),
        );
    }
    if let Some(uri) = &config.captive_portal {
        facts.add("portal", uri);
    }
    let c = &s.counters;
    facts
        .add(
            "sent",
            format!(
                "{} unsolicited, {} solicited",
                c.ra_sent_unsolicited, c.ra_sent_solicited
            ),
        )
        .add(
            "solicited",
            format!("{} received, {} invalid", c.rs_received, c.rs_invalid),
        )
        .add(
            "heard",
            format!(
                "{} received, {} invalid, {} inconsistent",
                c.ra_received, c.ra_invalid, c.ra_inconsistent
            ),
        );
    let mut out = facts.render(0);
    for foreign in &s.foreign {
        let _ = writeln!(
            out,
            "\nother router {} heard {} ago, lifetime {}",
            foreign.source,
            span(foreign.age_ms),
            lifetime(foreign.router_lifetime_seconds.into())
        );
        for inconsistency in &foreign.inconsistencies {
            let _ = writeln!(out, "  {} {inconsistency}", paint.bad("contradicts us:"));
        }
    }
    out
}
