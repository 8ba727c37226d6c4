//! Flows: from the table to records, and back.

use std::collections::{HashMap, HashSet};

use pair::record::{self, Flow, FlowState};
use pair::session::{Delivered, Delivery};
use tables::flow::{Change, FlowKey, FlowPeer, Progress, Record};
use tables::id::AnchorId;
use tables::publish::Reader;

use super::PortOfFlows;

/// Bytes of a record at most, with the port that it may need.
const RECORD: usize = 256;
/// Notes and flows that are dealt with at a time.
const AT_ONCE: usize = 4096;

/// The flows of both routers.
pub struct Flows {
    peer: FlowPeer,
    /// Our ports, by anchor and by name.
    names: HashMap<AnchorId, String>,
    ports: HashMap<String, (AnchorId, u32)>,
    /// Ports that were defined in the stream that is being sent.
    defined: HashSet<AnchorId>,
    /// Ports by the peer's numbers.
    theirs: HashMap<u16, String>,
    /// All is being told.
    in_bulk: bool,
    /// Some were refused because their port is not known.
    missed: bool,
}

impl Flows {
    /// Of the table's part.
    pub fn new(peer: FlowPeer) -> Self {
        Self {
            peer,
            names: HashMap::new(),
            ports: HashMap::new(),
            defined: HashSet::new(),
            theirs: HashMap::new(),
            in_bulk: false,
            missed: false,
        }
    }

    /// These are the ports. Whether flows that were refused may be wanted now.
    pub fn follow(&mut self, ports: Vec<PortOfFlows>) -> bool {
        self.defined.clear();
        self.names = ports
            .iter()
            .map(|port| (port.anchor, port.name.clone()))
            .collect();
        self.ports = ports
            .into_iter()
            .map(|port| (port.name, (port.anchor, port.max_flows)))
            .collect();
        std::mem::take(&mut self.missed)
    }

    /// Flows that the peer keeps here.
    pub fn n_kept(&self) -> usize {
        self.peer.n_kept()
    }

    /// A session has begun, with a peer that may have started anew.
    pub fn up(&mut self, anew: bool, now: u32) {
        self.peer.back(anew, now);
    }

    /// It has ended.
    pub fn down(&mut self, now: u32) {
        self.peer.gone(now);
        self.in_bulk = false;
    }

    /// Ages flows.
    pub fn expire(&mut self, now: u32) {
        while self.peer.expire(now) > 0 {}
    }

    /// All is to be told.
    pub fn begin(&mut self, reader: &Reader, now: u32) {
        // What changed until now is in it.
        while self.peer.changes(reader, AT_ONCE, now, |_| ()) == AT_ONCE {}
        self.peer.has_lost();
        self.peer.begin_bulk();
        self.defined.clear();
        self.in_bulk = true;
    }

    /// Whether notes of workers were lost: all is to be told again.
    pub fn has_lost(&mut self) -> bool {
        self.peer.has_lost()
    }

    /// Tells what there is room for. Whether a bulk has ended by it.
    pub fn tell(
        &mut self,
        reader: &Reader,
        room: impl Fn() -> usize,
        now: u32,
        mut push: impl FnMut(&Flow),
    ) -> bool {
        let Self {
            peer,
            names,
            defined,
            in_bulk,
            ..
        } = self;
        let mut put = |change: Change| match change {
            Change::Set { slot, flow } => {
                let anchor = flow.key.anchor;
                // A port that is gone takes its flows along.
                let Some(name) = names.get(&anchor) else {
                    return push(&Flow::Clear { slot });
                };
                if defined.insert(anchor) {
                    push(&Flow::Port {
                        number: anchor.0,
                        name: name.clone(),
                    });
                }
                push(&Flow::Set {
                    slot,
                    flow: state(&flow),
                });
            }
            Change::Clear { slot } => push(&Flow::Clear { slot }),
        };
        let most = (room() / RECORD).min(AT_ONCE);
        let taken = peer.changes(reader, most, now, &mut put);
        if !*in_bulk {
            return false;
        }
        *in_bulk = peer.bulk(reader, most - taken, now, &mut put);
        !*in_bulk
    }

    /// Applies what has come. Records that were refused.
    pub fn apply(&mut self, reader: &Reader, delivery: &Delivery, now: u32) -> u64 {
        match delivery.what {
            Delivered::Begin => {
                self.theirs.clear();
                self.missed = false;
                self.peer.bulk_begins();
                0
            }
            Delivered::End => {
                self.peer.bulk_ends(reader);
                0
            }
            Delivered::Records(_) => {
                let records = delivery.records().map(record::read::<Flow>);
                let refused =
                    records.filter(|read| !matches!(read, Ok(flow) if self.one(reader, flow, now)));
                refused.count() as u64
            }
        }
    }

    /// Applies a record. Whether it could be.
    fn one(&mut self, reader: &Reader, flow: &Flow, now: u32) -> bool {
        match flow {
            Flow::Port { number, name } => {
                self.theirs.insert(*number, name.clone());
                true
            }
            Flow::Clear { slot } => {
                self.peer.clear(reader, *slot);
                true
            }
            Flow::Set { slot, flow } => {
                let port = self.theirs.get(&flow.port);
                let Some(&(anchor, quota)) = port.and_then(|name| self.ports.get(name)) else {
                    self.missed = true;
                    return false;
                };
                let record = record_of(flow, anchor);
                self.peer.set(reader, *slot, &record, quota, now).is_ok()
            }
        }
    }
}

fn state(flow: &Record) -> FlowState {
    let key = &flow.key;
    FlowState {
        port: key.anchor.0,
        v6: key.v6,
        protocol: key.protocol,
        local: key.local.0.to_be_bytes(),
        local_port: key.local.1,
        remote: key.remote.0.to_be_bytes(),
        remote_port: key.remote.1,
        asked: flow.asked,
        progress: flow.progress.0,
        tags: (flow.tags != [[0; 2]; 2]).then_some(flow.tags),
        age: flow.age,
        idle: flow.idle,
        handovers: flow.handovers,
    }
}

fn record_of(flow: &FlowState, anchor: AnchorId) -> Record {
    Record {
        key: FlowKey {
            anchor,
            v6: flow.v6,
            protocol: flow.protocol,
            local: (u128::from_be_bytes(flow.local), flow.local_port),
            remote: (u128::from_be_bytes(flow.remote), flow.remote_port),
        },
        asked: flow.asked,
        progress: Progress(flow.progress),
        tags: flow.tags.unwrap_or_default(),
        age: flow.age,
        idle: flow.idle,
        handovers: flow.handovers,
    }
}
