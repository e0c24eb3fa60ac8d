//! One kind, listed once and watched from there on, for good.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::utils::Backoff;
use kube::runtime::watcher::DefaultBackoff;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Event, Lines};
use crate::failure::Failure;
use crate::freshness::{Beat, Freshness, Restart};
use crate::kind::{Kind, Sink};
use crate::replica::{Next, Replica};

/// The API server ends a watch after this many seconds, and up to [`SPREAD`] more: so that the watches of many nodes,
/// begun together after an outage, do not end together.
const WATCH: u32 = 220;
const SPREAD: u64 = 60;
/// Objects per page of a list.
const LIMIT: u32 = 500;
/// A watch that ran this long was a good one: the next failure is a new one.
const GOOD: Duration = Duration::from_secs(10);
/// After a failure, where the backoff does not know: it never ends.
const LONGEST: Duration = Duration::from_secs(30);
/// The same failure is told once in this time.
const AGAIN: Duration = Duration::from_secs(60);

/// A watch.
pub struct Watch<K: Kind, S> {
    api: Api,
    replica: Replica<K, S>,
    beat: Beat,
    /// Objects per page, less after a page that was too large.
    limit: u32,
    /// The failure that was told last, until the watch runs again.
    told: Option<(String, Instant)>,
}

impl<K: Kind, S: Sink<K>> Watch<K, S> {
    /// A watch that has not begun, and whose age counts from now. Its entry in `freshness` goes with it.
    pub fn new(api: Api, kind: K, sink: S, freshness: &Arc<Freshness>) -> Self {
        Self {
            api,
            beat: freshness.watch(kind.name(), kind.what()),
            replica: Replica::new(kind, sink),
            limit: LIMIT,
            told: None,
        }
    }

    /// Never ends: whatever fails is told, counted and tried again. Dropped, it leaves what the sink has.
    pub async fn run(mut self) {
        let mut backoff = DefaultBackoff::default();
        loop {
            let begun = Instant::now();
            let followed = self.follow().await;
            let good = begun.elapsed() >= GOOD;
            if good {
                backoff.reset();
            }
            match &followed {
                Ok(()) => self.beat.restarted(Restart::Ended),
                Err(failure) => self.failed(failure).await,
            }
            // A regular end is no failure, unless it comes at once.
            if followed.is_err() || !good {
                sleep(backoff.next().unwrap_or(LONGEST)).await;
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Failure> {
        let version = match self.replica.version() {
            Some(version) => version.to_owned(),
            None => self.list().await?,
        };
        let seconds = WATCH + spread();
        let watch = self.api.watch(self.replica.kind(), &version, seconds);
        let mut lines = watch.await?;
        self.heard();
        self.events(&mut lines).await
    }

    async fn list(&mut self) -> Result<String, Failure> {
        self.replica.begin();
        let mut next = None;
        loop {
            let list = self
                .api
                .list(self.replica.kind(), self.limit, next.as_deref());
            match list.await {
                // One huge object must not keep the others away.
                Err(Failure::TooLarge(_)) if self.limit > 1 => self.limit = (self.limit / 8).max(1),
                Err(failure) => return Err(failure),
                Ok(text) => {
                    self.heard();
                    match self.replica.page(&text).await? {
                        Next::Page(page) => next = Some(page),
                        Next::Watch(version) => return Ok(self.listed(version).await),
                    }
                }
            }
        }
    }

    async fn listed(&mut self, version: String) -> String {
        self.beat.complete();
        self.beat.kept(self.replica.kept());
        self.replica.complete().await;
        version
    }

    async fn events(&mut self, lines: &mut Lines) -> Result<(), Failure> {
        while let Some(line) = lines.next().await? {
            self.heard();
            self.replica.event(&Event::parse(&line)?).await?;
            self.beat.kept(self.replica.kept());
        }
        Ok(())
    }

    fn heard(&mut self) {
        let age = self.beat.heard();
        if self.told.take().is_some() {
            let watch = self.replica.kind().what();
            tracing::info!(watch, away_s = age.as_secs(), "the watch runs again");
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        self.replica.failed(failure).await;
        self.beat.restarted(failure.restart());
        let problem = failure.explain(self.replica.kind(), self.api.program());
        self.beat.failed(problem.clone());
        let told = self.told.as_ref();
        if told.is_none_or(|(before, at)| *before != problem || at.elapsed() >= AGAIN) {
            self.tell(failure, problem);
        }
    }

    fn tell(&mut self, failure: &Failure, problem: String) {
        let watch = self.replica.kind().what();
        let state_age_s = self.beat.state().age.as_secs();
        match failure.is_gone() {
            true => tracing::info!(
                watch,
                "the changes since the last one are gone; listing everything again"
            ),
            false => tracing::warn!(
                watch,
                problem,
                state_age_s,
                "the watch does not run; trying on"
            ),
        }
        self.told = Some((problem, Instant::now()));
    }
}

/// Random seconds: the standard library keys its hashers by chance.
fn spread() -> u32 {
    let random = RandomState::new().hash_one(()) % SPREAD;
    u32::try_from(random).unwrap_or_default()
}
