use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::HeaderValue;
use parking_lot::Mutex as Seen;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use super::*;

/// What a crowd of requests did.
#[derive(Default)]
struct Observed {
    starts: Seen<Vec<Instant>>,
    in_flight: AtomicUsize,
    most: AtomicUsize,
}

/// Runs requests that arrive after `pauses` and take `holds`, and says what IMDS would have seen.
async fn crowd(limits: &ImdsLimits, requests: &[(u64, u64)]) -> Arc<Observed> {
    let observed = Arc::new(Observed::default());
    let tasks: Vec<_> = requests
        .iter()
        .enumerate()
        .map(|(number, &(pause, hold))| {
            let party = format!("party-{}", number % 3);
            tokio::spawn(one(
                limits.clone(),
                Arc::clone(&observed),
                party,
                pause,
                hold,
            ))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    observed
}

async fn one(limits: ImdsLimits, observed: Arc<Observed>, party: String, pause: u64, hold: u64) {
    sleep(Duration::from_millis(pause)).await;
    let _turn = limits.identity(&party).await;
    observed.starts.lock().push(Instant::now());
    let now = observed.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    observed.most.fetch_max(now, Ordering::SeqCst);
    sleep(Duration::from_millis(hold)).await;
    observed.in_flight.fetch_sub(1, Ordering::SeqCst);
}

/// The most starts in any closed second.
fn densest_second(observed: &Observed) -> usize {
    let mut starts = observed.starts.lock().clone();
    starts.sort_unstable();
    let within = |first: &Instant| {
        let end = *first + Duration::from_secs(1);
        starts
            .iter()
            .filter(|start| (*first..=end).contains(start))
            .count()
    };
    starts.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn never_more_than_twenty_identity_requests_start_in_any_second() {
    let observed = crowd(&ImdsLimits::default(), &[(0, 0); 200]).await;
    assert_eq!(densest_second(&observed), IDENTITY_PER_SECOND);
}

#[tokio::test(start_paused = true)]
async fn never_more_than_five_identity_requests_are_in_flight() {
    let observed = crowd(&ImdsLimits::default(), &[(0, 300); 60]).await;
    assert_eq!(observed.most.load(Ordering::SeqCst), IDENTITY_CONCURRENT);
}

#[tokio::test(start_paused = true)]
async fn the_limits_are_used_to_the_full() {
    let begin = Instant::now();
    crowd(&ImdsLimits::default(), &[(0, 0); 101]).await;
    assert_eq!(begin.elapsed().as_millis(), 5 * WINDOW.as_millis());
}

#[tokio::test(start_paused = true)]
async fn twenty_at_once_need_not_wait() {
    let limits = ImdsLimits::default();
    let begin = Instant::now();
    for _ in 0..IDENTITY_PER_SECOND {
        drop(limits.identity("one").await);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_limits() {
    let limits = ImdsLimits::default();
    for _ in 0..IDENTITY_PER_SECOND {
        drop(limits.clone().identity("one").await);
    }
    let soon = timeout(Duration::from_millis(900), limits.clone().identity("one")).await;
    assert!(soon.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_takes_no_seat_and_no_start() {
    let limits = ImdsLimits::default();
    let seats: Vec<Turn> = futures_of(&limits, IDENTITY_CONCURRENT).await;
    for _ in 0..50 {
        assert!(
            timeout(Duration::from_millis(1), limits.identity("one"))
                .await
                .is_err()
        );
    }
    drop(seats);
    let begin = Instant::now();
    for _ in 0..IDENTITY_PER_SECOND - IDENTITY_CONCURRENT {
        drop(limits.identity("one").await);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_the_window_is_full_blocks_nobody() {
    let limits = ImdsLimits::default();
    for _ in 0..IDENTITY_PER_SECOND {
        drop(limits.identity("one").await);
    }
    let impatient = timeout(Duration::from_millis(500), limits.identity("one")).await;
    assert!(impatient.is_err());
    let begin = Instant::now();
    drop(limits.identity("one").await);
    assert_eq!(begin.elapsed(), WINDOW - Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_in_order() {
    let limits = ImdsLimits::default();
    let order = Arc::new(Seen::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..60 {
        let (limits, order) = (limits.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let _turn = limits.identity("one").await;
            order.lock().push(number);
            sleep(Duration::from_millis(30)).await;
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock(), (0..60).collect::<Vec<_>>());
}

/// Requests of one party, all waiting or in flight; each takes `hold`.
async fn flood(limits: &ImdsLimits, party: &'static str, count: usize, hold: Duration) {
    for _ in 0..count {
        let limits = limits.clone();
        tokio::spawn(async move {
            let _turn = limits.identity(party).await;
            sleep(hold).await;
        });
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_behind_all_that_other_parties_ask_for() {
    let limits = ImdsLimits::default();
    for party in ["a", "b", "c"] {
        flood(&limits, party, 500, Duration::from_millis(300)).await;
    }
    for _ in 0..10 {
        let begin = Instant::now();
        drop(limits.identity("modest").await);
        let hold = Duration::from_millis(300);
        assert!(begin.elapsed() <= hold + WINDOW, "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_party_whose_requests_hang_leaves_a_seat_to_the_others() {
    let limits = ImdsLimits::default();
    flood(&limits, "slow", 50, Duration::from_secs(1000)).await;
    let begin = Instant::now();
    for _ in 0..10 {
        drop(limits.identity("modest").await);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_party_that_is_alone_has_every_seat_but_one() {
    let limits = ImdsLimits::default();
    let mut turns = Vec::new();
    for _ in 0..IDENTITY_PER_PARTY {
        turns.push(limits.identity("alone").await);
    }
    let further = timeout(Duration::from_secs(10), limits.identity("alone")).await;
    assert!(further.is_err());
    drop(turns);
    drop(limits.identity("alone").await);
}

#[tokio::test(start_paused = true)]
async fn the_tenants_name_takes_few_of_the_turns() {
    let limits = ImdsLimits::default();
    let begin = Instant::now();
    for _ in 0..=INFO_PER_SECOND {
        drop(limits.info().await);
    }
    assert_eq!(begin.elapsed(), WINDOW);
}

#[tokio::test(start_paused = true)]
async fn other_metadata_has_five_a_second_of_its_own() {
    let limits = ImdsLimits::default();
    let _busy: Vec<Turn> = futures_of(&limits, IDENTITY_CONCURRENT).await;
    let begin = Instant::now();
    for _ in 0..INSTANCE_PER_SECOND {
        drop(limits.instance().await);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
    drop(limits.instance().await);
    assert_eq!(begin.elapsed(), WINDOW);
}

async fn futures_of(limits: &ImdsLimits, count: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for number in 0..count {
        turns.push(limits.identity(&format!("party-{number}")).await);
    }
    turns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_comes_the_limits_hold(requests in prop::collection::vec((0u64..4000, 0u64..1500), 1..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let observed = runtime.block_on(crowd(&ImdsLimits::default(), &requests));
        prop_assert!(densest_second(&observed) <= IDENTITY_PER_SECOND);
        prop_assert!(observed.most.load(Ordering::SeqCst) <= IDENTITY_CONCURRENT);
        prop_assert_eq!(observed.starts.lock().len(), requests.len());
    }

    #[test]
    fn no_retry_after_makes_the_parser_panic_or_wait_for_ever(text in "\\PC{0,40}") {
        prop_assert!(wait(&text).is_none_or(|wait| wait <= LONGEST_RETRY_AFTER));
    }
}

fn wait(text: &str) -> Option<Duration> {
    let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
}

#[test]
fn a_retry_after_is_seconds_or_a_date() {
    assert_eq!(wait("17"), Some(Duration::from_secs(17)));
    assert_eq!(wait(" 0 "), Some(Duration::ZERO));
    let soon = SystemTime::now() + Duration::from_secs(90);
    let from_date = wait(&httpdate::fmt_http_date(soon)).unwrap();
    assert!((85..=90).contains(&from_date.as_secs()), "{from_date:?}");
    assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
}

#[test]
fn a_retry_after_is_capped_and_nonsense_is_ignored() {
    assert_eq!(wait("99999999999"), Some(LONGEST_RETRY_AFTER));
    assert_eq!(
        wait("Fri, 31 Dec 9999 23:59:59 GMT"),
        Some(LONGEST_RETRY_AFTER)
    );
    for nonsense in [
        "",
        "-1",
        "1.5",
        "soon",
        "Fri, 99 Foo 1999 23:59:59 GMT",
        "99999999999999999999999",
    ] {
        assert_eq!(wait(nonsense), None, "{nonsense}");
    }
    assert_eq!(retry_after(&HeaderMap::new()), None);
}
