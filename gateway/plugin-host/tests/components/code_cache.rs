//! Compiled code on disk, seen from outside: it is used, and never trusted.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use podgate_plugin_host::{Host, HostConfig, Verdict};

use crate::policy::answering;
use crate::support::{NoNetwork, plugin, question};

fn host(folder: &Path) -> Host {
    Host::new(HostConfig {
        code_cache: Some(folder.to_owned()),
        http: Arc::new(NoNetwork),
    })
    .unwrap()
}

async fn answer(folder: &Path) -> Verdict {
    let loaded = host(folder)
        .policy(plugin(answering(2, "cached")))
        .await
        .unwrap();
    loaded.decide(&question()).await.unwrap()
}

fn only_file(folder: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test]
async fn the_second_start_uses_the_first_ones_code() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("code");
    assert_eq!(answer(&folder).await, Verdict::Deny("cached".into()));
    let inode = fs::metadata(only_file(&folder)).unwrap().ino();
    assert_eq!(answer(&folder).await, Verdict::Deny("cached".into()));
    // A compilation would have put a new file in its place.
    assert_eq!(fs::metadata(only_file(&folder)).unwrap().ino(), inode);
}

#[tokio::test]
async fn a_damaged_file_is_compiled_anew_and_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("code");
    answer(&folder).await;
    let file = only_file(&folder);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x40;
    for content in [damaged, whole[..100].to_vec(), Vec::new()] {
        fs::write(&file, content).unwrap();
        assert_eq!(answer(&folder).await, Verdict::Deny("cached".into()));
        assert_eq!(fs::read(only_file(&folder)).unwrap().len(), whole.len());
    }
}

#[tokio::test]
async fn a_folder_that_others_can_reach_stops_the_host_with_the_cure() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Host::new(HostConfig {
        code_cache: Some(folder.path().to_owned()),
        http: Arc::new(NoNetwork),
    });
    let text = refused.err().unwrap().to_string();
    assert!(
        text.contains("mode is 777") && text.contains("mode 0700"),
        "{text}"
    );
}
