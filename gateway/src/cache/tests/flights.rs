//! Calls that end badly, late, or with less than was there before.

use super::*;

/// What becomes of a call.
#[derive(Clone, Copy)]
enum Call {
    /// A token of so many seconds.
    Life(u64),
    Hangs,
    Panics,
}

/// An authority that does one thing after another, the last one again and again.
struct Scripted {
    script: Vec<Call>,
    calls: AtomicUsize,
    clock: Clock,
    forgotten: Mutex<Vec<ObjectRef>>,
}

#[async_trait]
impl TokenSource for Scripted {
    async fn fetch(&self, _: &Wanted) -> Result<Token, Failure> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
        let life = match self.script[number.min(self.script.len() - 1)] {
            Call::Life(life) => life,
            Call::Hangs => std::future::pending().await,
            Call::Panics => panic!("as the script says"),
        };
        Ok(Token {
            access_token: format!("token-{number}").into(),
            token_type: "Bearer".to_owned(),
            expires_on: self.clock.now().saturating_add(life),
            not_before: None,
        })
    }

    fn forget(&self, secret: &ObjectRef) {
        self.forgotten.lock().push(secret.clone());
    }
}

struct Stage {
    cache: TokenCache,
    source: Arc<Scripted>,
}

fn stage(script: &[Call]) -> Stage {
    let clock = Clock::tokio(START);
    let source = Arc::new(Scripted {
        script: script.to_vec(),
        calls: AtomicUsize::new(0),
        clock: clock.clone(),
        forgotten: Mutex::default(),
    });
    let cache = TokenCache::new(
        Arc::clone(&source) as _,
        None,
        clock,
        Bounds::default(),
        Arc::default(),
    );
    Stage { cache, source }
}

impl Stage {
    async fn get(&self) -> Result<Arc<Held>, Refusal> {
        ask(&self.cache, "pod", VAULT, false).await
    }

    async fn ends(&self) -> u64 {
        self.get().await.unwrap().expires_on()
    }

    fn calls(&self) -> usize {
        self.source.calls.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_while_its_renewal_is_waited_for_is_not_served() {
    let stage = stage(&[Call::Life(600), Call::Hangs]);
    let end = stage.ends().await;
    let left = end - stage.source.clock.now();
    advance(Duration::from_secs(left - 1)).await;
    assert!(stage.get().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_is_an_outage_like_any_other() {
    let stage = stage(&[Call::Panics, Call::Life(DAY)]);
    for _ in 0..2 {
        assert!(matches!(stage.get().await, Err(Refusal::Upstream(_))));
    }
    assert_eq!(stage.calls(), 1, "not again before its pause");
    advance(Duration::from_secs(2)).await;
    stage.cache.sweep();
    assert_eq!(stage.cache.len(), 0, "an entry of nothing stays for ever");
    stage.get().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_is_given_up_and_made_again() {
    let stage = stage(&[Call::Hangs, Call::Life(DAY)]);
    assert!(matches!(stage.get().await, Err(Refusal::Deadline(_))));
    sleep(Duration::from_secs(15)).await;
    stage.get().await.unwrap();
    assert_eq!(stage.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_never_shortens_what_outlasts_an_outage() {
    let stage = stage(&[Call::Life(DAY), Call::Life(1)]);
    let end = stage.ends().await;
    advance(Duration::from_secs(DAY / 2 + 60)).await;
    for _ in 0..60 {
        assert_eq!(stage.ends().await, end);
        stage.cache.sweep();
        sleep(Duration::from_secs(60)).await;
    }
    assert!(stage.calls() > 1, "it was never renewed");
    assert!(stage.calls() <= 62, "{} calls", stage.calls());
    advance(Duration::from_secs(end - stage.source.clock.now() - 60)).await;
    assert_eq!(stage.ends().await, end, "in its last minute");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_wants_another_token_gets_it_even_if_it_ends_sooner() {
    let stage = stage(&[Call::Life(DAY), Call::Life(HOUR)]);
    let end = stage.ends().await;
    advance(Duration::from_secs(DAY / 2 + 60)).await;
    stage.ends().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.calls(), 2);
    assert_eq!(stage.ends().await, end, "a mere renewal changed it");
    let anew = ask(&stage.cache, "pod", VAULT, true).await.unwrap();
    assert!(anew.expires_on() < end);
    assert_eq!(stage.ends().await, anew.expires_on());
}

#[tokio::test(start_paused = true)]
async fn nobody_believes_that_a_token_lasts_for_years() {
    let stage = stage(&[Call::Life(253_402_300_799 - START)]);
    let ends = stage.ends().await;
    assert!(ends <= stage.source.clock.now() + 7 * DAY, "{ends}");
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_call_is_about_to_start_is_not_swept_away() {
    let stage = stage(&[Call::Life(DAY)]);
    let asked = Asked::of("pod", VAULT);
    let request = asked.request(false);
    let entered = stage.cache.enter(Key::of(request), request).unwrap();
    stage.cache.sweep();
    assert_eq!(stage.cache.len(), 1);
    drop(entered);
    stage.cache.sweep();
    assert_eq!(stage.cache.len(), 0);
}

fn identity() -> Change {
    Change::Identity(ObjectRef::new("default", "identity"))
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_call_makes_nobody_call_beside_it() {
    let stage = Arc::new(stage(&[Call::Life(DAY)]));
    let early = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move { stage.get().await.is_ok() }
    });
    sleep(Duration::from_millis(50)).await;
    stage.cache.forget(&identity());
    stage.get().await.unwrap();
    assert!(early.await.unwrap());
    stage.get().await.unwrap();
    assert_eq!(stage.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_brings_after_its_identity_changed_does_not_stay_in_memory() {
    let stage = Arc::new(stage(&[Call::Life(DAY)]));
    let early = tokio::spawn({
        let stage = Arc::clone(&stage);
        async move { stage.get().await.is_ok() }
    });
    sleep(Duration::from_millis(50)).await;
    stage.cache.forget(&identity());
    assert!(early.await.unwrap());
    stage.cache.sweep();
    assert_eq!(stage.cache.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exception_that_changes_costs_no_pod_the_nodes_tokens() {
    let stage = stage(&[Call::Life(DAY)]);
    let (pod, resource) = (resolved("pod", "10.0.0.1"), VAULT.parse().unwrap());
    let assignment = node(Selector::Unspecified);
    let request = Request {
        pod: &pod,
        assignment: &assignment,
        tenant: None,
        resource: &resource,
        bypass_cache: false,
    };
    stage.cache.get(request).await.unwrap();
    let exceptions = Change::Exceptions("another".to_owned());
    stage.cache.forget(&exceptions);
    stage.cache.get(request).await.unwrap();
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn who_reads_secrets_learns_that_one_has_changed() {
    let stage = stage(&[Call::Life(DAY)]);
    let secret = ObjectRef::new("default", "secret");
    stage.cache.forget(&Change::Secret(secret.clone()));
    assert_eq!(*stage.source.forgotten.lock(), [secret]);
}

#[tokio::test(start_paused = true)]
async fn refused_calls_use_up_a_pods_allowance_sooner() {
    let bounds = || Bounds {
        burst_per_pod: 9,
        per_second_per_pod: 1,
        ..Bounds::default()
    };
    let mut calls = Vec::new();
    for failure in [outage(), refusal()] {
        let fixture = fixture_with(DAY, bounds(), None);
        fixture.authority.fails(failure);
        for number in 0..20 {
            let resource = format!("https://{number}.example");
            fixture.get(&resource).await.unwrap_err();
        }
        calls.push(fixture.authority.calls());
    }
    assert!(calls[0] >= 9 && calls[1] <= 4, "{calls:?}");
}

/// It looked for a token before the flight had landed, and for the flight after that.
#[tokio::test(start_paused = true)]
async fn who_comes_just_behind_a_flight_is_given_what_it_brought() {
    let fixture = fixture(HOUR);
    let brought = fixture.get(VAULT).await.unwrap();
    let asked = Asked::of("pod", VAULT);
    let request = asked.request(false);
    let entry = fixture.cache.enter(Key::of(request), request).unwrap();
    let wait = Duration::from_secs(1);
    let given = fixture.cache.renew(&entry, request, wait).await.unwrap();
    assert!(Arc::ptr_eq(&given, &brought));
    assert_eq!(fixture.authority.calls(), 1);
    let anew = asked.request(true);
    fixture.cache.renew(&entry, anew, wait).await.unwrap();
    assert_eq!(fixture.authority.calls(), 2, "who wants it anew gets it");
}
