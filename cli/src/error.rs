//! What can go wrong, in words that say what to do, and as exit codes.

use std::io;
use std::path::PathBuf;

use api::ErrorBody;

/// Exit code: the command line makes no sense.
pub(crate) const USAGE: u8 = 1;
/// Exit code: nobody answers on the socket.
const UNREACHABLE: u8 = 2;
/// Exit code: `hextetd` refused the request, or a file has faults.
const REFUSED: u8 = 3;
/// Exit code: the conversation broke off, or a file could not be read or written.
const BROKEN: u8 = 4;

/// Why `hextetctl` did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line makes no sense.
    #[error("{0}\nTry `hextetctl --help`.")]
    Usage(String),
    /// Nobody answers.
    #[error("cannot reach hextetd at {}: {}", .socket.display(), unreachable_hint(.source))]
    Unreachable {
        /// The socket tried.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `hextetd` refused.
    #[error("{}", refusal(.0))]
    Refused(ErrorBody),
    /// A file has faults.
    #[error("{what} has {count} fault{s}; nothing was changed", s = if *.count == 1 { "" } else { "s" })]
    Faults {
        /// Which.
        what: String,
        /// How many were told.
        count: usize,
    },
    /// The conversation broke off.
    #[error("the connection to hextetd broke: {0}")]
    Connection(#[from] hyper::Error),
    /// The answer is not what the API says.
    #[error("cannot read the answer of {path}; is hextetd of another version? {detail}")]
    Answer {
        /// What was asked for.
        path: String,
        /// What is odd about the answer.
        detail: String,
    },
    /// A file could not be read.
    #[error("cannot read {file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The terminal could not be written to.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// The exit code that tells it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unreachable { .. } => UNREACHABLE,
            Self::Refused(_) | Self::Faults { .. } => REFUSED,
            Self::Connection(_)
            | Self::Answer { .. }
            | Self::Unreadable { .. }
            | Self::File { .. }
            | Self::Output(_) => BROKEN,
        }
    }
}

fn unreachable_hint(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => {
            "there is no such socket. Is hextetd running? (`systemctl status hextetd`; --socket or \
             HEXTET_SOCKET name another)"
                .to_owned()
        }
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there. Has hextetd stopped? (`systemctl status hextetd`)".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied. Run it as root, or as a member of the socket's group".to_owned()
        }
        _ => source.to_string(),
    }
}

fn refusal(body: &ErrorBody) -> String {
    match &body.field {
        Some(field) => format!("{field}: {}", body.detail),
        None => body.detail.clone(),
    }
}
