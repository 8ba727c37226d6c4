//! The rooms' tasks: *who runs the machines?* Each machine of `protocols` has one thin task here; what they share is
//! the supervisor, which starts a room that failed again.

pub mod binding;
pub mod dhcp4;
pub mod dhcp6;
pub mod dhcp6_client;
pub mod fdb;
pub mod lease;
pub mod liveness;
pub mod mld;
pub mod nd;
pub mod pair;
pub mod punt;
pub mod ra;
pub mod reassembly;
pub mod relay4;
pub mod relay6;
pub mod savi;

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tracing::error;

/// Runs a room until `stop`; a room that panics is started again by `room`, after `restarted` has told the engine
/// to configure it anew.
pub async fn supervise<F>(
    name: &'static str,
    stop: CancellationToken,
    mut room: impl FnMut() -> F,
    mut restarted: impl FnMut(),
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut running = tokio::spawn(room());
        tokio::select! {
            () = stop.cancelled() => {
                running.abort();
                return;
            }
            ended = &mut running => match ended {
                Ok(()) => return,
                Err(failure) => {
                    error!(room = name, %failure, "room failed and is started again");
                    restarted();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_room_that_panics_is_started_again() {
        let starts = Arc::new(AtomicU32::new(0));
        let told = Arc::new(AtomicU32::new(0));
        let (s, t) = (starts.clone(), told.clone());
        let room = move || {
            let nth = s.fetch_add(1, Ordering::SeqCst);
            async move { assert!(1 <= nth, "the first start fails") }
        };
        supervise("test", CancellationToken::new(), room, move || {
            t.fetch_add(1, Ordering::SeqCst);
        })
        .await;
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
