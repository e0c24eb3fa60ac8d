//! What token endpoints answer. IMDS writes its numbers as text, Entra v2 as numbers, Entra v1 as text: all are
//! taken. Nothing of a body is used before it is bounded.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::token::{AccessToken, MAX_ACCESS_TOKEN, Token};

/// Longest body that is read, in bytes: the longest token and room for the rest.
pub(crate) const MAX_BODY: usize = 2 * MAX_ACCESS_TOKEN;

/// Longest sentence that is taken from a peer, in characters. Entra's longest have some five hundred.
const SENTENCE: usize = 1024;

/// 9999-12-31T23:59:59Z. A later time is no time, and would overflow in other people's date libraries.
const LATEST: u64 = 253_402_300_799;

/// Seconds since 1970-01-01T00:00:00Z.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[derive(Deserialize)]
struct TokenBody {
    #[serde(deserialize_with = "access_token")]
    access_token: AccessToken,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_on: Value,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    not_before: Value,
}

fn access_token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccessToken, D::Error> {
    String::deserialize(deserializer).map(AccessToken::from)
}

/// Reads the body of a success that came at `now`.
///
/// # Errors
/// What is wrong with it, in words that repeat nothing of it: it may hold a token.
pub(crate) fn token(body: &[u8], now: u64) -> Result<Token, &'static str> {
    let body: TokenBody = serde_json::from_slice(body)
        .map_err(|_| "the answer is no JSON object with an access_token")?;
    let secret = body.access_token.secret();
    if secret.is_empty() || secret.len() > MAX_ACCESS_TOKEN {
        return Err("the access_token is empty or longer than 64 KiB");
    }
    // It goes into a header: RFC 6750 §2.1 allows less than this, and nothing else is safe there.
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the access_token holds characters that no token has");
    }
    let left = || seconds(&body.expires_in).map(|left| now.saturating_add(left));
    let expires_on = seconds(&body.expires_on)
        .or_else(left)
        .filter(|time| *time <= LATEST)
        .ok_or("the answer has neither a usable expires_on nor a usable expires_in")?;
    Ok(Token {
        token_type: token_type(body.token_type)?,
        expires_on,
        not_before: seconds(&body.not_before).filter(|time| *time <= LATEST),
        access_token: body.access_token,
    })
}

fn token_type(text: Option<String>) -> Result<String, &'static str> {
    let text = text.unwrap_or_else(|| "Bearer".to_owned());
    let word = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    word.then_some(text).ok_or("the token_type is no word")
}

fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The body of an OAuth error (RFC 6749 §5.2), as far as it is one.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody(Map<String, Value>);

impl ErrorBody {
    /// Reads what came; anything but a JSON object reads as an empty one.
    pub(crate) fn read(body: &[u8]) -> Self {
        Self(serde_json::from_slice(body).unwrap_or_default())
    }

    /// `error`, where it is a code rather than a sentence.
    pub(crate) fn code(&self) -> Option<&str> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        self.text("error")
            .filter(|code| (1..=64).contains(&code.len()) && code.bytes().all(plain))
    }

    /// `error_description`, or what `error` says where that is a sentence.
    pub(crate) fn description(&self) -> Option<&str> {
        let sentence = || self.text("error").filter(|_| self.code().is_none());
        self.text("error_description").or_else(sentence)
    }

    /// A field that is a text of at least one character.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    /// A field that is a list of numbers, or of numbers written as text.
    pub(crate) fn numbers(&self, name: &str) -> Vec<u64> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.map_or_else(Vec::new, |list| list.iter().filter_map(seconds).collect())
    }
}

/// One line of bounded length out of a peer's text: safe for logs, headers and terminals.
pub(crate) fn sentence(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let visible: String = visible.take(2 * SENTENCE).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SENTENCE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
