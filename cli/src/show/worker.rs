//! Workers, drops, and the books.

use std::fmt::Write as _;

use api::{Accounting, Drop, Worker};

use super::join;
use crate::paint::Paint;
use crate::table::{Cell, Table, cell};

/// Workers, one a row.
pub(crate) fn workers(workers: &[Worker], paint: Paint) -> String {
    let mut table = Table::new([
        ">worker",
        ">cpu",
        "idle",
        ">load",
        ">cycles/packet",
        ">packets/burst",
        ">packets",
        ">polls",
        ">empty",
        "queues",
    ]);
    for w in workers {
        // What was not measured yet is not zero.
        let measured = |value: f64| {
            if value > 0.0 {
                Cell::from(format!("{value:.1}"))
            } else {
                Cell::from("-")
            }
        };
        table.row([
            cell(w.id),
            Cell::maybe(w.cpu),
            cell(w.idle_policy),
            Cell::from(format!("{:.1}%", w.load * 100.0)).odd_if(w.load > 0.9),
            measured(w.cycles_per_packet),
            measured(w.burst_average),
            cell(w.packets),
            cell(w.polls),
            cell(w.polls_empty),
            Cell::from(join(
                w.queues.iter().map(|q| format!("{}:{}", q.device, q.queue)),
                " ",
            )),
        ]);
    }
    table.render(paint, "no workers")
}

/// Drops by reason, most first.
pub(crate) fn drops(drops: &[Drop], all: bool, paint: Paint) -> String {
    let mut shown: Vec<&Drop> = drops.iter().filter(|drop| all || drop.total > 0).collect();
    shown.sort_by_key(|drop| std::cmp::Reverse(drop.total));
    let mut table = Table::new(["reason", ">packets", "from", "meaning"]);
    for drop in shown {
        table.row([
            cell(&drop.reason),
            cell(drop.total),
            Cell::from(join(
                drop.devices
                    .iter()
                    .map(|at| format!("{} {}", at.device, at.packets)),
                ", ",
            )),
            cell(&drop.help),
        ]);
    }
    table.render(paint, "no packet was dropped")
}

/// The books, one worker a row.
pub(crate) fn accounting(books: &[Accounting], paint: Paint) -> String {
    let mut table = Table::new([
        ">worker",
        ">rx",
        ">injected",
        ">originated",
        ">replicated",
        ">taken over",
        ">tx",
        ">dropped",
        ">punted",
        ">consumed",
        ">held",
        ">handed off",
        "balanced",
    ]);
    for b in books {
        let balanced = if b.balanced {
            "yes".to_owned()
        } else {
            format!("no: {:+}", b.imbalance)
        };
        table.row([
            cell(b.worker),
            cell(b.rx),
            cell(b.injected),
            cell(b.originated),
            cell(b.replicated),
            cell(b.taken_over),
            cell(b.tx),
            cell(b.dropped_total()),
            cell(b.punted_total()),
            cell(b.consumed),
            cell(b.held),
            cell(b.handed_off),
            Cell::from(balanced).bad_if(!b.balanced),
        ]);
    }
    let mut out = table.render(paint, "no workers");
    out.push_str(
        "\nrx + injected + originated + replicated + taken over = tx + dropped + punted + consumed + held + handed off\n",
    );
    if !books.iter().all(|b| b.balanced) {
        let _ = writeln!(
            out,
            "{}",
            paint.bad("A worker's books do not balance: that is a bug, please report it.")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_that_do_not_balance_are_told() {
        let books = vec![
            Accounting {
                rx: 3,
                tx: 1,
                ..Accounting::default()
            }
            .balance(),
        ];
        let text = accounting(&books, Paint::plain());
        assert!(
            text.contains("no: +2") && text.contains("that is a bug"),
            "{text}"
        );
    }

    #[test]
    fn reasons_that_did_not_occur_are_left_out() {
        let some = drops(&api::sample::drops(), false, Paint::plain());
        assert!(
            some.contains("no_route") && !some.contains("hop_limit"),
            "{some}"
        );
        let all = drops(&api::sample::drops(), true, Paint::plain());
        assert!(
            all.contains("no_route") && all.contains("hop_limit"),
            "{all}"
        );
        assert_eq!(drops(&[], false, Paint::plain()), "no packet was dropped\n");
    }
}
