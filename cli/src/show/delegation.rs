//! Prefixes that are delegated to the router.

use std::fmt::Write as _;

use api::{Delegation, DelegationState};

use crate::paint::Paint;
use crate::table::{Cell, Table, cell};

/// A row for each subnet that is assigned; one for a prefix without any.
pub(crate) fn delegations(delegations: &[Delegation], paint: Paint) -> String {
    let mut table = Table::new([
        "uplink",
        "prefix",
        "excluded",
        "state",
        "interface",
        "subnet",
        "address",
        "use",
        "preferred until",
        "valid until",
    ]);
    for delegation in delegations {
        let whole = || {
            [
                cell(&delegation.uplink),
                cell(delegation.prefix),
                Cell::maybe(delegation.exclude),
                cell(delegation.state).bad_if(delegation.state == DelegationState::Vanished),
            ]
        };
        for subnet in &delegation.subnets {
            let word = if subnet.deprecated {
                "deprecated"
            } else {
                "preferred"
            };
            let [uplink, prefix, exclude, state] = whole();
            table.row([
                uplink,
                prefix,
                exclude,
                state,
                cell(&subnet.interface),
                cell(subnet.prefix),
                cell(subnet.address),
                cell(word),
                cell(&subnet.preferred_until),
                cell(&subnet.valid_until),
            ]);
        }
        if delegation.subnets.is_empty() {
            let [uplink, prefix, exclude, state] = whole();
            let none = || Cell::maybe(None::<&str>);
            table.row([
                uplink,
                prefix,
                exclude,
                state,
                none(),
                none(),
                none(),
                none(),
                cell(&delegation.preferred_until),
                cell(&delegation.valid_until),
            ]);
        }
    }
    let mut out = table.render(paint, "no prefix is delegated to us");
    for problem in delegations.iter().flat_map(|d| &d.problems) {
        let _ = writeln!(out, "{} {problem}", paint.bad("problem:"));
    }
    out
}
