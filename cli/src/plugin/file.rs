//! A component's file: its bytes, its name, its digest.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use podgate_plugin_host::MAX_COMPONENT;

/// A file that may be a component.
pub(super) struct ComponentFile {
    pub(super) path: PathBuf,
    pub(super) bytes: Bytes,
}

// === impl ComponentFile ===

impl ComponentFile {
    /// Reads no more than one byte beyond what the host takes: enough for it to say that it is too long.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = bounded(path, MAX_COMPONENT as u64 + 1)?;
        Ok(Self {
            path: path.to_owned(),
            bytes: bytes.into(),
        })
    }

    /// What a plugins file would call it: the file's name without its end, as names may be.
    pub(super) fn plugin_name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let name: String = stem
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .map(|c| if c == '_' { '-' } else { c })
            .take(63)
            .collect();
        match name.is_empty() {
            true => "plugin".to_owned(),
            false => name,
        }
    }

    /// As `sha256sum` writes it.
    pub(super) fn sha256(&self) -> String {
        let digest = digest(&SHA256, &self.bytes);
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// A file's text of at most `limit` bytes.
pub(super) fn text(path: &Path, limit: u64) -> anyhow::Result<String> {
    let bytes = bounded(path, limit + 1)?;
    ensure!(
        bytes.len() as u64 <= limit,
        "reading {}: it is longer than {limit} bytes",
        path.display()
    );
    String::from_utf8(bytes).with_context(|| format!("reading {}: it is no text", path.display()))
}

fn bounded(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_after_its_file_as_a_plugins_file_allows() {
        let name = |path: &str| {
            let path = path.into();
            let bytes = Bytes::new();
            ComponentFile { path, bytes }.plugin_name()
        };
        assert_eq!(name("target/release/office_hours.wasm"), "office-hours");
        assert_eq!(name("a b/ä.wasm"), "-");
        assert_eq!(name(&"x".repeat(100)).len(), 63);
        assert_eq!(name(""), "plugin");
    }

    #[test]
    fn a_text_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.yaml");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(text(&path, 5).unwrap(), "12345");
        let error = text(&path, 4).unwrap_err().to_string();
        assert!(error.contains("longer than 4 bytes"), "{error}");
    }
}
