//! The controller, in front of a real API server and an ARM that answers at once: what a cluster costs it from nothing to
//! all Assigned, what one more pod costs among few and among many, and how often it asks Azure.
//!
//! ```text
//!  layout ──pods──▶ kube-apiserver ◀──records── podgate-controller ──PATCH──▶ azure-sim
//!                        └──watch──▶ Book: when each record was there
//! ```
//! The floor is a bare client of the same library that writes as many records, as many at a time.

use anyhow::Result;
use clap::ValueEnum;

use super::report::Report;
use world::World;

mod book;
mod floor;
mod life;
mod one_more;
mod scenarios;
mod stage;
pub mod world;

pub use floor::write;

/// What is measured: clusters of three sizes, and how often Azure is asked in a few stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The cluster that the large one is compared with.
    Small,
    /// The cluster of most budgets.
    Medium,
    /// A hundred times the small one.
    Large,
    /// The calls to ARM of standard scenarios.
    Scenarios,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Of [`Part::Small`].
    pub small: World,
    /// Of [`Part::Medium`].
    pub medium: World,
    /// Of [`Part::Large`].
    pub large: World,
    /// How many pods are created and deleted one by one in each of them.
    pub rounds: usize,
}

/// Measures these parts, or all where none is named.
pub async fn measure(report: &mut Report, sizes: &Sizes, parts: &[Part]) -> Result<()> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut small = None;
    let worlds = [
        (Part::Small, sizes.small),
        (Part::Medium, sizes.medium),
        (Part::Large, sizes.large),
    ];
    for (part, world) in worlds {
        if wanted(part) {
            let cost = life::measure(report, world, sizes.rounds, small).await?;
            small = small.or((part == Part::Small).then_some((world, cost)));
        }
    }
    if wanted(Part::Scenarios) {
        scenarios::measure(report).await?;
    }
    Ok(())
}
