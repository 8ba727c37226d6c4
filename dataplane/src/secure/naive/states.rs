//! The states of flows, and what they are told of packets.

use std::sync::Arc;

use tables::flow::{
    Flow, FlowKey, FlowTable, FlowWorker, New, Refused, Sctp, Segment, State, Tcp, Upper,
};
use tables::id::RuleId;
use tables::publish::{Qsbr, Reader};

use super::read::{Reading, SCTP, Says, TCP, u16_at, u32_at};
use crate::denied::Direction;

/// What the state of a flow is told of a packet; `None` if that is cut off.
pub fn segment(packet: &Reading<'_>, liberal: bool) -> Option<Segment> {
    let bytes = packet.upper;
    let upper = match (packet.protocol, packet.says) {
        (TCP, _) => {
            let header_len = 4 * usize::from(bytes.get(12)? >> 4);
            let window = u16_at(bytes, 14)?;
            if header_len < 20 || packet.upper_len < header_len || bytes.len() < 20 {
                return None;
            }
            let is_syn = bytes[13] & 2 != 0;
            let scale = match is_syn {
                true => scale(bytes.get(20..header_len)?),
                false => None,
            };
            Upper::Tcp(Tcp {
                flags: bytes[13],
                sequence: u32_at(bytes, 4)?,
                acknowledgment: u32_at(bytes, 8)?,
                window,
                data: (packet.upper_len - header_len) as u32,
                scale,
            })
        }
        (SCTP, _) => Upper::Sctp(Sctp {
            tag: u32_at(bytes, 4)?,
            chunk: *bytes.get(12)?,
            flags: u16_at(bytes, 13).map(|word| (word >> 8) as u8)?,
            initiate_tag: match (bytes[12], u16_at(bytes, 14)?) {
                (1 | 2, _) => u32_at(bytes, 16)?,
                _ => 0,
            },
        }),
        (_, Says::Query { is_answer, .. }) => Upper::Query {
            is_request: !is_answer,
        },
        _ => Upper::Other,
    };
    Some(Segment {
        bytes: packet.len as u32,
        upper,
        liberal,
    })
}

/// The window scale among TCP options.
fn scale(options: &[u8]) -> Option<u8> {
    let mut at = 0;
    loop {
        match (*options.get(at)?, options.get(at + 1)) {
            (0, _) => return None,
            (1, _) => at += 1,
            (3, Some(3)) if at + 2 < options.len() => return Some(options[at + 2]),
            (_, Some(&len)) if len >= 2 => at += usize::from(len),
            _ => return None,
        }
    }
}

/// The states of flows, in a table that nothing ages in.
pub struct States {
    table: Arc<FlowTable>,
    worker: FlowWorker,
    reader: Reader,
}

impl States {
    pub fn new() -> Self {
        let qsbr = Qsbr::new(1);
        let reader = qsbr.register().unwrap();
        let (table, mut parts) = FlowTable::new(256, 1, &qsbr, 3).unwrap();
        Self {
            table,
            worker: parts.remove(0),
            reader,
        }
    }

    pub fn get(&self, key: &FlowKey) -> &Flow {
        let flows = self.table.read(&self.reader);
        let flow = flows.find(flows.hash(key), key);
        flow.unwrap_or_else(|| unreachable!("every flow of the model has a state"))
    }

    /// Whether the packet may be the first of a flow.
    pub fn open(&mut self, key: &FlowKey, opened: Direction, segment: Segment, now: u32) -> bool {
        let new = New {
            generation: 0,
            rule: RuleId(0),
            opened,
            asked: 0,
            quota: u32::MAX,
            segment,
            now,
        };
        let hash = self.table.read(&self.reader).hash(key);
        match self.worker.insert(&self.reader, hash, key, &new) {
            Ok(_) => true,
            Err(Refused::Invalid) => false,
            Err(refused) => unreachable!("a case has few flows: {refused}"),
        }
    }

    pub fn remove(&mut self, key: &FlowKey) {
        let flows = self.table.read(&self.reader);
        if let Some(flow) = flows.find(flows.hash(key), key) {
            self.worker.remove(flow);
        }
    }

    /// Flows, their states, and for how many seconds no packet of them has come.
    pub fn idle(&self, now: u32) -> Vec<(FlowKey, State, u32)> {
        let infos = self.table.snapshot(None, usize::MAX, now);
        let infos = infos.into_iter();
        infos
            .map(|info| (info.key, info.state, info.idle))
            .collect()
    }

    /// Lets what was removed be used again: there is none left.
    pub fn tidy(&mut self) {
        self.reader.quiescent();
        self.worker.expire(0);
    }
}
