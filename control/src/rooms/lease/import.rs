//! An import of leases into both DHCP servers: one transaction, or nothing.
//!
//! ```text
//!   import ──► dhcp6: drain, put ──► writes ─┐
//!     └──────► dhcp4: drain, put ──► writes ─┴─► one commit ──► both: carry out, or take back
//! ```
//!
//! From its writes to the verdict a room does nothing else, so that nobody is told of what may be taken back. Rooms are asked in
//! one order, so that two imports never wait for each other. When the one who imports goes away, nothing was imported, unless
//! the commit was under way: that is waited for by a task of its own ([`import`] is to be spawned).

use std::sync::Arc;

use tokio::sync::oneshot;

use super::commit;
use crate::bus::{Bus, Dhcp4Message, Dhcp6Message};
use lease::{Conflict, Disk, ImportRefused, Imported, Kind, Lease, Write};

/// Why nothing was imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// A server has not loaded its leases.
    #[error("the leases are not loaded yet")]
    NotLoaded,
    /// Some leases contradict what there is.
    #[error("{} of the leases cannot be imported", .0.len())]
    Conflicts(Vec<Conflict>),
    /// They could not be stored.
    #[error("they could not be stored: {0}")]
    NotStored(String),
    /// A server does not answer.
    #[error("the DHCP server does not answer")]
    Stopping,
}

/// One server's part, as its room gets it.
#[derive(Debug)]
pub struct Import {
    /// The leases.
    pub leases: Vec<Lease>,
    /// Where the room's side of the conversation begins.
    pub part: Part,
}

/// The room's side.
#[derive(Debug)]
pub struct Part {
    ready: oneshot::Sender<Result<Ready, ImportRefused>>,
    verdict: oneshot::Receiver<Verdict>,
    /// Dropped when the room has carried out the verdict.
    done: oneshot::Sender<()>,
}

/// What a server has put, and is to be stored.
#[derive(Debug)]
struct Ready {
    imported: Imported,
    writes: Vec<Write>,
}

/// What became of the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rooms) enum Verdict {
    /// They are on disk.
    Stored,
    /// They are not, and why.
    NotStored(String),
    /// They are not, for the other server refuses its own.
    Withdrawn,
}

impl Part {
    /// Hands over what the machine put, or why it did not, and waits for the verdict. The second value is to be kept until that
    /// is carried out: the importer waits until it is dropped.
    pub(in crate::rooms) async fn offer(
        self,
        said: Result<Imported, ImportRefused>,
        writes: Vec<Write>,
    ) -> (Verdict, oneshot::Sender<()>) {
        let ready = said.map(|imported| Ready { imported, writes });
        let is_refused = ready.is_err();
        let _ = self.ready.send(ready);
        let verdict = match is_refused {
            // There is nothing to wait for.
            true => Verdict::Withdrawn,
            false => self.verdict.await.unwrap_or(Verdict::Withdrawn),
        };
        (verdict, self.done)
    }
}

/// The importer's side of one server's part.
struct Server {
    /// Where each of its leases stands in the whole import.
    indices: Vec<usize>,
    answer: Result<Ready, ImportRefused>,
    verdict: oneshot::Sender<Verdict>,
    done: oneshot::Receiver<()>,
}

impl Server {
    /// Has a server put its leases. Nothing, when none is its own.
    async fn begin(
        leases: Vec<(usize, Lease)>,
        send: impl FnOnce(Box<Import>),
    ) -> Result<Option<Self>, ImportError> {
        if leases.is_empty() {
            return Ok(None);
        }
        let (indices, leases) = leases.into_iter().unzip();
        let (ready, answer) = oneshot::channel();
        let (verdict, told) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let part = Part {
            ready,
            verdict: told,
            done,
        };
        send(Box::new(Import { leases, part }));
        let answer = answer.await.map_err(|_| ImportError::Stopping)?;
        Ok(Some(Self {
            indices,
            answer,
            verdict,
            done: is_done,
        }))
    }
}

/// Imports leases of both servers, all or none; when this returns they are on disk, and routes to prefixes are under way.
///
/// # Errors
/// When any of them cannot be, or cannot be stored; nothing was changed then. All conflicts are told, in the order of the leases.
pub async fn import(
    bus: Bus,
    disk: Option<Arc<Disk>>,
    leases: Vec<Lease>,
) -> Result<Imported, ImportError> {
    let is_4 = |(_, lease): &(usize, Lease)| lease.holder.kind == Kind::V4;
    let (of_4, of_6): (Vec<_>, Vec<_>) = leases.into_iter().enumerate().partition(is_4);
    let to_6 = |import| bus.dhcp6(Dhcp6Message::Import(import));
    let to_4 = |import| bus.dhcp4(Dhcp4Message::Import(import));
    let servers = [
        Server::begin(of_6, to_6).await?,
        Server::begin(of_4, to_4).await?,
    ];
    let mut imported = Imported::default();
    let (mut writes, mut conflicts, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for server in servers.into_iter().flatten() {
        match server.answer {
            Ok(ready) => {
                imported.added += ready.imported.added;
                imported.replaced += ready.imported.replaced;
                imported.unchanged += ready.imported.unchanged;
                writes.extend(ready.writes);
                waiting.push((server.verdict, server.done));
            }
            Err(ImportRefused::NotLoaded) => return Err(ImportError::NotLoaded),
            Err(ImportRefused::Conflicts(of_server)) => {
                conflicts.extend(of_server.into_iter().map(|conflict| Conflict {
                    index: server.indices[conflict.index],
                    ..conflict
                }));
            }
        }
    }
    if !conflicts.is_empty() {
        // The other server hears of it when its verdict is dropped here.
        conflicts.sort_by_key(|conflict| conflict.index);
        return Err(ImportError::Conflicts(conflicts));
    }
    let stored = match writes.is_empty() {
        true => Ok(()),
        false => commit(disk, writes).await.1,
    };
    let verdict = match &stored {
        Ok(()) => Verdict::Stored,
        Err(why) => Verdict::NotStored(why.clone()),
    };
    for (tell, done) in waiting {
        let _ = tell.send(verdict.clone());
        let _ = done.await;
    }
    stored.map(|()| imported).map_err(ImportError::NotStored)
}

#[cfg(test)]
mod tests;
