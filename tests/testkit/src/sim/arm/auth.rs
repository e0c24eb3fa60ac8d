//! Who asks: a bearer token of this simulation, for ARM, of the subscription's tenant.

use http::StatusCode;
use http::header::AUTHORIZATION;

use super::errors::Refusal;
use crate::sim::World;
use crate::sim::serve::Visit;

/// Who asks.
pub(super) struct Caller {
    pub(super) client_id: String,
    pub(super) object_id: String,
}

impl Caller {
    /// Whether it is in a list of client ids; everybody is where there is none.
    pub(super) fn is_one_of(&self, list: Option<&[String]>) -> bool {
        let is_own = |one: &String| one.eq_ignore_ascii_case(&self.client_id);
        list.is_none_or(|list| list.iter().any(is_own))
    }

    /// It has no role for this action.
    pub(super) fn lacks(&self, action: &str, scope: &str) -> Refusal {
        let message = format!(
            "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope \
             '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
            self.client_id, self.object_id
        );
        Refusal::new(StatusCode::FORBIDDEN, "AuthorizationFailed", message)
    }
}

pub(super) fn check(world: &World, visit: &Visit) -> Result<Caller, Refusal> {
    let values = visit.header_values(&AUTHORIZATION);
    let [value] = values[..] else {
        return Err(Refusal::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| {
        let message = "The 'Authorization' header is provided in an invalid format.";
        Refusal::unauthorized("AuthenticationFailedInvalidHeader", message)
    })?;
    let claims = world.mint.verify(token).map_err(|why| {
        Refusal::unauthorized(
            "InvalidAuthenticationToken",
            format!("The access token is invalid. {why}"),
        )
    })?;
    if !world.arm.takes_audience(&claims.aud) {
        let message = format!(
            "The access token has been obtained for wrong audience or resource '{}'.",
            claims.aud
        );
        return Err(Refusal::unauthorized(
            "InvalidAuthenticationTokenAudience",
            message,
        ));
    }
    if !claims.tid.eq_ignore_ascii_case(world.directory.tenant()) {
        let message = format!(
            "The access token is from the wrong issuer. Its tenant is '{}'.",
            claims.tid
        );
        return Err(Refusal::unauthorized(
            "InvalidAuthenticationTokenTenant",
            message,
        ));
    }
    Ok(Caller {
        client_id: claims.appid,
        object_id: claims.oid,
    })
}
