//! Numbers as people read them.

/// Bytes with a decimal unit: `999 B`, `1.5 kB`, `1.2 GB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A time span by its two largest units: `950ms`, `12.3s`, `4m05s`, `1h02m`, `3d04h`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A protocol's lifetime in seconds; its largest value means forever.
pub(crate) fn lifetime(seconds: u32) -> String {
    if seconds == u32::MAX {
        "infinite".to_owned()
    } else {
        format!("{seconds}s")
    }
}

/// A link's speed.
pub(crate) fn speed(mbps: u32) -> String {
    match mbps {
        1000.. if mbps.is_multiple_of(1000) => format!("{}G", mbps / 1000),
        1000.. => format!("{:.1}G", f64::from(mbps) / 1000.0),
        _ => format!("{mbps}M"),
    }
}

/// Time of day (UTC) with microseconds, from nanoseconds since 1970.
pub(crate) fn clock(ns: u64) -> String {
    let micros = ns / 1000;
    let seconds = micros / 1_000_000;
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        micros % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.5 kB");
        assert_eq!(bytes(999_960), "1.0 MB");
        assert_eq!(bytes(u64::MAX), "18.4 EB");
        assert_eq!(span(950), "950ms");
        assert_eq!(span(12_345), "12.3s");
        assert_eq!(span(245_000), "4m05s");
        assert_eq!(span(3_723_000), "1h02m");
        assert_eq!(span(277_000_000), "3d04h");
        assert_eq!(lifetime(1800), "1800s");
        assert_eq!(lifetime(u32::MAX), "infinite");
        assert_eq!(
            (speed(100), speed(2500), speed(40_000)),
            ("100M".into(), "2.5G".into(), "40G".into())
        );
        assert_eq!(clock(1_795_534_496_123_456_789), "15:34:56.123456");
    }
}
