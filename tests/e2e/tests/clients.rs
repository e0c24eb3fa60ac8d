//! The official Azure SDKs of Python, JavaScript and Java, each case in a process of its own, against a real
//! gateway with real components, in front of azure-sim.
//!
//! ```text
//! target/clients/<language>/client ──AZURE_POD_IDENTITY_AUTHORITY_HOST──▶ gateway ──▶ azure-sim
//!          from 127.0.0.1, the address of the pod under test
//! ```
//! `cargo xtask test --only clients` installs the programs and runs these tests. With the variable set, the
//! SDKs leave out their probe for IMDS (but for Java's default credential), so each request is one for a token.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "clients/assertion.rs"]
mod assertion;
#[path = "clients/granted.rs"]
mod granted;
#[path = "clients/refused.rs"]
mod refused;
#[path = "clients/sdk.rs"]
mod sdk;
#[path = "clients/shop.rs"]
mod shop;
#[path = "clients/upstream.rs"]
mod upstream;
#[path = "clients/waiting.rs"]
mod waiting;

/// The tests of one language: the same promises for each.
macro_rules! promises {
    ($sdk:ident: $($file:ident::{$($promise:ident),+ $(,)?}),+ $(,)?) => {$($(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients` does both"]
        async fn $promise() {
            crate::$file::$promise(crate::sdk::Sdk::$sdk).await;
        }
    )+)+};
}

macro_rules! every_promise {
    ($sdk:ident) => {
        promises! { $sdk:
            granted::{
                the_only_identity_of_a_pod_need_not_be_named,
                an_identity_is_named_by_its_client_id,
                an_identity_is_named_by_its_object_id,
                an_identity_is_named_by_its_resource_id,
                a_client_secret_becomes_a_token,
                a_certificate_becomes_a_token,
                an_excepted_pod_gets_the_nodes_identity,
                the_default_credential_finds_the_gateway,
                the_default_credential_names_an_identity,
                another_process_of_the_pod_costs_no_call,
            },
            waiting::{
                a_request_is_held_until_the_identity_is_assigned,
                a_request_is_repeated_until_the_identity_is_assigned,
                an_identity_that_is_never_assigned_ends_with_the_reason,
            },
            refused::{
                a_pod_without_a_binding_is_told_so_at_once,
                a_pod_without_a_binding_is_told_so_by_the_default_credential,
                an_identity_of_other_pods_is_refused_at_once,
                several_identities_want_to_be_told_apart,
                a_wrong_secret_shows_entras_code_and_never_itself,
                a_secret_that_is_missing_is_named,
            },
            upstream::{
                a_throttled_imds_is_asked_again_when_it_said,
                a_throttled_entra_is_asked_again_when_it_said,
                an_outage_of_imds_is_waited_out,
                an_outage_of_entra_is_waited_out,
                a_cached_token_is_given_whatever_is_down,
                an_outage_that_lasts_ends_with_the_reason,
            },
        }
    };
}

mod python {
    every_promise!(Python);

    #[tokio::test]
    #[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients` does both"]
    async fn pyjwt_accepts_the_assertion_of_each_certificate_and_algorithm() {
        crate::assertion::pyjwt_accepts_each().await;
    }

    #[tokio::test]
    #[ignore = "needs `cargo xtask clients`; `cargo xtask test --only clients` does both"]
    async fn pyjwt_refuses_an_assertion_that_was_touched() {
        crate::assertion::pyjwt_refuses_what_was_touched().await;
    }
}

mod js {
    every_promise!(Js);
}

mod java {
    every_promise!(Java);
}
