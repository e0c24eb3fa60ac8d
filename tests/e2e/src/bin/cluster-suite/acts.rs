//! What runs in which order, and what side by side.

use std::time::Instant;

use anyhow::Result;
use podgate_e2e::node::{Case, Outcome, Report};

use crate::scene::{Mode, Scene};

/// A case that has the cluster for itself: a sentence and what proves it.
pub(crate) type Alone = (&'static str, fn(&mut Scene) -> Result<Outcome>);
/// A case that leaves the others of its act alone.
pub(crate) type Beside = (&'static str, fn(&Scene) -> Result<Outcome>);

/// What runs at once.
#[derive(Clone, Copy)]
pub(crate) enum Act {
    Alone(Alone),
    Together(&'static [Beside]),
}

/// How a case ended: what it measured, or why it failed.
type Ended = (&'static str, f64, Result<Outcome>);

impl Act {
    /// The cases' names.
    pub(crate) fn names(self) -> Vec<&'static str> {
        match self {
            Self::Alone((name, _)) => vec![name],
            Self::Together(cases) => cases.iter().map(|(name, _)| *name).collect(),
        }
    }

    /// Runs what is wanted of it. Whatever leaked meanwhile is the failure of each of its cases, but where one says why it
    /// must.
    pub(crate) fn perform(
        self,
        mode: Mode,
        scene: &mut Scene,
        wanted: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Result<()> {
        if !self.names().into_iter().any(&wanted) {
            return Ok(());
        }
        scene.turn_to(mode)?;
        scene.azure.clear();
        scene.leaks_expected = false;
        let ended = match self {
            Self::Alone(case) => vec![timed(case.0, || (case.1)(scene))],
            Self::Together(cases) => {
                // Where it fails, each of them says so.
                let _ = scene.installed();
                let cases = cases.iter().filter(|(name, _)| wanted(name));
                side_by_side(scene, cases.copied().collect())
            }
        };
        let leaks = scene.azure.leaks().len();
        for ended in ended {
            report.add(judged(scene, ended, leaks));
        }
        Ok(())
    }
}

fn timed(name: &'static str, case: impl FnOnce() -> Result<Outcome>) -> Ended {
    let start = Instant::now();
    let outcome = case();
    (name, start.elapsed().as_secs_f64(), outcome)
}

fn side_by_side(scene: &Scene, cases: Vec<Beside>) -> Vec<Ended> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = cases
            .into_iter()
            .map(|(name, case)| (name, scope.spawn(move || timed(name, || case(scene)))))
            .collect();
        let end = |(name, thread): (_, std::thread::ScopedJoinHandle<'_, Ended>)| {
            let panicked = |_| (name, 0.0, Err(anyhow::anyhow!("the case panicked")));
            thread.join().unwrap_or_else(panicked)
        };
        threads.into_iter().map(end).collect()
    })
}

fn judged(scene: &Scene, (name, seconds, outcome): Ended, leaks: usize) -> Case {
    let (figures, mut failure) = match outcome {
        Ok(figures) => (figures, None),
        Err(error) => {
            let failure = format!("{error:#}\n{}", scene.troubles());
            (Outcome::new(), Some(failure))
        }
    };
    if leaks > 0 && !scene.leaks_expected {
        failure.get_or_insert_with(|| {
            format!("{leaks} requests reached the metadata service past the gateway")
        });
    }
    Case {
        name,
        seconds,
        leaks,
        figures,
        failure,
    }
}
