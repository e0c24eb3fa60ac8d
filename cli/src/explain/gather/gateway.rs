//! The gateway's own word, through the API server.
//!
//! A port-forward, not the API server's pod proxy: `/explain` answers on the node's loopback only, which is where the
//! kubelet dials from, and the admin port listens nowhere else unless Prometheus is to reach it.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Fuse, FusedFuture};
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use podgate_api::{ClientId, ObjectRef};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::read::{chain, why};
use crate::explain::answer::Answer;
use crate::explain::component::Component;
use crate::explain::facts::{Fact, Gap, Right, Scope, Why};
use crate::explain::text::plain;

/// API server, kubelet, gateway and back; the gateway itself answers within five seconds or not at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// An explanation of a pod with hundreds of bindings.
const MAX_ANSWER: usize = 1 << 20;
/// Of an error's words.
const MAX_ERROR: usize = 300;
/// The chart's, and the gateway's own default.
const ADMIN_PORT: u16 = 8085;

/// Asks the gateway what a token request of the pod would come to. No token is fetched.
pub(super) async fn ask(
    pods: &Api<Pod>,
    gateway: &Component,
    pod: &ObjectRef,
    client_id: Option<&ClientId>,
) -> Fact<Answer> {
    let gap = |why| {
        Fact::Unknown(Gap {
            what: format!("what the gateway {} answers", gateway.object),
            why,
        })
    };
    match timeout(PATIENCE, answer(pods, gateway, pod, client_id)).await {
        Ok(Ok(answer)) => Fact::Known(answer),
        Ok(Err(why)) => gap(why),
        Err(_) => gap(Why::Failed(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

async fn answer(
    pods: &Api<Pod>,
    gateway: &Component,
    pod: &ObjectRef,
    client_id: Option<&ClientId>,
) -> Result<Answer, Why> {
    let port = admin_port(gateway);
    let forwarded = pods.portforward(&gateway.object.name, &[port]).await;
    let mut forwarder = forwarded.map_err(|error| not_forwarded(&error, &gateway.object))?;
    let (stream, refused) = (forwarder.take_stream(port), forwarder.take_error(port));
    let (Some(stream), Some(refused)) = (stream, refused) else {
        return Err(Why::Failed("the API server forwards no port".to_owned()));
    };
    // The kubelet's word, that nobody listens for one, says more than the end of the stream that follows it.
    let mut refused = refused.fuse();
    let asked = tokio::select! {
        biased;
        Some(words) = &mut refused => Err(words),
        asked = exchange(stream, port, pod, client_id) => match asked {
            Ok(answer) => Ok(answer),
            Err(error) => Err(last_word(refused).await.unwrap_or_else(|| chain(error.as_ref()))),
        },
    };
    forwarder.abort();
    asked.map_err(|error| Why::Failed(plain(&error, MAX_ERROR)))
}

/// It comes on a channel of its own, before or after.
async fn last_word(refused: Fuse<impl Future<Output = Option<String>>>) -> Option<String> {
    if refused.is_terminated() {
        return None;
    }
    timeout(Duration::from_secs(1), refused)
        .await
        .ok()
        .flatten()
}

/// Of a pod that is there, "not found" is its node.
fn not_forwarded(error: &kube::Error, gateway: &ObjectRef) -> Why {
    match (why(error, forward(error, gateway)), error) {
        (Why::NoSuchKind, kube::Error::Api(status)) => Why::Failed(plain(
            &format!("port-forward: {}", status.message),
            MAX_ERROR,
        )),
        (why, _) => why,
    }
}

fn admin_port(gateway: &Component) -> u16 {
    let port = gateway.flag(&["http-probe-port", "admin-port"]);
    port.and_then(|port| port.parse().ok())
        .unwrap_or(ADMIN_PORT)
}

/// A WebSocket begins with a GET, which is the verb `get` to RBAC; from Kubernetes 1.35 on it takes `create` as well.
/// The API server says which one is missing.
fn forward(error: &kube::Error, gateway: &ObjectRef) -> Right {
    let create =
        matches!(error, kube::Error::Api(status) if status.message.contains("cannot create"));
    Right {
        verb: if create { "create" } else { "get" },
        resource: "pods".to_owned(),
        subresource: Some("portforward"),
        name: Some(gateway.name.clone()),
        scope: Scope::Namespace(gateway.namespace.clone()),
    }
}

async fn exchange<S>(
    stream: S,
    port: u16,
    pod: &ObjectRef,
    client_id: Option<&ClientId>,
) -> anyhow::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the stream.
    tokio::spawn(connection);
    let mut path = format!("/explain?pod={pod}");
    if let Some(id) = client_id {
        path = format!("{path}&client_id={id}");
    }
    let request = http::Request::get(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .body(Empty::<Bytes>::new())?;
    let reply = sender.send_request(request).await?;
    let status = reply.status().as_u16();
    let body = Limited::new(reply.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow!("its answer: {error}"))?;
    Ok(Answer::read(status, &body.to_bytes()))
}
