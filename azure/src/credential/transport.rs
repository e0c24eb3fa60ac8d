//! The SDK's requests over podgate's own HTTP clients.
//!
//! What is no success becomes an error here, while its body is at hand, and of a kind that the SDK's retry policy
//! does not repeat: the managed identity credential would go on for over a minute on its own.

use std::fmt;
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{
    AsyncRawResponse, Body, HttpClient as SdkHttpClient, Request as SdkRequest,
};
use bytes::Bytes;
use url::{Origin, Url};

use super::assertion::without_tokens;
use crate::answer::{ErrorBody, MAX_BODY, sentence};
use crate::cloud::Authority;
use crate::entra::is_stale_credential;
use crate::failure::Failure;
use crate::http::{Bounds, HttpClient};
use crate::throttle::retry_after;

/// One request. Entra ID and IMDS answer in a fraction of a second.
const DEADLINE: Duration = Duration::from_secs(15);

/// The only URL that the managed identity credential has for IMDS. On another one, an environment variable or a
/// file of the node has led the SDK astray.
const IMDS: &str = "http://169.254.169.254";

/// A transport of the SDK.
#[derive(Clone)]
pub(super) struct SdkTransport {
    https: HttpClient,
    plain: HttpClient,
    imds: Url,
    authority: Origin,
}

impl SdkTransport {
    pub(super) fn new(https: HttpClient, imds: Url, authority: &Authority) -> Self {
        let origin = Url::parse(authority.as_str()).map(|url| url.origin());
        Self {
            https,
            plain: HttpClient::plain(),
            imds,
            authority: origin.unwrap_or_else(|_| Origin::new_opaque()),
        }
    }

    async fn send(&self, request: &SdkRequest) -> Result<Response<Bytes>, Failure> {
        let url = request.url();
        let asked = url.origin();
        let (client, url) = if asked.ascii_serialization() == IMDS {
            (&self.plain, self.at_imds(url))
        } else if asked == self.authority {
            (&self.https, url.clone())
        } else {
            let elsewhere = asked.ascii_serialization();
            return Err(Failure::outage(format!(
                "azure_identity wants to ask {elsewhere}, which is neither the node's IMDS nor the login host; \
                 unset IDENTITY_ENDPOINT and MSI_ENDPOINT"
            )));
        };
        let bounds = Bounds {
            deadline: DEADLINE,
            max_body: MAX_BODY,
        };
        let answer = client.send(converted(request, &url)?, bounds).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            _ => Err(refusal(&answer, url.host_str().unwrap_or_default())),
        }
    }

    fn at_imds(&self, asked: &Url) -> Url {
        let mut url = self.imds.clone();
        url.set_path(asked.path());
        url.set_query(asked.query());
        url
    }
}

#[async_trait]
impl SdkHttpClient for SdkTransport {
    async fn execute_request(&self, request: &SdkRequest) -> azure_core::Result<AsyncRawResponse> {
        let answer = self
            .send(request)
            .await
            .map_err(|failure| Error::new(ErrorKind::Other, failure))?;
        let (parts, body) = answer.into_parts();
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(AsyncRawResponse::from_bytes(
            parts.status.as_u16().into(),
            headers,
            body,
        ))
    }
}

fn converted(request: &SdkRequest, url: &Url) -> Result<Request<Bytes>, Failure> {
    let Body::Bytes(body) = request.body() else {
        return Err(Failure::outage(
            "azure_identity sends a body that is no text",
        ));
    };
    let mut converted = Request::builder()
        .method(request.method().as_ref())
        .uri(url.as_str());
    for (name, value) in request.headers().iter() {
        converted = converted.header(name.as_str(), value.as_str());
    }
    let built = converted.body(body.clone());
    built.map_err(|error| {
        Failure::outage(format!("azure_identity's request cannot be sent: {error}"))
    })
}

/// 410 is an upgrade of IMDS; 404 its endpoint being updated.
fn refusal(answer: &Response<Bytes>, host: &str) -> Failure {
    let status = answer.status();
    let body = ErrorBody::read(answer.body());
    let said = body
        .description()
        .map(without_tokens)
        .map(|text| sentence(&text));
    let said = said.unwrap_or_else(|| "without a reason".to_owned());
    let passing = status.is_server_error() || matches!(status.as_u16(), 404 | 408 | 410 | 429);
    match body.code() {
        Some(error) if status.is_client_error() && !passing => Failure::Refused {
            error: error.to_owned(),
            stale_credential: body
                .numbers("error_codes")
                .into_iter()
                .any(is_stale_credential),
            description: said,
        },
        _ => Failure::Unavailable {
            description: format!("{host} answered {}: {said}", status.as_u16()),
            retry_after: retry_after(answer.headers()),
            throttled: status == StatusCode::TOO_MANY_REQUESTS,
        },
    }
}

impl fmt::Debug for SdkTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SdkTransport({} and {})",
            self.imds,
            self.authority.ascii_serialization()
        )
    }
}
