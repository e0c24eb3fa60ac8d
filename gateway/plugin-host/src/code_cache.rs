//! Compiled code on disk, so that a restart costs microseconds where a compilation costs seconds.
//!
//! Loading compiled code is as good as running it with the gateway's rights. So it is read only from a folder
//! that nobody else can write to, from files that this user wrote, and only where the digest in the file
//! says that it is whole and belongs to this component. Anything else counts as absent.

use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use tempfile::NamedTempFile;
use wasmtime::Engine;

use crate::HostError;

/// First bytes of a file; the number changes with the format.
const MAGIC: &[u8; 16] = b"podgate code 1\r\n";
const DIGEST: usize = 32;
const HEADER: usize = MAGIC.len() + 2 * DIGEST;
/// Longest file that is read: CPython with a plugin compiles to 35 MB.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// Files that are kept, the newest first: some generations of a node's handful of plugins.
const MAX_FILES: usize = 64;
const EXTENSION: &str = "cwasm";

/// SHA-256 of a component.
pub(crate) type Digest = [u8; DIGEST];

/// A folder of compiled code for one engine.
pub(crate) struct CodeCache {
    folder: PathBuf,
    user: u32,
    /// Different for each version and configuration of the engine, and for each kind of processor.
    engine: String,
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; DIGEST];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

// === impl CodeCache ===

impl CodeCache {
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, HostError> {
        let failed = |cause: String| HostError::CodeCache {
            path: folder.to_owned(),
            cause,
        };
        let user = rustix::process::geteuid().as_raw();
        create(folder).map_err(|error| failed(format!("creating it: {error}")))?;
        let found = fs::symlink_metadata(folder).map_err(|error| failed(error.to_string()))?;
        check_folder(&found, user).map_err(failed)?;
        Ok(Self {
            folder: folder.to_owned(),
            user,
            engine: engine_key(engine),
        })
    }

    /// The code of a component, where it is there and whole.
    pub(crate) fn read(&self, component: &Digest) -> Option<Vec<u8>> {
        let path = self.path(component);
        match self.read_checked(&path, component) {
            Ok(code) => Some(code),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled code is not used and is made anew");
                None
            }
        }
    }

    /// Keeps the code of a component. Without a place for it the next start compiles again: no error.
    pub(crate) fn write(&self, component: &Digest, code: &[u8]) {
        let path = self.path(component);
        if let Err(error) = self.replace(&path, component, code) {
            tracing::warn!(path = %path.display(), %error, "compiled code could not be kept");
        }
        self.prune();
    }

    fn read_checked(&self, path: &Path, component: &Digest) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        // Of the open file, so that what was checked is what is read.
        check_file(&file.metadata()?, self.user)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file)
            .take(MAX_FILE)
            .read_to_end(&mut bytes)?;
        unwrap(bytes, component)
    }

    fn replace(&self, path: &Path, component: &Digest, code: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(component)?;
        file.write_all(&sha256(code))?;
        file.write_all(code)?;
        file.persist(path)?;
        Ok(())
    }

    fn prune(&self) {
        let mut files = self.files().unwrap_or_default();
        files.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
        for (_, path) in files.iter().skip(MAX_FILES) {
            // A file that cannot be removed costs room on the disk, nothing else.
            let _ = fs::remove_file(path);
        }
    }

    fn files(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry
                .path()
                .extension()
                .is_some_and(|found| found == EXTENSION)
            {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        Ok(files)
    }

    fn path(&self, component: &Digest) -> PathBuf {
        let component: String = component.iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder
            .join(format!("{component}-{}.{EXTENSION}", self.engine))
    }
}

fn create(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn check_folder(found: &Metadata, user: u32) -> Result<(), String> {
    let mode = found.mode() & 0o7777;
    match () {
        () if !found.is_dir() => Err("it is no folder of its own (a link?)".into()),
        () if found.uid() != user => Err(format!("it belongs to user {}, not {user}", found.uid())),
        () if mode & 0o077 != 0 => Err(format!("its mode is {mode:o}, so others can reach it")),
        () => Ok(()),
    }
}

fn check_file(found: &Metadata, user: u32) -> io::Result<()> {
    let cause = match () {
        () if !found.is_file() => "it is no file",
        () if found.uid() != user => "another user wrote it",
        () if found.mode() & 0o022 != 0 => "others may write to it",
        () if found.len() > MAX_FILE => "it is too long",
        () => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, cause))
}

/// The code inside a file's bytes, where the header fits it.
fn unwrap(mut bytes: Vec<u8>, component: &Digest) -> io::Result<Vec<u8>> {
    let damaged = |cause| io::Error::new(io::ErrorKind::InvalidData, cause);
    let (header, code) = bytes
        .split_at_checked(HEADER)
        .ok_or(damaged("it is too short"))?;
    let (magic, digests) = header.split_at(MAGIC.len());
    let (of_component, of_code) = digests.split_at(DIGEST);
    match () {
        () if magic != MAGIC => Err(damaged("it has another format")),
        () if of_component != component => Err(damaged("it is another component's")),
        () if of_code != sha256(code) => Err(damaged("it is damaged")),
        () => Ok(bytes.split_off(HEADER)),
    }
}

fn engine_key(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests;
