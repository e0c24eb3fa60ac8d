use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::*;
use crate::pod::resolve;
use crate::world::testing::{pod, rules};
use crate::world::{Object, ObjectKey};

const IP: &str = "10.0.0.7";

struct Fixture {
    world: World,
    connections: Connections,
}

impl Fixture {
    fn new() -> Self {
        let world = World::new(rules());
        world.apply(Object::Pod(pod("a", "x", IP)));
        let connections = Connections::default();
        tokio::spawn(connections.close_with_pods(world.clone()));
        Self { world, connections }
    }

    fn open(&self) -> Connection {
        self.connections.open(IP.parse().unwrap())
    }

    async fn resolve(&self) -> ResolvedPod {
        let deadline = Instant::now() + Duration::from_secs(1);
        let resolved = resolve(&self.world, IP.parse().unwrap(), deadline).await;
        resolved.unwrap()
    }

    fn remove(&self) {
        let object = ObjectRef::new("a", "x");
        self.world.remove(&ObjectKey::Pod(object));
    }

    /// Another pod takes name and address.
    fn replace(&self) {
        let mut reborn = pod("a", "x", IP);
        reborn.uid = PodUid("another".into());
        self.world.apply(Object::Pod(reborn));
    }

    fn registered(&self) -> usize {
        let pods = self.connections.0.pods.lock();
        pods.values().map(|owned| owned.closing.len()).sum()
    }
}

async fn is_closing(connection: &Connection) -> bool {
    timeout(Duration::from_millis(50), connection.closing())
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_connection_stays_with_the_pod_of_its_first_request() {
    let fixture = Fixture::new();
    let connection = fixture.open();
    let first = fixture.resolve().await;
    connection.claim(&fixture.world, &first).unwrap();
    connection.claim(&fixture.world, &first).unwrap();
    fixture.replace();
    let next = fixture.resolve().await;
    assert_eq!(
        connection.claim(&fixture.world, &next),
        Err(Refusal::PodChanged {
            ip: IP.parse().unwrap()
        })
    );
    assert_eq!(fixture.open().claim(&fixture.world, &next), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_is_replaced_or_ends_takes_its_connections_with_it() {
    let ends = |fixture: &Fixture| {
        let mut ended = pod("a", "x", IP);
        (ended.live, ended.addressable) = (false, false);
        fixture.world.apply(Object::Pod(ended));
    };
    for go in [Fixture::remove, Fixture::replace, ends] {
        let fixture = Fixture::new();
        let (one, two) = (fixture.open(), fixture.open());
        let pod = fixture.resolve().await;
        one.claim(&fixture.world, &pod).unwrap();
        two.claim(&fixture.world, &pod).unwrap();
        assert!(!is_closing(&one).await);
        go(&fixture);
        assert!(is_closing(&one).await && is_closing(&two).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_goes_between_its_look_up_and_its_first_claim_leaves_no_connection_open() {
    let fixture = Fixture::new();
    let connection = fixture.open();
    let pod = fixture.resolve().await;
    fixture.remove();
    // The word of the pod's end has passed before anything was registered.
    tokio::time::sleep(Duration::from_millis(10)).await;
    connection.claim(&fixture.world, &pod).unwrap();
    assert!(is_closing(&connection).await);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_pod_that_is_no_end_closes_nothing() {
    let fixture = Fixture::new();
    let connection = fixture.open();
    let first = fixture.resolve().await;
    connection.claim(&fixture.world, &first).unwrap();
    let mut relabelled = pod("a", "x", IP);
    relabelled.version = 1;
    fixture.world.apply(Object::Pod(relabelled));
    fixture
        .world
        .apply(Object::Pod(pod("a", "other", "10.0.0.8")));
    let other = ObjectRef::new("a", "other");
    fixture.world.remove(&ObjectKey::Pod(other));
    assert!(!is_closing(&connection).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_in_a_flood_of_changes_is_found_by_looking() {
    let fixture = Fixture::new();
    let connection = fixture.open();
    let pod_ = fixture.resolve().await;
    connection.claim(&fixture.world, &pod_).unwrap();
    fixture.remove();
    // More than anybody keeps, before the closer gets a turn.
    for _ in 0..2000 {
        fixture.world.apply(Object::Pod(pod("a", "y", "10.0.0.9")));
        let other = ObjectRef::new("a", "y");
        fixture.world.remove(&ObjectKey::Pod(other));
    }
    assert!(is_closing(&connection).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_a_connection_that_ended() {
    let fixture = Fixture::new();
    let pod = fixture.resolve().await;
    let open: Vec<Connection> = (0..100).map(|_| fixture.open()).collect();
    for connection in &open {
        connection.claim(&fixture.world, &pod).unwrap();
    }
    drop(fixture.open());
    assert_eq!(fixture.registered(), 100);
    drop(open);
    assert_eq!(fixture.registered(), 0);
    assert!(fixture.connections.0.pods.lock().is_empty());
}
