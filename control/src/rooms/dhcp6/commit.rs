//! What waits for the disk: one transaction is under way, and the next one collects meanwhile.
//!
//! What the machine asks for goes out in order. An action that waits for no write goes at once; one that does waits until all
//! writes before it are on disk. When a transaction fails, so has the one that collects: the machine may have built on it.

use lease::{DiskError, Write};
use protocols::dhcp6::Action;
use tokio::task::JoinHandle;

/// Actions that collect at most before no more packets are taken.
const COLLECTED: usize = 4096;

/// Writes, and the actions that wait for them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) writes: Vec<Write>,
    pub(super) actions: Vec<Action>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.actions.is_empty()
    }
}

/// A transaction that is under way.
type Running = JoinHandle<(Vec<Write>, Result<(), String>)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Commits {
    running: Option<(Running, Vec<Action>)>,
    next: Batch,
}

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Done {
    /// What there was to write is on disk: these may go out.
    Stored { wrote: bool, actions: Vec<Action> },
    /// All of these writes failed, those that had collected since among them.
    Failed { writes: Vec<Write>, why: String },
}

impl Commits {
    /// Sorts what the machine asked for: gives what may be carried out at once, keeps the rest.
    pub(super) fn sort(&mut self, actions: &mut Vec<Action>) -> Vec<Action> {
        let mut at_once = Vec::new();
        for action in actions.drain(..) {
            let waits = match &action {
                Action::Write(write) => {
                    if write.is_durable() {
                        self.next.writes.push(write.clone());
                    }
                    continue;
                }
                Action::Send { after_commit, .. } => *after_commit,
                Action::RouteUp { .. } | Action::RouteDown { .. } | Action::Tell(_) => true,
                Action::Notice(_) => false,
            };
            if waits && !self.is_idle() {
                self.next.actions.push(action);
            } else {
                at_once.push(action);
            }
        }
        at_once
    }

    /// Leaves unsaid what was to be told to the other router of the pair.
    pub(super) fn forget_told(&mut self) {
        let is_else = |action: &Action| !matches!(action, Action::Tell(_));
        self.next.actions.retain(is_else);
        if let Some((_, actions)) = &mut self.running {
            actions.retain(is_else);
        }
    }

    /// Whether nothing is under way and nothing has collected.
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.next.is_empty()
    }

    /// Whether so much has collected that packets had better wait.
    pub(super) fn is_full(&self) -> bool {
        COLLECTED <= self.next.actions.len() + self.next.writes.len()
    }

    /// Begins the next transaction if there is something for it, and none is under way. `commit` blocks.
    pub(super) fn begin(
        &mut self,
        commit: impl FnOnce(&[Write]) -> Result<(), String> + Send + 'static,
    ) {
        if self.running.is_some() || self.next.is_empty() {
            return;
        }
        let Batch { writes, actions } = std::mem::take(&mut self.next);
        let work = move || {
            let done = commit(&writes);
            (writes, done)
        };
        self.running = Some((tokio::task::spawn_blocking(work), actions));
    }

    /// Waits for the transaction that is under way; for ever if there is none. May be dropped and called anew.
    pub(super) async fn done(&mut self) -> Done {
        let Some((running, _)) = &mut self.running else {
            return std::future::pending().await;
        };
        let (mut writes, done) = match running.await {
            Ok(done) => done,
            // A panic in it goes on here; else the process is stopping.
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return std::future::pending().await,
            },
        };
        let actions = self.running.take().map(|(_, actions)| actions);
        match done {
            Ok(()) => Done::Stored {
                wrote: !writes.is_empty(),
                actions: actions.unwrap_or_default(),
            },
            Err(why) => {
                let next = std::mem::take(&mut self.next);
                writes.extend(next.writes);
                Done::Failed { writes, why }
            }
        }
    }
}

/// The writes among some actions, in their order.
pub(super) fn writes(actions: &[Action]) -> Vec<Write> {
    let write = |action: &Action| match action {
        Action::Write(write) => Some(write.clone()),
        _ => None,
    };
    actions.iter().filter_map(write).collect()
}

/// Why a transaction failed, in one line.
pub(super) fn said(error: DiskError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
