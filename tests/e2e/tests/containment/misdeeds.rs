//! All guests at once in one gateway that others ask all the time.

use std::path::Path;
use std::time::Duration;

use podgate_e2e::bench::containment::chain::{self, LABEL};
use podgate_e2e::bench::containment::crowd::{Crowd, Pause, Seen};
use podgate_e2e::bench::containment::ground::Ground;
use podgate_e2e::bench::containment::guests::Guests;
use podgate_e2e::bench::containment::misdeed::{self, CACHES, CREDENTIALS, Kind, Misdeed};
use serde_json::{Value, json};

use crate::guests::{self, CACHE, FUTURE, GREEDY, POLICY, guest};

/// Pods of each guest.
const PODS: u8 = 2;
/// How long each pair of a credential and a cache plugin has.
const STAGE: Duration = Duration::from_millis(1500);
/// Calls of one failing policy for one pod in a stage: three, and those after the first pauses of one and two seconds.
const CALLS: u64 = 5;
/// The longest that anybody else waits. All policies that loop run at once for the 100 ms that each call has, and then
/// hardly ever; a request needs a few turns on a thread, each behind a turn of 10 ms of every loop.
const BOUND: Duration = Duration::from_secs(3);

/// What stands in the chain at one time: every policy, and one of the others each.
fn stages() -> Vec<Vec<Misdeed>> {
    let stage = |(number, cache): (usize, &Misdeed)| {
        let credential = CREDENTIALS[number % CREDENTIALS.len()];
        misdeed::policies().chain([credential, *cache]).collect()
    };
    CACHES.iter().enumerate().map(stage).collect()
}

/// Editions of the file that no gateway takes.
fn bad() -> Vec<String> {
    let first = |plugin: Value| json!({"policy": [plugin]}).to_string();
    let mode = |mode: &str| {
        let mut plugin = guest(POLICY, json!({"mode": mode}));
        plugin["grants"] = json!({"clock": true});
        first(plugin)
    };
    vec![
        mode("loop-in-configure"),
        mode("panic-in-configure"),
        mode("refuse-settings"),
        first(guest(GREEDY, json!({}))),
        first(guest(FUTURE, json!({}))),
        first(guest(CACHE, json!({}))),
    ]
}

/// One gateway, those who ask it all the time, and what became of everybody.
struct Trial {
    guests: Guests,
    ground: Ground,
    pause: Pause,
    of_guests: Seen,
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaving_plugins_in_one_chain_fail_no_request_but_those_that_depend_on_them() {
    let (stages, bad) = (stages(), bad());
    let mut trial = Trial::start(&stages[0]).await;
    let neighbours = chain::neighbours(&trial.pause);
    let neighbours = Crowd::start(trial.ground.gateway.address, neighbours);
    for (number, stage) in stages.iter().enumerate() {
        let bad = &bad[number % bad.len()];
        assert!(
            !trial.ground.reload(bad).await.unwrap(),
            "it was taken: {bad}"
        );
        trial.stage(stage).await;
    }
    let seen = neighbours.stop().await.unwrap();
    let longest = Duration::from_micros(seen.percentile(1.0) as u64);
    println!(
        "neighbours: {seen}, p99 {} µs, {longest:?} at most; guests' pods: {}",
        seen.percentile(0.99),
        trial.of_guests
    );
    assert_eq!(seen.unexplained, 0, "{seen}\n{}", trial.ground.log());
    assert!(seen.answers > 1000, "too little load: {seen}");
    assert!(longest < BOUND, "{longest:?}");
    assert!(
        trial.of_guests.answers > 1000,
        "too little load: {}",
        trial.of_guests
    );
    for status in [200, 403, 503] {
        assert!(
            trial.of_guests.with_status(status) > 50,
            "{}",
            trial.of_guests
        );
    }
    trial.ground.stop().await.unwrap();
}

impl Trial {
    async fn start(first: &[Misdeed]) -> Self {
        let guests = Guests::at(&guests::path("")).unwrap();
        let code = Path::new(env!("CARGO_TARGET_TMPDIR")).join("code-cache");
        let pods = chain::pods(&everybody(), PODS);
        // Nobody misbehaves yet.
        let healthy = chain::with(&guests, first, false).unwrap();
        Self {
            ground: Ground::start(&healthy, &pods, &code).await.unwrap(),
            guests,
            pause: chain::pace(&[]),
            of_guests: Seen::default(),
        }
    }

    /// These misbehave for a while, and their pods ask.
    async fn stage(&mut self, misdeeds: &[Misdeed]) {
        self.pause.become_like(&chain::pace(misdeeds));
        let before = self.outcomes(misdeeds).await;
        let chain = chain::with(&self.guests, misdeeds, true).unwrap();
        let taken = self.ground.reload(&chain).await.unwrap();
        assert!(taken, "{}", self.ground.log());
        let pause = chain::insistence(misdeeds);
        let pods = chain::askers(&everybody(), PODS, true, &pause);
        let pods = pods
            .into_iter()
            .filter(|asker| asker.is_of(misdeeds))
            .collect();
        let pods = Crowd::start(self.ground.gateway.address, pods);
        tokio::time::sleep(STAGE).await;
        let seen = pods.stop().await.unwrap();
        assert_eq!(seen.unexplained, 0, "{seen}\n{}", self.ground.log());
        self.of_guests.join(seen);
        let after = self.outcomes(misdeeds).await;
        for ((misdeed, before), after) in misdeeds.iter().zip(before).zip(after) {
            is_proved(misdeed, after - before);
        }
    }

    /// How often each one's calls ended as its misdeed does, or on a slow machine were ended before that.
    async fn outcomes(&self, misdeeds: &[Misdeed]) -> Vec<u64> {
        let mut outcomes = Vec::new();
        for misdeed in misdeeds {
            let (name, outcome) = (misdeed.name(), misdeed.outcome);
            let mut calls = self.ground.calls(&name, outcome).await.unwrap();
            if outcome != "ok" {
                calls += self.ground.calls(&name, "timeout").await.unwrap();
            }
            outcomes.push(calls);
        }
        outcomes
    }
}

/// It did happen; and a policy that fails is soon not asked any more, so that it takes no more of anybody's time.
fn is_proved(misdeed: &Misdeed, calls: u64) {
    let name = misdeed.name();
    assert!(calls > 0, "{name} did nothing");
    let fails = matches!(misdeed.kind, Kind::Policy(_)) && misdeed.outcome != "ok";
    assert!(
        !fails || calls <= CALLS * u64::from(PODS),
        "{name} was asked {calls} times"
    );
}

/// Those of all stages, in the order of their pods' addresses.
fn everybody() -> Vec<Misdeed> {
    misdeed::all().collect()
}

#[test]
fn each_guest_has_pods_of_its_own() {
    let yaml = chain::pods(&everybody(), PODS);
    let labels = yaml.matches(&format!("{LABEL}: ")).count();
    assert_eq!(labels, misdeed::all().count() * usize::from(PODS));
}
