//! What was said lately.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::plan::Notice;

/// The same is not said again within this time.
pub(super) const AGAIN: Duration = Duration::from_secs(30 * 60);
/// Notices that are remembered for that; beyond it the older half is forgotten.
pub(super) const REMEMBERED: usize = 16_384;

/// Notices of the last half hour.
#[derive(Debug, Default)]
pub(super) struct Said {
    hasher: RandomState,
    lately: HashMap<u64, Saying>,
}

#[derive(Clone, Copy, Debug)]
struct Saying {
    at: Instant,
    /// It has a place among the Events to be written.
    is_written: bool,
}

/// What is known of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It was not said lately.
    New,
    /// It is in the log; there was no place for its Event.
    Unwritten,
    /// Everybody has heard it.
    Old,
}

impl Said {
    /// Takes it in.
    pub(super) fn hear(&mut self, notice: &Notice) -> Status {
        let (gist, now) = (self.gist(notice), Instant::now());
        match self.lately.get(&gist) {
            Some(saying) if now - saying.at >= AGAIN => {}
            Some(saying) if saying.is_written => return Status::Old,
            Some(_) => return Status::Unwritten,
            None => self.make_room(),
        }
        let saying = Saying {
            at: now,
            is_written: false,
        };
        self.lately.insert(gist, saying);
        Status::New
    }

    /// Its Event will be written.
    pub(super) fn write(&mut self, notice: &Notice) {
        let gist = self.gist(notice);
        if let Some(saying) = self.lately.get_mut(&gist) {
            saying.is_written = true;
        }
    }

    /// Azure ends many of its messages with the id of the request: two of them mean the same.
    fn gist(&self, notice: &Notice) -> u64 {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let words = notice.message.split(|letter| !is_part(letter));
        let words: Vec<&str> = words
            .filter(|word| Uuid::try_parse(word).is_err())
            .collect();
        self.hasher
            .hash_one((&notice.subject, notice.is_warning, notice.reason, words))
    }

    fn make_room(&mut self) {
        if self.lately.len() < REMEMBERED {
            return;
        }
        let mut times: Vec<Instant> = self.lately.values().map(|saying| saying.at).collect();
        let (_, middle, _) = times.select_nth_unstable(REMEMBERED / 2);
        let middle = *middle;
        self.lately.retain(|_, saying| saying.at > middle);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lately.len()
    }
}
