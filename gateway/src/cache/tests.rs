use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use podgate_azure::token::Token;
use podgate_plugin_host::{Plan, PluginError, Subject, Times};
use tokio::time::{advance, sleep};

use super::*;
use crate::assignment::testing::{bound, node};
use crate::pod::testing::resolved;
use crate::world::SecretData;

mod flights;
mod ownership;
mod plugin;

const START: u64 = 1_800_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// An authority that counts, takes its time and can fail.
struct Authority {
    calls: AtomicUsize,
    latency: Duration,
    life: u64,
    failure: Mutex<Option<Failure>>,
    clock: Clock,
}

impl Authority {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn fails(&self, failure: impl Into<Option<Failure>>) {
        *self.failure.lock() = failure.into();
    }
}

#[async_trait]
impl TokenSource for Authority {
    async fn fetch(&self, _: &Wanted) -> Result<Token, Failure> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(self.latency).await;
        match self.failure.lock().clone() {
            Some(failure) => Err(failure),
            None => Ok(Token {
                access_token: format!("token-{number}").into(),
                token_type: "Bearer".to_owned(),
                expires_on: self.clock.now() + self.life,
                not_before: None,
            }),
        }
    }
}

struct Fixture {
    cache: TokenCache,
    authority: Arc<Authority>,
    clock: Clock,
}

fn fixture(life: u64) -> Fixture {
    fixture_with(life, Bounds::default(), None)
}

fn fixture_with(life: u64, bounds: Bounds, policy: Option<Arc<dyn CachePolicy>>) -> Fixture {
    let clock = Clock::tokio(START);
    let authority = Arc::new(Authority {
        calls: AtomicUsize::new(0),
        latency: Duration::from_millis(100),
        life,
        failure: Mutex::new(None),
        clock: clock.clone(),
    });
    let source: Arc<dyn TokenSource> = Arc::clone(&authority) as _;
    let cache = TokenCache::new(source, policy, clock.clone(), bounds, Arc::default());
    Fixture {
        cache,
        authority,
        clock,
    }
}

impl Fixture {
    async fn get(&self, resource: &str) -> Result<Arc<Held>, Refusal> {
        self.get_as("pod", resource, false).await
    }

    async fn get_as(
        &self,
        pod: &str,
        resource: &str,
        bypass_cache: bool,
    ) -> Result<Arc<Held>, Refusal> {
        ask(&self.cache, pod, resource, bypass_cache).await
    }

    async fn token(&self, resource: &str) -> String {
        self.body(&self.get(resource).await.unwrap(), "access_token")
    }

    fn body(&self, held: &Held, field: &str) -> String {
        let json: serde_json::Value = serde_json::from_slice(&held.body(self.clock.now())).unwrap();
        json[field].as_str().unwrap().to_owned()
    }

    fn sweeping(&self) {
        let rules = crate::world::testing::rules();
        let world = crate::world::World::new(rules);
        let cache = self.cache.clone();
        tokio::spawn(async move {
            let held = world.clone();
            keep(cache, world).await;
            drop(held);
        });
    }
}

async fn ask(
    cache: &TokenCache,
    pod: &str,
    resource: &str,
    bypass_cache: bool,
) -> Result<Arc<Held>, Refusal> {
    let asked = Asked::of(pod, resource);
    cache.get(asked.request(bypass_cache)).await
}

/// What a request is about.
struct Asked {
    pod: ResolvedPod,
    assignment: Assignment,
    resource: Resource,
}

impl Asked {
    fn of(pod: &str, resource: &str) -> Self {
        Self {
            pod: resolved(pod, "10.0.0.1"),
            assignment: bound("identity", None),
            resource: resource.parse().unwrap(),
        }
    }

    fn request(&self, bypass_cache: bool) -> Request<'_> {
        Request {
            pod: &self.pod,
            assignment: &self.assignment,
            tenant: None,
            resource: &self.resource,
            bypass_cache,
        }
    }
}

fn outage() -> Failure {
    Failure::Unavailable {
        description: "503".to_owned(),
        retry_after: None,
        throttled: false,
    }
}

fn refusal() -> Failure {
    Failure::Refused {
        error: "invalid_client".to_owned(),
        description: "no".to_owned(),
        stale_credential: false,
    }
}

const VAULT: &str = "https://vault.azure.net";

#[tokio::test(start_paused = true)]
async fn two_hundred_requests_at_once_cost_one_call() {
    let fixture = Arc::new(fixture(DAY));
    let mut tasks = tokio::task::JoinSet::new();
    for pod in 0..200 {
        let fixture = Arc::clone(&fixture);
        tasks.spawn(async move {
            fixture
                .get_as(&format!("pod-{pod}"), VAULT, false)
                .await
                .is_ok()
        });
    }
    assert!(tasks.join_all().await.into_iter().all(|good| good));
    assert_eq!(fixture.authority.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_served_until_it_ends_through_an_outage_of_24_hours() {
    let fixture = fixture(DAY);
    let first = fixture.token(VAULT).await;
    fixture.authority.fails(outage());
    for _ in 0..(24 * 60 - 1) {
        advance(Duration::from_secs(60)).await;
        assert_eq!(
            fixture.token(VAULT).await,
            first,
            "at {} s",
            fixture.clock.now() - START
        );
    }
    advance(Duration::from_secs(61)).await;
    assert!(
        matches!(fixture.get(VAULT).await, Err(Refusal::Upstream(_))),
        "an ended token must not be served"
    );
    fixture.authority.fails(None);
    advance(Duration::from_secs(90)).await;
    assert_ne!(fixture.token(VAULT).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_never_served_at_or_after_its_end() {
    let fixture = fixture(600);
    fixture.token(VAULT).await;
    fixture.authority.fails(outage());
    let end = fixture.get(VAULT).await.unwrap().expires_on();
    advance(Duration::from_secs(end - fixture.clock.now() - 1)).await;
    assert_eq!(
        fixture.body(&fixture.get(VAULT).await.unwrap(), "expires_in"),
        "1"
    );
    advance(Duration::from_secs(1)).await;
    assert!(fixture.get(VAULT).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_hangs_holds_up_nobody_who_has_a_valid_token() {
    let mut fixture = fixture(HOUR);
    let first = fixture.token(VAULT).await;
    let authority = Arc::new(Authority {
        calls: AtomicUsize::new(0),
        latency: Duration::from_secs(1000),
        life: HOUR,
        failure: Mutex::new(None),
        clock: fixture.clock.clone(),
    });
    Arc::get_mut(&mut fixture.cache.0).unwrap().source = authority;
    advance(Duration::from_secs(HOUR - 60)).await;
    let start = Instant::now();
    assert_eq!(fixture.token(VAULT).await, first);
    assert!(Instant::now() - start <= Bounds::default().patience);
}

#[tokio::test(start_paused = true)]
async fn a_used_token_is_renewed_at_half_its_life_though_nobody_waits() {
    let fixture = fixture(10 * HOUR);
    fixture.sweeping();
    let first = fixture.token(VAULT).await;
    advance(Duration::from_secs(HOUR)).await;
    assert_eq!(fixture.token(VAULT).await, first);
    sleep(Duration::from_secs(4 * HOUR + 60)).await;
    assert_eq!(fixture.authority.calls(), 2);
    assert_ne!(fixture.token(VAULT).await, first);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_uses_is_renewed_once_and_then_dies() {
    let fixture = fixture(2 * HOUR);
    fixture.sweeping();
    fixture.token(VAULT).await;
    sleep(Duration::from_secs(10 * HOUR)).await;
    assert_eq!(fixture.authority.calls(), 2);
    assert!(fixture.cache.len() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_repeated_before_its_pause_and_the_pause_grows() {
    let fixture = fixture(DAY);
    fixture.authority.fails(outage());
    for _ in 0..600 {
        assert!(fixture.get(VAULT).await.is_err());
        advance(Duration::from_secs(1)).await;
    }
    let calls = fixture.authority.calls();
    assert!((10..=25).contains(&calls), "{calls} calls in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_obeyed_and_told() {
    let fixture = fixture(DAY);
    let wait = Duration::from_secs(30);
    fixture.authority.fails(Failure::Unavailable {
        description: "429".to_owned(),
        retry_after: Some(wait),
        throttled: true,
    });
    fixture.get(VAULT).await.unwrap_err();
    advance(Duration::from_secs(10)).await;
    let told = fixture.get(VAULT).await.unwrap_err();
    assert!(
        matches!(told, Refusal::Upstream(Failure::Unavailable { retry_after: Some(left), throttled: true, .. })
        if left <= Duration::from_secs(20) && left > Duration::from_secs(19)),
        "{told:?}"
    );
    assert_eq!(fixture.authority.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_for_a_while_and_then_asked_again() {
    let fixture = fixture(DAY);
    fixture.authority.fails(refusal());
    for _ in 0..10 {
        fixture.get(VAULT).await.unwrap_err();
    }
    assert_eq!(fixture.authority.calls(), 1);
    fixture.authority.fails(None);
    advance(Duration::from_secs(16)).await;
    assert!(fixture.get(VAULT).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_key_holds_up_no_other() {
    let fixture = fixture(DAY);
    fixture.authority.fails(outage());
    fixture.get(VAULT).await.unwrap_err();
    fixture.authority.fails(None);
    assert!(fixture.get("https://storage.azure.com").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_takes_nobody_with_it() {
    let fixture = Arc::new(fixture(DAY));
    let early = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { fixture.get(VAULT).await.is_ok() }
    });
    tokio::task::yield_now().await;
    early.abort();
    assert!(fixture.get(VAULT).await.is_ok());
    assert_eq!(fixture.authority.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn bypass_cache_fetches_anew_at_most_once_a_minute() {
    let fixture = fixture(DAY);
    let first = fixture.token(VAULT).await;
    advance(Duration::from_secs(30)).await;
    fixture.get_as("pod", VAULT, true).await.unwrap();
    assert_eq!(fixture.authority.calls(), 1);
    advance(Duration::from_secs(31)).await;
    let anew = fixture.get_as("pod", VAULT, true).await.unwrap();
    assert_ne!(fixture.body(&anew, "access_token"), first);
    fixture.get_as("pod", VAULT, true).await.unwrap();
    assert_eq!(fixture.authority.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_has_only_strings_and_counts_down() {
    let fixture = fixture(HOUR);
    let held = fixture.get(VAULT).await.unwrap();
    advance(Duration::from_secs(60)).await;
    let body: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&held.body(fixture.clock.now())).unwrap();
    assert!(body.values().all(serde_json::Value::is_string), "{body:?}");
    assert_eq!(body["expires_in"], "3540");
    assert_eq!(
        body["expires_on"].as_str(),
        Some((START + HOUR).to_string().as_str())
    );
    assert_eq!(body["resource"], VAULT);
    assert_eq!(body["token_type"], "Bearer");
}

#[tokio::test(start_paused = true)]
async fn a_held_token_never_shows_in_debug_output() {
    let fixture = fixture(HOUR);
    let held = fixture.get(VAULT).await.unwrap();
    assert!(!format!("{held:?}").contains("token-0"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Time passes, the authority comes and goes, and now and then it only hangs.
    #[test]
    fn whatever_happens_a_valid_token_is_served_and_an_ended_one_never(
        steps in proptest::collection::vec((0..3 * HOUR, 0..3u8), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let fixture = fixture(2 * HOUR);
            let mut ends = 0;
            for (seconds, mode) in steps {
                fixture.authority.fails((mode == 1).then(outage).or((mode == 2).then(refusal)));
                advance(Duration::from_secs(seconds)).await;
                let before = fixture.clock.now();
                match fixture.get(VAULT).await {
                    Ok(held) => {
                        assert!(held.expires_on() > fixture.clock.now(), "an ended token was served");
                        ends = held.expires_on();
                    }
                    // A call of two seconds may be under way in between.
                    Err(refusal) => assert!(ends <= before + 3, "a valid token was withheld: {refusal}"),
                }
            }
            let hours = (fixture.clock.now() - START) / HOUR + 1;
            assert!(fixture.authority.calls() as u64 <= hours + 40, "{} calls", fixture.authority.calls());
        });
    }
}
