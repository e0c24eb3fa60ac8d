use tokio::time::timeout;

use super::*;
use crate::lease::testing::{Link, Server, candidacy};

const SECOND: Duration = Duration::from_secs(1);

/// The runtime's, which stands still while something is done.
fn clock() -> Clock {
    let origin = Instant::now();
    Clock::from_fn(move || SECOND + origin.elapsed())
}

/// A controller that stands for election and never gives up.
fn controller(server: &Server) -> Leadership {
    let candidate = Candidate::with_clock(server.link(), candidacy(), clock());
    let leadership = candidate.leadership();
    tokio::spawn(candidate.run(std::future::pending()));
    leadership
}

async fn office(server: &Server) -> Office<Link> {
    let deadline = Instant::now() + 60 * SECOND;
    Office::of(server.link(), candidacy(), clock(), deadline)
        .await
        .unwrap()
}

async fn elected(office: &Office<Link>) -> Tenure {
    office.elected(Instant::now() + 100 * SECOND).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn whoever_leads_has_ended_long_before_the_one_that_retires_it_begins() {
    let server = Server::released();
    let leader = controller(&server).elected().await;
    let begun = Instant::now();
    let office = office(&server).await;
    leader.ended().await;
    assert!(begun.elapsed() < 8 * SECOND, "{:?}", begun.elapsed());
    let tenure = elected(&office).await;
    assert!(begun.elapsed() >= 15 * SECOND && tenure.is_current());
    sleep(120 * SECOND).await;
    assert!(tenure.is_current(), "it is renewed like any other");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_nobody_holds_is_taken_at_once() {
    let server = Server::released();
    let begun = Instant::now();
    let office = office(&server).await;
    elected(&office).await;
    assert!(begun.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_holder_with_a_longer_lease_has_that_time_to_notice() {
    let server = Server::released();
    server.edit(|lease| {
        let spec = lease.as_mut().unwrap().spec.get_or_insert_default();
        spec.holder_identity = Some("slow".to_owned());
        spec.lease_duration_seconds = Some(40);
        spec.lease_transitions = Some(6);
    });
    let begun = Instant::now();
    elected(&office(&server).await).await;
    assert!(begun.elapsed() >= 40 * SECOND, "{:?}", begun.elapsed());
    assert_eq!(server.spec().lease_transitions, Some(7));
}

#[tokio::test(start_paused = true)]
async fn after_the_work_no_standby_leads_for_a_minute() {
    let server = Server::released();
    let standby = controller(&server);
    let office = office(&server).await;
    elected(&office).await;
    office.keep().await;
    let begun = Instant::now();
    let early = timeout(59 * SECOND, standby.elected()).await;
    assert!(early.is_err(), "{:?}", begun.elapsed());
    standby.elected().await;
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_lets_a_standby_lead_at_once() {
    let server = Server::released();
    let standby = controller(&server);
    let office = office(&server).await;
    elected(&office).await;
    office.give_back().await;
    timeout(SECOND, standby.elected()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_two_that_retire_one_loses_and_is_told() {
    let server = Server::released();
    controller(&server).elected().await;
    let first = office(&server).await;
    let tenure = elected(&first).await;
    let second = office(&server).await;
    tenure.ended().await;
    assert!(elected(&second).await.is_current() && !tenure.is_current());
}
