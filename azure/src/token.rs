//! Access tokens.

use std::fmt;

use zeroize::Zeroizing;

/// Longest access token that is taken, in bytes. Real ones are 1 to 6 KiB; 64 KiB is what a credential
/// plugin may return too.
pub const MAX_ACCESS_TOKEN: usize = 64 * 1024;

/// An access token: wiped when dropped, never printed.
#[derive(Clone)]
pub struct AccessToken(Zeroizing<String>);

/// An access token and its times, by the authority's word.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub access_token: AccessToken,
    /// How to present it; `Bearer` for every token of Entra ID.
    pub token_type: String,
    /// When it ends, in seconds since 1970-01-01T00:00:00Z.
    pub expires_on: u64,
    /// When it begins, likewise, where the authority says so.
    pub not_before: Option<u64>,
}

// === impl AccessToken ===

impl AccessToken {
    /// The token, to be sent to whom it belongs and nowhere else.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl From<String> for AccessToken {
    fn from(token: String) -> Self {
        Self(Zeroizing::new(token))
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

impl fmt::Display for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_printed() {
        let token = Token {
            access_token: "eyJ-secret".to_owned().into(),
            token_type: "Bearer".to_owned(),
            expires_on: 1,
            not_before: None,
        };
        let printed = format!("{token:?} {token:#?} {}", token.access_token);
        assert!(!printed.contains("secret"), "{printed}");
        assert_eq!(token.access_token.secret(), "eyJ-secret");
    }
}
