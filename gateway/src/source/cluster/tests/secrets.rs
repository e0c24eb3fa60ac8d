//! Secrets that come when they are wanted.

use podgate_watch::testing::{Answer, Fake, event, list, status};

use super::super::*;
use super::fixture::{Fixture, binding, pod, principal, secret};
use crate::world::ObjectRef;

/// One pod, bound to one service principal with the Secret `login`.
fn with_secret(fake: &Fake) {
    fake.on("pods", "list", [list(7, &[pod("a", "10.0.0.1")])]);
    fake.on(
        "azureidentities",
        "list",
        [list(
            7,
            &[principal("sp", "login"), principal("other", "unbound")],
        )],
    );
    fake.on(
        "azureidentitybindings",
        "list",
        [list(7, &[binding("b", "sp")])],
    );
}

#[tokio::test]
async fn a_secret_is_read_by_its_name_while_a_pod_needs_it_and_forgotten_after() {
    let fixture = Fixture::start(Mode::Managed, |fake| {
        with_secret(fake);
        fake.on("secrets", "list", [list(7, &[secret("login", "hunter2")])]);
        let rotated = vec![event("MODIFIED", &secret("login", "hunter3"))];
        fake.on("secrets", "watch", [Answer::Silence(rotated)]);
    })
    .await;
    fixture
        .until("the rotated Secret", |fixture| {
            fixture.secret("login") == "hunter3"
        })
        .await;
    assert_eq!(
        fixture.asked("/secrets?"),
        fixture.asked("fieldSelector=metadata.name%3Dlogin"),
        "no other Secret and no other way: {:?}",
        fixture.fake.requests()
    );
    fixture
        .world
        .remove(&crate::world::ObjectKey::Binding(ObjectRef::new(
            "default", "b",
        )));
    fixture
        .until("its end", |fixture| fixture.secret("login") == "awaited")
        .await;
    let watches = fixture.metrics.freshness().report();
    assert!(
        watches
            .iter()
            .all(|watch| !watch.what.starts_with("Secret")),
        "{watches:?}"
    );
}

#[tokio::test]
async fn a_secret_that_is_not_there_or_may_not_be_read_says_so_and_is_taken_when_it_comes() {
    let fixture = Fixture::start(Mode::Managed, |fake| {
        with_secret(fake);
        fake.on("secrets", "list", [status(403, "rbac"), list(7, &[])]);
        let made = vec![event("ADDED", &secret("login", "hunter2"))];
        fake.on(
            "secrets",
            "watch",
            [Answer::Lines(Vec::new()), Answer::Silence(made)],
        );
    })
    .await;
    fixture
        .until("the refusal", |fixture| {
            fixture.secret("login").contains("docs/rbac.md")
        })
        .await;
    assert!(
        fixture
            .secret("login")
            .contains("list and watch Secret default/login")
    );
    fixture
        .until("the empty list", |fixture| {
            fixture.secret("login").contains("does not exist")
        })
        .await;
    fixture
        .until("the Secret", |fixture| fixture.secret("login") == "hunter2")
        .await;
}

#[tokio::test]
async fn a_secret_that_is_deleted_is_forgotten_at_once() {
    let fixture = Fixture::start(Mode::Managed, |fake| {
        with_secret(fake);
        fake.on("secrets", "list", [list(7, &[secret("login", "hunter2")])]);
        let deleted = vec![event("DELETED", &secret("login", "hunter2"))];
        fake.on("secrets", "watch", [Answer::Silence(deleted)]);
    })
    .await;
    fixture
        .until("its end", |fixture| {
            fixture.secret("login").contains("does not exist")
        })
        .await;
}

#[tokio::test]
async fn a_name_that_would_be_another_path_is_never_asked_for() {
    let fixture = Fixture::start(Mode::Managed, |fake| {
        with_secret(fake);
        fake.on(
            "azureidentities",
            "list",
            [list(7, &[principal("sp", "../../../pods")])],
        );
    })
    .await;
    fixture
        .until("everything else", |fixture| {
            fixture.readiness.awaited().is_empty()
        })
        .await;
    // Longer than a change takes to settle into watches.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(fixture.asked("secrets"), 0, "{:?}", fixture.fake.requests());
}
