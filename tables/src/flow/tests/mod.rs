//! A table with one worker or some, and packets for it.

mod flow_random;
mod model;
mod peer;
mod sctp;
mod stress;
mod table;
mod tcp;
mod tcp_random;

use std::sync::Arc;

use super::*;
use crate::id::{AnchorId, RuleId};
use crate::publish::{Qsbr, Reader};

/// A table, its workers' parts, and one registration each.
pub(super) struct Kit {
    pub table: Arc<FlowTable>,
    pub workers: Vec<FlowWorker>,
    pub readers: Vec<Reader>,
    pub now: u32,
    pub quota: u32,
}

pub(super) const ANCHOR: AnchorId = AnchorId(7);
pub(super) const RULE: RuleId = RuleId(42);

impl Kit {
    pub fn new(flows: usize, workers: usize) -> Self {
        let qsbr = Qsbr::new(workers);
        let (table, parts) = FlowTable::new(flows, workers, &qsbr, 12).unwrap();
        let mut kit = Self {
            table,
            workers: parts,
            readers: (0..workers).map(|_| qsbr.register().unwrap()).collect(),
            now: 1000,
            quota: u32::MAX,
        };
        kit.round();
        kit
    }

    pub fn insert(
        &mut self,
        key: &FlowKey,
        opened: Direction,
        upper: Upper,
    ) -> Result<(), Refused> {
        self.insert_by(0, key, opened, segment(upper))
    }

    pub fn insert_by(
        &mut self,
        worker: usize,
        key: &FlowKey,
        opened: Direction,
        segment: Segment,
    ) -> Result<(), Refused> {
        let new = New {
            generation: 1,
            rule: RULE,
            opened,
            asked: key.remote.1,
            quota: self.quota,
            segment,
            now: self.now,
        };
        let hash = self.table.hash(key);
        let flow = self.workers[worker].insert(&self.readers[worker], hash, key, &new)?;
        assert_eq!(flow.key(), *key);
        Ok(())
    }

    /// A datagram's flow from the machine.
    pub fn udp(&mut self, key: &FlowKey) -> Result<(), Refused> {
        self.insert(key, Direction::Egress, Upper::Other)
    }

    pub fn find(&self, key: &FlowKey) -> Option<&Flow> {
        let flows = self.table.read(&self.readers[0]);
        flows.find(flows.hash(key), key)
    }

    /// A packet of a flow that there is.
    pub fn packet(&self, key: &FlowKey, direction: Direction, upper: Upper) -> Verdict {
        let flow = self.find(key).expect("the flow is there");
        flow.packet(direction, &segment(upper), self.now)
    }

    pub fn state(&self, key: &FlowKey) -> State {
        self.find(key).expect("the flow is there").state()
    }

    /// A round of every worker.
    pub fn round(&mut self) -> usize {
        let now = self.now;
        let forgotten = self
            .workers
            .iter_mut()
            .map(|worker| worker.expire(now))
            .sum();
        self.readers.iter_mut().for_each(Reader::quiescent);
        forgotten
    }

    /// Lets time pass, with rounds in every second.
    pub fn wait(&mut self, seconds: u32) -> usize {
        let mut forgotten = 0;
        for _ in 0..seconds {
            self.now += 1;
            loop {
                let n = self.round();
                forgotten += n;
                if n == 0 {
                    break;
                }
            }
        }
        forgotten
    }
}

pub(super) fn segment(upper: Upper) -> Segment {
    Segment {
        bytes: 100,
        upper,
        liberal: false,
    }
}

/// The n-th key of an anchor.
pub(super) fn key_of(anchor: AnchorId, protocol: u8, n: u32) -> FlowKey {
    FlowKey {
        anchor,
        v6: true,
        protocol,
        local: (0x2001_0db8 << 96 | 1, 40_000 + (n & 0xfff) as u16),
        remote: (0x2001_0db8_0001 << 80 | u128::from(n >> 12), 4000),
    }
}

pub(super) fn key(protocol: u8, n: u32) -> FlowKey {
    key_of(ANCHOR, protocol, n)
}
