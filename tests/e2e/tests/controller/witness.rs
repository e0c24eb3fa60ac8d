//! A proxy between one controller and the API server: it sees every request, can cut the line, and can answer by itself.
//!
//! The API server records in `managedFields` under which manager a field was written last, not by which process, nor
//! what it refused; two replicas of one program have one manager. So each controller of a test gets a witness of its
//! own, which forwards under that controller's own certificate: what a witness saw, this process sent, when it did.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use parking_lot::Mutex;
use podgate_testkit::client_of;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::scene::now_ms;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// When it came, milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// As RBAC has it: `list`, `watch`, `create`, `update`, …
    pub(crate) verb: &'static str,
    /// `pods`, `leases`, …
    pub(crate) resource: String,
    pub(crate) path: String,
    /// What was answered; nothing while the answer is out.
    pub(crate) status: Option<u16>,
}

/// The proxy. It ends with this object.
pub(crate) struct Witness {
    seen: Arc<Mutex<Vec<Seen>>>,
    refused: Refused,
    whole: watch::Sender<bool>,
    listener: tokio::task::JoinHandle<()>,
}

/// Resources of which nothing is to be had, and the status that says so.
type Refused = Arc<Mutex<BTreeMap<&'static str, u16>>>;

impl Witness {
    /// Puts itself into a kubeconfig.
    pub(crate) async fn before(kubeconfig: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        let client = client_of(&text).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        std::fs::write(kubeconfig, leading_to(listener.local_addr().unwrap())).unwrap();
        let (seen, refused) = (Arc::default(), Refused::default());
        let (whole, state) = watch::channel(true);
        let stand = Stand {
            client,
            seen: Arc::clone(&seen),
            refused: Arc::clone(&refused),
        };
        let listener = tokio::spawn(accept(listener, stand, state));
        Self {
            seen,
            refused,
            whole,
            listener,
        }
    }

    /// Connections end, and no new ones come about.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Connections end; new ones come about.
    pub(crate) async fn interrupt(&self) {
        self.cut();
        sleep(Duration::from_millis(200)).await;
        self.whole.send_replace(true);
    }

    /// What is asked of these resources is answered with this status, and watches of them end.
    pub(crate) async fn refuse(&self, resources: &[&'static str], status: u16) {
        let refused = resources.iter().map(|resource| (*resource, status));
        self.refused.lock().extend(refused);
        self.interrupt().await;
    }

    /// Nothing is refused any more.
    pub(crate) fn recover(&self) {
        self.refused.lock().clear();
    }

    /// How many lists of a resource were answered with this status.
    pub(crate) fn lists(&self, resource: &str, status: u16) -> usize {
        let is_one = |one: &&Seen| {
            one.verb == "list" && one.resource == resource && one.status == Some(status)
        };
        self.seen.lock().iter().filter(is_one).count()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Writes from this time on, but for those of the lease: whoever stands for election writes it.
    pub(crate) fn writes(&self, since_ms: u64) -> Vec<Seen> {
        let is_write = |one: &Seen| !matches!(one.verb, "get" | "list" | "watch");
        let all = self.seen().into_iter();
        all.filter(|one| is_write(one) && one.resource != "leases" && one.at_ms >= since_ms)
            .collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Only a proxy on loopback may be http; this is one.
fn leading_to(address: SocketAddr) -> String {
    let server = format!("http://{address}");
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}

#[derive(Clone)]
struct Stand {
    client: kube::Client,
    seen: Arc<Mutex<Vec<Seen>>>,
    refused: Refused,
}

async fn accept(listener: TcpListener, stand: Stand, state: watch::Receiver<bool>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, stand.clone(), state.clone()));
    }
}

async fn serve(stream: TcpStream, stand: Stand, mut state: watch::Receiver<bool>) {
    let forward = service_fn(move |request| {
        let stand = stand.clone();
        async move { Ok::<_, std::convert::Infallible>(stand.forward(request).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), forward);
    tokio::select! {
        // How it ends is the controller's to notice.
        _ = connection => {}
        _ = state.wait_for(|whole| !whole) => {}
    }
}

impl Stand {
    async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let at = self.note(&request);
        let (resource, _) = resource(request.uri().path());
        let refused = self.refused.lock().get(resource.as_str()).copied();
        let answer = match refused {
            Some(status) => Some(refusal(status)),
            None => self.pass(request).await,
        };
        let answer = answer.unwrap_or_else(|| {
            let mut failed = Response::new(Body::empty());
            *failed.status_mut() = StatusCode::BAD_GATEWAY;
            failed
        });
        self.seen.lock()[at].status = Some(answer.status().as_u16());
        answer
    }

    fn note(&self, request: &Request<Incoming>) -> usize {
        let (resource, is_named) = resource(request.uri().path());
        let watches = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let mut seen = self.seen.lock();
        seen.push(Seen {
            at_ms: now_ms(),
            verb: verb(request.method(), watches, is_named),
            resource,
            path: request.uri().path().to_owned(),
            status: None,
        });
        seen.len() - 1
    }

    async fn pass(&self, request: Request<Incoming>) -> Option<Response<Body>> {
        let (mut head, body) = request.into_parts();
        // Of this hop alone.
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            head.headers.remove(name);
        }
        let body = body.collect().await.ok()?.to_bytes();
        let mut answer = self
            .client
            .send(Request::from_parts(head, Body::from(body)))
            .await
            .ok()?;
        *answer.version_mut() = http::Version::HTTP_11;
        for name in ["connection", "transfer-encoding"] {
            answer.headers_mut().remove(name);
        }
        Some(answer)
    }
}

fn refusal(code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "code": code, "message": "refused by the test"});
    let mut refused = Response::new(Body::from(status.to_string().into_bytes()));
    *refused.status_mut() = StatusCode::from_u16(code).unwrap();
    refused
}

fn verb(method: &Method, watches: bool, is_named: bool) -> &'static str {
    match *method {
        Method::GET if watches => "watch",
        Method::GET if is_named => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// The resource of `/api/v1/namespaces/N/events` and the like, and whether one of them is named.
fn resource(path: &str) -> (String, bool) {
    let mut parts = path.split('/').skip(1);
    let skipped = if parts.next() == Some("api") { 1 } else { 2 };
    let mut parts = parts.skip(skipped).peekable();
    if parts.peek() == Some(&"namespaces") {
        parts.nth(1);
    }
    let resource = parts.next().unwrap_or_default().to_owned();
    (resource, parts.next().is_some())
}

#[test]
fn a_path_is_read_as_the_api_server_reads_it() {
    let read = |path| {
        let (resource, is_named) = resource(path);
        format!("{resource} {is_named}")
    };
    assert_eq!(read("/api/v1/pods"), "pods false");
    assert_eq!(read("/api/v1/namespaces/shop/events"), "events false");
    assert_eq!(
        read("/apis/coordination.k8s.io/v1/namespaces/default/leases/l"),
        "leases true"
    );
    assert_eq!(
        read("/apis/aadpodidentity.k8s.io/v1/azureidentities"),
        "azureidentities false"
    );
}
