//! Who asks: a bearer token of this simulation, for ARM, of the subscription's tenant.

use http::header::AUTHORIZATION;

use super::errors::Refusal;
use crate::sim::World;
use crate::sim::serve::Visit;

/// Who asks.
pub(super) struct Caller {
    pub(super) client_id: String,
    pub(super) object_id: String,
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
