//! `/host/token`: the same chain for a pod that a driver of the node names.

use std::fmt;
use std::net::IpAddr;

use http::Request;
use http::header::HOST;
use podgate_azure::imds::Selector;
use tokio::time::Instant;

use super::{Flow, in_time, record, still_good};
use crate::assignment::{Assignment, Whose};
use crate::imds::{self, HostQuestion, Route};
use crate::pod;
use crate::refusal::Refusal;
use crate::reply::{self, Reply};

/// Who is at the other end of one of the host's listeners, by the kernel's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPeer {
    /// A process on the socket that may ask.
    Admitted {
        /// Its user.
        uid: u32,
    },
    /// A process on the socket that may not.
    Stranger {
        /// Its user.
        uid: u32,
    },
    /// Whoever is on loopback.
    Loopback(IpAddr),
}

impl fmt::Display for HostPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admitted { uid } | Self::Stranger { uid } => write!(f, "uid {uid}"),
            Self::Loopback(ip) => ip.fmt(f),
        }
    }
}

impl Flow {
    /// Answers one request of the host's listeners. Never fails: a refusal is an answer.
    pub async fn serve_host<B>(&self, peer: HostPeer, request: &Request<B>) -> Reply {
        let mut record = record::Record::start();
        record.route(Route::HostToken);
        let answered = in_time(self.answer_host(peer, request, &mut record)).await;
        let (reply, refusal) = match answered {
            Ok(reply) => (reply, None),
            Err(refusal) => {
                let reply = reply::host_refusal(&refusal, self.error_format);
                (reply, Some(refusal))
            }
        };
        self.conclude(None, &peer, &record, &reply, refusal.as_ref());
        reply
    }

    async fn answer_host<B>(
        &self,
        peer: HostPeer,
        request: &Request<B>,
        record: &mut record::Record,
    ) -> Result<Reply, Refusal> {
        match peer {
            HostPeer::Admitted { .. } => {}
            HostPeer::Stranger { uid } => return Err(Refusal::NotHost(uid)),
            HostPeer::Loopback(_) => imds::addressed(request.headers().get(HOST))?,
        }
        self.host_token(imds::parse_host(request)?, record).await
    }

    /// A token of an identity that is bound to the named pod at the moment the reply is written, or none. What was
    /// decided is not remembered: a driver asks once per mount.
    async fn host_token(
        &self,
        question: HostQuestion,
        record: &mut record::Record,
    ) -> Result<Reply, Refusal> {
        let HostQuestion { pod, token } = question;
        let stamp = self.world.stamp();
        let deadline = Instant::now() + self.pod_wait;
        let pod = pod::find(&self.world, &pod, deadline).await?;
        record.token(&pod, &token);
        let (decision, _) = self.consider(stamp, pod, &token).await?;
        let candidates = decision.assignments.iter();
        let (assignment, held) = self.first(&decision.pod, &token, candidates).await?;
        record.assignment(assignment);
        self.recheck(&decision, &token, assignment).await?;
        let now = self.clock.now();
        still_good(std::iter::once(&held), now)?;
        let body = held.body(now);
        Ok(reply::host_token(&body, &client_id(assignment)))
    }
}

/// Of the identity, or the one that was asked for where the node's own identities answer.
fn client_id(assignment: &Assignment) -> String {
    let id = match assignment.whose() {
        Whose::Bound { identity, .. } => identity.client_id(),
        Whose::Node(Selector::ClientId(id)) => Some(id),
        Whose::Node(_) => None,
    };
    id.map(ToString::to_string).unwrap_or_default()
}
