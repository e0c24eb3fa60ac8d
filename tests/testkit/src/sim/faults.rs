//! Scripts of faults: what goes wrong, for whom, how often.

use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::reply::{Outcome, Reply};
use super::{arm, entra, imds};

/// Which of the services.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The instance metadata service of the VM.
    Imds,
    /// The token endpoints of Entra ID.
    Entra,
    /// Azure Resource Manager.
    Arm,
}

/// One scripted fault. Faults are tried in the order they were added; the first that matches is used.
///
/// ```
/// use podgate_testkit::{Fault, FaultKind, Target};
/// let fault = Fault::new(Target::Entra, FaultKind::Hang).for_client("c1").once();
/// ```
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which service fails.
    pub target: Target,
    /// Only requests that name this client id (ASCII case-insensitive).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Only requests for this resource (v2 scopes without `/.default`). At ARM: the id of a virtual machine or
    /// scale set, as the request spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Only requests of this method: `GET` or `PATCH` of a resource, `POLL` of an operation. ARM's only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What happens.
    pub kind: FaultKind,
    /// How often.
    #[serde(default)]
    pub times: Times,
}

impl Fault {
    /// A fault of every request to `target`, forever.
    pub fn new(target: Target, kind: FaultKind) -> Self {
        Self {
            target,
            client_id: None,
            resource: None,
            method: None,
            kind,
            times: Times::Forever,
        }
    }

    /// Only for requests that name this client id.
    #[must_use]
    pub fn for_client(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Only for requests of this resource.
    #[must_use]
    pub fn for_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Only for requests of this method: `GET`, `PATCH` or `POLL`, at ARM.
    #[must_use]
    pub fn for_method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only the next matching request.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the next `n` matching requests.
    #[must_use]
    pub fn times(mut self, n: u32) -> Self {
        self.times = Times::N(n);
        self
    }

    fn matches(&self, ask: &Ask<'_>, method: Option<&str>) -> bool {
        self.target == ask.target
            && self
                .method
                .as_deref()
                .is_none_or(|wanted| method == Some(wanted))
            && self.client_id.as_deref().is_none_or(|wanted| {
                ask.client_id
                    .is_some_and(|id| id.eq_ignore_ascii_case(wanted))
            })
            && self
                .resource
                .as_deref()
                .is_none_or(|wanted| ask.resource == Some(wanted))
    }
}

/// What goes wrong.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This status instead of an answer.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body; without one, what the service documents for that status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// The `Retry-After` header, as it is to be sent (seconds or an HTTP date).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
    },
    /// The right answer, this many milliseconds late.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// No answer at all: the connection stays open until the client gives up.
    Hang,
    /// The connection is reset (TCP RST) instead of an answer.
    Reset,
    /// 200 with a body that is not JSON, and not even text.
    Garbage,
    /// 200 with a body of this many bytes of valid JSON without an end in sight.
    Huge {
        /// Bytes.
        bytes: u64,
    },
    /// 200 with the right answer cut in half; `Content-Length` agrees with the half.
    Truncated,
    /// 200 with a `Content-Length` of the whole answer, and a connection that ends after half of it.
    Cut,
    /// The Entra error with this AADSTS number, as the catalogue has it (for conditions that cannot be arranged, such
    /// as 7000214, a revoked certificate).
    Aadsts {
        /// The number after `AADSTS`.
        code: u32,
    },
    /// ARM takes the change, and its operation fails with this error after it has made so many of the adds.
    OperationFails {
        /// `FailedIdentityOperation`, `InternalExecutionError`, …
        code: String,
        /// ARM's sentence.
        message: String,
        /// How many of the adds are made; none of the removes is.
        #[serde(default)]
        adds: usize,
    },
    /// ARM takes the change, and names this URL to follow it.
    PollUrl {
        /// The URL.
        url: String,
    },
    /// IMDS is being upgraded: 410 for this many milliseconds from the moment the fault is added. Entra and ARM have an
    /// outage: 503. Ignores `times`.
    Down {
        /// Milliseconds. The documented maximum is 70 000.
        ms: u64,
    },
}

impl FaultKind {
    /// A status with the service's own documented body.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            body: None,
            retry_after: None,
        }
    }

    /// 429 with `Retry-After` in seconds.
    pub fn throttled(retry_after: u32) -> Self {
        Self::Status {
            code: 429,
            body: None,
            retry_after: Some(retry_after.to_string()),
        }
    }
}

/// How often a fault happens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// Until it is removed.
    #[default]
    Forever,
    /// This many times.
    #[serde(untagged)]
    N(u32),
}

/// What a request asks for, as far as faults distinguish requests.
pub(crate) struct Ask<'a> {
    pub(crate) target: Target,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) resource: Option<&'a str>,
}

struct Scripted {
    fault: Fault,
    since: Instant,
}

impl Scripted {
    fn spent(&self) -> bool {
        match (&self.fault.kind, self.fault.times) {
            (FaultKind::Down { ms }, _) => self.since.elapsed() >= Duration::from_millis(*ms),
            (_, Times::N(left)) => left == 0,
            (_, Times::Forever) => false,
        }
    }

    fn spend(&mut self) -> FaultKind {
        if let Times::N(left) = &mut self.fault.times {
            *left = left.saturating_sub(1);
        }
        self.fault.kind.clone()
    }
}

/// The script.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Scripted>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.0.lock().push(Scripted {
            fault,
            since: Instant::now(),
        });
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// What is still to happen.
    pub(crate) fn pending(&self) -> Vec<Fault> {
        let mut script = self.0.lock();
        script.retain(|one| !one.spent());
        script.iter().map(|one| one.fault.clone()).collect()
    }

    /// What this request meets, which is thereby used once: every matching delay, and the first matching other fault.
    pub(crate) fn meet(&self, ask: &Ask<'_>) -> Met {
        self.meet_as(ask, None)
    }

    /// The same for a request of ARM's, whose faults may name a method.
    pub(crate) fn meet_method(&self, ask: &Ask<'_>, method: &str) -> Met {
        self.meet_as(ask, Some(method))
    }

    fn meet_as(&self, ask: &Ask<'_>, method: Option<&str>) -> Met {
        let mut script = self.0.lock();
        script.retain(|one| !one.spent());
        let mut met = Met::default();
        for one in script
            .iter_mut()
            .filter(|one| one.fault.matches(ask, method))
        {
            match &one.fault.kind {
                FaultKind::Latency { ms } => {
                    met.delay += Duration::from_millis(*ms);
                    one.spend();
                }
                _ if met.kind.is_none() => met.kind = Some(one.spend()),
                _ => {}
            }
        }
        met
    }
}

/// What the script has for one request.
#[derive(Default)]
pub(crate) struct Met {
    delay: Duration,
    kind: Option<FaultKind>,
}

/// What a scripted fault does to a change that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArmEffect {
    OperationFails {
        code: String,
        message: String,
        adds: usize,
    },
    PollUrl {
        url: String,
    },
}

impl Met {
    /// Takes out what does not replace the answer but what follows it.
    pub(crate) fn take_arm(&mut self) -> Option<ArmEffect> {
        let effect = match self.kind.clone()? {
            FaultKind::OperationFails {
                code,
                message,
                adds,
            } => ArmEffect::OperationFails {
                code,
                message,
                adds,
            },
            FaultKind::PollUrl { url } => ArmEffect::PollUrl { url },
            _ => return None,
        };
        self.kind = None;
        Some(effect)
    }

    /// Whether the script has anything for the request.
    pub(crate) fn is_fault(&self) -> bool {
        self.kind.is_some() || !self.delay.is_zero()
    }

    /// Answers a well-formed request: with `right`, or with what the script has for it.
    pub(crate) async fn answer(self, target: Target, right: impl FnOnce() -> Reply) -> Outcome {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        match self.kind {
            None => right().into(),
            Some(kind) => perform(kind, target, right).await,
        }
    }
}

async fn perform(kind: FaultKind, target: Target, right: impl FnOnce() -> Reply) -> Outcome {
    match kind {
        FaultKind::Status {
            code,
            body,
            retry_after,
        } => status(target, code, body, retry_after).into(),
        FaultKind::Down { .. } if target == Target::Imds => status(target, 410, None, None).into(),
        FaultKind::Down { .. } => status(target, 503, None, None).into(),
        FaultKind::Aadsts { code } => entra::errors::catalogued(code).into(),
        FaultKind::Hang => std::future::pending().await,
        FaultKind::Reset => Outcome::Reset,
        FaultKind::Garbage => Reply::raw(StatusCode::OK, GARBAGE)
            .header(CONTENT_TYPE, JSON)
            .into(),
        FaultKind::Huge { bytes } => Outcome::Huge(bytes),
        FaultKind::Truncated => right().halved().into(),
        FaultKind::Cut => Outcome::Cut(right()),
        // The effects of ARM's were taken out before; elsewhere they mean nothing.
        FaultKind::Latency { .. }
        | FaultKind::OperationFails { .. }
        | FaultKind::PollUrl { .. } => right().into(),
    }
}

/// Bytes that are not UTF-8, with a NUL and a line break among them.
const GARBAGE: &[u8] = b"\xff\xfe\0{\"access_token\":\r\n\xc3\x28garbage";

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

fn status(target: Target, code: u16, body: Option<String>, retry_after: Option<String>) -> Reply {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reply = match body {
        Some(body) => Reply::raw(status, body).header(CONTENT_TYPE, JSON),
        None => match target {
            Target::Imds => imds::documented(status),
            Target::Entra => entra::errors::documented(status),
            Target::Arm => arm::documented(status),
        },
    };
    match retry_after.and_then(|value| HeaderValue::from_str(&value).ok()) {
        Some(value) => reply.header(RETRY_AFTER, value),
        None => reply,
    }
}
