//! The UNIX socket: bound without racing a live server or tripping over a dead one's file.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{Appliance, router};
use crate::bounded::Bounded;

/// Connections served at once; traces and captures hold theirs for as long as they run.
const CONNECTIONS: usize = 256;

/// Who may connect: owner and group.
const MODE: u32 = 0o660;

/// Why the socket could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another server answers on it.
    #[error("{}: another hextetd listens here; stop it, or choose another socket", .0.display())]
    InUse(PathBuf),
    /// There is a file that is not ours to replace.
    #[error("{}: there is a file that is no socket; remove it, or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("{}: cannot {doing}", .path.display())]
    Io {
        /// The path it was about.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A bound socket; its file is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

impl Socket {
    /// Binds `path`, creates its directory if need be, and replaces the socket file that a crashed server left. Must
    /// be called within a Tokio runtime.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        let fail = |doing| {
            move |source| BindError::Io {
                path: path.to_owned(),
                doing,
                source,
            }
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail("create its directory"))?;
        }
        match fs::symlink_metadata(path) {
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(BindError::NotASocket(path.to_owned()));
            }
            Ok(_) => match UnixStream::connect(path).await {
                // A full backlog is a sign of life, too.
                Ok(_) => return Err(BindError::InUse(path.to_owned())),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    return Err(BindError::InUse(path.to_owned()));
                }
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(fail("tell whether another server listens on it")(e)),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(fail("look at it")(e)),
        }
        // Bound under another name and renamed when its mode is right: nobody connects in between, and a stale file
        // is replaced in one step.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = PathBuf::from(fresh);
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail("replace it")(e)),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh).map_err(fail("listen on it"))?;
        let mut file = SocketFile::of(&fresh).map_err(fail("look at it"))?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE))
            .map_err(fail("set its mode"))?;
        fs::rename(&fresh, path).map_err(fail("replace it"))?;
        file.path = path.to_owned();
        Ok(Self { listener, file })
    }

    /// Serves the API until `stop`, to a bounded number of clients at once, then lets requests under way finish and removes the file.
    pub async fn serve<A: Appliance>(
        self,
        appliance: Arc<A>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let Self { listener, file } = self;
        let served = axum::serve(
            Bounded::new(listener, CONNECTIONS),
            router(appliance, stop.clone()),
        )
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
        drop(file);
        served
    }
}

/// A socket's file, known by inode: a successor's under the same name is left alone.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device: meta.dev(),
            inode: meta.ino(),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == (self.device, self.inode));
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the API's socket");
        }
    }
}
