//! One pod more, and one less.

use std::time::Duration;

use anyhow::{Context, Result};
use podgate_testkit::Target;

use super::book::{Book, Life, PODS};
use super::stage::{Stage, now, record_name};
use super::world::{Place, SPARE, World};
use crate::bench::proc;
use crate::process::ControllerProcess;

/// One event takes milliseconds; this is for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A number that meets all pods of a cluster before it comes back to one.
const STRIDE: usize = 7_919;

/// Pods that were created and deleted, one after the other, whose identities were there.
pub(super) struct Series {
    /// Of all.
    pub(super) took: Duration,
    /// The controller's processor time for one event: for a creation or a deletion.
    pub(super) cpu: Duration,
    /// From a pod's creation by a bare client to the watch's word of it.
    pub(super) bare: Vec<Duration>,
    /// From the watch's word of a pod to that of its record.
    pub(super) written: Vec<Duration>,
    /// From the watch's word of a pod's end to that of its record's.
    pub(super) removed: Vec<Duration>,
}

/// Pods whose identities their scale sets did not have.
#[derive(Default)]
pub(super) struct Fresh {
    /// From the watch's word of a pod to the PATCH.
    pub(super) asked: Vec<Duration>,
    /// From the watch's word of a pod to that of its record as Assigned.
    pub(super) assigned: Vec<Duration>,
}

/// Creates a pod, waits for its record, deletes it, waits for the record's end; so many times.
pub(super) async fn one_by_one(
    stage: &Stage,
    world: World,
    rounds: usize,
    controller: &ControllerProcess,
    records: &mut Book,
) -> Result<Series> {
    let mut pods = Book::open(&stage.kube, PODS).await?;
    let (begun, before) = (now(), proc::cpu(controller.pid)?);
    let mut series = Series {
        took: Duration::ZERO,
        cpu: Duration::ZERO,
        bare: Vec::new(),
        written: Vec::new(),
        removed: Vec::new(),
    };
    for round in 0..rounds {
        let like = world.place(round * STRIDE % world.pods);
        let name = format!("late{round}");
        let round = Place { name, ..like };
        series
            .round(stage, &round, &mut pods, records)
            .await
            .with_context(|| stage.log())?;
    }
    // The Events are part of what an event costs.
    stage.quiet().await?;
    let events = u32::try_from(2 * rounds)?;
    series.cpu = proc::cpu(controller.pid)?.saturating_sub(before) / events;
    series.took = now() - begun;
    Ok(series)
}

impl Series {
    async fn round(
        &mut self,
        stage: &Stage,
        place: &Place,
        pods: &mut Book,
        records: &mut Book,
    ) -> Result<()> {
        let record = record_name(place);
        let sent = now();
        stage.deploy(vec![place.clone()]).await?;
        let pod = seen(pods, &place.name, |_| true).await?;
        let written = seen(records, &record, Life::is_assigned).await?;
        self.bare.push(pod.created.saturating_sub(sent));
        self.written
            .push(written.created.saturating_sub(pod.created));
        stage.withdraw(vec![place.clone()]).await?;
        let is_gone = |life: Life| life.gone.is_some();
        let pod = seen(pods, &place.name, is_gone).await?;
        let removed = seen(records, &record, is_gone).await?;
        let ends = removed
            .gone
            .zip(pod.gone)
            .context("an end without its time")?;
        self.removed.push(ends.0.saturating_sub(ends.1));
        Ok(())
    }
}

/// Creates a pod with an identity that nobody on its scale set has, and waits until it is Assigned; so many times, or as
/// often as Azure takes at once.
pub(super) async fn fresh(
    stage: &Stage,
    world: World,
    rounds: usize,
    records: &mut Book,
) -> Result<Fresh> {
    let mut pods = Book::open(&stage.kube, PODS).await?;
    let mut fresh = Fresh::default();
    for round in 0..rounds.min(SPARE * world.scale_sets) {
        let (scale_set, spare) = (round % world.scale_sets, round / world.scale_sets);
        let place = Place {
            name: format!("fresh{round}"),
            node: scale_set * world.nodes_of_each(),
            identity: 1 + world.identities + spare,
        };
        fresh
            .round(stage, &place, &mut pods, records)
            .await
            .with_context(|| stage.log())?;
    }
    Ok(fresh)
}

impl Fresh {
    async fn round(
        &mut self,
        stage: &Stage,
        place: &Place,
        pods: &mut Book,
        records: &mut Book,
    ) -> Result<()> {
        stage.sim.clear_calls();
        stage.deploy(vec![place.clone()]).await?;
        let pod = seen(pods, &place.name, |_| true).await?;
        let record = seen(records, &record_name(place), Life::is_assigned).await?;
        let assigned = record.assigned.context("a state without its time")?;
        let compute = stage.compute(place.node);
        let calls = stage.sim.calls_to(Target::Arm).into_iter();
        let mut patches = calls
            .filter(|call| call.method == "PATCH" && call.path.to_ascii_lowercase() == compute);
        let asked = patches.next().context("it was Assigned without a PATCH")?;
        self.asked
            .push(Duration::from_millis(asked.at_ms).saturating_sub(pod.created));
        self.assigned.push(assigned.saturating_sub(pod.created));
        Ok(())
    }
}

async fn seen(book: &mut Book, name: &str, is_so: impl Fn(Life) -> bool) -> Result<Life> {
    let there = |book: &Book| book.life(name).is_some_and(&is_so);
    book.until(name, PATIENCE, there).await?;
    book.life(name).context("it was just there")
}
