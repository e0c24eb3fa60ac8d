//! Reads the authority's answer: a token, or why there is none.

use serde_json::Value;

use crate::failure::{Failure, of_error_body};

/// The longest token podgate passes on: `podgate:credential/acquire.token`.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A token with its times, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token itself. This type has no `Debug`, so that none is printed.
    pub access_token: String,
    /// When it ends.
    pub expires_on: u64,
    /// When it begins, where the authority says so.
    pub not_before: Option<u64>,
}

/// The answer as a token. `now` is the time before the request was sent: a life counted from it is never
/// longer than the real one. `wait` is the answer's `retry-after` in seconds.
///
/// # Errors
/// What the authority said, or that what it said is no token.
pub fn token(status: u16, body: &[u8], now: u64, wait: Option<u32>) -> Result<Token, Failure> {
    if status != 200 {
        return Err(of_error_body(status, body, wait));
    }
    success(body, now).map_err(|what| {
        Failure::unavailable(format!(
            "the authority answered 200, but {what}: something in between may have answered"
        ))
    })
}

fn success(body: &[u8], now: u64) -> Result<Token, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "not with JSON")?;
    let text = |name| body.get(name).and_then(Value::as_str);
    let access_token = text("access_token")
        .filter(|token| is_token(token))
        .ok_or("without a usable access_token")?;
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("with a token that is not a bearer token");
    }
    let expires_on = expiry(&body, now).ok_or("without a usable expires_on or expires_in")?;
    if expires_on <= now {
        return Err("with a token that has ended by this node's clock");
    }
    let not_before = seconds(&body, "not_before");
    Ok(Token {
        access_token: access_token.to_owned(),
        expires_on,
        not_before,
    })
}

/// Visible ASCII: what can stand in a header, and so no line break that would forge one.
fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token.len() <= MAX_TOKEN_BYTES
        && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The v1 endpoint says when a token ends, v2 only how long it lives.
fn expiry(body: &Value, now: u64) -> Option<u64> {
    seconds(body, "expires_on").or_else(|| now.checked_add(seconds(body, "expires_in")?))
}

/// A number, or a number in a string: v2 writes the one, v1 the other.
fn seconds(body: &Value, name: &str) -> Option<u64> {
    let value = body.get(name)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
#[path = "answer/tests.rs"]
mod tests;
