use std::collections::BTreeMap;
use std::time::Duration;

use podgate_testkit::fixtures;
use tokio::time::timeout;

use super::*;

fn secret(file: &[u8]) -> SecretData {
    SecretData::new(BTreeMap::from([
        ("certificate".to_owned(), file.to_vec()),
        ("password".to_owned(), fixtures::PASSWORD.into()),
    ]))
}

fn name() -> ObjectRef {
    ObjectRef::new("ns", "certificate")
}

async fn pends(get: impl Future<Output = Result<Arc<CertificateKey>, Failure>>) -> bool {
    timeout(Duration::from_millis(50), get).await.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edition_is_read_once_however_many_ask() {
    let keys = Keys::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let keys = keys.clone();
        let secret = secret(fixtures::pfx_aes());
        tasks.spawn(async move { keys.get(&name(), &secret).await.unwrap() });
    }
    let read = tasks.join_all().await;
    assert!(read.iter().all(|key| Arc::ptr_eq(key, &read[0])));
}

#[tokio::test]
async fn one_secret_is_read_at_a_time_and_what_was_read_waits_for_none() {
    let keys = Keys::new();
    let good = secret(fixtures::pfx_aes());
    keys.get(&name(), &good).await.unwrap();
    let turn = Arc::clone(&keys.0.turn).acquire_owned().await.unwrap();
    let other = ObjectRef::new("ns", "other");
    assert!(pends(keys.get(&other, &good)).await);
    assert!(!pends(keys.get(&name(), &good)).await);
    drop(turn);
    keys.get(&other, &good).await.unwrap();
}

#[tokio::test]
async fn a_reading_that_nobody_waits_for_any_more_still_keeps_the_next_one_waiting() {
    let keys = Keys::new();
    let slow = secret(&crate::credential::pfx::tests::slow());
    drop(keys.reading(&name(), &slow));
    while keys.0.turn.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let other = ObjectRef::new("ns", "other");
    keys.get(&other, &secret(b"bad")).await.unwrap_err();
    let first = keys.0.readings.get(&(name(), slow.version)).unwrap();
    assert!(first.borrow().is_some(), "both were read at a time");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_not_read_again_until_it_is_another_one() {
    let keys = Keys::new();
    let bad = secret(fixtures::pfx_truncated());
    let first = keys.get(&name(), &bad).await.unwrap_err();
    let turn = Arc::clone(&keys.0.turn).acquire_owned().await.unwrap();
    assert_eq!(keys.get(&name(), &bad).await.unwrap_err(), first);
    drop(turn);
    keys.get(&name(), &secret(fixtures::pfx_aes()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reader_that_gives_up_does_not_make_another_one_start_beside_it() {
    let keys = Keys::new();
    let good = secret(fixtures::pfx_aes());
    let turn = Arc::clone(&keys.0.turn).acquire_owned().await.unwrap();
    assert!(pends(keys.get(&name(), &good)).await);
    assert!(pends(keys.get(&name(), &good)).await);
    assert_eq!(keys.0.readings.len(), 1);
    drop(turn);
    keys.get(&name(), &good).await.unwrap();
}

#[tokio::test]
async fn the_key_of_a_secret_that_changed_leaves_memory() {
    let keys = Keys::new();
    let key = keys.get(&name(), &secret(fixtures::pfx_aes())).await;
    let key = Arc::downgrade(&key.unwrap());
    keys.forget(&ObjectRef::new("ns", "another"));
    assert!(key.upgrade().is_some());
    keys.forget(&name());
    assert!(key.upgrade().is_none());
}

#[tokio::test]
async fn more_secrets_than_there_is_room_for_do_not_take_everybodys_key() {
    let keys = Keys::new();
    for number in 0..MAX_KEYS + 20 {
        let bad = secret(b"bad");
        let name = ObjectRef::new("ns", format!("secret-{number}"));
        keys.get(&name, &bad).await.unwrap_err();
    }
    assert_eq!(keys.0.readings.len(), MAX_KEYS);
}
