use ::http::HeaderValue;
use tokio::time::advance;

use super::*;

fn scale_set(group: &str, name: &str) -> ComputeId {
    let id = format!(
        "/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachineScaleSets/{name}"
    );
    id.parse().unwrap()
}

/// How many calls go through at once.
fn burst(limits: &ArmLimits, id: &ComputeId, kind: CallKind) -> usize {
    (0..).take_while(|_| limits.admit(id, kind).is_ok()).count()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_scale_set_takes_eight_changes_at_once_and_then_one_every_quarter_of_a_minute() {
    let (limits, id) = (ArmLimits::default(), scale_set("g", "np"));
    assert_eq!(burst(&limits, &id, CallKind::Patch), 8);
    assert_eq!(
        limits.admit(&id, CallKind::Patch),
        Err(NotYet::Paced(seconds(15)))
    );
    advance(seconds(14)).await;
    assert_eq!(limits.paced(&id, CallKind::Patch), seconds(1));
    advance(seconds(1)).await;
    assert_eq!(burst(&limits, &id, CallKind::Patch), 1);
    advance(seconds(60)).await;
    assert_eq!(burst(&limits, &id, CallKind::Patch), 4);
    advance(seconds(600)).await;
    assert_eq!(
        burst(&limits, &id, CallKind::Patch),
        8,
        "a bucket holds no more than its capacity"
    );
}

#[tokio::test(start_paused = true)]
async fn reads_writes_and_polls_are_counted_apart_and_so_are_resources() {
    let (limits, id) = (ArmLimits::default(), scale_set("g", "np"));
    assert_eq!(burst(&limits, &id, CallKind::Patch), 8);
    assert_eq!(burst(&limits, &id, CallKind::Get), 24);
    assert_eq!(burst(&limits, &id, CallKind::Poll), 30);
    assert_eq!(
        burst(&limits, &scale_set("other", "np"), CallKind::Patch),
        8
    );
    let spelt =
        "/subscriptions/S/resourcegroups/G/providers/microsoft.compute/virtualmachinescalesets/NP";
    assert_eq!(
        burst(&limits, &spelt.parse().unwrap(), CallKind::Patch),
        0,
        "case makes no new bucket"
    );
}

#[tokio::test(start_paused = true)]
async fn the_front_door_allows_so_many_changes_of_a_subscription_at_once_and_ten_a_second() {
    let limits = ArmLimits::default();
    let burst_of = |n: usize| burst(&limits, &scale_set("g", &format!("n{n}")), CallKind::Patch);
    assert_eq!((0..40).map(burst_of).sum::<usize>(), 190);
    let refused = limits.admit(&scale_set("g", "last"), CallKind::Patch);
    assert_eq!(refused, Err(NotYet::Paced(Duration::from_millis(100))));
    let elsewhere =
        "/subscriptions/t/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v";
    assert_eq!(
        burst(&limits, &elsewhere.parse().unwrap(), CallKind::Patch),
        8
    );
    advance(seconds(1)).await;
    assert_eq!((40..50).map(burst_of).sum::<usize>(), 10);
}

#[tokio::test(start_paused = true)]
async fn after_a_429_nothing_of_its_kind_is_asked_until_its_time() {
    let (limits, id, other) = (
        ArmLimits::default(),
        scale_set("g", "a"),
        scale_set("g", "b"),
    );
    limits.close(&id, CallKind::Patch, Scope::Resource, seconds(20));
    limits.close(&id, CallKind::Patch, Scope::Resource, seconds(5));
    assert_eq!(
        limits.admit(&id, CallKind::Patch),
        Err(NotYet::Closed(seconds(20), Scope::Resource))
    );
    assert!(
        limits.admit(&id, CallKind::Get).is_ok(),
        "reads have a clock of their own"
    );
    assert!(
        limits.admit(&other, CallKind::Patch).is_ok(),
        "one scale set harms no other"
    );
    limits.close(&id, CallKind::Poll, Scope::Subscription, seconds(9));
    assert_eq!(
        limits.admit(&other, CallKind::Get),
        Err(NotYet::Closed(seconds(9), Scope::Subscription))
    );
    advance(seconds(20)).await;
    assert!(
        limits.admit(&id, CallKind::Patch).is_ok() && limits.admit(&other, CallKind::Get).is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn what_arm_says_remains_counts_where_it_is_less() {
    let (limits, id) = (ArmLimits::default(), scale_set("g", "np"));
    let header = |name: &str, values: &[&'static str]| -> HeaderMap {
        values
            .iter()
            .map(|value| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    };
    let resource = "x-ms-ratelimit-remaining-resource";
    let told = [
        "Microsoft.Compute/A;8",
        "Microsoft.Compute/B;900, Microsoft.Compute/C;6",
        "x;y",
        "z",
    ];
    let mut headers = HeaderMap::new();
    told.iter().for_each(|value| {
        headers.append(resource, HeaderValue::from_static(value));
    });
    limits.learn(&id, CallKind::Patch, &headers);
    assert_eq!(
        burst(&limits, &id, CallKind::Patch),
        2,
        "six, less what may not be refilled for a minute"
    );
    limits.learn(&id, CallKind::Patch, &header(resource, &["x;0"]));
    assert_eq!(
        limits.paced(&id, CallKind::Patch),
        seconds(75),
        "a minute, and the first token after it"
    );
    limits.learn(&id, CallKind::Patch, &header(resource, &["x;12"]));
    assert_eq!(burst(&limits, &id, CallKind::Patch), 0, "it never adds");
    limits.learn(
        &id,
        CallKind::Get,
        &header("x-ms-ratelimit-remaining-subscription-reads", &["26"]),
    );
    assert_eq!(burst(&limits, &scale_set("g", "other"), CallKind::Get), 1);
}

#[tokio::test(start_paused = true)]
async fn buckets_that_are_full_again_take_no_memory() {
    let limits = ArmLimits::default();
    for n in 0..(2 * MAX_BUCKETS) {
        advance(seconds(1)).await;
        assert!(
            limits
                .admit(&scale_set("g", &format!("n{n}")), CallKind::Get)
                .is_ok()
        );
    }
    assert!(limits.0.lock().levels.len() <= MAX_BUCKETS);
}

/// A bucket of Azure's: full at first, refilled at every full period, whenever that begins.
struct Azure {
    bucket: Bucket,
    offset: Duration,
    begin: Instant,
    tokens: u32,
    refills: u128,
}

impl Azure {
    fn take(&mut self) {
        let refills =
            (self.begin.elapsed() + self.offset).as_nanos() / self.bucket.every.as_nanos();
        let new = self.bucket.refill * u32::try_from(refills - self.refills).unwrap();
        self.tokens = (self.tokens + new).min(self.bucket.capacity);
        self.refills = refills;
        self.tokens = self
            .tokens
            .checked_sub(1)
            .expect("Azure would have refused this call");
    }
}

proptest::proptest! {
    #[test]
    fn no_order_of_calls_goes_over_a_bucket_of_azure_s_whenever_that_refills(
        offset in 0..60_000_u64,
        calls in proptest::collection::vec((0..40_000_u64, 1..12_u8), 1..60),
        kind in proptest::sample::select(vec![CallKind::Get, CallKind::Patch, CallKind::Poll]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (limits, id) = (ArmLimits::default(), scale_set("g", "np"));
            let bucket = Limit::Own(kind).bucket();
            let (begin, offset) = (Instant::now(), Duration::from_millis(offset));
            let mut azure = Azure { bucket, offset, begin, tokens: bucket.capacity, refills: 0 };
            for (pause, tries) in calls {
                for _ in 0..tries {
                    if limits.admit(&id, kind).is_ok() {
                        azure.take();
                    }
                }
                advance(Duration::from_millis(pause)).await;
            }
        });
    }
}
