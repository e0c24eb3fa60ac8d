//! The other side of `http.send`: what a case says is answered, in order, and what was sent is kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::ensure;
use async_trait::async_trait;
use parking_lot::Mutex;
use podgate_plugin_host::{Method, Outbound, OutboundError, OutboundRequest, OutboundResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::expect::Text;

/// One request and what comes back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Exchange {
    /// What is expected of the request; nothing, where it is left out.
    #[serde(default)]
    request: ExpectedRequest,
    answer: Option<Answer>,
    fails: Option<Failure>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectedRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<ExpectedMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, Text>>,
    /// The fields of an `application/x-www-form-urlencoded` body.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<BTreeMap<String, Text>>,
    /// Members of a JSON body.
    #[serde(skip_serializing_if = "Option::is_none")]
    json: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Text>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum ExpectedMethod {
    Get,
    Post,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    body: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Failure {
    Unreachable,
    Timeout,
    TooLarge,
}

/// Plays the exchanges of one case after the other.
#[derive(Default)]
pub(super) struct Script(Mutex<State>);

#[derive(Default)]
struct State {
    answers: VecDeque<Result<OutboundResponse, OutboundError>>,
    sent: Vec<Value>,
}

// === impl Exchange ===

impl Exchange {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.answer.is_some() != self.fails.is_some(),
            "http: each exchange has `answer`, or `fails` instead"
        );
        let bodies = self
            .answer
            .as_ref()
            .map(|answer| (&answer.json, &answer.body));
        ensure!(
            !matches!(bodies, Some((Some(_), Some(_)))),
            "http: an answer has `json` or `body`, not both"
        );
        Ok(())
    }

    /// What is named of the request.
    pub(super) fn expected(&self) -> serde_json::Result<Value> {
        serde_json::to_value(&self.request)
    }

    fn outcome(&self) -> Result<OutboundResponse, OutboundError> {
        match (&self.answer, self.fails) {
            (Some(answer), _) => Ok(answer.response()),
            (None, Some(Failure::Timeout)) => Err(OutboundError::Timeout),
            (None, Some(Failure::TooLarge)) => Err(OutboundError::TooLarge(0)),
            (None, _) => Err(OutboundError::Unreachable("as the case says".into())),
        }
    }
}

// === impl Answer ===

impl Answer {
    fn response(&self) -> OutboundResponse {
        let json = self.json.as_ref().map(Value::to_string);
        let body = json.or_else(|| self.body.clone()).unwrap_or_default();
        OutboundResponse {
            status: self.status,
            headers: self.headers.clone().into_iter().collect(),
            body: body.into_bytes(),
        }
    }
}

// === impl Script ===

impl Script {
    /// Lays out the answers of a case.
    pub(super) fn begin(&self, exchanges: &[Exchange]) {
        *self.0.lock() = State {
            answers: exchanges.iter().map(Exchange::outcome).collect(),
            sent: Vec::new(),
        };
    }

    /// What was sent since then.
    pub(super) fn end(&self) -> Vec<Value> {
        std::mem::take(&mut *self.0.lock()).sent
    }
}

#[async_trait]
impl Outbound for Script {
    async fn send(
        &self,
        request: OutboundRequest,
        _: Duration,
        max_body: usize,
    ) -> Result<OutboundResponse, OutboundError> {
        let mut state = self.0.lock();
        state.sent.push(shown(&request));
        let nothing = || {
            Err(OutboundError::Unreachable(
                "the case has no answer for it".into(),
            ))
        };
        match state.answers.pop_front().unwrap_or_else(nothing) {
            Err(OutboundError::TooLarge(_)) => Err(OutboundError::TooLarge(max_body as u64)),
            outcome => outcome,
        }
    }
}

fn shown(request: &OutboundRequest) -> Value {
    let method = match request.method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let headers: BTreeMap<_, _> = request.headers.iter().cloned().collect();
    let is_form = headers
        .get("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let mut shown = json!({"method": method, "url": request.url, "headers": headers});
    let (name, body) = match serde_json::from_slice::<Value>(&request.body) {
        _ if is_form => ("form", form(&request.body)),
        Ok(json) => ("json", json),
        Err(_) => ("body", String::from_utf8_lossy(&request.body).into()),
    };
    if !request.body.is_empty() {
        shown[name] = body;
    }
    shown
}

fn form(body: &[u8]) -> Value {
    let fields = form_urlencoded::parse(body).into_owned();
    let fields: BTreeMap<String, String> = fields.collect();
    json!(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_shown_by_its_fields() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let request = OutboundRequest {
            method: Method::Post,
            url: "https://login.example/".into(),
            headers: vec![("content-type".into(), kind.into())],
            body: b"scope=a%20b&x=1".to_vec(),
        };
        let shown = shown(&request);
        assert_eq!(shown["form"], json!({"scope": "a b", "x": "1"}));
        assert_eq!(shown["method"], "POST");
    }
}
