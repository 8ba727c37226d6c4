//! The log: to standard error, filtered as the configuration says, and as a reload says anew.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Lines that wait to be written at most; those beyond are lost. Whoever logs waits for nobody: a slow journal or disk must not keep an
/// advertisement from being sent.
const WAITING: usize = 16_384;

/// What writes the lines, until [`finish`].
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
/// The filter in use; there is one log in a process.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why the log is not as wanted.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not in the words of `EnvFilter`.
    #[error("`{0}` is no log filter")]
    Filter(String, #[source] ParseError),
    /// Somebody else has the process's log.
    #[error("the log has been set up already")]
    Twice(#[source] TryInitError),
    /// The log has gone.
    #[error("the log filter cannot be replaced")]
    Replace(#[from] reload::Error),
}

/// Reads a filter, such as `info,control::engine=debug`.
///
/// # Errors
/// When it is none.
pub fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|error| LogError::Filter(filter.into(), error))
}

/// Starts the log.
///
/// # Errors
/// When the filter is none, or the log has been started.
pub fn init(filter: &str) -> Result<(), LogError> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name("hextet-log")
        .finish(std::io::stderr());
    let format = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer);
    let log = tracing_subscriber::registry().with(filter).with(format);
    log.try_init().map_err(LogError::Twice)?;
    let _ = FILTER.set(handle);
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
    Ok(())
}

/// Writes what waits: before the process ends.
pub fn finish() {
    let guard = WRITER.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(guard);
}

/// Replaces the filter of a log that has been started.
///
/// # Errors
/// When the filter is none.
pub fn set(filter: &str) -> Result<(), LogError> {
    let filter = parse(filter)?;
    if let Some(handle) = FILTER.get() {
        handle.reload(filter)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_replaced_while_the_log_runs() {
        init("error").unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));
        set("info,control::log=debug").unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(set("a=b=c"), Err(LogError::Filter(..))));
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        set("off").unwrap();
        assert!(!tracing::enabled!(tracing::Level::ERROR));
        assert!(matches!(init("info"), Err(LogError::Twice(_))));
    }
}
