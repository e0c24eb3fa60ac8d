//! Which control planes and clusters run on this machine. Each has a folder with a file that its owner keeps locked
//! while it lives: a process number alone could be another's by now, and anybody may write one down.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::run;

/// The folders of a control plane alone, and of one with nodes.
const PREFIXES: [&str; 2] = ["podgate-control-plane-", "podgate-cluster."];
/// A cluster with nine nodes ends within five seconds.
const END: Duration = Duration::from_secs(30);

/// One that lives.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) folder: PathBuf,
    owner: u32,
    /// By `cluster up`; the others are those of tests that run now.
    pub(super) by_hand: bool,
}

/// Those of this user, by folder.
pub(super) fn all() -> Result<Vec<Running>> {
    within(&std::env::temp_dir())
}

fn within(folder: &Path) -> Result<Vec<Running>> {
    let entries = fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))?;
    let mut running: Vec<Running> = entries
        .flatten()
        .filter(|entry| is_named_so(&entry.file_name().to_string_lossy()))
        .filter_map(|entry| Running::find(entry.path()))
        .collect();
    running.sort_by(|one, other| one.folder.cmp(&other.folder));
    Ok(running)
}

fn is_named_so(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Running {
    fn find(folder: PathBuf) -> Option<Self> {
        let file = folder.join("owner");
        let lives = is_mine(&folder) && is_locked(&file);
        let owner = fs::read_to_string(file).ok()?.trim().parse().ok()?;
        let by_hand = folder.join("by-hand").exists();
        lives.then_some(Self {
            folder,
            owner,
            by_hand,
        })
    }

    /// Asks its owner to take away what it made, and waits until it has.
    pub(super) fn end(&self) -> Result<()> {
        println!("ending {}", self.folder.display());
        run(Command::new("kill").arg(self.owner.to_string()))?;
        let start = Instant::now();
        while self.folder.exists() {
            ensure!(
                start.elapsed() < END,
                "{} is still there; process {} does not end",
                self.folder.display(),
                self.owner
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// Everybody may write into the folder for temporary files.
#[cfg(unix)]
fn is_mine(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let user = fs::metadata("/proc/self").map(|process| process.uid());
    let found = fs::symlink_metadata(folder);
    matches!((user, found), (Ok(user), Ok(found)) if found.is_dir() && found.uid() == user)
}

/// Control planes run on Linux only.
#[cfg(not(unix))]
fn is_mine(_: &Path) -> bool {
    false
}

fn is_locked(file: &Path) -> bool {
    File::open(file).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for temporary files with one control plane in it, whose owner is said to be `owner`.
    fn folder(name: &str, owner: &str) -> (PathBuf, File) {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        let plane = folder.join("podgate-control-plane-test");
        fs::create_dir_all(&plane).unwrap();
        fs::write(plane.join("owner"), owner).unwrap();
        (folder, File::open(plane.join("owner")).unwrap())
    }

    #[test]
    fn an_owner_that_holds_no_lock_is_none_whatever_runs_under_its_number() {
        let (folder, _unlocked) = folder("xtask-dead", &std::process::id().to_string());
        assert!(within(&folder).unwrap().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_living_owner_is_found_and_told_from_one_of_a_test() {
        let (folder, lock) = folder("xtask-alive", "4711\n");
        lock.try_lock().unwrap();
        let [found] = &within(&folder).unwrap()[..] else {
            panic!("not found");
        };
        assert_eq!((found.owner, found.by_hand), (4711, false));
        fs::write(found.folder.join("by-hand"), "").unwrap();
        assert!(within(&folder).unwrap()[0].by_hand);
        fs::remove_dir_all(folder).unwrap();
    }
}
