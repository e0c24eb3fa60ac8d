//! A Unix socket at a path that two gateways may want at the same time: the newer one takes it over, and the one that
//! stays takes it back.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as Knock;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// How often the path is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Only root gets in, which needs no permission.
const ROOT: u32 = 0o660;
/// Everybody gets as far as being asked who they are; the answer to a stranger is a refusal.
const ANYBODY: u32 = 0o666;

/// A listening socket and its path.
pub(crate) struct Socket {
    path: PathBuf,
    others: bool,
    listener: UnixListener,
    /// The file that this listener is, by its number: the path may have become another gateway's.
    file: u64,
}

impl Socket {
    /// Listens at `path`; `others` than root are let in to be asked who they are.
    pub(crate) fn open(path: PathBuf, others: bool) -> io::Result<Self> {
        let (listener, file) = listen(&path, others)?;
        Ok(Self {
            path,
            others,
            listener,
            file,
        })
    }

    /// The next connection, with the user at its other end as the kernel knows it.
    pub(crate) async fn accept(&mut self) -> io::Result<(UnixStream, u32)> {
        loop {
            if let Ok(accepted) = timeout(LOOK, self.listener.accept()).await {
                let (stream, _) = accepted?;
                let uid = stream.peer_cred()?.uid();
                return Ok((stream, uid));
            }
            if self.is_lost() {
                (self.listener, self.file) = listen(&self.path, self.others)?;
                tracing::info!(path = %self.path.display(), "the socket of the host is this gateway's again");
            }
        }
    }

    /// Another gateway had the path and has ended, or somebody removed it.
    fn is_lost(&self) -> bool {
        number(&self.path) != Some(self.file) && Knock::connect(&self.path).is_err()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if number(&self.path) == Some(self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens beside the path and moves the socket there: at no time is there none, and nobody connects to one that has no
/// permissions yet.
fn listen(path: &Path, others: bool) -> io::Result<(UnixListener, u64)> {
    refuse_other_files(path)?;
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    let mode = if others { ANYBODY } else { ROOT };
    fs::set_permissions(&beside, Permissions::from_mode(mode))?;
    fs::rename(&beside, path)?;
    let file = number(path).ok_or(io::ErrorKind::NotFound)?;
    Ok((listener, file))
}

/// A mistyped path must not cost anybody a file.
fn refuse_other_files(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is something at this path that is no socket; name another path",
        )),
        _ => Ok(()),
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path)
        .ok()
        .map(|metadata| metadata.ino())
}
