//! The `[router.interface.nd]` table.

use std::time::Duration;

use super::reader::Table;
use super::time::{Unit, duration};
use protocols::nd::Config;

const HOUR: Duration = Duration::from_secs(3600);

/// Reads the table; `proxy` stands in the interface's own.
pub(super) fn read(table: &Table<'_>) -> Config {
    let before = table.fault_count();
    let mut config = Config::default();
    let ms = Duration::from_millis;
    let seconds = Duration::from_secs;
    let set = |field: &mut Duration, name, unit, min, max| {
        if let Some(value) = duration(table, name, unit, min, max) {
            *field = value;
        }
    };
    set(
        &mut config.retrans_timer,
        "retrans_timer",
        Unit::Ms,
        ms(100),
        HOUR,
    );
    set(
        &mut config.base_reachable_time,
        "reachable_time",
        Unit::Ms,
        ms(100),
        HOUR,
    );
    let delay = &mut config.delay_first_probe_time;
    set(
        delay,
        "delay_first_probe_time",
        Unit::S,
        Duration::ZERO,
        seconds(60),
    );
    set(
        &mut config.max_retrans_timer,
        "max_retrans_timer",
        Unit::S,
        ms(100),
        HOUR,
    );
    set(
        &mut config.stale_lifetime,
        "stale_lifetime",
        Unit::S,
        seconds(1),
        HOUR * 24 * 7,
    );
    set(
        &mut config.failed_lifetime,
        "failed_lifetime",
        Unit::S,
        Duration::ZERO,
        HOUR / 6,
    );
    let count = |field: &mut u32, name, min, max| {
        if let Some(value) = table.integer(name, min..=max) {
            *field = value;
        }
    };
    count(&mut config.dad_transmits, "dad_transmits", 0, 20);
    count(
        &mut config.max_multicast_solicit,
        "max_multicast_solicit",
        1,
        20,
    );
    count(
        &mut config.max_unicast_solicit,
        "max_unicast_solicit",
        1,
        20,
    );
    count(
        &mut config.unsolicited_advertisements,
        "unsolicited_advertisements",
        0,
        20,
    );
    count(&mut config.solicit_rate, "solicit_rate", 1, 1_000_000);
    config.learn_unsolicited = table
        .boolean("learn_unsolicited")
        .unwrap_or(config.learn_unsolicited);
    config.max_per_station = table
        .integer("max_per_station", 1..=65_535)
        .unwrap_or(config.max_per_station);
    config.max_entries = table
        .integer("max_entries", 16..=1 << 20)
        .unwrap_or(config.max_entries);
    config.max_incomplete = table
        .integer("max_incomplete", 1..=config.max_entries as u64)
        .unwrap_or(config.max_incomplete.min(config.max_entries));
    if config.max_retrans_timer < config.retrans_timer {
        table.fault(
            "max_retrans_timer",
            format_args!(
                "must be at least retrans_timer ({:?})",
                config.retrans_timer
            ),
        );
    }
    if table.fault_count() == before {
        // The machine has the last word on its own numbers.
        for fault in config.validate() {
            table.cx.fault(&table.at, fault);
        }
    }
    config
}
