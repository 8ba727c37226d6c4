//! What the rooms of both DHCP servers share: the leases' store, questions and orders of the API.

pub mod import;
pub mod peer;

use std::sync::Arc;

use lease::{Disk, DiskError, Lease, Write};
use tokio::sync::oneshot;

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// It contradicts what there is.
    #[error("{0}")]
    Refused(String),
    /// It could not be stored.
    #[error("it could not be stored: {0}")]
    NotStored(String),
}

/// An order with where its answer goes.
pub type Order<E> = (E, oneshot::Sender<Result<(), OrderError>>);

/// A question about a machine, answered by what it captured.
pub struct Question<M>(Box<dyn FnOnce(&M) + Send>);

impl<M> Question<M> {
    /// Asks `question`; the answer comes by the receiver, or not at all when the room has ended.
    pub fn new<T: Send + 'static>(
        question: impl FnOnce(&M) -> T + Send + 'static,
    ) -> (Self, oneshot::Receiver<T>) {
        let (reply, answer) = oneshot::channel();
        let ask = move |machine: &M| {
            let _ = reply.send(question(machine));
        };
        (Self(Box::new(ask)), answer)
    }

    /// Has `machine` answer.
    pub fn ask(self, machine: &M) {
        (self.0)(machine);
    }
}

impl<M> std::fmt::Debug for Question<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// Reads the leases of the store that are `wanted`.
pub(super) async fn load(
    disk: Option<Arc<Disk>>,
    wanted: fn(&Lease) -> bool,
) -> Result<Vec<Lease>, DiskError> {
    let Some(disk) = disk else {
        return Ok(Vec::new());
    };
    let read = move || {
        let mut leases = Vec::new();
        disk.load(|lease| {
            if wanted(&lease) {
                leases.push(lease);
            }
        })?;
        Ok(leases)
    };
    blocking(read).await
}

/// Makes the writes durable, all or none. Gives them back; a failure says why.
pub(super) async fn commit(
    disk: Option<Arc<Disk>>,
    writes: Vec<Write>,
) -> (Vec<Write>, Result<(), String>) {
    let Some(disk) = disk else {
        return (writes, Err("the leases' store cannot be used".into()));
    };
    let (writes, done) = blocking(move || {
        let done = disk.commit(&writes);
        (writes, done)
    })
    .await;
    let done = done.map_err(|error| format!("{:#}", anyhow::Error::from(error)));
    (writes, done)
}

/// Runs what blocks where it may. A panic in it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process is stopping.
            Err(_) => std::future::pending().await,
        },
    }
}
