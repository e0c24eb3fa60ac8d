//! One request: when it may be made, with what it proves who asks, and what its answer says of the limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::AUTHORIZATION;
use ::http::request::Builder;
use ::http::{HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::error::{ArmError, ErrorClass, Scope};
use super::id::ComputeId;
use super::limits::{CallKind, NotYet};
use super::{ArmClient, MAX_BODY, refusal, unavailable};
use crate::failure::Failure;
use crate::http::{Bounds, Gate, HttpError};

/// Who is told of each request that was sent: what it was, and what became of it.
#[derive(Clone)]
pub(super) struct Observer(Arc<dyn Fn(CallKind, &'static str) + Send + Sync>);

/// One request, as limits, errors and figures know it.
pub(super) struct Call<'a> {
    pub(super) id: &'a ComputeId,
    pub(super) kind: CallKind,
    /// As in "changing x failed".
    pub(super) tried: &'a str,
    /// Whether it may still be sent when it could be.
    pub(super) gate: Option<Gate>,
}

impl ArmClient {
    /// One request: admitted, with a token, its answer read for what it says of the limits. Whatever takes time comes
    /// before it is sent.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        request: Builder,
        body: Bytes,
    ) -> Result<Response<Bytes>, ArmError> {
        self.admit(call).await?;
        let token = self.credential.token().await;
        let token = token.map_err(|failure| no_token(call.tried, failure))?;
        let header = bearer(token.secret()).map_err(|problem| unavailable(call.tried, problem))?;
        let request = request.header(AUTHORIZATION, header).body(body);
        let request = request.map_err(|error| unavailable(call.tried, &error.to_string()))?;
        let answer = self.exchange(call, request).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.credential.forget(&token).await;
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, ArmError> {
        let bounds = Bounds {
            deadline: self.timing.request,
            max_body: MAX_BODY,
        };
        let answer = match call.gate.clone() {
            Some(gate) => self.http.send_through(gate, request, bounds).await,
            None => self.http.send(request, bounds).await,
        };
        match answer {
            Ok(answer) => {
                let class = self.learn(call, &answer);
                self.observer.tell(call.kind, class);
                Ok(answer)
            }
            Err(HttpError::Withheld { .. }) => Err(ArmError::new(
                ErrorClass::Superseded,
                call.tried,
                "somebody else is in charge by now",
            )),
            Err(error) => {
                let error = unavailable(call.tried, &error.to_string());
                self.observer.tell(call.kind, error.class.category());
                Err(error)
            }
        }
    }

    /// Waits for as long as our own count of Azure's limits says. What ARM itself has refused is a failure, without a
    /// request, until the time that it named.
    async fn admit(&self, call: &Call<'_>) -> Result<(), ArmError> {
        loop {
            match self.limits.admit(call.id, call.kind) {
                Ok(()) => return Ok(()),
                Err(NotYet::Paced(wait)) => sleep(wait).await,
                Err(NotYet::Closed(retry_after, scope)) => {
                    return Err(closed(call.tried, retry_after, scope));
                }
            }
        }
    }

    /// What an answer says of the limits. Returns the word for what became of the request.
    fn learn(&self, call: &Call<'_>, answer: &Response<Bytes>) -> &'static str {
        self.limits.learn(call.id, call.kind, answer.headers());
        if answer.status().is_success() {
            return "ok";
        }
        let class = refusal::of_answer(call.tried, answer).class;
        if let ErrorClass::Throttled { retry_after, scope } = class {
            self.limits.close(call.id, call.kind, scope, retry_after);
        }
        class.category()
    }
}

// === impl Call, Observer ===

impl<'a> Call<'a> {
    pub(super) fn new(id: &'a ComputeId, kind: CallKind, tried: &'a str) -> Self {
        Self {
            id,
            kind,
            tried,
            gate: None,
        }
    }
}

impl Observer {
    pub(super) fn new(told: impl Fn(CallKind, &'static str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }

    fn tell(&self, kind: CallKind, class: &'static str) {
        (self.0)(kind, class);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

fn closed(tried: &str, retry_after: Duration, scope: Scope) -> ArmError {
    let whom = match scope {
        Scope::Resource => "resource",
        Scope::Subscription => "subscription",
    };
    let message = format!("the {whom} has been asked as often as Azure allows; not asked");
    ArmError::new(ErrorClass::Throttled { retry_after, scope }, tried, message)
}

/// A header that says it is secret, so that nothing prints it.
fn bearer(token: &str) -> Result<HeaderValue, &'static str> {
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut header = HeaderValue::from_str(&text)
        .map_err(|_| "the token for ARM holds what no header may hold")?;
    header.set_sensitive(true);
    Ok(header)
}

fn no_token(tried: &str, failure: Failure) -> ArmError {
    let message = format!("there is no token for ARM: {failure}");
    ArmError::new(ErrorClass::Credential(Box::new(failure)), tried, message)
}
