//! What stands in the Lease: as client-go writes it, so that `kubectl get lease` and its candidates understand it.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use super::{Candidacy, LeaseDuration};

/// `leaseDurationSeconds` of a Lease that nobody holds; it may not be 0.
const RELEASED: i32 = 1;

/// Who holds it, if anybody does.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref()?;
    (!holder.is_empty()).then_some(holder)
}

/// The next edition of a Lease, or the first one: it names this holder, from now on.
pub(super) fn claimed(
    before: Option<&Lease>,
    candidacy: &Candidacy,
    identity: &str,
    duration: LeaseDuration,
) -> Lease {
    let mut lease = before.cloned().unwrap_or_default();
    lease.metadata.name = Some(candidacy.name.clone());
    lease.metadata.namespace = Some(candidacy.namespace.clone());
    let was_held = before.and_then(holder) == Some(identity);
    let spec = lease.spec.get_or_insert_default();
    let now = now();
    if !was_held {
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(transitions(before, spec));
    }
    spec.holder_identity = Some(identity.to_owned());
    spec.lease_duration_seconds = Some(duration.whole_seconds());
    spec.renew_time = Some(now);
    lease
}

/// The first holder is no transition; whoever follows somebody is one, also after a release.
fn transitions(before: Option<&Lease>, spec: &LeaseSpec) -> i32 {
    let so_far = spec.lease_transitions.unwrap_or_default().max(0);
    so_far.saturating_add(i32::from(before.is_some()))
}

/// The next edition, which nobody holds.
pub(super) fn released(before: &Lease) -> Lease {
    let mut lease = before.clone();
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(RELEASED);
    spec.acquire_time = Some(now());
    spec.renew_time = Some(now());
    lease
}

fn now() -> MicroTime {
    MicroTime(Timestamp::now())
}
