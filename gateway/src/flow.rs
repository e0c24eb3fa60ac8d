//! The path of a request, whole.
//!
//! ```text
//! imds ▸ pod ▸ policy ▸ assignment ▸ cache ▸ (credential) ▸ recheck ▸ reply
//! ```
//! A driver of the node enters it by [`Flow::serve_host`], and comes to `policy` with a pod that it named.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use podgate_azure::failure::Failure;
use podgate_azure::imds::{ImdsClient, Selector};
use tokio::time::Instant;

use crate::assignment::{self, Assignment, Whose};
use crate::cache::{self, Held, TokenCache};
use crate::clock::Clock;
use crate::imds::{self, MetadataQuestion, Question, Route, TokenQuestion};
use crate::metrics::Metrics;
use crate::pod::{self, Connection, ResolvedPod};
use crate::policy::Chain;
use crate::refusal::Refusal;
use crate::reply::{self, ErrorFormat, Reply};
use crate::world::{Way, World};

mod budget;
mod decision;
mod host;
mod record;

use budget::Line;
pub use budget::LogBudget;
use decision::Decision;
pub use decision::Decisions;
pub use host::HostPeer;

/// Everything a request meets on its way.
pub struct Flow {
    /// The front door's rules.
    pub rules: imds::Rules,
    /// What is known of the cluster.
    pub world: World,
    /// How long a request waits for its pod to appear.
    pub pod_wait: Duration,
    /// The policy chain.
    pub policies: Chain,
    /// What was decided while the world stood still.
    pub decisions: Decisions,
    /// How identities are found.
    pub assignment: assignment::Rules,
    /// The tokens.
    pub tokens: TokenCache,
    /// For other metadata.
    pub imds: ImdsClient,
    /// How many refusals are logged.
    pub log_budget: LogBudget,
    /// The form of error bodies.
    pub error_format: ErrorFormat,
    /// The wall clock.
    pub clock: Clock,
    /// Counts what happens.
    pub metrics: Arc<Metrics>,
}

/// The whole of a request: its waits for a pod, an assignment and an authority add up to no more. Shorter
/// than any SDK's own deadline, and than the drain at shutdown.
const DEADLINE: Duration = Duration::from_secs(24);

impl Flow {
    /// Answers one request of a connection. Never fails: a refusal is an answer.
    pub async fn serve<B>(&self, connection: &Connection, request: &Request<B>) -> Reply {
        let mut record = record::Record::start();
        let unanswered = record::Unanswered::new(&self.metrics);
        let (reply, refusal) = match self.answer(connection, request, &mut record).await {
            Ok(reply) => (reply, None),
            Err(refusal) => (reply::refusal(&refusal, self.error_format), Some(refusal)),
        };
        unanswered.answered();
        let peer = connection.peer();
        self.conclude(Some(peer), &peer, &record, &reply, refusal.as_ref());
        reply
    }

    fn conclude(
        &self,
        address: Option<IpAddr>,
        peer: &dyn Display,
        record: &record::Record,
        reply: &Reply,
        refusal: Option<&Refusal>,
    ) {
        record.count(&self.metrics, reply.status(), refusal);
        if refusal.is_none() && record.is_repetition() {
            return record.repetition(peer, reply.status());
        }
        // A pod can cause as many lines as it likes.
        match self.log_budget.take(address, self.clock.now()) {
            Line::Drop => return,
            Line::Write => {}
            Line::WriteAfter(dropped) => tracing::warn!(%peer, dropped, "lines were left out"),
        }
        match refusal {
            None => record.granted(peer, reply.status()),
            Some(refusal) => record.refused(peer, reply.status(), refusal),
        }
    }

    async fn answer<B>(
        &self,
        connection: &Connection,
        request: &Request<B>,
        record: &mut record::Record,
    ) -> Result<Reply, Refusal> {
        let path = imds::target(request)?;
        record.route(Route::of(&path));
        let answer = async {
            match imds::parse(request, path, &self.rules)? {
                Question::Token(question) => self.token(connection, &question, record).await,
                Question::Metadata(question) => self.metadata(connection, &question, record).await,
            }
        };
        in_time(answer).await
    }

    /// A token of an identity that is bound to the pod at the moment the reply is written, or none.
    async fn token(
        &self,
        connection: &Connection,
        question: &TokenQuestion,
        record: &mut record::Record,
    ) -> Result<Reply, Refusal> {
        let decision = self.decide(connection, question, record).await?;
        let pod = &decision.pod;
        let (assignment, held) = self
            .first(pod, question, decision.assignments.iter())
            .await?;
        record.assignment(assignment);
        let more = self.auxiliary(pod, question, assignment).await?;
        self.recheck(&decision, question, assignment).await?;
        let now = self.clock.now();
        still_good(std::iter::once(&held).chain(&more), now)?;
        Ok(match more.is_empty() {
            true => reply::token(held.body(now)),
            false => reply::tokens(&bodies(&held, &more, now)),
        })
    }

    /// Who asks, and what may answer. As long as the world stands still the same question of the same
    /// address has the same answer, which is then remembered.
    async fn decide(
        &self,
        connection: &Connection,
        question: &TokenQuestion,
        record: &mut record::Record,
    ) -> Result<Arc<Decision>, Refusal> {
        let peer = connection.peer();
        if let Some(decision) = self.decisions.recall(&self.world, peer, question) {
            record.token(&decision.pod, question);
            record.repeated();
            connection.claim(&self.world, &decision.pod)?;
            return Ok(decision);
        }
        let stamp = self.world.stamp();
        let deadline = Instant::now() + self.pod_wait;
        let pod = pod::resolve(&self.world, peer, deadline).await?;
        record.token(&pod, question);
        connection.claim(&self.world, &pod)?;
        let (decision, certain) = self.consider(stamp, pod, question).await?;
        Ok(match certain && self.policies.is_pure() {
            true => self.decisions.remember(peer, question, decision),
            false => Arc::new(decision),
        })
    }

    /// What may answer a pod's question, and whether every policy had its say.
    async fn consider(
        &self,
        stamp: u64,
        pod: ResolvedPod,
        question: &TokenQuestion,
    ) -> Result<(Decision, bool), Refusal> {
        let judgement = self.policies.judge(&self.world, &pod, question).await?;
        let rules = &self.assignment;
        let assignments = assignment::find(&self.world, &pod, question, &judgement, rules).await?;
        let decision = Decision {
            stamp,
            pod,
            assignments,
        };
        Ok((decision, judgement.is_certain()))
    }

    /// The token of the one assignment; of several, the one whose token has the object id asked for.
    async fn first<'a>(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        assignments: impl Iterator<Item = &'a Assignment>,
    ) -> Result<(&'a Assignment, Arc<Held>), Refusal> {
        let mut failed = None;
        for assignment in assignments {
            match self.tokens.get(request(pod, question, assignment)).await {
                Ok(held) if is_meant(&question.selector, assignment, &held) => {
                    return Ok((assignment, held));
                }
                Ok(_) => {}
                // Another identity may still be the one: a broken one harms only itself.
                Err(refusal) => failed = failed.or(Some(refusal)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            Refusal::NoIdentity(format!(
                "none of the identities bound to pod {} has the object id that was asked for",
                pod.pod().object
            ))
        }))
    }

    /// The tokens of a service principal's auxiliary tenants.
    async fn auxiliary(
        &self,
        pod: &ResolvedPod,
        question: &TokenQuestion,
        assignment: &Assignment,
    ) -> Result<Vec<Arc<Held>>, Refusal> {
        let Whose::Bound { identity, .. } = assignment.whose() else {
            return Ok(Vec::new());
        };
        let Way::Secret(principal) = &identity.way else {
            return Ok(Vec::new());
        };
        let mut tokens = Vec::new();
        for tenant in &principal.auxiliary_tenants {
            let mut request = request(pod, question, assignment);
            request.tenant = Some(tenant);
            tokens.push(self.tokens.get(request).await?);
        }
        Ok(tokens)
    }

    /// Invariant 1: the upstream call may have taken seconds, in which the address changed its pod, the pod
    /// its labels, or the identity its binding. Unless the world stood still, everything is asked again
    /// before a token leaves, and again if the world moved while a policy thought.
    async fn recheck(
        &self,
        decision: &Decision,
        question: &TokenQuestion,
        assignment: &Assignment,
    ) -> Result<(), Refusal> {
        let (world, rules) = (&self.world, &self.assignment);
        let mut seen = decision.stamp;
        while world.stamp() != seen {
            seen = world.stamp();
            let pod = decision.pod.recheck(world)?;
            let judgement = self.policies.judge(world, &pod, question).await?;
            assignment::recheck(world, &pod, question, &judgement, rules, assignment)?;
        }
        Ok(())
    }

    /// Other metadata, from the allow-list, by a URL that is built here.
    async fn metadata(
        &self,
        connection: &Connection,
        question: &MetadataQuestion,
        record: &mut record::Record,
    ) -> Result<Reply, Refusal> {
        let deadline = Instant::now() + self.pod_wait;
        let pod = pod::resolve(&self.world, connection.peer(), deadline).await?;
        record.pod(&pod);
        connection.claim(&self.world, &pod)?;
        self.tokens.admit(&pod)?;
        let mut query = Vec::with_capacity(2);
        query.extend(
            question
                .api_version
                .as_deref()
                .map(|version| ("api-version", version)),
        );
        query.extend(question.format.map(|format| ("format", format)));
        let answer = self.imds.metadata(question.path.as_str(), &query).await;
        answer.map(reply::metadata).map_err(Refusal::Upstream)
    }
}

/// Whatever a request waits for, together.
async fn in_time<T>(answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let answered = tokio::time::timeout(DEADLINE, answer).await;
    answered.unwrap_or(Err(Refusal::Deadline(DEADLINE)))
}

fn request<'a>(
    pod: &'a ResolvedPod,
    question: &'a TokenQuestion,
    assignment: &'a Assignment,
) -> cache::Request<'a> {
    cache::Request {
        pod,
        assignment,
        tenant: None,
        resource: &question.resource,
        bypass_cache: question.bypass_cache,
    }
}

/// Every assignment was chosen by what the request names, but for object ids: those only a token knows.
fn is_meant(selector: &Selector, assignment: &Assignment, held: &Held) -> bool {
    match (selector, assignment.whose()) {
        (Selector::ObjectId(id), Whose::Bound { .. }) => held.object_id() == Some(id),
        _ => true,
    }
}

/// A token may have ended while others were got or policies thought.
fn still_good<'a>(
    mut tokens: impl Iterator<Item = &'a Arc<Held>>,
    now: u64,
) -> Result<(), Refusal> {
    match tokens.all(|held| held.expires_on() > now) {
        true => Ok(()),
        false => Err(Refusal::Upstream(Failure::Unavailable {
            description: "the token ended before it could be given; ask again".to_owned(),
            retry_after: None,
            throttled: false,
        })),
    }
}

fn bodies(first: &Held, more: &[Arc<Held>], now: u64) -> Vec<Bytes> {
    std::iter::once(first.body(now))
        .chain(more.iter().map(|held| held.body(now)))
        .collect()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twins;
