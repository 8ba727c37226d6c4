//! Why an operation on a port failed.

use crate::errno::Errno;

/// An operation on a port failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// No driver offers a port of that name.
    #[error("there is no port named {0:?}")]
    NotFound(String),
    /// Another [`Port`](crate::Port) holds it.
    #[error("port {0:?} is already open")]
    InUse(String),
    /// More queues than the device has.
    #[error("port {port:?} has at most {max} {direction} queues, {wanted} are asked for")]
    TooManyQueues {
        /// The port.
        port: String,
        /// `receive` or `transmit`.
        direction: &'static str,
        /// Asked for.
        wanted: u16,
        /// The device's limit.
        max: u16,
    },
    /// The queue does not exist, is already taken, or the port is not started.
    #[error("queue {queue} of port {port:?} is not available")]
    QueueUnavailable {
        /// The port.
        port: String,
        /// The queue.
        queue: u16,
    },
    /// Workers still hold queues of the port.
    #[error("{count} queues of port {port:?} are still in use")]
    QueuesInUse {
        /// The port.
        port: String,
        /// How many.
        count: usize,
    },
    /// The driver refused.
    #[error("port {port:?}: cannot {operation}: {errno}")]
    Driver {
        /// The port.
        port: String,
        /// What was tried, as a verb phrase.
        operation: &'static str,
        /// Why not.
        errno: Errno,
    },
}

impl PortError {
    /// Whether the device lacks the operation, as opposed to failing at it.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, PortError::Driver { errno, .. } if errno.is_unsupported())
    }
}
