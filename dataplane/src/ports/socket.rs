//! Paths of UNIX sockets and files, checked before DPDK meets them.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::Fault;

/// The kernel's room for a socket path, without the final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// DPDK splits the options of a device at commas and knows no escape.
pub(super) fn check_comma(path: &Path) -> Result<(), Fault> {
    let value = path.to_string_lossy();
    match value.contains(',') {
        true => Err(Fault::Comma {
            value: value.into_owned(),
        }),
        false => Ok(()),
    }
}

/// The directory is there.
pub(super) fn check_directory(path: &Path) -> Result<(), Fault> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    };
    match parent.is_dir() {
        true => Ok(()),
        false => Err(Fault::NoDirectory {
            path: path.to_owned(),
        }),
    }
}

/// The path can be a socket's.
pub(super) fn check_path(path: &Path) -> Result<(), Fault> {
    check_comma(path)?;
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(Fault::PathTooLong {
            path: path.to_owned(),
        });
    }
    check_directory(path)
}

/// Nobody listens there; a socket that a crash left behind is removed.
pub(super) fn clear_to_listen(path: &Path) -> Result<(), Fault> {
    check_path(path)?;
    let in_use = || Fault::SocketInUse {
        path: path.to_owned(),
    };
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(in_use()); // some other file: not ours to remove
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|source| Fault::File {
                path: path.to_owned(),
                source,
            }),
        _ => Err(in_use()),
    }
}

/// Somebody has made the socket.
pub(super) fn check_listening(path: &Path) -> Result<(), Fault> {
    check_path(path)?;
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::NobodyListens {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_of_a_dead_process_is_removed_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        assert!(clear_to_listen(&path).is_ok(), "nothing there");
        let listener = UnixListener::bind(&path).unwrap();
        assert!(matches!(
            clear_to_listen(&path),
            Err(Fault::SocketInUse { .. })
        ));
        assert!(check_listening(&path).is_ok());
        drop(listener);
        assert!(clear_to_listen(&path).is_ok());
        assert!(!path.exists());
        assert!(matches!(
            check_listening(&path),
            Err(Fault::NobodyListens { .. })
        ));
        fs::write(&path, "precious").unwrap();
        assert!(matches!(
            clear_to_listen(&path),
            Err(Fault::SocketInUse { .. })
        ));
        assert!(path.exists(), "a file is never removed");
    }

    #[test]
    fn paths_that_dpdk_or_the_kernel_cannot_take_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("no/s");
        assert!(matches!(
            check_path(&missing),
            Err(Fault::NoDirectory { .. })
        ));
        assert!(matches!(
            check_path(Path::new("/tmp/a,b")),
            Err(Fault::Comma { .. })
        ));
        let long = directory.path().join("x".repeat(108));
        assert!(matches!(check_path(&long), Err(Fault::PathTooLong { .. })));
    }
}
