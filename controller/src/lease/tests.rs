use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::{Instant, sleep, timeout};

use super::testing::{Link, Lost, Server, Weather};
use super::*;

mod gone;
mod races;
mod standing;

use standing::{Standing, elected};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_holds_is_taken_at_once_and_says_who_leads_since_when() {
    let server = Server::released();
    let mic = Standing::start(&server, 1);
    let begun = Instant::now();
    let tenure = elected(&mic).await;
    assert!(begun.elapsed() < SECOND && tenure.remaining() <= Duration::from_millis(7500));
    let spec = server.spec();
    assert_eq!(spec.holder_identity.as_deref(), Some(mic.identity.as_str()));
    assert!(mic.identity.starts_with("mic_"), "{}", mic.identity);
    assert_eq!(
        (spec.lease_duration_seconds, spec.lease_transitions),
        (Some(15), Some(1))
    );
    assert!(spec.acquire_time.is_some() && spec.renew_time >= spec.acquire_time);
    assert_eq!(
        mic.leadership.leader().as_deref(),
        Some(mic.identity.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_stays_one_tenure_long_by_renewing_a_few_times_a_lease() {
    let server = Server::released();
    let mic = Standing::start(&server, 1);
    let tenure = elected(&mic).await;
    let (acquired, calls) = (server.spec().acquire_time, server.calls());
    for _ in 0..600 {
        sleep(SECOND).await;
        assert!(tenure.is_current(), "the same tenure all along");
    }
    let calls = server.calls() - calls;
    assert!(
        (160..=178).contains(&calls),
        "every 3.4 to 3.75 s, one call each: {calls}"
    );
    let spec = server.spec();
    assert!(spec.renew_time > spec.acquire_time && spec.lease_transitions == Some(1));
    assert_eq!(spec.acquire_time, acquired);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_stop_gives_the_lease_back_and_the_standby_follows_at_once() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    let tenure = elected(&first).await;
    let second = Standing::start(&server, 2);
    sleep(60 * SECOND).await;
    assert!(!second.leads());
    let told = Instant::now();
    let (first, ended) = (first.resign(), tenure.ended());
    tokio::join!(first, ended);
    elected(&second).await;
    assert!(
        told.elapsed() < Duration::from_millis(500),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(server.spec().lease_transitions, Some(2));
    second.resign().await;
    let spec = server.spec();
    assert_eq!(spec.holder_identity.as_deref(), Some(""));
    assert_eq!(
        (spec.lease_transitions, spec.lease_duration_seconds),
        (Some(2), Some(1))
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_is_followed_after_the_leases_duration_and_not_before() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    elected(&first).await;
    let second = Standing::start(&server, 2);
    sleep(30 * SECOND).await;
    first.kill().await;
    let died = Instant::now();
    elected(&second).await;
    let waited = died.elapsed().as_secs_f64();
    assert!(
        (11.0..15.3).contains(&waited),
        "up to 3.75 s had gone by since the last renewal: {waited}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_a_tenure_ends_at_its_deadline_and_a_new_one_begins_when_it_is_back()
{
    for lost in [Lost::Requests, Lost::Answers, Lost::Refused] {
        let server = Server::released();
        let mic = Standing::start(&server, 1);
        let tenure = elected(&mic).await;
        sleep(30 * SECOND).await;
        let left = tenure.remaining();
        mic.cut(lost);
        let cut = Instant::now();
        tenure.ended().await;
        let held = cut.elapsed();
        assert!(
            held >= left && held < left + Duration::from_millis(10),
            "{lost:?}: {held:?} {left:?}"
        );
        sleep(30 * SECOND).await;
        assert!(
            mic.leadership
                .problem()
                .unwrap()
                .starts_with("the lease default/aad-pod-identity-mic: ")
        );
        mic.cut(Lost::Nothing);
        let again = elected(&mic).await;
        assert!(again.is_current() && !tenure.is_current());
        sleep(10 * SECOND).await;
        assert_eq!(mic.leadership.problem(), None);
        assert_eq!(
            server.spec().lease_transitions,
            Some(1),
            "{lost:?}: it was its own all the time"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_costs_no_tenure() {
    let server = Server::released();
    let mic = Standing::start(&server, 1);
    let tenure = elected(&mic).await;
    for _ in 0..20 {
        sleep(10 * SECOND).await;
        mic.cut(Lost::Refused);
        sleep(3 * SECOND).await;
        mic.cut(Lost::Nothing);
        assert!(tenure.is_current());
    }
    sleep(10 * SECOND).await;
    // As slow as a call may be.
    mic.link.weather(Weather {
        there: SECOND,
        back: 2 * SECOND,
        lost: Lost::Nothing,
    });
    sleep(60 * SECOND).await;
    assert!(tenure.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_past_its_lease_knows_before_anything_else() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    let tenure = elected(&first).await;
    let second = Standing::start(&server, 2);
    sleep(10 * SECOND).await;
    first.freeze(true);
    elected(&second).await;
    assert!(
        !tenure.is_current() && !first.leads(),
        "by the clock alone: nothing of it has run"
    );
    first.freeze(false);
    sleep(60 * SECOND).await;
    assert!(second.leads() && !first.leads());
    assert_eq!(
        first.leadership.leader().as_deref(),
        Some(second.identity.as_str())
    );
    assert_eq!(server.spec().lease_transitions, Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_times_that_another_one_wrote_are_not_believed() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    elected(&first).await;
    // Of a host whose clock is a year late.
    let late = |lease: &mut Option<Lease>| {
        let spec = lease.as_mut().unwrap().spec.as_mut().unwrap();
        let year = k8s_openapi::jiff::SignedDuration::from_hours(24 * 365);
        let renewed = spec.renew_time.as_mut().unwrap();
        renewed.0 = renewed.0.checked_sub(year).unwrap();
    };
    let second = Standing::start(&server, 2);
    for _ in 0..40 {
        server.edit(late);
        sleep(SECOND / 2).await;
        assert!(!second.leads());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_taken_by_hand_ends_the_tenure_at_the_next_look() {
    let server = Server::released();
    let mic = Standing::start(&server, 1);
    let tenure = elected(&mic).await;
    server.edit(|lease| {
        let spec = lease.as_mut().unwrap().spec.as_mut().unwrap();
        spec.holder_identity = Some("somebody".to_owned());
    });
    let taken = Instant::now();
    tenure.ended().await;
    assert!(taken.elapsed() < 4 * SECOND, "{:?}", taken.elapsed());
    sleep(10 * SECOND).await;
    assert_eq!(mic.leadership.leader().as_deref(), Some("somebody"));
    assert!(!mic.leads());
    elected(&mic).await;
    assert_eq!(server.spec().lease_transitions, Some(2));
}

#[tokio::test(start_paused = true)]
async fn two_that_call_themselves_the_same_are_two() {
    let server = Server::released();
    let (first, second) = (Standing::start(&server, 1), Standing::start(&server, 2));
    for _ in 0..100 {
        sleep(SECOND).await;
        assert!(first.leads() != second.leads(), "both are called mic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_duration_that_the_holder_wrote_is_what_it_is_given_within_bounds() {
    for (said, least, most) in [
        (Some(60), 60, 62),
        (None, 15, 17),
        (Some(-1), 15, 17),
        (Some(i32::MAX), 3600, 3602),
    ] {
        let server = Server::default();
        let spec = LeaseSpec {
            holder_identity: Some("another program".to_owned()),
            lease_duration_seconds: said,
            ..LeaseSpec::default()
        };
        server.edit(|lease| lease.get_or_insert_default().spec = Some(spec));
        let mic = Standing::start(&server, 1);
        let begun = Instant::now();
        mic.leadership.elected().await;
        let waited = begun.elapsed().as_secs();
        assert!((least..=most).contains(&waited), "{said:?}: {waited} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_asks_now_and_then_and_leaves_the_lease_as_it_is() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    elected(&first).await;
    sleep(60 * SECOND).await;
    let alone = server.calls();
    sleep(600 * SECOND).await;
    let alone = server.calls() - alone;
    let standby = Standing::start(&server, 2);
    let both = server.calls();
    sleep(600 * SECOND).await;
    let looks = server.calls() - both - alone;
    assert!(
        (120..=360).contains(&looks),
        "a look after each renewal, and no more than two a retry: {looks}"
    );
    let calls = server.calls();
    standby.resign().await;
    assert!(
        server.calls() - calls <= 1,
        "it never wrote, so it gives nothing back"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_told_to_stop_in_the_middle_of_a_renewal_still_gives_the_lease_back() {
    for there in [0, 200, 2000] {
        let server = Server::released();
        let mic = Standing::start(&server, 1);
        elected(&mic).await;
        mic.link.weather(Weather {
            there: Duration::from_millis(there),
            back: Duration::from_millis(100),
            lost: Lost::Nothing,
        });
        let writes = server.lease();
        while server.lease() == writes && there < 1000 {
            sleep(Duration::from_millis(10)).await;
        }
        let told = Instant::now();
        mic.resign().await;
        assert!(told.elapsed() < 5 * SECOND, "bounded: {:?}", told.elapsed());
        sleep(10 * SECOND).await;
        let holder = server.spec().holder_identity;
        assert!(
            there > 1000 || holder.as_deref() == Some(""),
            "{there}: {holder:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_candidate_nobody_is_elected_and_the_tenure_is_over() {
    let server = Server::released();
    let mic = Standing::start(&server, 1);
    let (tenure, leadership) = (elected(&mic).await, mic.leadership.clone());
    mic.kill().await;
    assert!(!tenure.is_current() && leadership.tenure().is_none());
    assert!(timeout(100 * SECOND, leadership.elected()).await.is_err());
}

#[test]
fn the_clock_goes_on() {
    let clock = Clock::boot();
    let before = clock.now();
    assert!(before > Duration::ZERO);
    std::thread::sleep(Duration::from_millis(2));
    assert!(clock.now() >= before + Duration::from_millis(2));
}

#[test]
fn a_lease_takes_whole_seconds_and_is_never_told_shorter_than_it_is() {
    let duration: LeaseDuration = "1500ms".parse().unwrap();
    assert_eq!(duration.whole_seconds(), 2);
    assert_eq!(duration.to_string(), "1.5s");
    for (text, words) in [
        ("999ms", "held for 1s to 3600s"),
        ("3601", "held for"),
        ("x", "no duration"),
    ] {
        let error = text.parse::<LeaseDuration>().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

/// Used by tests that need nothing but a candidate that never stops.
#[allow(dead_code, reason = "the type of `run` is what matters")]
fn a_candidate_can_be_spawned(candidate: Candidate<Link>) -> impl Send {
    candidate.run(pending())
}

/// A candidate that is as fit as the test says.
fn fit(server: &Server, seed: u64, is_fit: bool) -> (Standing, Arc<AtomicBool>) {
    let (origin, is_fit) = (Instant::now(), Arc::new(AtomicBool::new(is_fit)));
    let clock = Clock::from_fn(move || SECOND + origin.elapsed());
    (
        Standing::fit(server, seed, clock, Arc::clone(&is_fit)),
        is_fit,
    )
}

#[tokio::test(start_paused = true)]
async fn who_is_not_fit_leaves_a_free_lease_to_others_and_says_why() {
    let server = Server::released();
    let (blind, sees) = fit(&server, 1, false);
    sleep(600 * SECOND).await;
    assert!(!blind.leads() && server.spec().holder_identity.is_none());
    let problem = blind.leadership.problem().unwrap();
    assert!(problem.contains("leaves it to others"), "{problem}");
    let other = Standing::start(&server, 2);
    elected(&other).await;
    sees.store(true, Ordering::SeqCst);
    sleep(60 * SECOND).await;
    assert!(other.leads() && !blind.leads());
    assert_eq!(
        blind.leadership.problem(),
        None,
        "somebody leads: all is well"
    );
    other.kill().await;
    elected(&blind).await;
}

#[tokio::test(start_paused = true)]
async fn who_leads_goes_on_when_it_is_no_longer_fit_and_does_not_come_back() {
    let server = Server::released();
    let (leader, sees) = fit(&server, 1, true);
    let tenure = elected(&leader).await;
    sees.store(false, Ordering::SeqCst);
    sleep(600 * SECOND).await;
    assert!(tenure.is_current());
    leader.cut(Lost::Requests);
    tenure.ended().await;
    leader.cut(Lost::Nothing);
    sleep(600 * SECOND).await;
    assert!(!leader.leads(), "there may be a better one");
}
