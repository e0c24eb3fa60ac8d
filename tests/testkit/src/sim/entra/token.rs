//! Giving tokens to those who prove themselves.

use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json};

use super::errors::Refusal;
use super::form::Credential;
use super::{Dialect, TokenRequest, assertion};
use crate::Application;
use crate::sim::World;
use crate::sim::jwt::{Grant, Minted};
use crate::sim::reply::Reply;

/// Checks the tenant, the application, its credential and the resource, in Entra's order. `federated` is what came of
/// an assertion of another issuer's.
pub(super) fn grant(
    world: &World,
    request: &TokenRequest<'_>,
    federated: Option<Result<(), Refusal>>,
) -> Result<Reply, Refusal> {
    let application = application(world, request)?;
    if !world.throttle.admit(&application.client_id) {
        return Err(Refusal::throttled());
    }
    match (&request.form.credential, federated) {
        (Credential::Secret(secret), _) => check_secret(&application, secret)?,
        (Credential::Assertion(_), Some(checked)) => checked?,
        (Credential::Assertion(jwt), None) => {
            assertion::check(jwt, &application, request, &world.replays)?;
        }
    }
    resource(world, request)?;
    let minted = mint(world, request, &application);
    let reply = Reply::json(StatusCode::OK, &success(request, &minted));
    Ok(reply.header(
        CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-cache"),
    ))
}

fn application(world: &World, request: &TokenRequest<'_>) -> Result<Application, Refusal> {
    let TokenRequest { tenant, form, .. } = request;
    if !world.directory.has_tenant(tenant) {
        return Err(Refusal::new(
            90_002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into \
                 the correct cloud. Check with your subscription administrator, this may happen if there are no \
                 active subscriptions for the tenant."
            ),
        ));
    }
    world.directory.application(tenant, &form.client_id).ok_or_else(|| {
        let id = &form.client_id;
        Refusal::new(
            700_016,
            format!(
                "Application with identifier '{id}' was not found in the directory '{tenant}'. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user in \
                 the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        )
    })
}

fn check_secret(application: &Application, secret: &str) -> Result<(), Refusal> {
    let id = &application.client_id;
    if application.secrets.iter().any(|known| known == secret) {
        return Ok(());
    }
    if application
        .expired_secrets
        .iter()
        .any(|known| known == secret)
    {
        return Err(Refusal::new(
            7_000_222,
            format!(
                "The provided client secret keys for app '{id}' are expired. Visit the Azure portal to create new keys \
                 for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
                 security: https://aka.ms/certCreds."
            ),
        ));
    }
    Err(Refusal::new(
        7_000_215,
        format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{id}'."
        ),
    ))
}

fn resource(world: &World, request: &TokenRequest<'_>) -> Result<(), Refusal> {
    let resource = &request.form.resource;
    if world.directory.has_resource(resource) {
        return Ok(());
    }
    let tenant = request.tenant;
    Err(Refusal::new(
        500_011,
        format!(
            "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user in \
             the tenant. You might have sent your authentication request to the wrong tenant."
        ),
    ))
}

fn mint(world: &World, request: &TokenRequest<'_>, application: &Application) -> Minted {
    let object_id = match application.object_id.as_str() {
        "" => &application.client_id,
        object_id => object_id,
    };
    world.mint.mint(&Grant {
        resource: &request.form.resource,
        tenant: &application.tenant,
        client_id: &application.client_id,
        object_id,
        by_secret: matches!(request.form.credential, Credential::Secret(_)),
        version: if request.dialect == Dialect::V2 {
            "2.0"
        } else {
            "1.0"
        },
        mirid: None,
    })
}

/// v1 answers in strings and says when the token ends; v2 in numbers, and only for how long it lasts.
fn success(request: &TokenRequest<'_>, minted: &Minted) -> Value {
    match request.dialect {
        Dialect::V2 => json!({
            "token_type": "Bearer",
            "expires_in": minted.expires_in,
            "ext_expires_in": minted.expires_in,
            "access_token": minted.token,
        }),
        Dialect::V1 | Dialect::Adfs => json!({
            "token_type": "Bearer",
            "expires_in": minted.expires_in.to_string(),
            "ext_expires_in": minted.expires_in.to_string(),
            "expires_on": minted.expires_on.to_string(),
            "not_before": minted.not_before.to_string(),
            "resource": request.form.resource,
            "access_token": minted.token,
        }),
    }
}
