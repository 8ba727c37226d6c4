//! Changes of state, told to whoever listens: *how does a room tell without ever waiting?*
//!
//! ```text
//!   rooms, engine ── try_send ──► [1024] ── task ── try_send ──► [256] a listener each ──► /v1/events
//! ```
//!
//! A room offers a record and goes on: no lock, nothing is waited for. What does not fit is counted and told to all as
//! [`Happening::Missed`]; what one listener has no room for is counted and told to that one alone, before the next record that it has
//! room for. Without listeners records end in the task.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use api::{Event, Happening};
use lease::Wall;
use tokio::sync::mpsc;

/// Records that may wait for the task.
const OFFERED: usize = 1024;
/// Records that may wait for a listener.
const WAITING: usize = 256;

/// Where rooms tell; cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    offered: mpsc::Sender<Event>,
    lost: Arc<AtomicU64>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

/// What the task reads.
#[derive(Debug)]
pub struct EventInbox {
    offered: mpsc::Receiver<Event>,
    lost: Arc<AtomicU64>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

/// Who listens.
#[derive(Debug)]
struct Listener {
    to: mpsc::Sender<Event>,
    missed: u64,
    /// Records that it still wants.
    left: u64,
}

impl Events {
    /// Where rooms tell, and what the task reads.
    pub fn new() -> (Self, EventInbox) {
        let (sender, offered) = mpsc::channel(OFFERED);
        let events = Self {
            offered: sender,
            lost: Arc::default(),
            listeners: Arc::default(),
        };
        let inbox = EventInbox {
            offered,
            lost: events.lost.clone(),
            listeners: events.listeners.clone(),
        };
        (events, inbox)
    }

    /// Tells that something has happened now. Never waits.
    pub fn tell(&self, what: Happening) {
        let time = stamp(SystemTime::now());
        if self.offered.try_send(Event { time, what }).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records from now on, at most `count`; a listener that hangs up is forgotten when the next record comes.
    pub fn listen(&self, count: Option<u64>) -> mpsc::Receiver<Event> {
        let (to, records) = mpsc::channel(WAITING);
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.to.is_closed());
        listeners.push(Listener {
            to,
            missed: 0,
            left: count.unwrap_or(u64::MAX),
        });
        records
    }
}

impl EventInbox {
    /// Tells listeners until nobody tells any more.
    pub async fn run(mut self) {
        while let Some(event) = self.offered.recv().await {
            self.tell(event);
        }
    }

    fn tell(&self, event: Event) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain_mut(|listener| {
            listener.missed += lost;
            listener.tell(event.clone())
        });
    }
}

impl Listener {
    /// Whether it wants to hear more.
    fn tell(&mut self, event: Event) -> bool {
        if self.missed != 0 {
            let missed = Event {
                time: event.time.clone(),
                what: Happening::Missed {
                    records: self.missed,
                },
            };
            // One that lost some wants to know before it hears more.
            if self.to.try_send(missed).is_err() {
                self.missed += 1;
                return !self.to.is_closed();
            }
            self.missed = 0;
        }
        match self.to.try_send(event) {
            Ok(()) => self.left -= 1,
            Err(_) => self.missed += 1,
        }
        0 < self.left && !self.to.is_closed()
    }
}

/// RFC 3339 in UTC with milliseconds.
fn stamp(now: SystemTime) -> String {
    let millis = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_millis());
    let seconds = Wall::from(now).to_string();
    format!("{}.{millis:03}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn link(n: usize) -> Happening {
        Happening::Link {
            device: n.to_string(),
            up: true,
        }
    }

    /// Has the task tell all that was offered.
    fn settle(inbox: &mut EventInbox) {
        while let Ok(event) = inbox.offered.try_recv() {
            inbox.tell(event);
        }
    }

    fn heard(records: &mut mpsc::Receiver<Event>) -> Vec<Happening> {
        std::iter::from_fn(|| records.try_recv().ok())
            .map(|event| event.what)
            .collect()
    }

    #[test]
    fn all_hear_the_same_from_when_they_listen() {
        let (events, mut inbox) = Events::new();
        events.tell(link(0));
        settle(&mut inbox);
        let mut first = events.listen(None);
        events.tell(link(1));
        settle(&mut inbox);
        let mut second = events.listen(Some(1));
        events.tell(link(2));
        events.tell(link(3));
        settle(&mut inbox);
        assert_eq!(heard(&mut first), [link(1), link(2), link(3)]);
        assert_eq!(heard(&mut second), [link(2)]);
        assert!(second.is_closed(), "it wanted no more");
        drop(first);
        events.tell(link(4));
        settle(&mut inbox);
        assert!(inbox.listeners.lock().unwrap().is_empty());
    }

    #[test]
    fn a_slow_listener_is_told_how_many_it_has_missed_and_delays_nobody() {
        let (events, mut inbox) = Events::new();
        let (mut slow, mut quick) = (events.listen(None), events.listen(None));
        let mut all = Vec::new();
        for n in 0..WAITING + 10 {
            events.tell(link(n));
            settle(&mut inbox);
            all.extend(heard(&mut quick));
        }
        assert_eq!(all.len(), WAITING + 10);
        assert_eq!(heard(&mut slow).len(), WAITING);
        events.tell(link(999));
        settle(&mut inbox);
        let missed = Happening::Missed { records: 10 };
        assert_eq!(heard(&mut slow), [missed, link(999)]);
        assert_eq!(heard(&mut quick), [link(999)]);
    }

    #[test]
    fn rooms_go_on_when_nobody_reads_and_all_are_told() {
        let (events, mut inbox) = Events::new();
        let mut records = events.listen(None);
        for n in 0..OFFERED + 3 {
            events.tell(link(n));
        }
        let first = inbox.offered.try_recv().unwrap();
        inbox.tell(first);
        assert_eq!(
            heard(&mut records),
            [Happening::Missed { records: 3 }, link(0)]
        );
    }

    #[test]
    fn times_are_of_rfc_3339() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_042);
        assert_eq!(stamp(at), "2027-01-15T08:00:00.042Z");
    }
}
