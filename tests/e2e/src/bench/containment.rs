//! Plugins that misbehave while others ask: what becomes of their own pods' requests, and how long everybody else waits.
//!
//! ```text
//!  neighbours ──▶ exception-matcher ▸ guest ▸ healthy ──▶ their tokens, always        (the guest is not asked for them)
//!  its pods   ──▶ exception-matcher ▸ guest ▸ healthy ──▶ what its failure mode says
//! ```
//! Two gateways with the same chain are asked in turns: in one the guest does what it should, in the other it does not. So
//! whatever else the machine does meets both alike. Two processes of the same program differ too, for as long as they run:
//! so there are several such pairs, and all their requests count. The first pairs behave in both: what moves there is the
//! machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::report::Report;
use crowd::{Crowd, Seen};
use ground::Ground;
use guests::Guests;
use misdeed::{Kind, Misdeed};

pub mod chain;
pub mod crowd;
pub mod ground;
pub mod guests;
pub mod misdeed;

/// How much of it.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Of all rounds of a gateway that behaves, or of one that does not.
    pub length: Duration,
    /// Only misdeeds with these words in their titles.
    pub only: String,
}

/// Pods that the guest is asked for. Each may fail three times before it is not asked for it any more for a while.
const PODS: u8 = 16;
/// Pairs for each misdeed.
const PAIRS: u32 = 3;
/// Of each gateway. Which of a pair is first changes.
const ROUNDS: u32 = 2;
/// Of each gateway, before its rounds.
const WARM_UP: Duration = Duration::from_millis(300);
/// How often pairs that behave are measured.
const MACHINE: usize = 3;

/// What all pairs need.
struct Trial {
    guests: Guests,
    code: PathBuf,
    round: Duration,
}

/// A gateway, and what those who ask it have seen.
struct Side {
    misdeed: Misdeed,
    misbehaves: bool,
    ground: Ground,
    neighbours: Seen,
    of_guest: Seen,
}

/// What the pairs of one misdeed come to.
struct Finding {
    misdeed: Misdeed,
    /// Neighbours of a guest that behaves.
    behaving: Seen,
    /// Neighbours of one that does not.
    other: Seen,
    /// Its own pods.
    of_guest: Seen,
}

/// What all misdeeds come to.
#[derive(Default)]
struct Sum {
    neighbours: u64,
    of_guests: u64,
    ratios: Vec<f64>,
}

/// Measures every misdeed of the guests in this folder.
pub async fn measure(report: &mut Report, folder: &Path, effort: &Effort) -> Result<()> {
    let codes = tempfile::tempdir()?;
    let trial = Trial {
        guests: Guests::at(folder)?,
        code: codes.path().join("code"),
        round: effort.length / (PAIRS * ROUNDS),
    };
    for number in 1..=MACHINE {
        let machine = trial.of(misdeed::HARMLESS, false).await?;
        machine.add(report, &format!("none, the machine, {number}"));
    }
    let mut sum = Sum::default();
    let chosen = |misdeed: &Misdeed| misdeed.title().contains(&effort.only);
    for misdeed in misdeed::all().filter(chosen) {
        let finding = trial.of(misdeed, true).await?;
        finding.add(report, &misdeed.title());
        sum.count(&finding);
    }
    sum.add(report);
    Ok(())
}

impl Trial {
    async fn of(&self, misdeed: Misdeed, misbehaves: bool) -> Result<Finding> {
        let mut finding = Finding {
            misdeed,
            behaving: Seen::default(),
            other: Seen::default(),
            of_guest: Seen::default(),
        };
        for _ in 0..PAIRS {
            let mut behaving = Side::start(self, misdeed, false).await?;
            let mut other = Side::start(self, misdeed, misbehaves).await?;
            behaving.warm_up().await?;
            other.warm_up().await?;
            let (mut first, mut second) = (&mut behaving, &mut other);
            for _ in 0..ROUNDS {
                first.round(self.round).await?;
                second.round(self.round).await?;
                std::mem::swap(&mut first, &mut second);
            }
            let (behaving, other) = (behaving.check()?, other.check()?);
            finding.behaving.join(behaving.neighbours);
            finding.other.join(other.neighbours);
            finding.of_guest.join(other.of_guest);
        }
        Ok(finding)
    }
}

impl Side {
    async fn start(trial: &Trial, misdeed: Misdeed, misbehaves: bool) -> Result<Self> {
        let chain = chain::with(&trial.guests, &[misdeed], misbehaves)?;
        let pods = chain::pods(&[misdeed], PODS);
        Ok(Self {
            misdeed,
            misbehaves,
            ground: Ground::start(&chain, &pods, &trial.code).await?,
            neighbours: Seen::default(),
            of_guest: Seen::default(),
        })
    }

    /// The guest is not asked yet: neighbours get their first tokens, which takes a hundred times as long as any later one.
    async fn warm_up(&self) -> Result<()> {
        let neighbours = chain::neighbours(&chain::pace(&[self.misdeed]));
        let neighbours = Crowd::start(self.ground.gateway.address, neighbours);
        tokio::time::sleep(WARM_UP).await;
        neighbours.stop().await.map(|_| ())
    }

    /// The first round has what happens once: failures until the guest is not asked any more for a while.
    async fn round(&mut self, length: Duration) -> Result<()> {
        let address = self.ground.gateway.address;
        let misdeeds = [self.misdeed];
        let neighbours = chain::neighbours(&chain::pace(&misdeeds));
        let neighbours = Crowd::start(address, neighbours);
        let pause = chain::insistence(&misdeeds);
        let pods = chain::askers(&misdeeds, PODS, self.misbehaves, &pause);
        let pods = Crowd::start(address, pods);
        tokio::time::sleep(length).await;
        self.neighbours.join(neighbours.stop().await?);
        self.of_guest.join(pods.stop().await?);
        Ok(())
    }

    /// No request failed that the guest's failure mode does not explain.
    fn check(self) -> Result<Self> {
        let (title, log) = (self.misdeed.title(), self.ground.log());
        for seen in [&self.neighbours, &self.of_guest] {
            ensure!(seen.unexplained == 0, "{title}: {seen}\n{log}");
        }
        Ok(self)
    }
}

impl Finding {
    fn add(&self, report: &mut Report, title: &str) {
        let what = format!("neighbours' p99: {title}");
        let figure = report.add(&what, "guest", self.other.percentile(0.99), "µs");
        figure.against("behaving", self.behaving.percentile(0.99));
        figure.budget = self.is_comparable().then_some("1.1 ×");
        eprintln!("{title}: its own pods were told {}", self.of_guest);
    }

    fn ratio(&self) -> f64 {
        self.other.percentile(0.99) / self.behaving.percentile(0.99)
    }

    /// Where a cache plugin keeps nothing everybody's requests go to an authority: that is what it is there to decide.
    fn is_comparable(&self) -> bool {
        self.misdeed.kind != Kind::Cache { keeps: false }
    }
}

impl Sum {
    fn count(&mut self, finding: &Finding) {
        self.of_guests += finding.of_guest.answers;
        self.neighbours += finding.behaving.answers + finding.other.answers;
        if finding.is_comparable() {
            self.ratios.push(finding.ratio());
        }
    }

    fn add(mut self, report: &mut Report) {
        let what = "requests, all of them explained";
        report.add(what, "neighbours", self.neighbours as f64, "");
        report.add(what, "guests' pods", self.of_guests as f64, "");
        let what = "neighbours' p99, guest × behaving";
        self.ratios.sort_by(f64::total_cmp);
        let (middle, worst) = (self.ratios.get(self.ratios.len() / 2), self.ratios.last());
        for (subject, ratio) in [("middle of all misdeeds", middle), ("the worst", worst)] {
            let ratio = ratio.copied().unwrap_or_default();
            report.add(what, subject, ratio, "×");
        }
    }
}

impl Misdeed {
    /// As the report says it.
    fn title(&self) -> String {
        match self.kind {
            Kind::Policy(on_failure) => format!("policy {}, {}", self.mode, on_failure.word()),
            Kind::Credential => format!("credential {}", self.mode),
            Kind::Cache { .. } => format!("cache {}", self.mode),
        }
    }
}
