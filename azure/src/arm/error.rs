//! Why ARM did not do what was asked, in classes that a caller acts upon.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use podgate_api::ResourceId;

use crate::failure::Failure;

/// Why ARM did not do what was asked. Messages are ARM's own, of one line and bounded; they hold no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmError {
    /// What kind of failure it is, and so what to do.
    pub class: ErrorClass,
    /// What was tried, on what: `changing the identities of scale set np (group g)`.
    pub tried: String,
    /// The HTTP status, where there was an answer. A long-running operation that failed has none.
    pub status: Option<u16>,
    /// ARM's code (`OperationNotAllowed`), where it gave one.
    pub code: Option<String>,
    /// ARM's words, or ours where it had none.
    pub message: String,
}

/// What to do about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another operation on the resource is under way: look again later.
    Conflict {
        /// When, where ARM says so.
        retry_after: Option<Duration>,
    },
    /// The resource changed since it was read (`If-Match`): look again and decide anew.
    PreconditionFailed,
    /// Too many calls, by ARM's word or by our own count of what Azure documents.
    Throttled {
        /// How long nothing of this kind is to be asked.
        retry_after: Duration,
        /// What is too much: one resource, or the whole subscription.
        scope: Scope,
    },
    /// These identities do not exist or cannot be assigned. Without them the same request may do.
    Identities(Vec<ResourceId>),
    /// Who podgate is may not assign these identities: it lacks *Managed Identity Operator* on them.
    LinkedAuthorization(Vec<ResourceId>),
    /// The resource is being deleted: nothing is to be done any more.
    Deleting,
    /// The resource, its group or its subscription does not exist.
    NotFound,
    /// ARM does not take the token (401). The next call gets a new one.
    Unauthorized,
    /// Who podgate is may not do this: it lacks *Virtual Machine Contributor* on the resource (403).
    Forbidden,
    /// There is no token for ARM.
    Credential(Box<Failure>),
    /// An outage, an answer that makes no sense, or none at all.
    Unavailable {
        /// When to try again, where ARM says so.
        retry_after: Option<Duration>,
    },
    /// ARM named a URL elsewhere to follow the operation. It was not asked, so as not to give it the token.
    Untrusted,
    /// The operation had not come to its end when we stopped following it. It goes on; look again later.
    Unfinished,
    /// Whoever asked for it may not write any more. Nothing was sent.
    Superseded,
    /// ARM refuses the request as it is, and would refuse it again.
    Invalid,
}

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One virtual machine or scale set.
    Resource,
    /// Everything in the subscription.
    Subscription,
}

impl ErrorClass {
    /// The word for metric labels, out of a closed set.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::Throttled { .. } => "throttled",
            Self::Identities(_) => "identities",
            Self::LinkedAuthorization(_) => "linked_authorization",
            Self::Deleting => "deleting",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Credential(_) => "credential",
            Self::Unavailable { .. } => "unavailable",
            Self::Untrusted => "untrusted",
            Self::Unfinished => "unfinished",
            Self::Superseded => "superseded",
            Self::Invalid => "invalid",
        }
    }

    /// Whether the same request may do later, without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Conflict { .. }
            | Self::PreconditionFailed
            | Self::Throttled { .. }
            | Self::Unauthorized
            | Self::Unavailable { .. }
            | Self::Unfinished => true,
            Self::Credential(failure) => matches!(**failure, Failure::Unavailable { .. }),
            _ => false,
        }
    }

    /// What an operator can do, where it is known.
    fn advice(&self) -> &'static str {
        match self {
            Self::LinkedAuthorization(_) => {
                "; give podgate's identity the role Managed Identity Operator on them or on their group"
            }
            Self::Forbidden => {
                "; give podgate's identity the role Virtual Machine Contributor on the nodes' resource group"
            }
            Self::Identities(_) => "; check the resourceID of their AzureIdentity",
            Self::NotFound => "; check the node's providerID, and what podgate's identity may see",
            Self::Untrusted => "; if this is a custom cloud, configure its own ARM URL",
            _ => "",
        }
    }
}

impl ArmError {
    pub(super) fn new(
        class: ErrorClass,
        tried: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (tried, message) = (tried.into(), message.into());
        Self {
            class,
            tried,
            status: None,
            code: None,
            message,
        }
    }

    /// How long to wait before the next try, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.class {
            ErrorClass::Throttled { retry_after, .. } => Some(*retry_after),
            ErrorClass::Conflict { retry_after } | ErrorClass::Unavailable { retry_after } => {
                *retry_after
            }
            ErrorClass::Credential(failure) => match **failure {
                Failure::Unavailable { retry_after, .. } => retry_after,
                Failure::Refused { .. } => None,
            },
            _ => None,
        }
    }

    /// The identities that the failure is about, empty where it is about none in particular.
    pub fn identities(&self) -> &[ResourceId] {
        match &self.class {
            ErrorClass::Identities(named) | ErrorClass::LinkedAuthorization(named) => named,
            _ => &[],
        }
    }
}

impl fmt::Display for ArmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: ", self.tried)?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, "ARM answered {status} {code}: ")?,
            (Some(status), None) => write!(f, "ARM answered {status}: ")?,
            (None, Some(code)) => write!(f, "{code}: ")?,
            (None, None) => {}
        }
        write!(f, "{}{}", self.message, self.class.advice())
    }
}

impl Error for ArmError {}
