//! The controller at work: news come in, effects go out, outcomes come back. The path of one event is this file, top to
//! bottom.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use podgate_azure::arm::ComputeId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until, timeout};

use crate::apply::{Apply, Done, Events, Permit};
use crate::lease::{Leadership, Tenure};
use crate::metrics::Metrics;
use crate::plan::{Effect, Plan};
use crate::watch::{KINDS, News};
use foreign::Foreign;

mod foreign;

/// News that are heard together before anything is done about them: what comes together is often about one thing.
const BATCH: usize = 256;

/// For writes under way when the controller is told to stop.
const FINISH: Duration = Duration::from_secs(5);

/// Without a timer of the plan's own.
const IDLE: Duration = Duration::from_secs(3600);

/// The plan and those who serve it.
pub struct Desk {
    /// What to do.
    pub plan: Plan,
    /// From the watches.
    pub news: mpsc::Receiver<News>,
    /// Carries effects out.
    pub apply: Apply,
    /// Without it nothing is written.
    pub permit: Permit,
    /// Tells people.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Writes of records that may be under way at a time.
    pub most_writes: usize,
    /// How often everything is looked at again, for whatever may have been missed.
    pub look_again: Duration,
}

/// What the desk is in the middle of.
#[derive(Default)]
struct Work {
    under_way: JoinSet<Done>,
    writes: usize,
    /// Kinds that have been told in full.
    complete: usize,
    leads: bool,
    foreign: Foreign,
}

impl Desk {
    /// Works until it is told to `stop`, with no write under way any more. `ready` is called once everything is known,
    /// leading or not.
    ///
    /// # Errors
    /// The lease was lost, or a watch ended. What was under way is given up: a write that was not sent yet is refused,
    /// since the tenure is over.
    pub async fn run(
        mut self,
        leadership: Leadership,
        ready: impl FnOnce(),
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let mut work = Work::default();
        let mut ready = Some(ready);
        let mut look_again = every(self.look_again);
        let mut stop = pin!(stop);
        loop {
            let wakes_at = self
                .plan
                .wakes_at()
                .unwrap_or_else(|| Instant::now() + IDLE);
            let may_lead = work.complete == KINDS && !work.leads;
            tokio::select! {
                news = self.news.recv() => self.hear(news.context("the watches ended")?, &mut work),
                Some(done) = work.under_way.join_next() => self.done(done?, &mut work),
                tenure = leadership.elected(), if may_lead => self.lead(tenure, &mut work),
                () = self.permit.ended(), if work.leads => bail!("lost leader lease"),
                () = sleep_until(wakes_at.into()) => {}
                _ = look_again.tick() => self.plan.look_at_everything(),
                () = &mut stop => {
                    finish(work).await;
                    return Ok(());
                }
            }
            if work.complete == KINDS
                && let Some(ready) = ready.take()
            {
                ready();
            }
            self.act(&mut work);
        }
    }

    fn hear(&mut self, first: News, work: &mut Work) {
        self.learn(first, work);
        for _ in 1..BATCH {
            match self.news.try_recv() {
                Ok(news) => self.learn(news, work),
                Err(_) => return,
            }
        }
    }

    fn learn(&mut self, news: News, work: &mut Work) {
        match news {
            News::There(object) => self.plan.apply(object),
            News::Gone(key) => self.plan.remove(&key),
            News::Complete => work.complete += 1,
        }
    }

    fn lead(&mut self, tenure: Tenure, work: &mut Work) {
        tracing::info!("leading: writing records and asking Azure from now on");
        self.metrics.leads();
        self.permit.grant(tenure);
        work.leads = true;
        self.plan.lead(Instant::now());
    }

    fn act(&mut self, work: &mut Work) {
        let begun = Instant::now();
        let room = self.most_writes.saturating_sub(work.writes);
        for effect in self.plan.effects(begun, room) {
            work.writes += usize::from(matches!(effect, Effect::Write(_)));
            let apply = self.apply.clone();
            work.under_way
                .spawn(async move { apply.carry_out(effect).await });
        }
        for notice in self.plan.notices() {
            self.events.tell(notice);
        }
        self.metrics.cycle(begun.elapsed(), self.plan.backlog());
        self.metrics.assignments(self.plan.index().states());
    }

    fn done(&mut self, done: Done, work: &mut Work) {
        match done {
            Done::Wrote(record, outcome) => {
                work.writes -= 1;
                self.plan.wrote(&record, outcome, Instant::now());
            }
            Done::Answered(machine, answer) => {
                if let Err(error) = &answer {
                    tracing::warn!(%error, "Azure did not do it; trying again");
                }
                self.plan.answered(&machine, answer, Instant::now());
                self.look_for_foreign(&machine, work);
            }
        }
    }

    /// Identities that are nobody's here are left alone; that they are there is told once.
    fn look_for_foreign(&self, machine: &ComputeId, work: &mut Work) {
        let Some(there) = work.foreign.answered(machine, self.plan.foreign()) else {
            return;
        };
        tracing::info!(
            machine = machine.as_str(),
            identities = there,
            "identities that no record speaks of; they are left alone"
        );
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset();
    interval
}

/// Waits for the writes that were sent. What Azure was asked for is found by whoever leads next.
async fn finish(mut work: Work) {
    let written = async {
        while work.writes > 0 {
            match work.under_way.join_next().await {
                Some(Ok(Done::Wrote(..))) => work.writes -= 1,
                Some(_) => {}
                None => return,
            }
        }
    };
    if timeout(FINISH, written).await.is_err() {
        tracing::warn!(
            "writes were still under way after {} s; they are given up",
            FINISH.as_secs()
        );
    }
}
