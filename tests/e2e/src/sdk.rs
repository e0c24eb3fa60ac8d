//! The official Rust SDK as a pod: `azure_identity` over a transport that leaves from the pod's own address
//! and takes 169.254.169.254 to the gateway, as the node's redirect would.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, Transport};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;

/// A pod that runs an application on the Azure SDK.
#[derive(Clone, Copy, Debug)]
pub struct SdkPod {
    /// The pod's address.
    pub ip: IpAddr,
    /// Where the node's redirect leads.
    pub gateway: SocketAddr,
}

impl SdkPod {
    /// One `get_token` of a new credential object.
    ///
    /// # Errors
    /// What the SDK tells its user.
    pub async fn get_token(
        &self,
        identity: Option<UserAssignedId>,
        scope: &str,
    ) -> azure_core::Result<String> {
        let client_options = ClientOptions {
            transport: Some(Transport::new(Arc::new(*self))),
            ..Default::default()
        };
        let credential = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: identity,
            client_options,
        }))?;
        let token = credential.get_token(&[scope], None).await?;
        Ok(token.token.secret().to_owned())
    }

    async fn send(&self, request: &Request) -> Result<AsyncRawResponse, anyhow::Error> {
        let socket = match self.ip {
            IpAddr::V4(_) => TcpSocket::new_v4()?,
            IpAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(self.ip, 0))?;
        let stream = socket.connect(self.gateway).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(to_hyper(request)?).await?;
        let (parts, body) = response.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            headers.insert(name.as_str().to_owned(), value.to_str()?.to_owned());
        }
        let body = body.collect().await?.to_bytes();
        Ok(AsyncRawResponse::from_bytes(
            parts.status.as_u16().into(),
            headers,
            body,
        ))
    }
}

#[async_trait]
impl HttpClient for SdkPod {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        self.send(request)
            .await
            .map_err(|error| Error::with_message(ErrorKind::Io, format!("{error:#}")))
    }
}

fn to_hyper(request: &Request) -> anyhow::Result<http::Request<Empty<Bytes>>> {
    let url = request.url();
    let mut builder = http::Request::builder()
        .method(request.method().as_ref())
        .uri(request.path_and_query())
        .header("host", url.host_str().unwrap_or_default());
    for (name, value) in request.headers().iter() {
        builder = builder.header(name.as_str(), value.as_str());
    }
    Ok(builder.body(Empty::new())?)
}
