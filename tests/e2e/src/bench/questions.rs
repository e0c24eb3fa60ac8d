//! What plugins are asked in measurements: questions of the usual size.

use podgate_plugin_host as host;

/// A pod with three labels asks, in a namespace with one exception that is not for it.
pub(super) fn policy() -> host::PolicyQuestion {
    host::PolicyQuestion {
        pod: host::Pod {
            namespace: "shop".to_owned(),
            name: "web-7d4b9c6f5-abcde".to_owned(),
            uid: "6a1f6d1e-5a55-4d0e-8f7e-6a4f3a1b2c3d".to_owned(),
            service_account: "default".to_owned(),
            labels: vec![
                label("app", "web"),
                label("pod-template-hash", "7d4b9c6f5"),
                label("team", "shop"),
            ],
        },
        request: host::TokenRequest {
            path: "/metadata/identity/oauth2/token".to_owned(),
            resource: "https://vault.azure.net".to_owned(),
            identity: host::IdentitySelector::Unspecified,
        },
        exceptions: vec![host::PodException {
            name: "aks-addon-exception".to_owned(),
            pod_labels: vec![label("kubernetes.azure.com/managedby", "aks")],
        }],
    }
}

/// The same of a pod that the exception is for.
pub(super) fn excepted() -> host::PolicyQuestion {
    let mut question = policy();
    let managed = label("kubernetes.azure.com/managedby", "AKS");
    question.pod.labels.push(managed);
    question
}

/// A managed identity and the vault.
pub(super) fn subject() -> host::Subject {
    host::Subject {
        client_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        identity_type: host::IdentityType::ManagedIdentity,
        resource: "https://vault.azure.net".to_owned(),
    }
}

/// A token of a day.
pub(super) fn times() -> host::Times {
    host::Times {
        obtained: 1_800_000_000,
        expires: 1_800_086_400,
        jitter: 500_000,
    }
}

/// A service principal with a certificate.
pub(super) fn credential() -> host::CredentialQuestion {
    host::CredentialQuestion {
        identity: host::CredentialIdentity {
            client_id: "44444444-4444-4444-8444-444444444444".to_owned(),
            tenant_id: "99999999-9999-4999-8999-999999999999".to_owned(),
            authority: "https://login.microsoftonline.com/".to_owned(),
        },
        resource: "https://vault.azure.net".to_owned(),
        request_id: "0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
    }
}

fn label(name: &str, value: &str) -> host::Label {
    host::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}
