use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::lease::testing::{Link, candidacy};
use crate::lease::{Candidate, Leadership};

/// Long enough for a loaded machine.
const SOON: Duration = Duration::from_secs(30);

struct Scene {
    admin: Arc<Admin>,
    probes: SocketAddr,
    metrics: SocketAddr,
}

impl Scene {
    async fn start(leadership: Leadership) -> Self {
        let freshness: Arc<Freshness> = Arc::default();
        let admin = Arc::new(Admin {
            leadership,
            readiness: Readiness::default(),
            metrics: Arc::new(Metrics::new(&freshness)),
            freshness,
        });
        let probes = Self::serve(&admin, Port::Probes).await;
        let metrics = Self::serve(&admin, Port::Metrics).await;
        Self {
            admin,
            probes,
            metrics,
        }
    }

    async fn serve(admin: &Arc<Admin>, port: Port) -> SocketAddr {
        let listener = listen(None, 0, port).await.unwrap();
        let number = listener.local_addr().unwrap().port();
        tokio::spawn(Arc::clone(admin).serve(listener, port));
        (Ipv4Addr::LOCALHOST, number).into()
    }
}

/// A candidate that nobody has elected yet, and what elects it.
fn standing_by() -> (Leadership, Candidate<Link>) {
    let candidate = Candidate::new(Link::released(), candidacy());
    (candidate.leadership(), candidate)
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(SOON, read).await.unwrap().unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn healthz_is_200_and_says_not_active_until_this_controller_leads() {
    let (leadership, candidate) = standing_by();
    let scene = Scene::start(leadership.clone()).await;
    let answer = get(scene.probes, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nNot Active"), "{answer}");
    let candidate = tokio::spawn(candidate.run(std::future::pending()));
    timeout(SOON, leadership.elected()).await.unwrap();
    let answer = get(scene.probes, "/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nActive"), "{answer}");
    candidate.abort();
    let _ = candidate.await;
    let answer = get(scene.probes, "/healthz").await;
    assert!(
        answer.ends_with("\r\n\r\nNot Active"),
        "nobody renews it: {answer}"
    );
}

#[tokio::test]
async fn a_standby_is_ready_when_it_knows_everything_and_names_what_it_awaits_before() {
    let scene = Scene::start(standing_by().0).await;
    let known = scene.admin.readiness.pending("what it watches");
    let pods = scene.admin.freshness.watch("Pod", "pods".to_owned());
    pods.failed("it was refused".to_owned());
    let answer = get(scene.probes, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for line in ["awaited: what it watches\n", "it was refused"] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    drop(known);
    scene
        .admin
        .readiness
        .tell("azure.json", Some("it is gone".to_owned()));
    let answer = get(scene.probes, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in [
        "ready\n",
        "nobody leads\n",
        "azure.json: it is gone\n",
        "it was refused",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
}

#[tokio::test]
async fn strangers_are_told_no_details() {
    let scene = Scene::start(standing_by().0).await;
    scene
        .admin
        .readiness
        .tell("azure.json", Some("it is gone".to_owned()));
    let reply = scene.admin.ready([10, 0, 0, 1].into());
    let body = BodyExt::collect(reply.into_body()).await.unwrap();
    assert_eq!(body.to_bytes(), "ready\n");
}

#[tokio::test]
async fn each_port_serves_its_own_pages_by_get_and_nothing_else() {
    let scene = Scene::start(standing_by().0).await;
    let metrics = get(scene.metrics, "/metrics").await;
    assert!(
        metrics.starts_with("HTTP/1.1 200 ") && metrics.contains("openmetrics-text"),
        "{metrics}"
    );
    assert!(
        metrics.contains("aadpodidentity_mic_cycle_count 0"),
        "{metrics}"
    );
    for (address, path) in [
        (scene.probes, "/metrics"),
        (scene.metrics, "/healthz"),
        (scene.probes, "/debug/pprof/"),
        (scene.metrics, "/debug/pprof/"),
        (scene.probes, "/"),
    ] {
        let answer = get(address, path).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
    }
    let post = "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert!(ask(scene.probes, post).await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test]
async fn connections_that_ask_nothing_neither_keep_their_address_out_for_long_nor_others_at_all() {
    let scene = Scene::start(standing_by().0).await;
    let begun = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(TcpStream::connect(scene.probes).await.unwrap());
    }
    // Another address of this machine.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other
        .bind((Ipv4Addr::new(127, 0, 0, 77), 0).into())
        .unwrap();
    let mut other = other.connect(scene.probes).await.unwrap();
    other
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(SOON, other.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.ends_with("Not Active"), "{answer}");
    let own = async {
        loop {
            let mut stream = TcpStream::connect(scene.probes).await.unwrap();
            let _ = stream
                .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                .await;
            let mut answer = String::new();
            if stream.read_to_string(&mut answer).await.is_ok() && answer.ends_with("Not Active") {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, own).await.unwrap();
    assert!(
        begun.elapsed() >= CONNECTION - Duration::from_secs(1),
        "until then its places were taken"
    );
    drop(idle);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_flag() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let number = taken.local_addr().unwrap().port();
    let address = Some(Ipv4Addr::LOCALHOST.into());
    let error = listen(address, number, Port::Metrics)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("--prometheus-port") && error.contains(&number.to_string()),
        "{error}"
    );
}
