//! From the pod's label to an identity that can be used.

use podgate_api::{AzureIdentityBinding, BINDING_LABEL, ObjectRef};

use crate::explain::diagnose::{Cause, Diagnosis, Finding, is_missing_kind};
use crate::explain::facts::Fact;
use crate::explain::identity;
use crate::explain::view::{Candidate, Flaw, View};

/// Selectors, identities and client ids that one sentence names.
const NAMED: usize = 5;

pub(crate) fn is_overridden_by_an_exception(view: &View<'_>) -> Finding {
    let label = view.label()?;
    let exception = ObjectRef::of(&view.exception()?.metadata);
    Some(
        Cause::ExceptionMatches
            .because(format!(
                "AzurePodIdentityException {exception} matches the pod: it gets the node's own identities, not those of \
                 {BINDING_LABEL}={label}"
            ))
            .next("narrow the exception's podLabels, or take its label off the pod")
            .with(get("azurepodidentityexception", &exception)),
    )
}

pub(crate) fn kinds_are_missing(view: &View<'_>) -> Finding {
    is_missing_kind(view.facts.bindings.gap()).then(|| {
        Cause::NotInstalled
            .because(
                "the API server does not know AzureIdentityBinding: podgate is not installed"
                    .to_owned(),
            )
            .next("install podgate's chart, which brings its custom resource definitions")
    })
}

pub(crate) fn no_label(view: &View<'_>) -> Finding {
    if view.label().is_some() || view.exception().is_some() {
        return None;
    }
    let own = selectors(view);
    let which = match own.as_slice() {
        [] => format!(
            "the selector of an AzureIdentityBinding of namespace {}",
            view.facts.asked.pod.namespace
        ),
        some => some.join(" or "),
    };
    let diagnosis = Cause::NoLabel
        .because(format!("the pod has no label {BINDING_LABEL}"))
        .next(&format!(
            "set the label {BINDING_LABEL} {}to {which}",
            template(view)
        ));
    Some(match own.as_slice() {
        [one] => labelled(view, diagnosis, one),
        _ => diagnosis,
    })
}

/// What makes the pod makes the next one too.
fn template(view: &View<'_>) -> String {
    let owner = view.pod.owner.as_ref();
    owner.map_or_else(String::new, |owner| {
        format!("in the pod template behind {owner} ")
    })
}

/// A command, for a pod that nobody makes again. A selector may be any text; a label may not, nor a word of a shell.
fn labelled(view: &View<'_>, diagnosis: Diagnosis, selector: &str) -> Diagnosis {
    let pod = &view.facts.asked.pod;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match view.pod.owner.is_none() && selector.chars().all(plain) {
        true => diagnosis.with(format!(
            "kubectl label pod {} -n {} --overwrite {BINDING_LABEL}={selector}",
            pod.name, pod.namespace
        )),
        false => diagnosis,
    }
}

/// Of the pod's namespace, each once.
fn selectors(view: &View<'_>) -> Vec<String> {
    let own = |binding: &&AzureIdentityBinding| {
        ObjectRef::of(&binding.metadata).namespace == view.facts.asked.pod.namespace
    };
    let all = view.facts.bindings.all().iter().filter(own);
    let mut selectors: Vec<String> = all
        .map(|binding| binding.spec.selector.clone())
        .filter(|selector| !selector.is_empty())
        .collect();
    selectors.sort();
    selectors.dedup();
    selectors.truncate(NAMED);
    selectors
}

pub(crate) fn no_binding(view: &View<'_>) -> Finding {
    let label = view.label()?;
    view.facts.bindings.known()?;
    // Bindings of other namespaces would count, and could not be read.
    let blind = !view.rules.is_namespaced() && view.facts.elsewhere.is_some();
    if !view.candidates.is_empty() || blind {
        return None;
    }
    if let Some(finding) = binding_of_old_casing(view) {
        return Some(finding);
    }
    let namespace = &view.facts.asked.pod.namespace;
    let diagnosis = Cause::NoBinding.because(format!(
        "no AzureIdentityBinding of namespace {namespace} has the selector {label}, which the pod carries in its label \
         {BINDING_LABEL}"
    ));
    Some(match nearest(view, label) {
        Some(near) => labelled(
            view,
            diagnosis.next(&format!(
                "did you mean {near}? set the label {}to it; upper and lower case differ",
                template(view)
            )),
            &near,
        ),
        None => diagnosis
            .next(&format!(
                "create an AzureIdentityBinding with spec.selector {label} in namespace {namespace}"
            ))
            .with(format!("kubectl get azureidentitybindings -n {namespace}")),
    })
}

/// At most a third of the letters differ.
fn nearest(view: &View<'_>, label: &str) -> Option<String> {
    let distance = |selector: &String| {
        strsim::damerau_levenshtein(&selector.to_lowercase(), &label.to_lowercase())
    };
    let nearest = selectors(view).into_iter().min_by_key(distance)?;
    (distance(&nearest) * 3 <= label.chars().count()).then_some(nearest)
}

/// A binding of the pod's namespace that lost its selector.
fn binding_of_old_casing(view: &View<'_>) -> Finding {
    let lost = |binding: &&AzureIdentityBinding| {
        ObjectRef::of(&binding.metadata).namespace == view.facts.asked.pod.namespace
            && binding.spec.selector.is_empty()
            && !identity::dropped_of_binding(&binding.metadata).is_empty()
    };
    let binding = view.facts.bindings.all().iter().find(lost)?;
    let fields = identity::dropped_of_binding(&binding.metadata);
    Some(old_casing(
        "AzureIdentityBinding",
        &ObjectRef::of(&binding.metadata),
        &fields,
    ))
}

fn old_casing(kind: &str, object: &ObjectRef, fields: &[String]) -> Diagnosis {
    Cause::OldCasing
        .because(format!(
            "the API server dropped fields of {kind} {object}, since they are spelt as before aad-pod-identity 1.6: {}",
            fields.join(", ")
        ))
        .next(&format!("correct the spelling in the manifest of {kind} {object} and apply it again"))
        .with(get(&kind.to_lowercase(), object))
}

pub(crate) fn identity_cannot_be_used(view: &View<'_>) -> Finding {
    if !view.usable().is_empty() {
        return None;
    }
    // The pod's own come first, and are the pod's owner's to mend.
    let (candidate, flaw) = view
        .candidates
        .iter()
        .find_map(|candidate| Some((candidate, candidate.flaw.as_ref()?)))?;
    let binding = ObjectRef::of(&candidate.binding.metadata);
    Some(match flaw {
        Flaw::Foreign | Flaw::ForeignIdentity => foreign(view, candidate, flaw),
        Flaw::Missing => missing(candidate, &binding),
        Flaw::OldCasing(fields) if candidate.wire.is_none() => {
            old_casing("AzureIdentityBinding", &binding, fields)
        }
        Flaw::OldCasing(fields) => old_casing("AzureIdentity", &candidate.identity, fields),
        Flaw::Invalid(problem) => Cause::IdentityInvalid
            .because(format!(
                "AzureIdentity {} cannot be used: {problem}",
                candidate.identity
            ))
            .next("correct that field; field names are case-sensitive (clientID, not ClientID)")
            .with(get("azureidentity", &candidate.identity)),
    })
}

fn foreign(view: &View<'_>, candidate: &Candidate<'_>, flaw: &Flaw) -> Diagnosis {
    let (own, other) = (
        &view.facts.asked.pod.namespace,
        &candidate.identity.namespace,
    );
    let why = match flaw {
        Flaw::ForeignIdentity => {
            "the identity is for its own namespace only (annotation aadpodidentity.k8s.io/Behavior)"
        }
        _ => "bindings count in their own namespace only (--forceNamespaced)",
    };
    let binding = ObjectRef::of(&candidate.binding.metadata);
    Cause::WrongNamespace
        .because(format!("AzureIdentityBinding {binding} has the pod's selector, but is of namespace {other}: {why}"))
        .next(&format!("create the AzureIdentity and its binding in namespace {own}, or move the pod to {other}"))
        .with(get("azureidentitybinding", &binding))
}

fn missing(candidate: &Candidate<'_>, binding: &ObjectRef) -> Diagnosis {
    let name = &candidate.binding.spec.azure_identity;
    let what = match name.as_str() {
        "" => format!("AzureIdentityBinding {binding} names no AzureIdentity"),
        name => format!(
            "AzureIdentityBinding {binding} names AzureIdentity {name}, which is not in its namespace"
        ),
    };
    Cause::IdentityMissing
        .because(what)
        .next("create that AzureIdentity beside the binding, or correct spec.azureIdentity of the binding")
        .with(format!("kubectl get azureidentities -n {}", binding.namespace))
}

pub(crate) fn named_is_not_bound(view: &View<'_>) -> Finding {
    let named = view.named()?;
    let usable = view.usable();
    if usable.is_empty() || !view.meant().is_empty() {
        return None;
    }
    let (whose, text) = match (&view.facts.asked.client_id, named) {
        (Some(asked), _) => ("--client-id names", asked.to_string()),
        (None, Some(id)) => ("AZURE_CLIENT_ID of the pod is", id.to_string()),
        (None, None) => (
            "AZURE_CLIENT_ID of the pod is no GUID:",
            view.pod.client_ids.join(", "),
        ),
    };
    let bound: Vec<String> = usable
        .iter()
        .take(NAMED)
        .map(|candidate| with_client_id(candidate))
        .collect();
    Some(
        Cause::NamedNotBound
            .because(format!(
                "{whose} {text}; bound to the pod is {}",
                bound.join(", ")
            ))
            .next("name the client id of a bound identity, or bind the one that is named"),
    )
}

fn with_client_id(candidate: &Candidate<'_>) -> String {
    let id = candidate
        .wire
        .and_then(|wire| wire.spec.client_id.as_deref());
    format!(
        "{} ({})",
        candidate.identity,
        id.unwrap_or("without a client id")
    )
}

pub(crate) fn secret_is_missing(view: &View<'_>) -> Finding {
    let meant = view.meant();
    let missing = |candidate: &&&Candidate<'_>| {
        let secret = candidate.wire.and_then(identity::secret);
        let there = secret.and_then(|secret| view.facts.secrets.get(&secret));
        there.and_then(Fact::known) == Some(&false)
    };
    let candidate = meant.iter().find(missing)?;
    let secret = identity::secret(candidate.wire?)?;
    let key = match candidate.wire?.spec.identity_type {
        podgate_api::IdentityType::ServicePrincipal => "clientSecret",
        _ => "certificate (and password)",
    };
    Some(
        Cause::SecretMissing
            .because(format!(
                "AzureIdentity {} names Secret {secret}, which is not there",
                candidate.identity
            ))
            .next(&format!("create Secret {secret} with the key {key}"))
            .with(format!(
                "kubectl get secret {} -n {}",
                secret.name, secret.namespace
            )),
    )
}

pub(crate) fn several_and_none_named(view: &View<'_>) -> Finding {
    let usable = view.usable();
    if usable.len() < 2 || view.named().is_some() || view.rules.first {
        return None;
    }
    if view.pod.names_indirectly {
        return Some(
            Cause::CannotTell
                .because("the pod is bound to several identities and takes AZURE_CLIENT_ID from a place that is not read".to_owned())
                .next("ask again with --client-id and its value"),
        );
    }
    let names: Vec<String> = usable
        .iter()
        .take(NAMED)
        .map(|candidate| with_client_id(candidate))
        .collect();
    Some(
        Cause::SeveralIdentities
            .because(format!("the pod is bound to {} identities and names none: {}", usable.len(), names.join(", ")))
            .next(&format!(
                "set AZURE_CLIENT_ID {}to the client id that it is to use; if the program names one itself, ask again \
                 with --client-id",
                template(view)
            )),
    )
}

fn get(kind: &str, object: &ObjectRef) -> String {
    format!(
        "kubectl get {kind} {} -n {} -o yaml",
        object.name, object.namespace
    )
}
