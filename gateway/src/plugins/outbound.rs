//! The HTTP of credential plugins, over the gateway's own client.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use podgate_azure::http::{Bounds, HttpClient, HttpError};
use podgate_plugin_host::{Method, Outbound, OutboundError, OutboundRequest, OutboundResponse};

/// Sends what the plugin host has already checked against the grants.
pub struct HttpOutbound(pub HttpClient);

#[async_trait]
impl Outbound for HttpOutbound {
    async fn send(
        &self,
        request: OutboundRequest,
        deadline: Duration,
        max_body: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        let bounds = Bounds { deadline, max_body };
        let response = self
            .0
            .send(to_http(request)?, bounds)
            .await
            .map_err(failed)?;
        let (parts, body) = response.into_parts();
        let headers = parts
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        Ok(OutboundResponse {
            status: parts.status.as_u16(),
            headers,
            body: body.to_vec(),
        })
    }
}

fn to_http(request: OutboundRequest) -> Result<http::Request<Bytes>, OutboundError> {
    let method = match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
    };
    let mut builder = http::Request::builder().method(method).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Bytes::from(request.body))
        .map_err(|error| OutboundError::Invalid(error.to_string()))
}

fn failed(error: HttpError) -> OutboundError {
    match error {
        HttpError::Unreachable { .. } => OutboundError::Unreachable(error.to_string()),
        HttpError::Timeout { .. } => OutboundError::Timeout,
        HttpError::TooLarge { limit, .. } => OutboundError::TooLarge(limit as u64),
        HttpError::Invalid { .. } | HttpError::Withheld { .. } => {
            OutboundError::Invalid(error.to_string())
        }
    }
}
