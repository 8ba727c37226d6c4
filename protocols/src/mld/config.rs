//! Variables of a listener; `Default` is what the RFCs say.

use std::time::Duration;

/// Variables of one interface (RFC 3810 section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Robustness Variable: how often a change is told in all. 0 counts as 1.
    pub robustness: u8,
    /// Unsolicited Report Interval: a change is told again within this time.
    pub unsolicited_report_interval: Duration,
    /// The same while the querier speaks version 1 (RFC 2710 section 7.10).
    pub unsolicited_report_interval_v1: Duration,
    /// Query Interval taken for granted until a query tells it: it says how long a querier of version 1 counts as present.
    pub query_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            robustness: 2,
            unsolicited_report_interval: Duration::from_secs(1),
            unsolicited_report_interval_v1: Duration::from_secs(10),
            query_interval: Duration::from_secs(125),
        }
    }
}
