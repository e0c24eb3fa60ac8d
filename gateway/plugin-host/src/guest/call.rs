//! One call: its place, its instance, its time, and what its end means.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use wasmtime::Store;

use super::pace::{Pace, SLICE, Slice};
use super::{Guest, State, fault};
use crate::bindings::policy::podgate::types::model;
use crate::engine::{Outcome, UnderWay, Work};
use crate::imports::http::Origin;
use crate::{Instances, PluginError};

/// Instances of a plugin that wait for its next call, where the operator lets them.
const MAX_KEPT: usize = 4;
/// Calls of a kept instance before it makes way for a fresh one, so that what it leaks is bounded.
const MAX_USES: u32 = 1_000;
/// How long a plugin rests after a call that flooded the log, for each moment of it: it answers, so nothing else slows it down.
const REST: u32 = 10;

/// A linked component of one world.
pub(crate) trait Linked: Send + Sync + 'static {
    /// What its functions are called on.
    type Instance: Send + Sync + 'static;

    /// Makes an instance and hands it its settings.
    fn instantiate(
        &self,
        store: &mut Store<State>,
        settings: &str,
    ) -> impl Future<Output = wasmtime::Result<(Self::Instance, Configured)>> + Send;
}

/// What `configure` answers.
pub(crate) type Configured = Result<(), Vec<model::Problem>>;

/// An answer on its way.
pub(crate) type Answering<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// `configure` did not accept the settings.
#[derive(Debug, Error)]
#[error("settings refused")]
pub(crate) struct SettingsRefused(pub(super) Vec<model::Problem>);

/// A plugin of one world at work.
pub(crate) struct Calls<L: Linked> {
    guest: Arc<Guest>,
    linked: L,
    kept: Mutex<Vec<Seat<L::Instance>>>,
}

/// A store, with its instance as soon as there is one.
struct Seat<I> {
    store: Store<State>,
    instance: Option<I>,
    uses: u32,
}

/// What a call has for itself.
struct Terms {
    deadline: Instant,
    /// The host that it may reach besides those the operator granted.
    authority: Option<Origin>,
    pace: Arc<Pace>,
    _place: OwnedSemaphorePermit,
    _slow_place: Option<OwnedSemaphorePermit>,
    _under_way: UnderWay,
}

// === impl Calls ===

impl<L: Linked> Calls<L> {
    /// Tries the settings on a first instance.
    pub(crate) async fn load(guest: Arc<Guest>, linked: L) -> Result<Arc<Self>, PluginError> {
        let calls = Arc::new(Self {
            guest,
            linked,
            kept: Mutex::default(),
        });
        calls.ask(None, |_, _| Box::pin(async { Ok(()) })).await?;
        Ok(calls)
    }

    pub(crate) fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Puts one question, with this host in reach besides those the operator granted. Whatever becomes of it, it ends: at
    /// the latest with its time.
    pub(crate) async fn ask<T, Q>(
        self: &Arc<Self>,
        authority: Option<Origin>,
        question: Q,
    ) -> Result<T, PluginError>
    where
        T: Send + 'static,
        Q: for<'a> FnOnce(&'a mut Store<State>, &'a L::Instance) -> Answering<'a, T>
            + Send
            + 'static,
    {
        let guest = &self.guest;
        let asked = Instant::now();
        let deadline = asked + guest.limits.call;
        let terms = Terms::take(guest, deadline, authority).await?;
        let waited = asked.elapsed();
        let pace = Arc::clone(&terms.pace);
        let work = Box::pin(Arc::clone(self).carry_out(terms, question));
        let ended = timeout_at(deadline, guest.run(&pace, work)).await;
        ended.unwrap_or_else(|_| Err(guest.late(waited)))
    }

    /// The instance is gone or kept before anybody sees the answer. One that trapped or was stopped in the middle is
    /// never entered again (CVE-2026-104855).
    async fn carry_out<T, Q>(self: Arc<Self>, terms: Terms, question: Q) -> Result<T, PluginError>
    where
        Q: for<'a> FnOnce(&'a mut Store<State>, &'a L::Instance) -> Answering<'a, T>,
    {
        let mut seat = self.seat(&terms);
        match self.answer(&mut seat, question).await {
            Ok(answer) => {
                self.keep(seat);
                Ok(answer)
            }
            Err(error) => {
                let refused = seat.store.data().limiter.refused;
                Err(fault::explain(&self.guest, refused, &error))
            }
        }
    }

    async fn answer<T, Q>(&self, seat: &mut Seat<L::Instance>, question: Q) -> wasmtime::Result<T>
    where
        Q: for<'a> FnOnce(&'a mut Store<State>, &'a L::Instance) -> Answering<'a, T>,
    {
        let instance = match seat.instance.take() {
            Some(instance) => instance,
            None => self.configured(&mut seat.store).await?,
        };
        let instance = seat.instance.insert(instance);
        question(&mut seat.store, instance).await
    }

    async fn configured(&self, store: &mut Store<State>) -> wasmtime::Result<L::Instance> {
        let settings = &self.guest.settings;
        let (instance, configured) = self.linked.instantiate(store, settings).await?;
        match configured {
            Ok(()) => Ok(instance),
            Err(problems) => Err(wasmtime::Error::new(SettingsRefused(problems))),
        }
    }

    fn seat(&self, terms: &Terms) -> Seat<L::Instance> {
        let http = self
            .guest
            .allowance(terms.deadline, terms.authority.clone());
        let kept = self.kept.lock().pop();
        let mut seat = match kept {
            Some(mut seat) => {
                seat.store.data_mut().begin(http, self.guest.tokens());
                seat
            }
            None => Seat {
                store: self.guest.store(http),
                instance: None,
                uses: 0,
            },
        };
        seat.uses += 1;
        seat.store.set_epoch_deadline(1);
        seat.store
            .epoch_deadline_callback(Arc::clone(&terms.pace).at_tick());
        seat
    }

    fn keep(&self, seat: Seat<L::Instance>) {
        // One that is large would leave the others no memory.
        let is_large = seat.store.data().limiter.is_large();
        if self.guest.instances == Instances::Fresh || seat.uses >= MAX_USES || is_large {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.len() < MAX_KEPT {
            seat.store.data().log.end();
            kept.push(seat);
        }
    }
}

// === impl Terms ===

impl Terms {
    async fn take(
        guest: &Guest,
        deadline: Instant,
        authority: Option<Origin>,
    ) -> Result<Self, PluginError> {
        let place = guest.place(&guest.places, deadline).await?;
        let (pace, slow_place) = match guest.is_slow.load(Ordering::Relaxed) {
            true => (
                Pace::without_slice(),
                Some(guest.place(&guest.slow_places, deadline).await?),
            ),
            false => (Pace::new(), None),
        };
        Ok(Self {
            deadline,
            authority,
            pace,
            _place: place,
            _slow_place: slow_place,
            _under_way: guest.runtime.begin(),
        })
    }
}

// === impl Guest ===

impl Guest {
    async fn place(
        &self,
        places: &Arc<Semaphore>,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, PluginError> {
        match timeout_at(deadline, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(self.overloaded("each of its places was taken for a whole call's time")),
        }
    }

    /// A call whose time is over. With many under way the last would have their places just before their end: that is no failure
    /// of the plugin, or a flood of calls were a way around it where it is skipped when it fails.
    fn late(&self, waited: Duration) -> PluginError {
        match waited > self.limits.call / 2 {
            true => self.overloaded("its place was free when half of its time was over"),
            false => self.timeout(),
        }
    }

    /// A slice here, the rest in the background; and from the start there after a call that was that long, flooded the log,
    /// or failed: what leaks until it is stopped takes a whole slice each time.
    async fn run<T: Send + 'static>(
        &self,
        pace: &Pace,
        work: Work<Result<T, PluginError>>,
    ) -> Result<T, PluginError> {
        let rest = match pace.is_over() {
            true => work,
            false => match pace.slice(work).await {
                Slice::Ended(answer) => {
                    self.ended(&answer, Duration::ZERO);
                    return answer;
                }
                Slice::Overran(rest) => rest,
            },
        };
        self.is_slow.store(true, Ordering::Relaxed);
        let background = &self.runtime.background;
        match background.run(&self.turn, rest, self.limits.cpu).await {
            Outcome::Ended(answer, used) => {
                self.ended(&answer, used);
                answer
            }
            Outcome::OutOfCpu => Err(self.out_of_cpu()),
            Outcome::Stopped => Err(self.overloaded("the gateway is going down")),
        }
    }

    /// Where the next call begins follows from this one, and when from what it used in the background.
    fn ended<T>(&self, answer: &Result<T, PluginError>, used: Duration) {
        let is_flooded = self.log_budget.is_flooded();
        let is_slow = used >= SLICE || answer.is_err() || is_flooded;
        self.is_slow.store(is_slow, Ordering::Relaxed);
        if is_flooded {
            self.turn.rest(used * REST);
        }
    }
}
