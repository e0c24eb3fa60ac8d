use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::flow::testing::{Authority, bind as identity, flow, pod};
use crate::world::testing::rules;
use crate::world::{Object, ObjectKey, ObjectRef, PodUid, World};

const WEB: &str = "11111111-1111-4111-8111-111111111111";
/// Nobody's user on any machine.
const DRIVER: u32 = 61_234;
const QUERY: &str = "resource=https://vault.azure.net";

struct Fixture {
    folder: TempDir,
    world: World,
    authority: Arc<Authority>,
    loopback: Option<SocketAddr>,
    _end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Fixture {
    async fn start(uids: &[u32], loopback: Option<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let world = World::new(rules());
        identity(&world, "web", WEB);
        world.apply(Object::Pod(pod("web", "web", "10.0.0.7")));
        let authority = Arc::new(Authority::default());
        let mut flow = flow(&world, &authority);
        flow.pod_wait = Duration::from_millis(50);
        let settings = Settings {
            socket: Some(folder.path().join("token.sock")),
            uids: uids.to_vec(),
            loopback,
            shared: false,
        };
        let door = HostDoor::open(&settings).unwrap();
        let loopback = door.loopback();
        let (_end, ended) = oneshot::channel::<()>();
        let serving = tokio::spawn(door.serve(Arc::new(flow), async {
            let _ = ended.await;
        }));
        Self {
            folder,
            world,
            authority,
            loopback,
            _end,
            serving,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("token.sock")
    }

    /// A driver's request on the socket, as this user.
    async fn ask_as(&self, uid: u32, pod: &str, query: &str) -> (u16, String) {
        let (path, request) = (self.path(), request(pod, query));
        tokio::task::spawn_blocking(move || as_user(uid, move || exchange(&path, &request)))
            .await
            .unwrap()
    }

    async fn ask(&self, pod: &str, query: &str) -> (u16, Value) {
        let (status, body) = self.ask_as(own_uid(), pod, query).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

/// The uid that tests run as: root, or one that the fixture lets in.
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn request(pod: &str, query: &str) -> String {
    format!(
        "GET /host/token/?{query} HTTP/1.1\r\nHost: driver\r\npodns: default\r\npodname: {pod}\r\n\
         Connection: close\r\n\r\n"
    )
}

fn exchange(path: &Path, request: &str) -> (u16, String) {
    answer(UnixStream::connect(path).unwrap(), request)
}

fn answer(mut stream: impl Read + Write, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Runs `act` as another user, on a thread of its own that ends with it.
fn as_user<T: Send + 'static>(uid: u32, act: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        if uid != own_uid() {
            // SAFETY: the plain system calls change the credentials of this thread alone, and no memory.
            let done = unsafe {
                libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>())
                    | libc::syscall(libc::SYS_setresgid, uid, uid, uid)
                    | libc::syscall(libc::SYS_setresuid, uid, uid, uid)
            };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        }
        act()
    });
    thread.join().unwrap()
}

#[tokio::test]
async fn a_driver_gets_the_old_json_for_the_pod_it_names() {
    let fixture = Fixture::start(&[own_uid()], None).await;
    let (status, json) = fixture.ask("web", QUERY).await;
    assert_eq!(status, 200, "{json}");
    assert_eq!(json["clientid"], WEB);
    let token = json["token"].as_object().unwrap();
    for field in [
        "access_token",
        "expires_in",
        "expires_on",
        "resource",
        "token_type",
    ] {
        assert!(token[field].is_string(), "{field}: {json}");
    }
    assert_eq!(
        (
            &json["token"]["access_token"],
            json.as_object().unwrap().len()
        ),
        (&"web".into(), 2)
    );
}

#[tokio::test]
async fn pods_without_an_address_and_on_the_nodes_are_asked_for_by_name() {
    let fixture = Fixture::start(&[own_uid()], None).await;
    let mut pending = pod("pending", "web", "10.0.0.8");
    pending.ips.clear();
    let mut on_host = pod("on-host", "web", "10.0.0.1");
    on_host.addressable = false;
    for pod in [pending, on_host] {
        let name = pod.object.name.clone();
        fixture.world.apply(Object::Pod(pod));
        assert_eq!(fixture.ask(&name, QUERY).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn what_a_driver_cannot_have_is_told_by_the_old_statuses() {
    let fixture = Fixture::start(&[own_uid()], None).await;
    let mut ended = pod("ended", "web", "10.0.0.9");
    (ended.live, ended.addressable) = (false, false);
    fixture.world.apply(Object::Pod(ended));
    fixture
        .world
        .apply(Object::Pod(pod("unbound", "nothing", "10.0.0.10")));
    for (pod, query, status) in [
        ("nobody", QUERY, 404),
        ("ended", QUERY, 404),
        ("unbound", QUERY, 404),
        (
            "web",
            "client_id=22222222-2222-4222-8222-222222222222&resource=a",
            404,
        ),
        ("web", "", 400),
        ("..", QUERY, 404),
        ("A/b", QUERY, 400),
    ] {
        let (answered, json) = fixture.ask(pod, query).await;
        assert_eq!(answered, status, "{pod} {query}: {json}");
    }
}

#[tokio::test]
async fn a_pod_that_is_replaced_during_the_call_gets_its_successor_no_token_by_its_name() {
    let fixture = Fixture::start(&[own_uid()], None).await;
    fixture.authority.takes(Duration::from_millis(300));
    let world = fixture.world.clone();
    let replace = async {
        sleep(Duration::from_millis(100)).await;
        let mut next = pod("web", "web", "10.0.0.7");
        next.uid = PodUid("another".into());
        world.apply(Object::Pod(next));
    };
    let ((status, json), ()) = tokio::join!(fixture.ask("web", QUERY), replace);
    assert_eq!(status, 503, "{json}");
    let object = ObjectRef::new("default", "web");
    fixture.world.remove(&ObjectKey::Pod(object));
    assert_eq!(fixture.ask("web", QUERY).await.0, 404);
}

#[tokio::test]
async fn only_root_and_listed_users_are_served_by_the_kernels_word() {
    if own_uid() != 0 {
        eprintln!("only root can be other users");
        return;
    }
    let fixture = Fixture::start(&[DRIVER], None).await;
    assert_eq!(fixture.ask_as(0, "web", QUERY).await.0, 200);
    assert_eq!(fixture.ask_as(DRIVER, "web", QUERY).await.0, 200);
    let (status, body) = fixture.ask_as(DRIVER + 1, "web", QUERY).await;
    assert_eq!(status, 403, "{body}");
    assert!(
        body.contains("request remote address is not from a host"),
        "{body}"
    );
    let closed = Fixture::start(&[], None).await;
    let path = closed.path();
    let connected = as_user(DRIVER, move || UnixStream::connect(path).map(drop));
    let kind = connected.unwrap_err().kind();
    assert_eq!(
        kind,
        std::io::ErrorKind::PermissionDenied,
        "nobody is listed"
    );
}

#[tokio::test]
async fn the_kernels_word_for_unknown_users_cannot_be_listed() {
    let settings = Settings {
        uids: vec![OVERFLOW],
        ..Settings::default()
    };
    assert!(HostDoor::open(&settings).is_err());
}

#[tokio::test]
async fn loopback_is_served_only_when_it_is_asked_for_and_only_under_an_address() {
    let off = Fixture::start(&[], None).await;
    assert_eq!(off.loopback, None);
    let on = Fixture::start(&[], Some(0)).await;
    let address = on.loopback.unwrap();
    let ask = |host: &'static str| {
        let request = request("web", QUERY).replace("Host: driver", &format!("Host: {host}"));
        let answered = move || answer(std::net::TcpStream::connect(address).unwrap(), &request);
        tokio::task::spawn_blocking(answered)
    };
    assert_eq!(ask("127.0.0.1:2579").await.unwrap().0, 200);
    assert_eq!(ask("evil.example").await.unwrap().0, 400);
}

#[tokio::test]
async fn a_newer_gateway_takes_the_path_and_the_older_one_takes_it_back() {
    let older = Fixture::start(&[own_uid()], None).await;
    let settings = Settings {
        socket: Some(older.path()),
        ..Settings::default()
    };
    let newer = HostDoor::open(&settings).unwrap();
    drop(newer);
    let start = std::time::Instant::now();
    while std::os::unix::net::UnixStream::connect(older.path()).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "it is not taken back"
        );
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(older.ask("web", QUERY).await.0, 200);
    older.serving.abort();
    let _ = older.serving.await;
    assert!(
        std::fs::read_dir(older.folder.path())
            .unwrap()
            .next()
            .is_none(),
        "nothing is left"
    );
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "text").unwrap();
    let settings = Settings {
        socket: Some(path.clone()),
        ..Settings::default()
    };
    assert!(HostDoor::open(&settings).is_err());
    assert_eq!(std::fs::read_to_string(path).unwrap(), "text");
}
