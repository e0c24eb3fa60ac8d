use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

const CODE: &[u8] = b"machine code";

fn cache() -> (tempfile::TempDir, CodeCache) {
    let parent = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(&parent.path().join("code"), &Engine::default()).unwrap();
    (parent, cache)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn code_that_was_written_is_read_back() {
    let (_parent, cache) = cache();
    let component = sha256(b"component");
    assert_eq!(cache.read(&component), None);
    cache.write(&component, CODE);
    assert_eq!(cache.read(&component).as_deref(), Some(CODE));
}

#[test]
fn a_new_folder_is_closed_to_others_and_holds_no_temporary_files() {
    let (_parent, cache) = cache();
    cache.write(&sha256(b"component"), CODE);
    let mode = fs::metadata(&cache.folder).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1);
}

#[test]
fn a_folder_that_others_can_reach_is_refused_with_the_cure() {
    let (_parent, cache) = cache();
    set_mode(&cache.folder, 0o755);
    let error = CodeCache::open(&cache.folder, &Engine::default())
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains("its mode is 755") && text.contains("0700"),
        "{text}"
    );
}

#[test]
fn a_link_to_a_folder_is_refused() {
    let (parent, cache) = cache();
    let link = parent.path().join("link");
    std::os::unix::fs::symlink(&cache.folder, &link).unwrap();
    assert!(CodeCache::open(&link, &Engine::default()).is_err());
}

#[test]
fn a_folder_or_file_of_another_user_is_not_trusted() {
    let (_parent, cache) = cache();
    let mine = fs::metadata(&cache.folder).unwrap();
    let another = mine.uid() + 1;
    assert!(
        check_folder(&mine, another)
            .unwrap_err()
            .contains("belongs to user")
    );
    let component = sha256(b"component");
    cache.write(&component, CODE);
    let file = fs::metadata(cache.path(&component)).unwrap();
    assert!(check_file(&file, another).is_err());
}

#[test]
fn a_file_that_others_may_write_to_is_ignored() {
    let (_parent, cache) = cache();
    let component = sha256(b"component");
    cache.write(&component, CODE);
    set_mode(&cache.path(&component), 0o662);
    assert_eq!(cache.read(&component), None);
}

#[test]
fn one_flipped_bit_anywhere_makes_a_file_absent() {
    let (_parent, cache) = cache();
    let component = sha256(b"component");
    cache.write(&component, CODE);
    let path = cache.path(&component);
    let whole = fs::read(&path).unwrap();
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.read(&component), None, "byte {index}");
    }
    fs::write(&path, &whole[..HEADER - 1]).unwrap();
    assert_eq!(cache.read(&component), None);
}

#[test]
fn a_file_of_another_component_under_this_ones_name_is_ignored() {
    let (_parent, cache) = cache();
    let (mine, other) = (sha256(b"mine"), sha256(b"other"));
    cache.write(&other, CODE);
    fs::rename(cache.path(&other), cache.path(&mine)).unwrap();
    assert_eq!(cache.read(&mine), None);
}

#[test]
fn another_engine_has_its_own_files() {
    let (_parent, cache) = cache();
    let mut config = wasmtime::Config::new();
    config.epoch_interruption(true);
    let other = CodeCache::open(&cache.folder, &Engine::new(&config).unwrap()).unwrap();
    let component = sha256(b"component");
    cache.write(&component, CODE);
    assert_eq!(other.read(&component), None);
}

#[test]
fn the_folder_does_not_grow_without_bound() {
    let (_parent, cache) = cache();
    for index in 0..MAX_FILES + 5 {
        cache.write(&sha256(&index.to_le_bytes()), CODE);
    }
    assert_eq!(cache.files().unwrap().len(), MAX_FILES);
}
