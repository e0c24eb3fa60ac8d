//! Which editions of which files a set of plugins was read of, so that a look tells whether there is anything new.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files with what they looked like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(Vec<(PathBuf, Option<Look>)>);

/// What changes with a file's content: kubelet puts another inode behind the same path, an editor writes the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    inode: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Seen {
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    pub(super) fn of(path: &Path) -> Self {
        let mut seen = Self::default();
        seen.add(path);
        seen
    }

    /// Links are followed; a file that is not there is one more edition.
    pub(super) fn add(&mut self, path: &Path) {
        self.0.push((path.to_owned(), look(path)));
    }

    /// The same files as they are now.
    pub(super) fn again(&self) -> Self {
        let now = |(path, _): &(PathBuf, Option<Look>)| (path.clone(), look(path));
        Self(self.0.iter().map(now).collect())
    }

    /// Whether nothing has changed since.
    pub(super) fn is_current(&self) -> bool {
        self.again() == *self
    }
}

fn look(path: &Path) -> Option<Look> {
    std::fs::metadata(path).ok().map(|found| Look::from(&found))
}

impl From<&Metadata> for Look {
    fn from(found: &Metadata) -> Self {
        Self {
            inode: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}
