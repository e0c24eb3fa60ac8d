//! Files of a layer, and the archive they become: the same files give the same bytes.

use std::collections::BTreeMap;

use anyhow::Result;
use tar::{Builder, EntryType, Header};

/// Files by their absolute paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree(BTreeMap<String, Node>);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Folder,
    File { bytes: Vec<u8>, mode: u32 },
    Link(String),
}

const FOLDER_MODE: u32 = 0o755;
const LINK_MODE: u32 = 0o777;

impl Tree {
    /// Adds a file, and the folders above it.
    pub(crate) fn file(&mut self, path: &str, bytes: Vec<u8>, mode: u32) {
        self.insert(path, Node::File { bytes, mode });
    }

    /// Adds a link, and the folders above it.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.insert(path, Node::Link(to.to_owned()));
    }

    /// Adds an empty folder, and those above it.
    pub(crate) fn folder(&mut self, path: &str) {
        self.insert(path, Node::Folder);
    }

    /// Drops what the other one has too, folders aside.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        self.0
            .retain(|path, node| *node == Node::Folder || !other.0.contains_key(path));
        self
    }

    /// Its files with their contents; no folders, no links.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(path, node)| match node {
            Node::File { bytes, .. } => Some((path.as_str(), bytes.as_slice())),
            Node::Folder | Node::Link(_) => None,
        })
    }

    fn insert(&mut self, path: &str, node: Node) {
        for (end, _) in path.match_indices('/').skip(1) {
            self.0.entry(path[..end].to_owned()).or_insert(Node::Folder);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// The archive.
    pub(crate) fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Builder::new(Vec::new());
        for (path, node) in &self.0 {
            let name = path.trim_start_matches('/');
            match node {
                Node::Folder => {
                    let mut header = header(EntryType::Directory, FOLDER_MODE, 0);
                    archive.append_data(&mut header, format!("{name}/"), &[][..])?;
                }
                Node::File { bytes, mode } => {
                    let mut header = header(EntryType::Regular, *mode, bytes.len() as u64);
                    archive.append_data(&mut header, name, bytes.as_slice())?;
                }
                Node::Link(to) => {
                    let mut header = header(EntryType::Symlink, LINK_MODE, 0);
                    archive.append_link(&mut header, name, to)?;
                }
            }
        }
        Ok(archive.into_inner()?)
    }
}

/// Root's, and of no time: the machine and the moment leave no trace.
fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mk_entries(archive: &[u8]) -> Vec<(String, u32, u64, u64)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (
                path,
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.mtime().unwrap(),
            )
        });
        entries.collect()
    }

    #[test]
    fn folders_above_a_file_come_before_it_and_everything_is_roots_and_of_no_time() {
        let mut tree = Tree::default();
        tree.link("/usr/bin/b", "a");
        tree.file("/usr/bin/a", vec![1], 0o755);
        let entries = mk_entries(&tree.archive().unwrap());
        let paths: Vec<_> = entries.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(paths, ["usr/", "usr/bin/", "usr/bin/a", "usr/bin/b"]);
        assert!(
            entries
                .iter()
                .all(|(_, _, owner, time)| (*owner, *time) == (0, 0))
        );
    }

    #[test]
    fn the_order_of_adding_leaves_no_trace() {
        let (mut one, mut other) = (Tree::default(), Tree::default());
        one.file("/a/x", vec![1], 0o644);
        one.file("/b/y", vec![2], 0o755);
        other.file("/b/y", vec![2], 0o755);
        other.file("/a/x", vec![1], 0o644);
        assert_eq!(one.archive().unwrap(), other.archive().unwrap());
    }

    #[test]
    fn a_layer_does_not_repeat_the_files_below_it() {
        let (mut below, mut above) = (Tree::default(), Tree::default());
        below.file("/lib/libc", vec![1], 0o755);
        above.file("/lib/libc", vec![1], 0o755);
        above.file("/lib/libnft", vec![2], 0o755);
        let left: Vec<String> = above
            .without(&below)
            .files()
            .map(|(path, _)| path.to_owned())
            .collect();
        assert_eq!(left, ["/lib/libnft"]);
    }

    #[test]
    fn a_path_longer_than_a_tar_header_survives() {
        let path = format!("/{}/file", "long".repeat(40));
        let mut tree = Tree::default();
        tree.file(&path, vec![1], 0o644);
        let entries = mk_entries(&tree.archive().unwrap());
        assert_eq!(format!("/{}", entries.last().unwrap().0), path);
    }
}
