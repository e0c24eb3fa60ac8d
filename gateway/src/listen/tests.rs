use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::flow::testing::{Authority, TOKEN, bind, flow, pod};
use crate::readiness::Readiness;
use crate::world::testing::rules;
use crate::world::{Object, ObjectKey, ObjectRef, World};

const WEB: &str = "11111111-1111-4111-8111-111111111111";
const IP: &str = "127.0.0.1";
/// A test that gets here has failed.
const LONG: Duration = Duration::from_secs(10);

/// A server on loopback with one pod, which is whoever comes.
struct Fixture {
    address: SocketAddr,
    world: World,
    authority: Arc<Authority>,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Fixture {
    async fn start(linger: Duration) -> Self {
        let world = World::new(rules());
        bind(&world, "web", WEB);
        world.apply(Object::Pod(pod("web", "web", IP)));
        let authority = Arc::new(Authority::default());
        let flow = Arc::new(flow(&world, &authority));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let door = Door::open(any, false, &Readiness::default()).await.unwrap();
        let address = door.address();
        let (end, ended) = oneshot::channel();
        let bounds = Bounds {
            linger,
            ..Bounds::default()
        };
        let serving = tokio::spawn(serve(door, flow, bounds, async {
            let _ = ended.await;
        }));
        Self {
            address,
            world,
            authority,
            end,
            serving,
        }
    }

    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    fn remove(&self) {
        let object = ObjectRef::new("default", "web");
        self.world.remove(&ObjectKey::Pod(object));
    }

    async fn ended(self) {
        timeout(LONG, self.serving).await.unwrap().unwrap();
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self) {
        let request =
            format!("GET {TOKEN} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// The answer's head, in lower case, and its body's first bytes.
    async fn answer(&mut self) -> String {
        let mut buffer = vec![0; 16 * 1024];
        let read = timeout(LONG, self.0.read(&mut buffer)).await.unwrap();
        String::from_utf8_lossy(&buffer[..read.unwrap()]).to_lowercase()
    }

    async fn ask(&mut self) -> String {
        self.send().await;
        self.answer().await
    }

    async fn is_closed(&mut self, within: Duration) -> bool {
        matches!(timeout(within, self.0.read(&mut [0])).await, Ok(Ok(0)))
    }
}

fn is_last(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn an_idle_connection_of_a_pod_that_goes_is_closed_at_once() {
    let fixture = Fixture::start(Duration::ZERO).await;
    let (mut idle, mut unused) = (fixture.client().await, fixture.client().await);
    let answer = idle.ask().await;
    assert!(
        answer.starts_with("http/1.1 200") && !is_last(&answer),
        "{answer}"
    );
    fixture.remove();
    assert!(idle.is_closed(LONG).await);
    // It belongs to nobody yet: whoever comes to have the address may use it.
    assert!(!unused.is_closed(Duration::from_millis(50)).await);
    fixture.world.apply(Object::Pod(pod("next", "web", IP)));
    assert!(unused.ask().await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_busy_connection_of_a_pod_that_goes_gets_a_refusal_and_is_closed_by_it() {
    let fixture = Fixture::start(Duration::ZERO).await;
    fixture.authority.takes(Duration::from_millis(300));
    let mut busy = fixture.client().await;
    busy.send().await;
    sleep(Duration::from_millis(100)).await;
    fixture.remove();
    let answer = busy.answer().await;
    assert!(
        answer.starts_with("http/1.1 503") && is_last(&answer),
        "{answer}"
    );
    assert!(busy.is_closed(LONG).await);
}

#[tokio::test]
async fn a_connection_serves_no_second_pod() {
    let fixture = Fixture::start(Duration::ZERO).await;
    let mut kept = fixture.client().await;
    kept.ask().await;
    // The successor's request comes on the predecessor's connection, before the word of its end closes it.
    let mut next = pod("web", "next", IP);
    next.labels = pod("web", "web", IP).labels;
    fixture.world.apply(Object::Pod(next));
    kept.send().await;
    let answer = kept.answer().await;
    let refused = answer.starts_with("http/1.1 503") && is_last(&answer);
    assert!(refused || answer.is_empty(), "{answer}");
    assert!(
        fixture
            .client()
            .await
            .ask()
            .await
            .starts_with("http/1.1 200")
    );
}

#[tokio::test]
async fn while_it_drains_every_answer_is_its_connections_last() {
    let fixture = Fixture::start(LONG).await;
    let (mut idle, mut unused) = (fixture.client().await, fixture.client().await);
    let before = idle.ask().await;
    assert!(!is_last(&before), "{before}");
    let started = Instant::now();
    let Fixture {
        address,
        world,
        authority,
        end,
        serving,
    } = fixture;
    end.send(()).unwrap();
    while TcpStream::connect(address).await.is_ok() {
        assert!(started.elapsed() < LONG, "it still listens");
        sleep(Duration::from_millis(5)).await;
    }
    for client in [&mut idle, &mut unused] {
        let answer = client.ask().await;
        assert!(
            answer.starts_with("http/1.1 200") && is_last(&answer),
            "{answer}"
        );
        assert!(client.is_closed(LONG).await);
    }
    timeout(LONG, serving).await.unwrap().unwrap();
    assert!(started.elapsed() < LONG, "it does not wait out the linger");
    drop((world, authority));
}

#[tokio::test]
async fn an_idle_connection_ends_with_the_linger_and_a_busy_one_with_its_answer() {
    let linger = Duration::from_millis(100);
    let mut fixture = Fixture::start(linger).await;
    let (mut idle, mut busy) = (fixture.client().await, fixture.client().await);
    fixture.authority.takes(Duration::from_millis(600));
    busy.send().await;
    sleep(Duration::from_millis(50)).await;
    let (end, _) = oneshot::channel();
    std::mem::replace(&mut fixture.end, end).send(()).unwrap();
    assert!(!idle.is_closed(linger / 2).await);
    assert!(idle.is_closed(LONG).await);
    let answer = busy.answer().await;
    assert!(
        answer.starts_with("http/1.1 200") && is_last(&answer),
        "{answer}"
    );
    fixture.ended().await;
}

#[tokio::test]
async fn a_second_one_on_the_port_is_a_mistake_unless_it_is_shared() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let readiness = Readiness::default();
    let alone = Door::open(any, false, &readiness).await.unwrap();
    for shared in [false, true] {
        let second = Door::open(alone.address(), shared, &readiness).await;
        let why = format!("{:#}", second.err().unwrap());
        assert!(why.contains(&alone.address().to_string()), "{why}");
        assert!(why.contains("in use"), "{why}");
    }
    let shared = Door::open(any, true, &readiness).await.unwrap();
    Door::open(shared.address(), true, &readiness)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_newcomer_listens_when_it_is_ready_or_when_nobody_else_does() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let readiness = Readiness::default();
    let old = Door::open(any, true, &readiness).await.unwrap();
    let address = old.address();
    let old = old.listening().await;
    let starting = Readiness::default();
    let world = starting.pending("the world");
    let new = tokio::spawn(
        Door::open(address, true, &starting)
            .await
            .unwrap()
            .listening(),
    );
    sleep(Duration::from_millis(200)).await;
    assert!(!new.is_finished(), "it would make pods wait");
    assert!(starting.awaited().len() > 1);
    drop(world);
    let new = timeout(LONG, new).await.unwrap().unwrap();
    assert!(starting.awaited().is_empty());
    drop((old, new));
    let starting = Readiness::default();
    let _world = starting.pending("the world");
    let alone = Door::open(address, true, &starting).await.unwrap();
    assert!(timeout(LONG, alone.listening()).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_not_here_yet_is_awaited_by_name() {
    let readiness = Readiness::default();
    // TEST-NET-3 of RFC 5737: nobody's.
    let missing = SocketAddr::from(([203, 0, 113, 7], 0));
    let door = Door::open(missing, true, &readiness).await.unwrap();
    let waits = timeout(Duration::from_millis(200), door.listening()).await;
    assert!(waits.is_err());
    let door = Door::open(missing, false, &readiness).await.unwrap();
    let named = "the pods' listener's address on this node";
    assert!(
        readiness.awaited().contains(&named),
        "{:?}",
        readiness.awaited()
    );
    drop(door);
}
