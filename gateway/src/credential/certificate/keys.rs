//! Certificates that have been read. Reading a PFX takes a core for up to a second, by its author's choice,
//! so each edition of a Secret is read once, whoever asks for however many audiences, and one at a time.

use std::sync::Arc;

use dashmap::DashMap;
use podgate_azure::failure::Failure;
use tokio::sync::{Semaphore, watch};

use super::super::key::{CertificateKey, KeyError};
use super::super::refused;
use crate::world::{ObjectRef, SecretData};

/// Editions that are kept: one per certificate identity of a node's pods, and room.
const MAX_KEYS: usize = 256;

/// A Secret's name and the version of its content.
type Edition = (ObjectRef, u64);
/// The key, or why there is none: both stay true for as long as the content is the same.
type Read = Result<Arc<CertificateKey>, KeyError>;
/// Resolves once the Secret has been read.
type Reading = watch::Receiver<Option<Read>>;

/// Keys by the editions of their Secrets. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Inner>);

struct Inner {
    readings: DashMap<Edition, Reading>,
    /// Held by a reading until it is over, also where nobody waits for it any more.
    turn: Arc<Semaphore>,
}

// === impl Keys ===

impl Keys {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            readings: DashMap::new(),
            turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// The key of a Secret. It goes on being read when the caller stops waiting.
    ///
    /// # Errors
    /// What is wrong with the Secret; the same again until it is another one.
    pub(super) async fn get(
        &self,
        name: &ObjectRef,
        secret: &SecretData,
    ) -> Result<Arc<CertificateKey>, Failure> {
        let mut reading = self.reading(name, secret);
        let read = reading.wait_for(Option::is_some).await;
        match read.ok().and_then(|read| read.clone()) {
            Some(Ok(key)) => Ok(key),
            Some(Err(error)) => Err(refused(format!("Secret {name}: {error}"))),
            None => Err(refused(format!(
                "reading the certificate of Secret {name} failed"
            ))),
        }
    }

    /// Drops what was read of a Secret.
    pub(super) fn forget(&self, name: &ObjectRef) {
        self.0.readings.retain(|(other, _), _| other != name);
    }

    /// Joins a reading, over or under way, or starts one. One that was lost is no longer there.
    fn reading(&self, name: &ObjectRef, secret: &SecretData) -> Reading {
        let edition = (name.clone(), secret.version);
        if let Some(reading) = self.0.readings.get(&edition) {
            return reading.clone();
        }
        self.make_room(&edition);
        let place = match self.0.readings.entry(edition.clone()) {
            dashmap::Entry::Occupied(reading) => return reading.get().clone(),
            dashmap::Entry::Vacant(place) => place,
        };
        let (sender, reading) = watch::channel(None);
        place.insert(reading.clone());
        tokio::spawn(self.clone().read(edition, secret.clone(), sender));
        reading
    }

    /// The older editions of a Secret have no further use. A full table loses one that is at hand, which
    /// costs its owner another reading.
    fn make_room(&self, (name, version): &Edition) {
        let older = |other: &Edition| other.0 == *name && other.1 != *version;
        self.0.readings.retain(|edition, _| !older(edition));
        if self.0.readings.len() >= MAX_KEYS {
            let any = self.0.readings.iter().next().map(|one| one.key().clone());
            any.map(|edition| self.0.readings.remove(&edition));
        }
    }

    async fn read(self, edition: Edition, secret: SecretData, sender: watch::Sender<Option<Read>>) {
        let turn = Arc::clone(&self.0.turn).acquire_owned().await;
        let read = tokio::task::spawn_blocking(move || {
            (CertificateKey::from_secret(&secret).map(Arc::new), turn)
        });
        match read.await {
            // The turn is over when the result can be had, not before.
            Ok((read, _turn)) => {
                sender.send_replace(Some(read));
            }
            // Whoever waits learns it from the sender's end; the next one starts anew.
            Err(_) => {
                self.0.readings.remove(&edition);
            }
        }
    }
}

#[cfg(test)]
mod tests;
