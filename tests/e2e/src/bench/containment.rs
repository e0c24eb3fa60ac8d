//! Plugins that misbehave while others ask: what becomes of their own pods' requests, and how long everybody else waits.
//!
//! ```text
//!  neighbours ──▶ exception-matcher ▸ guest ▸ healthy ──▶ their tokens, always        (the guest is not asked for them)
//!  its pods   ──▶ exception-matcher ▸ guest ▸ healthy ──▶ what its failure mode says
//! ```
//! Two gateways with the same chain are asked in turns, a round each: in one the guest does what it should, in the other
//! it does not, and which of them is first changes. So whatever else the machine does meets both alike. The first pairs
//! behave in both: what moves there is the machine.

use std::path::Path;
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
    /// Rounds of each gateway.
    pub rounds: u32,
    /// Of a round.
    pub length: Duration,
    /// Only misdeeds with these words in their titles.
    pub only: String,
}

/// Pods that the guest is asked for. Each may fail three times before it is not asked for it any more for a while.
const PODS: u8 = 16;

/// Pairs that tell how far the machine moves a ratio by itself.
const MACHINE: usize = 3;

/// A gateway, and what those who ask it have seen.
struct Side {
    misdeed: Misdeed,
    misbehaves: bool,
    ground: Ground,
    /// Of neighbours.
    rounds: Vec<Seen>,
    /// Of the guest's own pods.
    of_guest: Seen,
}

/// Two of them in turns.
struct Pair {
    behaving: Side,
    other: Side,
}

/// What all pairs come to.
#[derive(Default)]
struct Sum {
    neighbours: u64,
    of_guests: u64,
    ratios: Vec<f64>,
}

/// Measures every misdeed of the guests in this folder.
pub async fn measure(report: &mut Report, folder: &Path, effort: &Effort) -> Result<()> {
    let guests = Guests::at(folder)?;
    let codes = tempfile::tempdir()?;
    let code = codes.path().join("code");
    let mut sum = Sum::default();
    for number in 1..=MACHINE {
        let noise = Pair::start(&guests, misdeed::HARMLESS, false, &code).await?;
        let noise = noise.measured(effort).await?;
        noise.add(report, &format!("none, the machine, {number}"));
    }
    let chosen = |misdeed: &Misdeed| misdeed.title().contains(&effort.only);
    for misdeed in misdeed::all().filter(chosen) {
        let pair = Pair::start(&guests, misdeed, true, &code).await?;
        let pair = pair.measured(effort).await?;
        pair.add(report, &misdeed.title());
        sum.count(&pair);
    }
    sum.add(report);
    Ok(())
}

impl Pair {
    async fn start(
        guests: &Guests,
        misdeed: Misdeed,
        misbehaves: bool,
        code: &Path,
    ) -> Result<Self> {
        Ok(Self {
            behaving: Side::start(guests, misdeed, false, code).await?,
            other: Side::start(guests, misdeed, misbehaves, code).await?,
        })
    }

    async fn measured(mut self, effort: &Effort) -> Result<Self> {
        let (mut first, mut second) = (&mut self.behaving, &mut self.other);
        for _ in 0..effort.rounds {
            first.round(effort.length).await?;
            second.round(effort.length).await?;
            std::mem::swap(&mut first, &mut second);
        }
        self.behaving.check()?;
        self.other.check()?;
        Ok(self)
    }

    fn add(&self, report: &mut Report, title: &str) {
        let what = format!("neighbours' p99: {title}");
        let figure = report.add(&what, "guest", self.other.p99(), "µs");
        figure.against("behaving", self.behaving.p99());
        figure.budget = self.other.is_comparable().then_some("1.1 ×");
        let what = format!("neighbours' longest: {title}");
        let figure = report.add(&what, "guest", self.other.longest(), "µs");
        figure.against("behaving", self.behaving.longest());
        eprintln!("{title}: its own pods were told {}", self.other.of_guest);
    }
}

impl Side {
    async fn start(
        guests: &Guests,
        misdeed: Misdeed,
        misbehaves: bool,
        code: &Path,
    ) -> Result<Self> {
        let chain = chain::with(guests, &[misdeed], misbehaves)?;
        let pods = chain::pods(&[misdeed], PODS);
        Ok(Self {
            misdeed,
            misbehaves,
            ground: Ground::start(&chain, &pods, code).await?,
            rounds: Vec::new(),
            of_guest: Seen::default(),
        })
    }

    /// The first round has what happens once: new tokens, and failures until the guest is not asked any more for a while.
    async fn round(&mut self, length: Duration) -> Result<()> {
        let address = self.ground.gateway.address;
        let misdeeds = [self.misdeed];
        let neighbours = chain::neighbours(&chain::pace(&misdeeds));
        let neighbours = Crowd::start(address, neighbours);
        let pause = chain::insistence(&misdeeds);
        let pods = chain::askers(&misdeeds, PODS, self.misbehaves, &pause);
        let pods = Crowd::start(address, pods);
        tokio::time::sleep(length).await;
        self.rounds.push(neighbours.stop().await?);
        self.of_guest.join(pods.stop().await?);
        Ok(())
    }

    /// No request failed that the guest's failure mode does not explain.
    fn check(&self) -> Result<()> {
        let (title, log) = (self.misdeed.title(), self.ground.log());
        for seen in self.rounds.iter().chain([&self.of_guest]) {
            ensure!(seen.unexplained == 0, "{title}: {seen}\n{log}");
        }
        Ok(())
    }

    /// Of the rounds' own, the middle one: one that a stranger on the machine disturbed does not count.
    fn p99(&self) -> f64 {
        let rounds = self.rounds.iter();
        let mut of_each: Vec<f64> = rounds.map(|seen| seen.percentile(0.99)).collect();
        of_each.sort_by(f64::total_cmp);
        of_each[of_each.len() / 2]
    }

    fn longest(&self) -> f64 {
        let of_each = self.rounds.iter().map(|seen| seen.percentile(1.0));
        of_each.fold(0.0, f64::max)
    }

    /// Where a cache plugin keeps nothing everybody's requests go to an authority: that is what it is there to decide.
    fn is_comparable(&self) -> bool {
        self.misdeed.kind != Kind::Cache { keeps: false }
    }
}

impl Sum {
    fn count(&mut self, pair: &Pair) {
        for side in [&pair.behaving, &pair.other] {
            self.neighbours += side.rounds.iter().map(|seen| seen.answers).sum::<u64>();
            self.of_guests += side.of_guest.answers;
        }
        if pair.other.is_comparable() {
            self.ratios.push(pair.other.p99() / pair.behaving.p99());
        }
    }

    fn add(mut self, report: &mut Report) {
        self.ratios.sort_by(f64::total_cmp);
        let what = "requests, all of them explained";
        report.add(what, "neighbours", self.neighbours as f64, "");
        report.add(what, "guests' pods", self.of_guests as f64, "");
        let middle = self.ratios.get(self.ratios.len() / 2).copied();
        let what = "neighbours' p99, guest × behaving";
        report.add(
            what,
            "middle of all misdeeds",
            middle.unwrap_or_default(),
            "×",
        );
        let worst = self.ratios.last().copied();
        report.add(what, "the worst misdeed", worst.unwrap_or_default(), "×");
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
