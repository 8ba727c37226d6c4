//! Where packets went: drops by reason, and the equation that says none was lost without one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Packets dropped under one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// The reason's word, the same in metrics, traces and captures.
    pub reason: String,
    /// What it means, and what to do about it.
    pub help: String,
    /// Packets.
    pub total: u64,
    /// The same by the device they came from; devices without any are left out. Packets that the router made
    /// itself came from none, so the sum may be less than `total`.
    pub devices: Vec<DropAt>,
}

/// Packets of one device dropped under a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropAt {
    /// The device.
    pub device: String,
    /// Packets.
    pub packets: u64,
}

/// One worker's books, in packets:
/// `rx + injected + originated + replicated + taken_over = tx + dropped + punted + consumed + held + handed_off`.
///
/// It holds whenever the worker is between two bursts, which is when it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// The worker.
    pub worker: u16,
    /// Received from devices.
    pub rx: u64,
    /// Given by the control plane.
    pub injected: u64,
    /// Made by the worker: ICMP errors, echo replies, further fragments.
    pub originated: u64,
    /// Copies of frames that went to several places of a network.
    #[serde(default)]
    pub replicated: u64,
    /// Taken over from other workers, to be sent.
    #[serde(default)]
    pub taken_over: u64,
    /// Handed to devices.
    pub tx: u64,
    /// Dropped, by reason; reasons without any may be left out.
    pub dropped: BTreeMap<String, u64>,
    /// Given to the control plane, by class; classes without any may be left out.
    pub punted: BTreeMap<String, u64>,
    /// Taken in by the router itself: echo requests that were answered.
    pub consumed: u64,
    /// Waiting for a neighbour now.
    pub held: u64,
    /// Handed to the worker that owns the output queue.
    #[serde(default)]
    pub handed_off: u64,
    /// Packets that came in less those accounted for; not 0 is a bug.
    pub imbalance: i64,
    /// Whether the books balance.
    pub balanced: bool,
}

impl Accounting {
    /// Packets dropped, all reasons together.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }

    /// Packets punted, all classes together.
    pub fn punted_total(&self) -> u64 {
        self.punted.values().sum()
    }

    /// Fills `imbalance` and `balanced` from the other fields.
    #[must_use]
    pub fn balance(mut self) -> Self {
        let came = i128::from(self.rx)
            + i128::from(self.injected)
            + i128::from(self.originated)
            + i128::from(self.replicated)
            + i128::from(self.taken_over);
        let went = i128::from(self.tx)
            + i128::from(self.dropped_total())
            + i128::from(self.punted_total())
            + i128::from(self.consumed)
            + i128::from(self.held)
            + i128::from(self.handed_off);
        let imbalance = came - went;
        self.imbalance =
            i64::try_from(imbalance).unwrap_or(if imbalance < 0 { i64::MIN } else { i64::MAX });
        self.balanced = imbalance == 0;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation() {
        let books = Accounting {
            rx: 10,
            injected: 2,
            originated: 1,
            replicated: 3,
            tx: 9,
            dropped: BTreeMap::from([("no_route".into(), 2), ("hop_limit".into(), 1)]),
            punted: BTreeMap::from([("nd".into(), 2)]),
            consumed: 1,
            held: 1,
            ..Accounting::default()
        }
        .balance();
        assert!(books.balanced && books.imbalance == 0, "{books:?}");

        let lost = Accounting {
            tx: 8,
            ..books.clone()
        }
        .balance();
        assert!(!lost.balanced && lost.imbalance == 1, "{lost:?}");
        let twice = Accounting { tx: 11, ..books }.balance();
        assert!(!twice.balanced && twice.imbalance == -2, "{twice:?}");
    }
}
