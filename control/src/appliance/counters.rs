//! Everything that is counted, added up over the workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::{
    Accounting, Counters, DeviceCounters, FamilyCounters, InterfaceCounters, NeighborCount,
    NudState, OriginatedCounters, ProtocolCounters,
};
use dataplane::counters::{Cell, TrafficSum, WorkerCounters};
use dataplane::drop::DropReason;
use dataplane::punt::PuntClass;
use tables::id::{IfaceId, PortId};

use super::{Router, nud};
use crate::api::Error;

/// Reasons of packets dropped on their way to the control plane.
const REFUSALS: [DropReason; 3] = [
    DropReason::PuntPoliced,
    DropReason::PuntRingFull,
    DropReason::PuntTooBig,
];

/// Names of interfaces.
type Names = BTreeMap<IfaceId, String>;

impl Router {
    pub(super) fn sum(&self, of: impl Fn(&WorkerCounters) -> TrafficSum) -> TrafficSum {
        let mut sum = TrafficSum::default();
        for worker in &self.counters {
            sum += of(worker);
        }
        sum
    }

    pub(super) fn interface_counters(&self, iface: IfaceId) -> InterfaceCounters {
        let family = |rx: TrafficSum, tx: TrafficSum| FamilyCounters {
            rx_packets: rx.packets,
            rx_bytes: rx.bytes,
            tx_packets: tx.packets,
            tx_bytes: tx.bytes,
        };
        InterfaceCounters {
            ipv6: family(
                self.sum(|w| w.interface(iface).rx6.get()),
                self.sum(|w| w.interface(iface).tx6.get()),
            ),
            ipv4: family(
                self.sum(|w| w.interface(iface).rx4.get()),
                self.sum(|w| w.interface(iface).tx4.get()),
            ),
        }
    }

    pub(super) fn device_counters(
        &self,
        port: PortId,
        stats: dataplane::PortStats,
    ) -> DeviceCounters {
        let rx = self.sum(|w| w.port(port).rx.get());
        let tx = self.sum(|w| w.port(port).tx.get());
        DeviceCounters {
            rx_packets: rx.packets,
            rx_bytes: rx.bytes,
            rx_errors: stats.rx_errors,
            rx_missed: stats.rx_missed,
            rx_no_mbuf: stats.rx_no_buffer,
            tx_packets: tx.packets,
            tx_bytes: tx.bytes,
            tx_errors: stats.tx_errors,
        }
    }

    fn punts(&self, class: PuntClass) -> u64 {
        let ports = |w: &Arc<WorkerCounters>| {
            w.ports
                .iter()
                .map(|p| p.punts[class.index()].get())
                .sum::<u64>()
        };
        self.counters.iter().map(ports).sum()
    }

    pub(super) async fn all_counters(&self) -> Result<Counters, Error> {
        let nd = self.bus.nd_snapshot().await;
        let ra = self.bus.ra_snapshot().await;
        let dhcp6 = self.dhcp6_counters().await?;
        let dhcp4 = self.dhcp4_counters().await?;
        let (dhcp6_relay, dhcp4_relay) = self.relay_counters().await?;
        let dhcp6_client = self.dhcp6_client_counters().await;
        let (devices, interfaces, routes, mempools, reloads) = self
            .ask(|engine| {
                (
                    engine.device_views(),
                    engine.interfaces(),
                    engine.route_counts(),
                    engine.mempools(),
                    engine.reload_counters(),
                )
            })
            .await?;
        let names: Names = interfaces
            .iter()
            .map(|view| (view.id, view.shown.name.clone()))
            .collect();
        let mut states: BTreeMap<(&str, &'static str), (NudState, u64)> = BTreeMap::new();
        for neighbor in &nd.neighbors {
            if let Some(name) = names.get(&neighbor.iface) {
                let entry = states
                    .entry((name, neighbor.state.label()))
                    .or_insert((nud(neighbor.state), 0));
                entry.1 += 1;
            }
        }
        Ok(Counters {
            devices: devices
                .into_iter()
                .map(|(port, device, stats)| (device.name, self.device_counters(port, stats)))
                .collect(),
            interfaces: interfaces
                .iter()
                .map(|view| (view.shown.name.clone(), self.interface_counters(view.id)))
                .collect(),
            punted: PuntClass::ALL
                .iter()
                .map(|&c| (c.label().into(), self.punts(c)))
                .collect(),
            punts_refused: REFUSALS
                .iter()
                .map(|&r| (r.label().into(), self.dropped(r)))
                .collect(),
            control_lost: self.control_lost(),
            originated: self.originated(),
            nd: protocol(&names, &nd.counters, |c| (c.iter(), &c.invalid)),
            ra: protocol(&names, &ra.counters, |c| (c.iter(), &c.invalid)),
            dhcp6,
            dhcp4,
            dhcp6_relay,
            dhcp4_relay,
            dhcp6_client,
            neighbors: states
                .into_iter()
                .map(|((interface, _), (state, count))| NeighborCount {
                    interface: interface.to_owned(),
                    state,
                    count,
                })
                .collect(),
            routes,
            mempools,
            reloads,
        })
    }

    /// What the DHCPv6 server counted on each link; what came in where there is none stands under `elsewhere`.
    async fn dhcp6_counters(&self) -> Result<Vec<ProtocolCounters>, Error> {
        let counted = self.bus.ask_dhcp6(|machine| {
            let links = machine.counters().map(|(id, c)| (Some(id), c.clone()));
            let elsewhere = (None, machine.counters_elsewhere().clone());
            links.chain([elsewhere]).collect::<Vec<_>>()
        });
        let counted = counted.await.unwrap_or_default();
        let links = self.ask(|engine| engine.dhcp6_links()).await?;
        let shown = counted.iter().filter_map(|(id, counters)| {
            let name = match id {
                Some(id) => links.get(id)?.clone(),
                None => ELSEWHERE.to_owned(),
            };
            Some(counters_of(name, counters.iter(), &counters.invalid))
        });
        Ok(shown.collect())
    }

    /// The same of the DHCPv4 server.
    async fn dhcp4_counters(&self) -> Result<Vec<ProtocolCounters>, Error> {
        let counted = self.bus.ask_dhcp4(|machine| {
            let links = machine.counters().map(|(id, c)| (Some(id), c.clone()));
            let elsewhere = (None, machine.counters_elsewhere().clone());
            links.chain([elsewhere]).collect::<Vec<_>>()
        });
        let counted = counted.await.unwrap_or_default();
        let links = self.ask(|engine| engine.dhcp4_links()).await?;
        let shown = counted.iter().filter_map(|(id, counters)| {
            let name = match id {
                Some(id) => links.get(id)?.clone(),
                None => ELSEWHERE.to_owned(),
            };
            Some(counters_of(name, counters.iter(), &counters.invalid))
        });
        Ok(shown.collect())
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        let ports = |w: &Arc<WorkerCounters>| -> u64 {
            let drops = w.ports.iter().map(|p| p.drops[reason.index()].get());
            drops.sum()
        };
        self.counters.iter().map(ports).sum()
    }

    fn control_lost(&self) -> BTreeMap<String, u64> {
        let unclaimed = self.punts.unclaimed.load(Ordering::Relaxed);
        let unheard = self.counters.iter().map(|w| w.unheard.get()).sum();
        [
            ("room_full", self.bus.lost()),
            ("unclaimed", unclaimed),
            ("inject_ring_full", self.injector.full()),
            ("learn_ring_full", unheard),
            ("trace_reader_slow", self.observers.missed()),
        ]
        .into_iter()
        .map(|(cause, count)| (cause.to_owned(), count))
        .collect()
    }

    fn originated(&self) -> OriginatedCounters {
        let sum =
            |of: fn(&WorkerCounters) -> &Cell| self.counters.iter().map(|w| of(w).get()).sum();
        OriginatedCounters {
            icmp_errors: sum(|w| &w.icmp_sent),
            icmp_errors_limited: sum(|w| &w.icmp_limited),
            echo_replies: sum(|w| &w.echo_replies),
            fragmented: sum(|w| &w.fragmented),
            resolve_requests: sum(|w| &w.resolve_requests),
        }
    }

    /// Every worker's books.
    pub(super) async fn quiet_books(&self) -> Vec<Accounting> {
        settled(
            self.counters.len(),
            |worker| books(worker, &self.counters[worker]),
            |books| books.balanced,
        )
        .await
    }
}

/// Where datagrams came in that no link is served on.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// A room's counters of one interface.
pub(super) fn counters_of(
    interface: String,
    events: impl Iterator<Item = (&'static str, &'static str, u64)>,
    invalid: &BTreeMap<&'static str, u64>,
) -> ProtocolCounters {
    ProtocolCounters {
        interface,
        events: events.map(|(name, _, n)| (name.to_owned(), n)).collect(),
        invalid: invalid
            .iter()
            .map(|(rule, n)| ((*rule).to_owned(), *n))
            .collect(),
    }
}

/// How often books that do not settle are read again, and after how long.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// Reads the books of so many workers, each when it stood still: two readings that agree and are `quiet`. A busy worker is
/// read as it is after a few tries; its books may then be off by the packets in flight. All are waited for together, so that
/// many busy workers take no longer than one.
async fn settled<B: PartialEq>(
    workers: usize,
    mut read: impl FnMut(usize) -> B,
    quiet: impl Fn(&B) -> bool,
) -> Vec<B> {
    let mut books: Vec<B> = (0..workers).map(&mut read).collect();
    let mut moving: Vec<usize> = (0..workers).collect();
    for _ in 0..TRIES {
        moving.retain(|&worker| {
            let last = std::mem::replace(&mut books[worker], read(worker));
            books[worker] != last || !quiet(&last)
        });
        if moving.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    books
}

/// A worker's books as they are now.
fn books(worker: usize, counters: &WorkerCounters) -> Accounting {
    let sum = |f: &dyn Fn(&dataplane::counters::PortCounters) -> u64| {
        counters.ports.iter().map(f).sum::<u64>()
    };
    let books = counters.accounting();
    let dropped: BTreeMap<String, u64> = DropReason::ALL
        .iter()
        .map(|r| (r.label().to_owned(), sum(&|p| p.drops[r.index()].get())))
        .filter(|(_, n)| *n != 0)
        .collect();
    let punted = PuntClass::ALL
        .iter()
        .map(|c| (c.label().to_owned(), sum(&|p| p.punts[c.index()].get())))
        .filter(|(_, n)| *n != 0)
        .collect();
    Accounting {
        worker: worker as u16,
        rx: books.rx,
        injected: books.injected,
        originated: books.originated,
        replicated: books.replicated,
        taken_over: books.taken_over,
        tx: books.tx,
        dropped,
        punted,
        consumed: books.consumed,
        held: books.held,
        handed_off: books.handed_off,
        imbalance: 0,
        balanced: false,
    }
    .balance()
}

/// A room's counters by interface; `of` gives an interface's events and broken rules.
fn protocol<'a, C, I>(
    names: &Names,
    counters: &'a [(IfaceId, C)],
    of: impl Fn(&'a C) -> (I, &'a BTreeMap<&'static str, u64>),
) -> Vec<ProtocolCounters>
where
    I: Iterator<Item = (&'static str, &'static str, u64)>,
{
    let mut shown: Vec<ProtocolCounters> = counters
        .iter()
        .filter_map(|(iface, counters)| {
            let (events, invalid) = of(counters);
            Some(counters_of(names.get(iface)?.clone(), events, invalid))
        })
        .collect();
    shown.sort_by(|a, b| a.interface.cmp(&b.interface));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn busy_workers_are_waited_for_together() {
        // Worker 1 stands still from its third reading on; worker 2 never does.
        let (mut order, mut n) = (Vec::new(), 0);
        let read = |worker| {
            order.push(worker);
            n += 1;
            match worker {
                0 => 7,
                1 => order.iter().filter(|w| **w == 1).count().min(3),
                _ => n,
            }
        };
        let books = settled(3, read, |_| true).await;
        assert_eq!(order[..11], [0, 1, 2, 0, 1, 2, 1, 2, 1, 2, 2]);
        assert_eq!(order.len(), 11 - 1 + TRIES - 3);
        assert_eq!(books, [7, 3, n]);
    }

    #[tokio::test]
    async fn books_that_agree_and_do_not_balance_are_read_again() {
        let mut reads = 0;
        // 4, 4, 5, 5: the first two agree.
        let read = |_| {
            reads += 1;
            4 + (reads - 1) / 2
        };
        assert_eq!(settled(1, read, |books| *books == 5).await, [5]);
        assert_eq!(reads, 4);
    }
}
