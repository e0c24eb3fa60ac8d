//! Candidates in bad weather: whatever happens, never two current tenures at one instant; and once it is over, one.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;

/// Of the storm; then as long again in fair weather.
const STORM: u64 = 60_000;
/// Between two looks at all tenures, in milliseconds.
const TICK: u64 = 10;
const CANDIDATES: usize = 3;

/// Something that happens to one candidate, or to the Lease.
#[derive(Clone, Debug)]
enum Mishap {
    Freeze {
        millis: u64,
    },
    Cut {
        lost: Lost,
        millis: u64,
    },
    Slow {
        there: u64,
        back: u64,
        millis: u64,
    },
    /// Killed, and another process in its place.
    Replace,
    /// Told to stop, and another process in its place.
    Restart,
    /// Somebody deletes the Lease.
    Delete,
    /// Somebody touches it.
    Touch,
}

#[derive(Clone, Debug)]
struct Storm {
    seed: u64,
    /// Each candidate's clock: how far ahead in seconds, and how fast.
    clocks: Vec<(u64, f64)>,
    mishaps: Vec<(u64, usize, Mishap)>,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let lost = prop_oneof![
        Just(Lost::Requests),
        Just(Lost::Answers),
        Just(Lost::Refused)
    ];
    prop_oneof![
        3 => (1..40_000_u64).prop_map(|millis| Mishap::Freeze { millis }),
        3 => (lost, 1..30_000_u64).prop_map(|(lost, millis)| Mishap::Cut { lost, millis }),
        3 => (0..6_000_u64, 0..6_000_u64, 1..30_000_u64)
            .prop_map(|(there, back, millis)| Mishap::Slow { there, back, millis }),
        1 => Just(Mishap::Replace),
        1 => Just(Mishap::Restart),
        1 => Just(Mishap::Delete),
        1 => Just(Mishap::Touch),
    ]
}

fn storm() -> impl Strategy<Value = Storm> {
    // Far worse than any crystal, and less than the factor of two that is promised.
    let clock = (1..1_000_000_u64, 0.8..1.25_f64);
    let mishaps = prop::collection::vec((0..STORM, 0..CANDIDATES, mishap()), 0..12);
    (
        any::<u64>(),
        prop::collection::vec(clock, CANDIDATES),
        mishaps,
    )
        .prop_map(|(seed, clocks, mut mishaps)| {
            mishaps.sort_by_key(|(at, _, _)| *at);
            Storm {
                seed,
                clocks,
                mishaps,
            }
        })
}

struct Sea {
    storm: Storm,
    server: Server,
    standing: Vec<Option<Standing>>,
    /// Of those that were told to stop.
    parting: Vec<(String, Leadership)>,
    /// When each candidate's weather is fair again, and when it thaws, in ticks' time.
    fair_at: Vec<u64>,
    thaws_at: Vec<u64>,
    started: u64,
}

impl Sea {
    fn new(storm: Storm) -> Self {
        let mut sea = Self {
            server: Server::released(),
            standing: (0..CANDIDATES).map(|_| None).collect(),
            parting: Vec::new(),
            fair_at: vec![0; CANDIDATES],
            thaws_at: vec![0; CANDIDATES],
            started: 0,
            storm,
        };
        (0..CANDIDATES).for_each(|who| sea.launch(who));
        sea
    }

    fn launch(&mut self, who: usize) {
        let (ahead, rate) = self.storm.clocks[who];
        let origin = Instant::now();
        let clock =
            Clock::from_fn(move || Duration::from_secs(ahead) + origin.elapsed().mul_f64(rate));
        self.started += 1;
        let seed = self.storm.seed.wrapping_add(self.started);
        self.standing[who] = Some(Standing::with_clock(&self.server, seed, clock));
        (self.fair_at[who], self.thaws_at[who]) = (0, 0);
    }

    fn befall(&mut self, now: u64, who: usize, mishap: Mishap) {
        let one = self.standing[who].as_ref().unwrap();
        match mishap {
            Mishap::Freeze { millis } => {
                one.freeze(true);
                self.thaws_at[who] = now + millis;
            }
            Mishap::Cut { lost, millis } => {
                one.cut(lost);
                self.fair_at[who] = now + millis;
            }
            Mishap::Slow {
                there,
                back,
                millis,
            } => {
                one.link.weather(Weather {
                    there: Duration::from_millis(there),
                    back: Duration::from_millis(back),
                    lost: Lost::Nothing,
                });
                self.fair_at[who] = now + millis;
            }
            Mishap::Replace => {
                one.task.abort();
                self.launch(who);
            }
            Mishap::Restart => {
                let old = self.standing[who].take().unwrap();
                old.freeze(false);
                self.parting
                    .push((old.identity.clone(), old.leadership.clone()));
                tokio::spawn(old.resign());
                self.launch(who);
            }
            Mishap::Delete => self.server.edit(|lease| *lease = None),
            Mishap::Touch => self.server.edit(|_| {}),
        }
    }

    fn calm(&mut self, now: u64) {
        for (who, one) in self.standing.iter().enumerate() {
            let one = one.as_ref().unwrap();
            if self.fair_at[who] <= now {
                one.link.weather(Weather::default());
            }
            if self.thaws_at[who] <= now {
                one.freeze(false);
            }
        }
    }

    fn leaders(&self) -> Vec<&str> {
        let leading = self.standing.iter().flatten().filter(|one| one.leads());
        let parting = self
            .parting
            .iter()
            .filter(|(_, parting)| parting.tenure().is_some());
        let parting = parting.map(|(identity, _)| identity.as_str());
        leading
            .map(|one| one.identity.as_str())
            .chain(parting)
            .collect()
    }

    async fn sail(mut self) -> Result<(), TestCaseError> {
        let mut mishaps = std::mem::take(&mut self.storm.mishaps)
            .into_iter()
            .peekable();
        // A freeze or a cut may begin at the storm's end and take 40 s; then a lease's time, and again.
        let end = STORM + 40_000 + 40_000;
        for now in (0..end).step_by(usize::try_from(TICK).unwrap()) {
            while let Some((_, who, mishap)) = mishaps.next_if(|(at, _, _)| *at <= now) {
                self.befall(now, who, mishap);
            }
            self.calm(now);
            sleep(Duration::from_millis(TICK)).await;
            let leaders = self.leaders();
            prop_assert!(leaders.len() <= 1, "at {now} ms: {leaders:?}");
        }
        let leaders = self.leaders();
        prop_assert_eq!(leaders.len(), 1, "in fair weather somebody leads");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_one_instant_whatever_happens_and_one_does_when_it_is_over(storm in storm()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { Sea::new(storm).sail().await })?;
    }
}
