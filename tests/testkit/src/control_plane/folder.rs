//! The folder of a control plane. Its owner holds a lock in it, which the kernel takes back when the owner is
//! killed: that is how the next one knows what it may take away.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "podgate-control-plane-";
/// Locked by the owner, whose process number it holds.
const OWNER: &str = "owner";

pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A new one; those of killed owners are gone afterwards.
    pub(super) fn new() -> Result<Self> {
        sweep();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        let lock = lock(folder.path()).context("locking the folder of a control plane")?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The file has its name only once it is locked: nobody can find it unlocked while its owner lives.
fn lock(folder: &Path) -> Result<File> {
    let unnamed = folder.join("owner.new");
    let mut file = File::create(&unnamed)?;
    file.try_lock()?;
    write!(file, "{}", std::process::id())?;
    fs::rename(&unnamed, folder.join(OWNER))?;
    Ok(file)
}

/// What cannot be taken away is left to the next one.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir()).into_iter().flatten();
    for entry in entries.flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if ours && is_abandoned(&entry.path()).unwrap_or(false) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Others may put anything into the folder for temporary files: only what this user made counts.
fn is_abandoned(folder: &Path) -> Result<bool> {
    let found = fs::symlink_metadata(folder)?;
    let mine = found.uid() == fs::metadata("/proc/self")?.uid();
    Ok(found.is_dir() && mine && File::open(folder.join(OWNER))?.try_lock().is_ok())
}
