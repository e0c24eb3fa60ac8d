//! A Lease that is not there, or no longer, says nothing about who leads.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_gone_is_made_again_by_its_holder_who_goes_on() {
    let server = Server::released();
    let first = Standing::start(&server, 1);
    let tenure = elected(&first).await;
    let second = Standing::start(&server, 2);
    for _ in 0..20 {
        sleep(7 * SECOND).await;
        server.edit(|lease| *lease = None);
    }
    sleep(10 * SECOND).await;
    assert!(tenure.is_current() && !second.leads());
    let holder = server.spec().holder_identity;
    assert_eq!(holder.as_deref(), Some(first.identity.as_str()));
}

#[tokio::test(start_paused = true)]
async fn who_makes_the_lease_leads_when_whoever_may_have_had_one_before_has_noticed() {
    let server = Server::default();
    let first = Standing::start(&server, 1);
    let begun = Instant::now();
    elected(&first).await;
    let waited = begun.elapsed();
    assert!((15 * SECOND..16 * SECOND).contains(&waited), "{waited:?}");
    assert_eq!(server.spec().lease_transitions, Some(0));
    // One that is stopped, and knows nothing of what happens to the Lease.
    first.freeze(true);
    let tenure = first.leadership.tenure().unwrap();
    server.edit(|lease| *lease = None);
    let second = Standing::start(&server, 2);
    tenure.ended().await;
    assert!(!second.leads());
    elected(&second).await;
}

#[tokio::test(start_paused = true)]
async fn who_never_heard_that_it_made_the_lease_waits_as_well() {
    let server = Server::default();
    let slow = Weather {
        there: Duration::ZERO,
        back: 2 * SECOND,
        lost: Lost::Nothing,
    };
    let mic = Standing::start(&server, 1);
    mic.link.weather(slow);
    sleep(SECOND).await;
    mic.cut(Lost::Answers);
    sleep(3 * SECOND).await;
    assert!(server.lease().is_some() && mic.leadership.leader().is_none());
    mic.cut(Lost::Nothing);
    let mended = Instant::now();
    elected(&mic).await;
    let waited = mended.elapsed();
    assert!(waited >= 15 * SECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_made_and_deleted_unseen_is_not_the_one_that_was_never_there() {
    let server = Server::default();
    let first = Standing::start(&server, 1);
    sleep(SECOND).await;
    let second = Standing::start(&server, 2);
    sleep(13 * SECOND).await;
    server.edit(|lease| *lease = None);
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        assert!(!(first.leads() && second.leads()));
    }
    assert!(first.leads() || second.leads());
}

#[tokio::test(start_paused = true)]
async fn who_has_made_the_lease_and_not_led_yet_gives_nothing_back() {
    let server = Server::default();
    let first = Standing::start(&server, 1);
    sleep(5 * SECOND).await;
    let second = Standing::start(&server, 2);
    sleep(SECOND).await;
    first.resign().await;
    let resigned = Instant::now();
    elected(&second).await;
    let waited = resigned.elapsed();
    assert!(
        waited > 10 * SECOND,
        "somebody before it may still lead: {waited:?}"
    );
}
