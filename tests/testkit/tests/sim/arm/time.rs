//! ARM's time in a test's hand: operations, buckets, deletions.

use podgate_testkit::{Fault, FaultKind};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// The documented times and buckets, and no time but the test's.
fn manual() -> SimConfig {
    let mut config = config();
    config.arm.manual_time = true;
    config.arm.operation_ms = 30_000;
    config
}

fn machine() -> String {
    scale_set().replace("virtualMachineScaleSets", "virtualMachines")
}

/// A caller that keeps its token: tables of requests are not to be about IMDS.
struct Caller<'a> {
    sim: &'a AzureSim,
    bearer: String,
}

impl<'a> Caller<'a> {
    async fn of(sim: &'a AzureSim) -> Self {
        let bearer = bearer(sim).await;
        Self { sim, bearer }
    }

    async fn get(&self, path: &str) -> Answer {
        let path = match path.contains('?') {
            true => path.to_owned(),
            false => format!("{path}?api-version={VERSION}"),
        };
        arm(self.sim)
            .get(&path, &[("Authorization", &self.bearer)])
            .await
            .unwrap()
    }

    async fn change(&self, path: &str, body: &Value) -> Answer {
        let headers = [
            ("Authorization", self.bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        let path = format!("{path}?api-version={VERSION}");
        arm(self.sim)
            .request("PATCH", &path, &headers, body.to_string().as_bytes())
            .await
            .unwrap()
    }

    /// The operation that a change began.
    async fn poll(&self, begun: &Answer) -> Value {
        let url = begun.header("azure-asyncoperation").unwrap();
        let path = url.replace(self.sim.arm_url().trim_end_matches('/'), "");
        self.get(&path).await.json()
    }
}

fn adding(names: &[String]) -> Value {
    body("UserAssigned", names, &[])
}

#[tokio::test]
async fn an_operation_of_half_a_minute_takes_no_time_but_the_test_s() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    let begun = caller
        .change(&scale_set(), &adding(&[reader().resource_id]))
        .await;
    sim.advance(Duration::from_millis(29_999));
    let running = caller.poll(&begun).await;
    assert_eq!(
        (running["status"].as_str(), on_it(&sim).len()),
        (Some("InProgress"), 0)
    );
    sim.advance(Duration::from_millis(1));
    assert_eq!(on_it(&sim), [reader().resource_id]);
    let ended = caller.poll(&begun).await;
    assert_eq!(ended["status"], "Succeeded");
    let time = |key: &str| {
        ended[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert_eq!(
        time("endTime").duration_since(time("startTime")).as_secs(),
        30
    );
}

#[tokio::test]
async fn what_a_test_adds_to_the_time_of_the_machine_counts_as_well() {
    let mut config = config();
    config.arm.operation_ms = 3_600_000;
    let sim = start(config).await;
    let caller = Caller::of(&sim).await;
    caller
        .change(&scale_set(), &adding(&[reader().resource_id]))
        .await;
    sim.advance(Duration::from_secs(3600));
    assert_eq!(on_it(&sim), [reader().resource_id]);
}

/// "Compute throttling limits": requests until 429, and how many come with the next minute.
#[tokio::test]
async fn each_bucket_of_a_resource_has_the_documented_size_and_refill() {
    let mut config = manual();
    config.arm.operation_ms = 0;
    config.arm.computes.push(Compute {
        id: machine(),
        ..config.arm.computes[0].clone()
    });
    let sim = start(config).await;
    let caller = Caller::of(&sim).await;
    let change = adding(&[reader().resource_id]);
    for (path, writes, capacity, refill) in [
        (scale_set(), true, 12, 4),
        (scale_set(), false, 36, 12),
        (machine(), true, 12, 4),
        (machine(), false, 36, 12),
    ] {
        let until_refused = async || {
            for passed in 0.. {
                let answer = match writes {
                    true => caller.change(&path, &change).await,
                    false => caller.get(&path).await,
                };
                match answer.status {
                    200 => {}
                    _ => return (passed, answer),
                }
            }
            unreachable!("the loop has no end")
        };
        let (passed, refused) = until_refused().await;
        assert_eq!(passed, capacity, "{path} {writes}");
        assert_refused(&refused, 429, "OperationNotAllowed", "too many requests");
        assert_eq!(refused.header("retry-after"), Some("60"));
        sim.advance(MINUTE);
        assert_eq!(until_refused().await.0, refill, "{path} {writes}");
        sim.advance(MINUTE * 10);
        assert_eq!(
            until_refused().await.0,
            capacity,
            "full again, and not more"
        );
        sim.advance(MINUTE * 10);
    }
}

#[tokio::test]
async fn polls_have_a_bucket_of_their_own_for_each_resource() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    let begun = caller
        .change(&scale_set(), &adding(&[reader().resource_id]))
        .await;
    for _ in 0..45 {
        assert_eq!(caller.poll(&begun).await["status"], "InProgress");
    }
    let refused = caller.poll(&begun).await;
    assert_eq!(
        refused["error"]["details"][0]["target"],
        "GetOperationResource"
    );
    assert_eq!(caller.get(&scale_set()).await.status, 200);
}

#[tokio::test]
async fn what_a_scenario_costs_is_counted_by_kind() {
    let mut config = manual();
    let one = podgate_testkit::ArmBucket {
        capacity: 2,
        per_minute: 1,
    };
    config.arm.buckets = [(podgate_testkit::ArmLimit::ScaleSetUpdate, one)].into();
    let sim = start(config).await;
    let caller = Caller::of(&sim).await;
    let change = adding(&[reader().resource_id]);
    let begun = caller.change(&scale_set(), &change).await;
    assert_eq!(caller.change(&scale_set(), &change).await.status, 409);
    assert_eq!(caller.change(&scale_set(), &change).await.status, 429);
    caller.poll(&begun).await;
    caller.get(&scale_set()).await;
    let counts = podgate_testkit::ArmCalls {
        gets: 1,
        patches: 3,
        polls: 1,
        throttled: 1,
        failed: 1,
    };
    assert_eq!((sim.arm_calls(), counts.all()), (counts, 5));
    sim.clear_calls();
    assert_eq!(sim.arm_calls().all(), 0, "a token is not ARM's");
}

#[tokio::test]
async fn a_subscription_has_its_buckets_in_each_region() {
    let mut config = manual();
    let elsewhere = scale_set().replace("np", "far");
    config.arm.computes.push(Compute {
        id: elsewhere.clone(),
        location: "northeurope".into(),
        ..config.arm.computes[0].clone()
    });
    let sim = start(config).await;
    let caller = Caller::of(&sim).await;
    let left = async |path: &str| {
        let answer = caller.get(path).await;
        let all = answer.headers.get_all("x-ms-ratelimit-remaining-resource");
        all.iter()
            .map(|one| one.to_str().unwrap().to_owned())
            .find(|one| one.contains("Subscription"))
            .unwrap()
    };
    assert!(left(&scale_set()).await.ends_with(";2399"));
    assert!(left(&scale_set()).await.ends_with(";2398"));
    assert!(left(&elsewhere).await.ends_with(";2399"));
}

#[tokio::test]
async fn a_newer_change_takes_the_place_of_the_one_under_way_where_the_settings_say_so() {
    let mut config = manual();
    config.arm.preempts = true;
    let sim = start(config).await;
    let caller = Caller::of(&sim).await;
    let first = caller
        .change(&scale_set(), &adding(&[reader().resource_id]))
        .await;
    sim.advance(Duration::from_secs(10));
    let second = caller
        .change(&scale_set(), &adding(&[writer().resource_id]))
        .await;
    assert_eq!(second.status, 200, "{}", second.text());
    let given_up = caller.poll(&first).await;
    assert_eq!(
        (&given_up["status"], &given_up["error"]["code"]),
        (&json!("Canceled"), &json!("OperationPreempted"))
    );
    sim.advance(Duration::from_secs(20));
    assert_eq!(on_it(&sim), Vec::<String>::new(), "the first one's time");
    assert_eq!(sim.compute(&scale_set()).unwrap().state, "Updating");
    sim.advance(Duration::from_secs(10));
    assert_eq!(on_it(&sim), [writer().resource_id]);
    assert_eq!(caller.poll(&second).await["status"], "Succeeded");
    assert_eq!(caller.poll(&first).await["status"], "Canceled");
}

#[tokio::test]
async fn somebody_else_s_operation_preempts_ours_and_holds_the_resource() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    let change = adding(&[reader().resource_id]);
    let begun = caller.change(&scale_set(), &change).await;
    assert!(sim.preempt(&scale_set()) && !sim.preempt(&machine()));
    let given_up = caller.poll(&begun).await;
    assert_eq!(given_up["error"]["code"], "OperationPreempted");
    sim.advance(MINUTE);
    assert_refused(
        &caller.change(&scale_set(), &change).await,
        409,
        "AnotherOperationInProgress",
        "",
    );
    assert_eq!(on_it(&sim), Vec::<String>::new());
    let over = podgate_testkit::StateChange {
        compute: scale_set(),
        state: "Succeeded".into(),
    };
    assert!(sim.set_compute_state(&over));
    assert_eq!(caller.change(&scale_set(), &change).await.status, 200);
    sim.advance(MINUTE);
    assert_eq!(on_it(&sim), [reader().resource_id]);
}

#[tokio::test]
async fn a_resource_is_deleting_for_a_while_takes_no_change_and_then_is_gone() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    let change = adding(&[reader().resource_id]);
    let begun = caller.change(&scale_set(), &change).await;
    assert!(sim.delete_compute(&scale_set(), MINUTE));
    assert!(!sim.delete_compute(&machine(), MINUTE));
    let given_up = caller.poll(&begun).await;
    assert_eq!(given_up["error"]["code"], "OperationPreemptedByDelete");
    let shown = caller.get(&scale_set()).await.json();
    assert_eq!(shown["properties"]["provisioningState"], "Deleting");
    assert_refused(
        &caller.change(&scale_set(), &change).await,
        409,
        "OperationNotAllowed",
        "marked for deletion",
    );
    sim.advance(MINUTE);
    assert_eq!(caller.get(&scale_set()).await.status, 404);
    assert_eq!(caller.poll(&begun).await["status"], "Canceled");
}

#[tokio::test]
async fn what_was_made_anew_is_not_deleted_by_what_was_due_before() {
    let sim = start(manual()).await;
    let before = sim.compute(&scale_set()).unwrap();
    assert!(sim.delete_compute(&scale_set(), MINUTE));
    assert!(sim.remove_compute(&scale_set()) && sim.add_compute(&before));
    sim.advance(MINUTE);
    assert_eq!(sim.compute(&scale_set()), Some(before));
    assert!(sim.delete_compute(&scale_set(), Duration::ZERO));
    assert_eq!(sim.compute(&scale_set()), None);
}

#[tokio::test]
async fn the_admin_api_moves_the_time_and_what_is_in_it() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    let admin = async |method: &str, path: &str, body: Value| {
        let path = format!("/admin/arm/{path}");
        let body = body.to_string();
        let answer = imds(&sim)
            .request(method, &path, &[], body.as_bytes())
            .await;
        answer.unwrap().status
    };
    let unassignable = json!([reader().resource_id]);
    assert_eq!(admin("PUT", "unassignable", unassignable).await, 204);
    let change = adding(&[reader().resource_id]);
    assert_refused(
        &caller.change(&scale_set(), &change).await,
        403,
        "LinkedAuthorizationFailed",
        "reader",
    );
    assert_eq!(admin("PUT", "unassignable", json!([])).await, 204);
    caller.change(&scale_set(), &change).await;
    assert_eq!(admin("POST", "advance", json!({"ms": 30_000})).await, 204);
    assert_eq!(on_it(&sim).len(), 1);
    let compute = json!({"compute": scale_set()});
    assert_eq!(admin("POST", "preempt", compute.clone()).await, 204);
    assert_eq!(sim.computes()[0].state, "Updating");
    assert_eq!(admin("POST", "delete", compute).await, 204);
    assert_eq!(sim.computes(), []);
    assert_eq!(admin("POST", "preempt", json!({"compute": "x"})).await, 404);
    assert_eq!(admin("POST", "delete", json!({"compute": "x"})).await, 404);
}

#[tokio::test]
async fn an_outage_is_503_for_its_time_and_a_slow_get_is_right_in_the_end() {
    let sim = start(manual()).await;
    let caller = Caller::of(&sim).await;
    sim.fail(Fault::new(Target::Arm, FaultKind::Down { ms: 300 }));
    assert_refused(
        &caller.get(&scale_set()).await,
        503,
        "ServiceUnavailable",
        "",
    );
    until("the outage ends by itself", || {
        sim.pending_faults().is_empty()
    })
    .await;
    assert_eq!(caller.get(&scale_set()).await.status, 200);
    let slow = Fault::new(Target::Arm, FaultKind::Latency { ms: 200 }).for_method("GET");
    sim.fail(slow.once());
    let begun = std::time::Instant::now();
    let change = adding(&[reader().resource_id]);
    assert_eq!(caller.change(&scale_set(), &change).await.status, 200);
    let changed = begun.elapsed();
    let begun = std::time::Instant::now();
    assert_eq!(caller.get(&scale_set()).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        sim.pending_faults().len(),
        0,
        "the PATCH ({changed:?}) did not use it"
    );
}
