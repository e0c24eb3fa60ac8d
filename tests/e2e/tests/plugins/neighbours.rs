//! What a plugin that never ends costs those who have nothing to do with it: a bounded delay, and no answer.

use std::time::{Duration, Instant};

use podgate_e2e::demo;
use podgate_testkit::{Answer, Client, Target};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::chain::{ADDON, Chain, LEDGER, WEB, WORKER, described, vault, with};
use crate::guests::{CREDENTIAL, guest};
use crate::policy::policy;
use crate::process::{Running, ask, token_path};

/// Requests at one time: more than a plugin has places.
const LOOPS: usize = 48;
/// Calls of a plugin that can be under way at a time.
const PLACES: usize = 32;
/// 50 ms of a processor for each of them, one after another; on a machine without a free one their calls' 20 s end them.
const BURST: Duration = Duration::from_secs(25);
/// The longest that anybody else waits. Without the background it would be the loops' whole time, one after another.
const BOUND: Duration = Duration::from_secs(2);

/// Requests of one pod, all at once; each with its own audience, so that no two share a call.
fn burst(running: &Running, ip: &str, count: usize) -> Vec<JoinHandle<Answer>> {
    let request = |number| {
        let client = running.pod(ip);
        let path = token_path(&format!("resource=https://{number}.example"));
        tokio::spawn(async move { ask(&client, &path).await })
    };
    (0..count).map(request).collect()
}

/// Asks again and again until the burst is over: every answer is a 200. Gives their number and the longest wait.
async fn served_during(
    burst: &[JoinHandle<Answer>],
    client: &Client,
    path: &str,
) -> (usize, Duration) {
    let (mut answers, mut longest) = (0, Duration::ZERO);
    while answers == 0 || !burst.iter().all(JoinHandle::is_finished) {
        let asked = Instant::now();
        let answer = ask(client, path).await;
        longest = longest.max(asked.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
        answers += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (answers, longest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looping_policy_denies_whom_it_judges_and_delays_nobody_else_for_long() {
    let running = Running::start(&Chain::built_in().last(policy("loop", "deny")), &[]).await;
    // The exception matcher lets this pod through before the loop is asked.
    assert_eq!(running.token(ADDON, &vault()).await.status, 200);
    let started = Instant::now();
    let burst = burst(&running, WEB, LOOPS);
    let (addon, path) = (running.pod(ADDON), token_path(&vault()));
    let (served, longest) = served_during(&burst, &addon, &path).await;
    println!("{served} requests of another pod were served meanwhile, after {longest:?} at most");
    assert!(longest < BOUND, "{longest:?}");
    assert!(started.elapsed() < BURST, "{:?}", started.elapsed());
    for answer in burst {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(described(&answer).contains("policy guest failed"));
    }
    assert!(
        running.sim.calls_to(Target::Entra).is_empty(),
        "a denied pod reached an authority"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looping_policy_that_is_skipped_fails_no_request() {
    let running = Running::start(&Chain::built_in().first(policy("loop", "skip")), &[]).await;
    for (ip, client_id) in [(WEB, demo::WEB), (WORKER, demo::WORKER)] {
        assert_eq!(running.token(ip, &vault()).await.status, 200, "{client_id}");
    }
    let path = token_path(&vault());
    let started = Instant::now();
    let requests = (0..PLACES).map(|number| {
        let (client, path) = (running.pod([WEB, WORKER, ADDON][number % 3]), path.clone());
        tokio::spawn(async move { ask(&client, &path).await })
    });
    for answer in requests.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    println!(
        "{PLACES} requests behind a loop took {:?}",
        started.elapsed()
    );
    assert!(started.elapsed() < BURST, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_looping_credential_plugin_fails_its_own_pods_and_delays_nobody_else_for_long() {
    let more = json!({"grants": {"clock": true}, "limits": {"call": "2s"}});
    let looping = with(guest(CREDENTIAL, json!({"mode": "loop"})), more);
    let running = Running::start(&Chain::built_in().credential(looping), &[]).await;
    assert_eq!(running.token(WEB, &vault()).await.status, 200);
    // As many new tokens as one pod may ask for at once.
    let burst = burst(&running, LEDGER, 20);
    let (web, path) = (running.pod(WEB), token_path(&vault()));
    let query = vault();
    let fresh = running.token(WORKER, &query);
    let ((served, longest), fresh) = tokio::join!(served_during(&burst, &web, &path), fresh);
    println!("{served} requests of another pod were served meanwhile, after {longest:?} at most");
    assert!(longest < BOUND, "{longest:?}");
    assert_eq!(
        fresh.status,
        200,
        "a new token of another identity: {}",
        fresh.text()
    );
    for answer in burst {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(described(&answer).contains("credential plugin guest failed"));
    }
}
