//! The plan at work, until nothing is left of what it was told of.

use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::census::Census;
use super::left::{Left, Troubles};
use crate::apply::{Apply, Done};
use crate::plan::{Effect, Plan};

/// How often it is looked what is there, for whatever may have been missed.
const LOOK: Duration = Duration::from_secs(10);

/// A plan of which nobody wants anything, and those who carry it out.
pub(super) struct Work {
    plan: Plan,
    apply: Apply,
    most_writes: usize,
    writes: usize,
    under_way: JoinSet<Done>,
    troubles: Troubles,
}

impl Work {
    pub(super) fn new(plan: Plan, apply: Apply, most_writes: usize) -> Self {
        Self {
            plan,
            apply,
            most_writes,
            writes: 0,
            under_way: JoinSet::new(),
            troubles: Troubles::default(),
        }
    }

    /// Works until no record is there, or the time is up. What is left then comes back.
    ///
    /// # Errors
    /// A part of it panicked.
    pub(super) async fn run(
        &mut self,
        census: &mut Census,
        deadline: Instant,
    ) -> anyhow::Result<Left> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.reset();
        let mut up = pin!(sleep_until(deadline));
        self.plan.lead(Instant::now().into_std());
        loop {
            self.act();
            if self.is_idle() && self.confirmed(census).await {
                break;
            }
            let wakes_at = self.plan.wakes_at().map_or(deadline, Instant::from_std);
            tokio::select! {
                Some(done) = self.under_way.join_next() => self.done(done?),
                _ = look.tick() => self.look(census).await,
                () = sleep_until(wakes_at), if wakes_at < deadline => {}
                () = &mut up => break,
            }
        }
        Ok(Left::of(self.plan.index(), census, &self.troubles))
    }

    fn act(&mut self) {
        let room = self.most_writes.saturating_sub(self.writes);
        for effect in self.plan.effects(Instant::now().into_std(), room) {
            self.writes += usize::from(matches!(effect, Effect::Write(_)));
            let apply = self.apply.clone();
            self.under_way
                .spawn(async move { apply.carry_out(effect).await });
        }
        // Nobody looks at Events of what goes away; what failed is told by itself.
        for notice in self.plan.notices() {
            tracing::debug!(object = %notice.subject.object, "{}", notice.message);
        }
    }

    fn done(&mut self, done: Done) {
        let now = Instant::now().into_std();
        match done {
            Done::Wrote(record, outcome) => {
                self.writes -= 1;
                let problem = outcome.as_ref().err().map(ToString::to_string);
                self.troubles.wrote(&record, problem);
                self.plan.wrote(&record, outcome, now);
            }
            Done::Answered(machine, answer) => {
                if let Err(error) = &answer {
                    tracing::warn!(%error, "Azure did not do it; trying again");
                }
                let problem = answer.as_ref().err().map(ToString::to_string);
                self.troubles.answered(&machine, problem);
                self.plan.answered(&machine, answer, now);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.plan.index().records().next().is_none()
    }

    /// What the plan thinks is gone, is: the API server says so.
    async fn confirmed(&mut self, census: &mut Census) -> bool {
        self.look(census).await;
        census.is_empty()
    }

    async fn look(&mut self, census: &mut Census) {
        if let Err(error) = census.look(&mut self.plan).await {
            tracing::warn!("{error:#}; trying on");
        }
    }
}
